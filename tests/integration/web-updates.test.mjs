// Updates in the web UI: an outdated container is found, previewed, updated and rolled back, with the real server, agent, engine
// and registry. Only where a pull has to stand still is the agent made by hand.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { containerElement } from './lib/hand-agent.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { JournalAgent } from './lib/journal-agent.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const EVIL = '<img src=x onerror=alert(1)>';

const world = theWorld({ role: 'admin' });
const browser = theBrowser();
const later = cleanups();
const { engine } = world;
let admin, viewer, v2, old, again, registry;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  registry = await ImageRegistry.start();
  later(() => registry.remove());
  const v1 = await registry.push(engine, 'shop:1', ['CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'shop:2', ['CMD ["sleep", "3602"]', `LABEL org.opencontainers.image.version="${EVIL}"`]);
  await world.client.post('/api/registry-credentials', { registry_url: registry.name, security: 'plain' }, { status: 201 });
  const moving = `${registry.name}/moving:1`;
  for (const image of [v1, v2]) {
    await engine.docker('tag', image, moving);
    await engine.docker('push', '-q', moving);
  }
  await engine.docker('tag', v1, moving);
  const session = await world.server.adminSession('correct horse battery');
  admin = session.cookie;
  viewer = await world.server.sessionOf(session, 'vera', 'viewer');
  old = await make('moving', [moving]);
  again = await make('page', [moving]);
  await world.client.post('/api/updates/check-all', {});
});

async function make(name, args) {
  const full = `${engine.prefix}-${name}`;
  const id = await engine.docker('run', '-d', '--network', 'none', '--name', full, ...args);
  await world.client.container(full);
  return { id, name: full };
}

async function open(page, path, cookie = admin) {
  await enter(page, world.server, cookie);
  await page.goto(world.server.url + path);
}
const dialog = (page) => page.getByRole('dialog');
const list = (page, name) => page.getByRole('region', { name });

browser.test('the page of a container shows a newer image, a stale preview, and follows the update', async (page) => {
  const c = again;
  await open(page, `/containers?q=${c.name}`);
  await page.getByRole('button', { name: `Update ${c.name}` }).waitFor();
  await page.getByRole('link', { name: c.name, exact: true }).click();
  await page.getByText('A newer image is available').waitFor();
  await page.getByRole('button', { name: 'Update', exact: true }).first().click();

  await dialog(page).getByLabel('Image', { exact: true }).fill(v2);
  await dialog(page).getByRole('button', { name: 'Preview' }).click();
  await dialog(page).getByText('Config.Cmd').waitFor();
  await engine.docker('update', '--restart', 'on-failure:3', c.name);
  await dialog(page).getByText('Options').click();
  await dialog(page).getByLabel('Time to end (s)').fill('1');
  await dialog(page).getByLabel('Must stay up for (s)').fill('1');
  await dialog(page).getByRole('button', { name: 'Update', exact: true }).click();
  await dialog(page).getByRole('alert').filter({ hasText: 'has changed since the preview' }).waitFor();
  assert.equal((await engine.inspect(c.name)).Id, c.id, 'nothing was changed');
  await dialog(page).getByRole('button', { name: 'Update', exact: true }).click();
  await dialog(page).getByRole('status').filter({ hasText: 'Updated' }).waitFor();
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();

  const now = (await engine.inspect(c.name)).Id.slice(0, 12);
  await page.waitForURL(`**/containers/${world.host.id}/${now}`);
  await page.getByText('The old container is kept').waitFor();
  await page.getByRole('button', { name: 'Roll back' }).click();
  await dialog(page).getByRole('button', { name: 'Roll back' }).click();
  await page.waitForURL(`**/containers/${world.host.id}/${c.id.slice(0, 12)}`);
});

browser.test('layers and steps of an update in progress are shown, and it is cancelled', async (page) => {
  const agent = new JournalAgent(world.server, { hostname: 'held-host' });
  agent.containers = [containerElement({ name: 'held' })];
  await agent.connect(await world.server.token());
  later(() => agent.close());
  await world.client.container('held');
  await open(page, '/updates');
  await page.getByRole('heading', { name: 'History' }).waitFor();
  await world.client.post(`/api/hosts/${agent.hostId}/containers/held/execute-update?wait=false&force=true`, { image: 'nginx:1.28' }, { status: 202 });
  const order = await eventually(() => agent.commands.findLast((m) => m.command === 'update_container'), { what: 'update_container' });
  agent.journal(agent.record(order, { container_name: 'held', step: 'prepare' }));
  agent.event('update_layer_progress', {
    container_id: order.payload.container_id.slice(0, 12), overall_progress: 40, total_layers: 2, remaining_layers: 1, summary: '1 of 2', speed_mbps: 2,
    layers: [{ id: 'aaaaaaaaaaaa', status: 'Downloading', current: 400000, total: 1000000, percent: 40 }, { id: EVIL, status: EVIL, current: 1, total: 2, percent: 50 }],
  });
  const running = list(page, 'In progress');
  await running.getByText('1 of 2 layers').waitFor();
  await running.getByRole('progressbar', { name: 'aaaaaaaaaaaa' }).waitFor();
  await running.getByText('Pull the image').waitFor();
  await browser.accessible(page);
  await page.setViewportSize(PHONE);
  await fits(page);
  await running.getByRole('button', { name: 'Cancel the update' }).click();
  await eventually(() => agent.commands.some((m) => m.command === 'update_cancel'), { what: 'the cancel' });
  agent.journal(agent.record(order, { container_name: 'held', state: 'cancelled', step: 'end', ended_at: Date.now() }));
  await list(page, 'History').getByRole('listitem').filter({ hasText: 'held' }).getByText('Cancelled').waitFor();
});

browser.test('a viewer sees previews and is offered no update', async (page) => {
  await open(page, '/updates', viewer);
  const row = list(page, /^Outdated/).getByRole('listitem').filter({ hasText: old.name });
  await row.waitFor();
  assert.equal(await page.getByRole('button', { name: 'Check now' }).count(), 0);
  await row.getByRole('button').click();
  await dialog(page).getByRole('button', { name: 'Preview', disabled: false }).waitFor();
  await dialog(page).getByText(EVIL).waitFor();
  assert.equal(await dialog(page).getByRole('button', { name: 'Update', exact: true }).count(), 0);
});

for (const scheme of ['light', 'dark']) {
  browser.test(`updates are accessible and fit a phone: ${scheme}`, { scheme }, async (page) => {
    await open(page, '/updates');
    await list(page, /^Outdated/).getByRole('listitem').filter({ hasText: old.name }).getByRole('button').waitFor();
    await browser.accessible(page);
    await page.setViewportSize(PHONE);
    await fits(page);
    await page.getByRole('button', { name: `Update ${old.name}` }).click();
    await dialog(page).getByText('Options').waitFor();
    await browser.accessible(page);
    await fits(page);
  });
}

// The pull moves the tag on the engine, so that nothing is outdated any more: this test is the last.
browser.test('an outdated container is found, updated after its preview, and rolled back', async (page) => {
  await engine.docker('exec', old.name, 'sh', '-c', 'echo kept nowhere > /lost');
  await open(page, '/updates');
  await page.getByRole('button', { name: 'Check now' }).click();
  const row = list(page, /^Outdated/).getByRole('listitem').filter({ hasText: old.name });
  await row.getByText(/^built .* ago$/).waitFor();
  await row.getByText(EVIL).waitFor();
  assert.equal(new Set(await row.locator('code').allTextContents()).size, 2, 'two digests');
  await row.getByRole('button', { name: `Update ${old.name}` }).click();

  await dialog(page).getByText('not on this host yet').waitFor();
  await dialog(page).getByText(EVIL).waitFor();
  await dialog(page).getByText('1 file is lost').click();
  await dialog(page).getByText('/lost', { exact: true }).waitFor();
  await dialog(page).getByText(`dockmon update --wait ${world.host.name}/${old.name}`, { exact: true }).waitFor();
  await browser.accessible(page);
  await dialog(page).getByText('Options').click();
  await dialog(page).getByLabel('Time to end (s)').fill('1');
  await dialog(page).getByLabel('Must stay up for (s)').fill('1');
  await dialog(page).getByRole('button', { name: 'Update', exact: true }).click();
  await dialog(page).getByRole('status').filter({ hasText: 'Updated' }).waitFor();
  assert.deepEqual((await engine.inspect(old.name)).Config.Cmd, ['sleep', '3602']);
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();

  await row.waitFor({ state: 'detached' });
  const kept = list(page, /^Can be rolled back/).getByRole('listitem').filter({ hasText: old.name });
  await kept.getByRole('button', { name: `Roll back ${old.name}` }).click();
  await dialog(page).getByText(`dockmon rollback ${world.host.name}/${old.name}`).waitFor();
  await dialog(page).getByRole('button', { name: 'Roll back' }).click();
  await list(page, 'History').getByRole('listitem').filter({ hasText: old.name }).getByText('Rolled back').waitFor();
  assert.equal((await engine.inspect(old.name)).Id, old.id, 'that very container');
});
