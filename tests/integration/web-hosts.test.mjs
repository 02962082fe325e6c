// Hosts in the web UI: the list, one host, and the wizard, whose printed command is really run.
import assert from 'node:assert/strict';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { Agent, ROOT, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const AGENT = process.env.DOCKMON_STATIC_AGENT ?? join(ROOT, 'build/dockmon-agent');
const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch;
const EVIL = '<img src=x onerror=alert(1)>';
const engine = new Engine();
const browser = theBrowser();
const hands = [];
let agents, server, client, admin, agent, host, web;

before(async () => {
  agents = await temporaryDirectory();
  await mkdir(agents, { recursive: true });
  await cp(AGENT, join(agents, `agent-linux-${ARCH}`));
  await cp(bin('dockmon-agent-launch'), join(agents, `agent-launch-linux-${ARCH}`));
  const made = await run(join(ROOT, 'packaging/agent-image'), [AGENT, ARCH, join(agents, `image-${ARCH}.tar`)]);
  assert.equal(made.code, 0, made.stderr);
  await engine.ensureImage();
  server = await Server.start({ args: ['--agent-dir', agents] });
  client = await server.client();
  admin = (await server.adminSession('correct horse battery')).cookie;
  agent = await Agent.start(server, engine);
  host = await client.onlineHost();
  web = await engine.run('web');
  await client.container(web.name);
});
after(async () => {
  for (const a of hands) a.ws?.terminate();
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
  await rm(agents, { recursive: true, force: true });
});

async function open(page, path, cookie = admin) {
  await eventually(() => web, { timeout: 60000, what: 'the world' });
  await enter(page, server, cookie);
  await page.goto(server.url + path);
}
const dialog = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true });
const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

browser.test('the list has live numbers, and its search and order are in the address', async (page) => {
  const other = new HandAgent(server, { hostname: 'zz-other' });
  hands.push(other);
  await open(page, '/hosts');
  await other.connect(await server.token());
  await row(page, host.name).getByText(/^\d+(\.\d)? (MiB|GiB) \/ /).waitFor();
  await row(page, 'zz-other').waitFor();
  await page.getByRole('button', { name: 'Name' }).click();
  assert.equal(new URL(page.url()).searchParams.get('sort'), '-name');
  await eventually(async () => (await page.getByRole('row').nth(1).innerText()).includes('zz-other'));
  await page.keyboard.press('/');
  await page.keyboard.type('zz-o');
  await row(page, host.name).waitFor({ state: 'detached' });
  other.ws.terminate();
  await row(page, 'zz-other').getByText('Offline').waitFor();
  await row(page, 'zz-other').getByRole('link', { name: 'zz-other' }).click();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByText('dockmon host rm zz-other').waitFor();
  await dialog(page, 'Delete').click();
  await page.getByText('zz-other was deleted.').waitFor();
  await row(page, host.name).waitFor();
  assert.equal((await client.get('/api/hosts')).length, 1);
});

browser.test('one host has its facts, charts, disk space and networks, and takes tags and another name', async (page) => {
  await open(page, `/hosts/${host.id}`);
  await page.getByText('Agrees with the server, within a minute').waitFor();
  await page.getByRole('row', { name: /^Images \d+ \d+/ }).waitFor();
  await page.getByRole('cell', { name: 'bridge' }).first().waitFor();
  await page.locator('.uplot canvas').nth(2).waitFor();
  await page.getByLabel('Add a tag').fill(EVIL.slice(0, 20));
  await page.keyboard.press('Enter');
  await page.getByRole('group', { name: 'Tags' }).getByText(EVIL.slice(0, 20), { exact: true }).waitFor();
  await page.getByRole('button', { name: /^Remove the tag/ }).click();
  await page.getByRole('button', { name: /^Remove the tag/ }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByLabel('Name', { exact: true }).fill('prod 1');
  await page.getByRole('dialog').getByText(`'prod 1'`).waitFor();
  await dialog(page, 'Save').click();
  await page.getByRole('heading', { name: 'prod 1' }).waitFor();
  host = (await client.get('/api/hosts')).find((h) => h.id === host.id);
  assert.equal(host.name, 'prod 1');
});

browser.test('a viewer sees hosts and changes none', async (page) => {
  await client.post('/api/v2/users', { username: 'vera', password: 'a first password', role: 'viewer' });
  const session = await fetch(`${server.url}/api/v2/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'vera', password: 'a first password' }) });
  const viewer = session.headers.get('set-cookie').split(';')[0];
  await fetch(`${server.url}/api/v2/auth/change-password`, { method: 'POST', headers: { 'content-type': 'application/json', cookie: viewer }, body: JSON.stringify({ current_password: 'a first password', new_password: 'a second password' }) });
  await open(page, '/hosts', viewer);
  await row(page, host.name).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Add host' }).count(), 0);
  await row(page, host.name).getByRole('link', { name: host.name }).click();
  await page.getByRole('row', { name: /^Images \d+/ }).waitFor();
  for (const name of ['Rename', 'Delete']) assert.equal(await page.getByRole('button', { name }).count(), 0);
  assert.equal(await page.getByLabel('Add a tag').count(), 0);
  await page.getByRole('cell').getByRole('link', { name: 'Volumes' }).click();
  await page.getByRole('heading', { name: 'Volumes' }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('q'), host.name);
});

for (const [scheme, options] of [['light', {}], ['dark', {}], ['light on a phone', { viewport: PHONE }]]) {
  browser.test(`hosts, one host and the wizard are accessible: ${scheme}`, { scheme: scheme.split(' ')[0], ...options }, async (page) => {
    for (const [path, text] of [['/hosts', host.name], [`/hosts/${host.id}`, /^Images$/], ['/add-host', 'Waiting for the host…']]) {
      await open(page, path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.getByRole('main').getByText(text).first().waitFor();
      await browser.accessible(page);
      if (options.viewport) await fits(page);
    }
  });
}

browser.test('the wizard says why an agent was refused, copies on plain HTTP, and sees the host that the printed command adds', async (page) => {
  await agent.down();
  await eventually(async () => (await client.get('/api/hosts')).every((h) => h.status === 'offline'));
  for (const h of await client.get('/api/hosts')) await client.delete(`/api/hosts/${h.id}`);
  await open(page, '/containers');
  // A page without TLS has no navigator.clipboard.
  await page.addInitScript(() => Object.defineProperty(window, 'isSecureContext', { value: false }));
  await page.goto(`${server.url}/hosts`);
  await page.getByText('No host yet').waitFor();
  await page.getByRole('link', { name: 'Add host' }).click();
  await page.getByText('Waiting for the host…').waitFor();
  const shown = await page.locator('code').first().innerText();
  assert.match(shown, /^curl -sS -H 'Authorization: Bearer \S+' http:\/\/127\.0\.0\.1:\d+\/install\.sh \| sh$/);

  const wrong = new HandAgent(server, { hostname: 'stranger' });
  hands.push(wrong);
  await wrong.connect('00000000-0000-4000-8000-000000000000').catch(() => {});
  await page.getByText('Invalid registration token').waitFor();
  await page.getByText('It uses another token').waitFor();
  await browser.accessible(page);

  await page.getByRole('link', { name: 'Docker', exact: true }).click();
  await page.getByText('docker load').waitFor();
  const printed = await page.locator('code').first().innerText();
  await page.getByRole('button', { name: 'Copy' }).first().click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  await page.getByLabel('Address of this server').focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Control+V');
  assert.equal((await page.getByLabel('Address of this server').inputValue()).replace(/\s+/g, ' '), printed.replace(/\s+/g, ' ').trim());

  // As printed, but with a name of this file, and with the socket of the engine of the tests.
  const name = `${engine.prefix}-agent`;
  const command = printed
    .replace('--name dockmon-agent', `--name ${name}`)
    .replace('dockmon-agent:/data', `${name}:/data`)
    .replace('-v /var/run/docker.sock', `-v ${engine.host.replace('unix://', '')}`);
  try {
    const r = await run('sh', ['-c', command], { env: engine.env, timeout: 60000 });
    assert.equal(r.code, 0, r.stderr);
    await page.getByRole('heading', { name: /has joined$/ }).waitFor();
    await browser.accessible(page);
    await page.getByRole('link', { name: 'Open the host' }).click();
    await page.getByText('in a container', { exact: true }).waitFor();
  } finally {
    await engine.docker('rm', '-f', name);
    await run('docker', ['volume', 'rm', '-f', name], { env: engine.env });
  }
});
