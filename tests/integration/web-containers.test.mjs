// The table of containers in the web UI: live states and samples, filters in the address, operations one by one and in
// bulk, roles, keys, hostile names, and a phone.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const PASSWORD = 'correct horse battery';
const EVIL = '<img src=x onerror=alert(1)>';

const world = theWorld({ role: 'admin' });
const browser = theBrowser();
const { engine, listed } = world;
let admin, viewer, extra, web;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  const session = await world.server.adminSession(PASSWORD);
  admin = session.cookie;
  viewer = await world.server.sessionOf(session, 'vera', 'viewer');
  web = await listed('web', 'trap "exit 0" TERM; sleep 3600 & wait', ['--label', 'com.docker.compose.project=shop', '--label', `note=${EVIL}`]);
  extra = await listed('extra', 'sleep 3600', ['--health-cmd', 'false', '--health-interval', '1s', '--health-retries', '1']);
});

// Other files use the same engine, so that only the containers of this one are shown.
async function open(page, cookie = admin, query = '') {
  await enter(page, world.server, cookie);
  await page.goto(`${world.server.url}/containers?q=${engine.prefix}${query}`);
  await row(page, web.name).waitFor();
}
const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
const confirm = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
async function choose(page, name, item) {
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

browser.test('states and samples are live, and an unhealthy container is a problem', async (page) => {
  await open(page);
  await row(page, extra.name).getByText('Unhealthy').waitFor();
  await row(page, web.name).getByText(/^\d+(\.\d)? (KiB|MiB)/).waitFor();
  await page.getByRole('button', { name: /^Problems/ }).click();
  await row(page, web.name).waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).searchParams.get('state'), 'problem');
  await page.reload();
  await row(page, extra.name).waitFor();
  assert.equal(await row(page, web.name).count(), 0);
});

browser.test('the search takes words and members, and stays in the address', async (page) => {
  await open(page);
  const search = page.getByRole('searchbox', { name: 'Search' });
  await page.keyboard.press('/');
  await search.pressSequentially(' stack:shop');
  await row(page, extra.name).waitFor({ state: 'detached' });
  assert.match(page.url(), /q=\S+stack(:|%3A)shop/);
  await search.fill(`${engine.prefix} -stack:shop`);
  await row(page, web.name).waitFor({ state: 'detached' });
  await row(page, extra.name).waitFor();
  await search.fill('no-such-container');
  await page.getByRole('button', { name: 'Show all' }).click();
  assert.equal(await search.inputValue(), '');
  assert.equal(new URL(page.url()).search, '');
});

browser.test('stop, start and restart change the row without a reload; one confirmation shows the CLI line', async (page) => {
  await open(page);
  await choose(page, web.name, 'Stop');
  const dialog = page.getByRole('dialog');
  await dialog.getByText(`dockmon stop ${world.host.name}/${web.name}`).waitFor();
  await browser.accessible(page);
  await confirm(page, 'Stop');
  await row(page, web.name).getByText(/^Exited/).waitFor();
  assert.equal(await engine.state(web.id), 'exited');
  await choose(page, web.name, 'Start');
  await row(page, web.name).getByText('Running').waitFor();
  const before = (await engine.inspect(web.id)).State.StartedAt;
  await choose(page, web.name, 'Restart');
  await confirm(page, 'Restart');
  await page.getByText(`${web.name} was restarted.`).waitFor();
  assert.notEqual((await engine.inspect(web.id)).State.StartedAt, before);
});

browser.test('several containers are removed in one job with a result per row', async (page) => {
  const names = (await Promise.all([1, 2, 3].map((i) => listed(`bulk-${i}`, 'sleep 3600')))).map((c) => c.name);
  await open(page);
  for (const name of names) await row(page, name).getByRole('checkbox').check();
  await page.getByRole('region', { name: '3 selected' }).getByRole('button', { name: 'Remove' }).click();
  await confirm(page, 'Remove');
  await page.getByText('3 of 3 done').waitFor();
  assert.equal(await page.getByRole('dialog').getByText('Done', { exact: true }).count(), 3);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  for (const name of names) await row(page, name).waitFor({ state: 'detached' });
  for (const name of names) assert.equal(await engine.exists(name), false);
});

browser.test('a container that docker makes and removes appears and disappears', async (page) => {
  await open(page);
  const c = await engine.run('sudden');
  await row(page, c.name).waitFor();
  await engine.docker('rm', '-f', c.id);
  await row(page, c.name).waitFor({ state: 'detached' });
});

browser.test('a viewer is offered nothing that it may not do', async (page) => {
  await open(page, viewer);
  assert.equal(await page.getByRole('checkbox').count(), 0);
  await page.getByRole('button', { name: `Actions for ${web.name}` }).click();
  assert.deepEqual(await page.getByRole('menuitem').allTextContents(), ['Copy CLI line']);
  assert.equal(await page.getByRole('link', { name: /^Shell in/ }).count(), 0);
  assert.ok((await page.getByRole('link', { name: /^Logs of/ }).count()) >= 2);
});

browser.test('rows and menus are used with the keyboard alone', async (page) => {
  await open(page);
  await page.getByRole('searchbox', { name: 'Search' }).fill(web.name);
  await row(page, extra.name).waitFor({ state: 'detached' });
  await page.keyboard.press('Enter');
  await eventually(() => row(page, web.name).evaluate((e) => e === document.activeElement));
  await page.keyboard.press('x');
  await page.getByText('1 selected').waitFor();
  await page.keyboard.press('x');
  await page.getByText('1 selected').waitFor({ state: 'detached' });
  await page.keyboard.press('r');
  await page.getByRole('heading', { name: `Restart ${web.name}?` }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: `Actions for ${web.name}` }).focus();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('menuitem').first().waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('menuitem').first().waitFor({ state: 'detached' });
});

browser.test('shortcuts of two keys go to screens, ? lists all, and they can be switched off', async (page) => {
  await open(page);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await browser.accessible(page);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.getByRole('heading', { name: 'Account' }).waitFor();
  await page.getByLabel('Single-key shortcuts').uncheck();
  await page.getByRole('heading', { name: 'Account' }).click();
  await page.keyboard.press('?');
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  assert.equal(await page.getByRole('dialog').count(), 0);
  assert.equal(new URL(page.url()).pathname, '/account');
});

browser.test('groups by host and by stack, closed and opened', async (page) => {
  await open(page, admin, '&group=stack');
  await page.getByRole('button', { name: /^shop/ }).click();
  await row(page, web.name).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: /^shop/ }).click();
  await row(page, web.name).waitFor();
});

for (const scheme of ['light', 'dark']) {
  browser.test(`the table is accessible: ${scheme}`, { scheme }, async (page) => {
    await open(page);
    await browser.accessible(page);
    await page.getByRole('button', { name: `Actions for ${web.name}` }).click();
    await page.getByRole('menuitem').first().waitFor();
    await browser.accessible(page);
  });
  browser.test(`the table fits a phone as cards: ${scheme}`, { scheme, viewport: PHONE }, async (page) => {
    await open(page);
    await fits(page);
    await browser.accessible(page);
  });
}

browser.test('rows stay where they are under the pointer, and follow when it leaves', async (page) => {
  await open(page, admin, '&sort=name');
  await row(page, web.name).hover();
  const c = await engine.run('aaa-first');
  await row(page, c.name).waitFor();
  const names = () => page.locator('.rows .name a').allTextContents();
  assert.equal((await names()).at(-1), c.name);
  await page.mouse.move(640, 20);
  await eventually(async () => (await names())[0] === c.name);
  await engine.docker('rm', '-f', c.id);
});

browser.test('containers of a host that goes away stay, with their age', async (page) => {
  await open(page);
  await world.agent.down();
  await row(page, web.name).getByText('Unknown').waitFor();
  await world.agent.up();
  await row(page, web.name).getByText('Running').waitFor();
});

browser.test('a table in one tab shows the operation of another', async (page) => {
  await open(page);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await choose(other, web.name, 'Pause');
  await row(page, web.name).getByText('Paused').waitFor();
  await choose(page, web.name, 'Resume');
  await row(other, web.name).getByText('Running').waitFor();
});
