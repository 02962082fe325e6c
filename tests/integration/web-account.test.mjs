// The web UI in the program: how it is served, the first sign-in, and the account with its sessions.
import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PHONE, enter, fits, signIn, theBrowser } from './lib/browser.mjs';
import { ROOT, Server, temporaryDirectory } from './lib/dockmon.mjs';
import { eventually } from './lib/wait.mjs';

const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; require-trusted-types-for 'script'";
const PASSWORD = 'correct horse battery';

const browser = theBrowser();
let server, behind;

before(async () => {
  server = await Server.start();
  behind = await Server.start({ args: ['--base-path', '/dock/mon'] });
});

after(async () => {
  await server?.remove();
  await behind?.remove();
});

const get = (to, path, headers = {}) => fetch(to.url + path, { headers: { accept: 'text/html', ...headers } });

test('the page and its files carry the policy, an ETag and gzip', async () => {
  const page = await get(server, '/');
  const text = await page.text();
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('content-security-policy'), POLICY);
  assert.equal(page.headers.get('content-encoding'), 'gzip');
  const script = await get(server, `/${/src="\.\/(assets\/index-[0-9a-f]{12}\.js)"/.exec(text)[1]}`);
  assert.equal(script.headers.get('content-security-policy'), POLICY);
  assert.equal(script.headers.get('content-encoding'), 'gzip');
  assert.match(script.headers.get('cache-control'), /immutable/);
  const known = await get(server, '/', { 'if-none-match': page.headers.get('etag') });
  assert.equal(known.status, 304);
});

test('the start page names the base path, for paths of any depth', async () => {
  for (const path of ['/', '/dock/mon/', '/dock/mon/containers/h/c'])
    assert.match(await (await get(behind, path)).text(), /<base href="\/dock\/mon\/"/, path);
  assert.match(await (await get(server, '/containers/h/c')).text(), /<base href="\/"/);
});

browser.test('the first sign-in asks for a new password before anything else', async (page) => {
  const initial = await server.adminPassword();
  await signIn(page, server, 'admin', 'wrong password');
  await page.getByText(/wrong|Invalid/i).waitFor();
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '');
  await browser.accessible(page);

  await signIn(page, server, 'admin', initial);
  await page.getByRole('heading', { name: 'Choose your password' }).waitFor();
  await browser.accessible(page);
  await page.getByLabel('Current password').fill(initial);
  await page.getByLabel('New password', { exact: true }).fill('short');
  await page.getByLabel('Repeat the new password').fill('other');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByText('The password needs at least 8 characters.').waitFor();
  await page.getByText('The two passwords differ.').waitFor();
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Repeat the new password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  await page.getByText('Live', { exact: true }).waitFor();

  await page.reload();
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
});

const session = async () => {
  const r = await fetch(`${server.url}/api/v2/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password: PASSWORD }),
  });
  assert.equal(r.status, 200);
  return r.headers.get('set-cookie').split(';')[0];
};

browser.test('a session that is ended elsewhere leads to the sign-in page, and back to the same address', async (page) => {
  const other = await session();
  await enter(page, server, await session());
  await page.goto(`${server.url}/account`);
  await page.getByText('this session').waitFor();
  const before = await page.getByRole('button', { name: /^End the session of admin/ }).count();
  assert.ok(before >= 1);

  const { sessions } = await (await fetch(`${server.url}/api/v2/auth/sessions`, { headers: { cookie: other } })).json();
  const own = sessions.filter((s) => !s.is_current);
  for (const s of own) await fetch(`${server.url}/api/v2/auth/sessions/${s.id}`, { method: 'DELETE', headers: { cookie: other } });
  await page.getByText('Your session has ended. Sign in again.').waitFor();
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Account' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/account');
});

browser.test('a session is ended from the list, and one signs out', async (page) => {
  await session();
  await enter(page, server, await session());
  await page.goto(`${server.url}/account`);
  const buttons = page.getByRole('button', { name: /^End the session of admin/ });
  await buttons.first().waitFor();
  const n = await buttons.count();
  await buttons.first().click();
  await eventually(async () => (await buttons.count()) === n - 1);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

for (const scheme of ['light', 'dark']) {
  browser.test(`the account is accessible and fits a phone: ${scheme}`, { viewport: PHONE, scheme }, async (page) => {
    await enter(page, server, await session());
    await page.goto(`${server.url}/account`);
    await page.getByText('this session').waitFor();
    await browser.accessible(page);
    await fits(page);
  });
}

browser.test('the theme is kept, and overrides that of the system', { scheme: 'dark' }, async (page) => {
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await enter(page, server, await session());
  await page.goto(`${server.url}/account`);
  await page.getByLabel('Automatic').waitFor();
  const dark = await background();
  await page.getByLabel('Light').check();
  const light = await background();
  assert.notEqual(light, dark);
  await page.reload();
  await page.getByLabel('Light').waitFor();
  assert.equal(await background(), light);
});

browser.test('the page below a base path loads its files and its API there', async (page) => {
  const requests = [];
  page.on('request', (r) => requests.push(new URL(r.url()).pathname));
  await signIn(page, behind, 'admin', await behind.adminPassword(), '/dock/mon/account');
  await page.getByRole('heading', { name: 'Choose your password' }).waitFor();
  assert.deepEqual(requests.filter((path) => !path.startsWith('/dock/mon/')), []);
});

browser.test('a restart of the server is shown, and the page is live again without a reload', async (page) => {
  await enter(page, server, await session());
  await page.goto(`${server.url}/account`);
  await page.getByText('Live', { exact: true }).waitFor();
  await page.evaluate(() => (window.isSamePage = true));
  await server.down();
  await page.getByText('Offline', { exact: true }).or(page.getByText('Connecting…')).first().waitFor();
  await server.up();
  await page.getByText('Live', { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => window.isSamePage), true);
});

browser.test('a page of an older server reloads once when the server was updated', async (page) => {
  const dir = await temporaryDirectory();
  await cp(join(ROOT, 'web/dist'), dir, { recursive: true });
  const other = await Server.start({ args: ['--web-dir', dir] });
  try {
    const { cookie } = await other.adminSession(PASSWORD);
    await enter(page, other, cookie);
    await page.goto(`${other.url}/account`);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.evaluate(() => (window.isSamePage = true));
    await other.down();
    const index = await readFile(join(dir, 'index.html'), 'utf8');
    const [, name] = /src="\.\/(assets\/index-[0-9a-f]{12}\.js)"/.exec(index);
    await writeFile(join(dir, 'assets/index-0123456789ab.js'), `import './${name.replace('assets/', '')}';`);
    await rm(join(dir, 'index.html.gz'));
    await writeFile(join(dir, 'index.html'), index.replace(name, 'assets/index-0123456789ab.js'));
    await other.up();
    await eventually(async () => !(await page.evaluate(() => window.isSamePage)));
    await page.getByText('Live', { exact: true }).waitFor();
  } finally {
    await other.remove();
    await rm(dir, { recursive: true, force: true });
  }
});
