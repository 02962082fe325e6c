// Images, networks and volumes in the web UI, on the real engine.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'admin' });
const browser = theBrowser();
const { engine, listed } = world;
let admin, viewer, web;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  const session = await world.server.adminSession('correct horse battery');
  admin = session.cookie;
  viewer = await world.server.sessionOf(session, 'vera', 'viewer');
  web = await listed('web', 'sleep 3600', ['-v', `${engine.prefix}-data:/data`]);
});

async function open(page, path, cookie = admin) {
  await enter(page, world.server, cookie);
  await page.goto(world.server.url + path);
}
const row = (page, name) => page.getByRole('row').filter({ hasText: name });
const dialog = (page) => page.getByRole('dialog');

browser.test('a network is created, shown and removed', async (page) => {
  const name = `${engine.prefix}-net`;
  await open(page, '/networks');
  await row(page, 'bridge').getByText('part of the engine').first().waitFor();
  await page.getByRole('button', { name: 'Create' }).click();
  await dialog(page).getByLabel('Name').fill(name);
  await dialog(page).getByText(`dockmon network create --host ${world.host.name} ${name}`).waitFor();
  await browser.accessible(page);
  await dialog(page).getByRole('button', { name: 'Create' }).click();
  await row(page, name).getByText('unused').waitFor();
  await row(page, name).getByRole('button', { name: `Remove ${name} from ${world.host.name}` }).click();
  await dialog(page).getByText(`dockmon network rm --host ${world.host.name} ${name}`).waitFor();
  await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click();
  await row(page, name).waitFor({ state: 'detached' });
  assert.equal(await engine.docker('network', 'ls', '-q', '--filter', `name=${name}`), '');
});

browser.test('unused volumes are shown before they are removed; one in use stays', async (page) => {
  await engine.docker('volume', 'create', `${engine.prefix}-left`);
  await open(page, `/volumes?q=${engine.prefix}`);
  await row(page, `${engine.prefix}-data`).getByRole('link', { name: web.name }).waitFor();
  await page.getByRole('button', { name: /^Unused/ }).click();
  await row(page, `${engine.prefix}-data`).waitFor({ state: 'detached' });
  await row(page, `${engine.prefix}-left`).waitFor();
  await page.getByRole('button', { name: 'Remove unused' }).click();
  await dialog(page).getByLabel('Also those with a name').check();
  await dialog(page).getByText(`${engine.prefix}-left`, { exact: true }).waitFor();
  assert.equal(await dialog(page).getByText(`${engine.prefix}-data`, { exact: true }).count(), 0);
  await dialog(page).getByText(`dockmon volume prune -a --host ${world.host.name}`).waitFor();
  await browser.accessible(page);
  await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click();
  await row(page, `${engine.prefix}-left`).waitFor({ state: 'detached' });
  assert.equal(await engine.docker('volume', 'ls', '-q', '--filter', `name=${engine.prefix}`), `${engine.prefix}-data`);
});

browser.test('an image has its size and its containers, and is removed', async (page) => {
  const { Config } = await engine.inspect(web.name);
  await engine.docker('tag', Config.Image, `${engine.prefix}:spare`);
  await open(page, '/images');
  await row(page, Config.Image).getByRole('link', { name: web.name }).waitFor();
  await page.getByRole('searchbox').fill(':spare');
  await row(page, `${engine.prefix}:spare`).getByText(/iB$/).waitFor();
  await row(page, `${engine.prefix}:spare`).getByRole('button').click();
  await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click();
  await row(page, `${engine.prefix}:spare`).waitFor({ state: 'detached' });
  assert.equal(await engine.docker('images', '-q', `${engine.prefix}:spare`), '');
});

browser.test('a viewer sees volumes and is offered no change', async (page) => {
  await open(page, `/volumes?q=${engine.prefix}`, viewer);
  await row(page, `${engine.prefix}-data`).waitFor();
  assert.equal(await page.getByRole('button', { name: /Create|Remove/ }).count(), 0);
});

for (const scheme of ['light', 'dark']) {
  browser.test(`images, networks and volumes are accessible and fit a phone: ${scheme}`, { scheme }, async (page) => {
    for (const kind of ['images', 'networks', 'volumes']) {
      await page.setViewportSize({ width: 1280, height: 800 });
      await open(page, `/${kind}`);
      await row(page, world.host.name).first().waitFor();
      await browser.accessible(page);
      await page.setViewportSize(PHONE);
      await fits(page);
      await browser.accessible(page);
    }
  });
}
