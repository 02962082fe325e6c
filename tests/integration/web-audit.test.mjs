// The audit log in the web UI.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { PHONE, enter, fits, theBrowser } from './lib/browser.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';

const EVIL = '<img src=x onerror=alert(1)>';
const browser = theBrowser();
const later = cleanups();
let server, admin, viewer;

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  admin = await server.adminSession('correct horse battery');
  viewer = await server.sessionOf(admin, 'vera', 'viewer');
  for (let i = 0; i < 60; i++) await admin.post('/api/v2/api-keys', { name: i === 0 ? EVIL : `key-${i}`, role: 'viewer' });
});

async function open(page, path = '/audit', cookie = admin.cookie) {
  await enter(page, server, cookie);
  await page.goto(server.url + path);
}
const rows = (page) => page.getByRole('main').getByRole('listitem');

browser.test('entries are searched, filtered, and read to the oldest', async (page) => {
  await open(page);
  await rows(page).filter({ hasText: 'key-59' }).waitFor();
  assert.equal(await rows(page).filter({ hasText: EVIL }).count(), 0, 'of the next page');
  await page.getByRole('button', { name: 'Show older entries' }).click();
  await rows(page).filter({ hasText: EVIL }).waitFor();
  await page.getByRole('searchbox').fill('key-42');
  await page.getByRole('status').filter({ hasText: '1 of 1' }).waitFor();
  await page.getByRole('searchbox').fill('');
  await page.getByLabel('User').selectOption('vera');
  await rows(page).filter({ hasText: 'key-59' }).waitFor({ state: 'detached' });
  assert.match(page.url(), /user=vera/);
  assert.match(await page.getByRole('link', { name: 'Download CSV' }).getAttribute('href'), /username=vera&format=csv$/);
});

browser.test('a viewer is not offered the audit log', async (page) => {
  await open(page, '/audit', viewer);
  await page.getByText('There is no such page').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Audit' }).count(), 0);
});

for (const scheme of ['light', 'dark']) {
  browser.test(`the audit log is accessible and fits a phone: ${scheme}`, { scheme }, async (page) => {
    await open(page);
    await rows(page).filter({ hasText: 'key-59' }).waitFor();
    await browser.accessible(page);
    await page.setViewportSize(PHONE);
    await fits(page);
    await browser.accessible(page);
  });
}
