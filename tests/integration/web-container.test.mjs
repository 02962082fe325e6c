// One container in the web UI: its facts and why it ended, its log through a burst and a restart, and a shell.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const EVIL = '<img src=x onerror=alert(1)>';

const world = theWorld({ role: 'admin' });
const browser = theBrowser();
const { engine, listed } = world;
let admin, web, died;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  admin = (await world.server.adminSession('correct horse battery')).cookie;
  web = await listed('web', 'trap "exit 0" TERM; echo begin; while :; do sleep 600 & wait; done', ['-e', 'SECRET=hidden value', '--label', `note=${EVIL}`]);
  died = await listed('died', 'echo "cannot open /var/spool"; exit 3');
});

async function open(page, c, tab = '') {
  await enter(page, world.server, admin);
  await page.goto(`${world.server.url}/containers/${world.host.id}/${c.id.slice(0, 12)}${tab}`);
  await page.getByRole('heading', { name: c.name, exact: true }).waitFor();
}
const log = (page) => page.getByRole('log');

browser.test('the overview has facts, live numbers, and masks the environment', async (page) => {
  await open(page, web);
  await page.getByRole('region', { name: 'Now' }).getByText(/(KiB|MiB)$/).waitFor();
  await page.getByText(EVIL, { exact: true }).waitFor();
  assert.equal(await page.getByText('hidden value').count(), 0);
  await page.getByRole('button', { name: 'Show values' }).click();
  await page.getByText('hidden value').waitFor();
});

browser.test('charts fill, keep their range in the address, and have a table', async (page) => {
  await open(page, web);
  await page.locator('.uplot canvas').nth(2).waitFor();
  await page.getByRole('button', { name: '1 hour' }).click();
  assert.equal(new URL(page.url()).searchParams.get('range'), '1h');
  await page.getByRole('button', { name: '15 min' }).click();
  await page.getByRole('button', { name: 'As table' }).click();
  await page.getByRole('row').filter({ hasText: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/ }).getByRole('cell', { name: /^\d.*(KiB|MiB)$/ }).first().waitFor();
  await browser.accessible(page);
});

browser.test('a container that has failed says why', async (page) => {
  await open(page, died);
  await page.getByText('Exit code 3.').waitFor();
  await page.getByText('cannot open /var/spool').first().waitFor();
  await browser.accessible(page);
});

browser.test('a container that is removed while it is shown says so', async (page) => {
  const c = await listed('short', 'sleep 3600');
  await open(page, c);
  await engine.docker('rm', '-f', c.id);
  await page.getByText('This container does not exist any more').waitFor();
  await page.getByRole('link', { name: `Find ${c.name}` }).click();
  assert.match(page.url(), /containers\?q=name/);
});

browser.test('the log is live, and goes on through a restart', async (page) => {
  const c = await listed('ticks', 'trap "exit 0" TERM; echo start; i=0; while :; do i=$((i + 1)); echo tick $i; sleep 0.5 & wait $!; done');
  await open(page, c, '/logs');
  await log(page).getByText('tick 3', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
  await eventually(async () => (await log(page).getByText('start', { exact: true }).count()) === 2);
  await log(page).getByText('tick 2', { exact: true }).nth(1).waitFor();
});

browser.test('levels, colours and JSON of lines are recognised; the search hides or marks', async (page) => {
  const c = await listed('levels', `printf '\\033[31mred text\\033[0m plain\\n'; echo 'ERROR it broke'; echo 'level=warn msg=slow'; echo '{"level":"info","msg":"stored","id":7}'; echo '${EVIL}'; sleep 3600`);
  await open(page, c, '/logs');
  await log(page).getByText(EVIL, { exact: true }).waitFor();
  assert.equal(await log(page).locator('.line.error').count(), 1);
  assert.equal(await log(page).locator('.line.warn').count(), 1);
  assert.equal(await log(page).locator('.red').textContent(), 'red text');

  await log(page).getByText('"stored"').click();
  await page.getByRole('region', { name: 'Line' }).getByText(/"id": 7/).waitFor();
  await page.getByRole('button', { name: 'Error', exact: true }).click();
  await log(page).getByText('level=warn').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Error', exact: true }).click();
  await page.getByRole('searchbox').fill('broke');
  await log(page).getByText('level=warn').waitFor({ state: 'detached' });
  assert.equal(await log(page).locator('mark').textContent(), 'broke');
  await page.getByRole('button', { name: 'Mark matches and keep other lines' }).click();
  await log(page).getByText('level=warn').waitFor();
});

browser.test('a burst of lines keeps the reader where he is, and all of them arrive', async (page) => {
  const c = await listed('burst', 'busybox seq 1 500; until [ -e /go ]; do sleep 0.2; done; busybox seq 501 8000; sleep 3600');
  await open(page, c, '/logs');
  await log(page).getByText('500', { exact: true }).waitFor();
  await log(page).evaluate((e) => (e.scrollTop = 1000));
  const shown = '31'; // 20 rows above the screen exist, too
  await eventually(async () => (await log(page).locator('.line .text').first().textContent()) === shown);
  await engine.docker('exec', c.id, 'sh', '-c', ': > /go');
  await page.getByRole('button', { name: '7500 new lines' }).waitFor();
  assert.equal(await log(page).locator('.line .text').first().textContent(), shown);
  await page.getByRole('button', { name: '7500 new lines' }).click();
  await log(page).getByText('8000', { exact: true }).waitFor();
  assert.ok((await log(page).locator('.line').count()) < 200, 'only rows on screen exist');
});

browser.test('a link to a line opens the log there', async (page) => {
  const c = await listed('linked', 'busybox seq 1 900; sleep 3600');
  await open(page, c, '/logs');
  await log(page).getByText('900', { exact: true }).waitFor();
  await page.getByRole('searchbox').fill('500');
  await log(page).locator('.line').filter({ hasText: '500' }).getByRole('button').click();
  await page.getByRole('button', { name: 'Copy link' }).click();
  const link = new URL(page.url());
  link.searchParams.delete('find');
  await page.goto(link.href);
  await page.getByRole('region', { name: 'Line' }).getByText('500', { exact: true }).waitFor();
  await log(page).getByText('500', { exact: true }).waitFor();
});

browser.test('the logs of several containers are merged with their names', async (page) => {
  const pair = await Promise.all(['left', 'right'].map((n) => listed(n, `echo from ${n}; sleep 3600`)));
  await enter(page, world.server, admin);
  await page.goto(`${world.server.url}/containers?q=${engine.prefix}`);
  for (const c of pair) await page.getByRole('checkbox', { name: `Select ${c.name}` }).check();
  await page.getByRole('link', { name: 'Logs', exact: true }).click();
  await page.getByRole('heading', { name: 'Logs of 2 containers' }).waitFor();
  for (const n of ['left', 'right']) await log(page).locator('.line').filter({ hasText: `from ${n}` }).getByText(new RegExp(`${n}$`)).first().waitFor();
});

browser.test('a shell runs commands, follows the size of the window, and says how it ended', async (page) => {
  await open(page, web, '/shell');
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  const terminal = page.getByRole('group', { name: 'Terminal' });
  const types = async (text) => {
    await page.locator('.xterm-helper-textarea').focus();
    await page.keyboard.type(`${text}\n`);
  };
  const shows = (pattern) => eventually(async () => pattern.test(await terminal.locator('.xterm-rows').innerText()), { what: String(pattern) });
  await shows(/#/);
  await types('echo $((6 * 7))');
  await shows(/^42/m);
  await types('busybox stty size > /before; echo was-read');
  await shows(/^was-read/m);
  await page.setViewportSize({ width: 900, height: 600 });
  const [rows, columns] = (await engine.docker('exec', web.id, 'cat', '/before')).split(' ').map(Number);
  await types('until busybox stty size | busybox awk "{ exit !(\\$1 < ' + rows + ' && \\$2 < ' + columns + ') }"; do sleep 0.2; done; echo was-set');
  await shows(/^was-set/m);
  await types('exit 7');
  await page.getByText('The shell has ended with code 7.').waitFor();
  await page.getByRole('button', { name: 'Connect again' }).click();
  await shows(/#/);
});

for (const scheme of ['light', 'dark']) {
  browser.test(`all views of a container are accessible: ${scheme}`, { scheme }, async (page) => {
    for (const tab of ['', '/logs', '/shell', '/inspect']) {
      await open(page, web, tab);
      await browser.accessible(page);
    }
  });
}

browser.test('all views of a container fit a phone', { viewport: PHONE }, async (page) => {
  for (const tab of ['', '/logs', '/shell', '/inspect']) {
    await open(page, web, tab);
    await fits(page);
    await browser.accessible(page);
  }
});
