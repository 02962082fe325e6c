// Debian's Chromium on the page of a server. A page fails its test when it reports a violation of its policy, an error of
// a script, or a request to another site; a failed test leaves a screenshot in build-test/screenshots.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { ROOT } from './dockmon.mjs';
import { SLOWNESS, eventually } from './wait.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const SHOTS = join(ROOT, 'build-test/screenshots');
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

// One browser for a file. `browser.test(name, options, f)` gives f a page with a fresh profile and ends it.
export function theBrowser() {
  const browser = {};
  let axe;

  before(async () => {
    browser.chromium = await chromium.launch({ executablePath: process.env.DOCKMON_CHROMIUM || '/usr/bin/chromium', args: FLAGS, timeout: 60000 * SLOWNESS });
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  });
  after(() => browser.chromium?.close());

  // A page that collects what must not happen in `page.faults`.
  browser.open = async ({ viewport = WIDE, scheme = 'light', ...options } = {}) => {
    const context = await browser.chromium.newContext({ viewport, colorScheme: scheme, locale: 'en-GB', timezoneId: 'UTC', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15000 * SLOWNESS);
    watch(page);
    return page;
  };

  browser.test = (name, options, f) => {
    test(name, { timeout: 120000 * SLOWNESS }, async (t) => {
      await eventually(() => axe, { timeout: 60000, what: 'the browser' }); // hooks of a file run side by side
      const page = await browser.open(typeof options === 'function' ? {} : options);
      try {
        await (f ?? options)(page, t);
        assert.deepEqual(page.faults, []);
      } catch (error) {
        await mkdir(SHOTS, { recursive: true });
        const path = join(SHOTS, `${name.replace(/[^a-z0-9]+/gi, '-').slice(0, 80)}.png`);
        await page.screenshot({ path }).catch(() => {});
        error.stack += `\nscreenshot: ${path}${page.faults.length ? `\nthe page reported: ${page.faults.join('; ')}` : ''}`;
        throw error;
      } finally {
        await page.context().close();
      }
    });
  };

  // WCAG 2.2 AA as far as axe can see, in the theme of the page. It is evaluated outside of the page's policy.
  browser.accessible = async (page) => {
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
    );
    assert.deepEqual(
      violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`),
      [],
    );
  };

  return browser;
}

function watch(page) {
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(`error: ${error.message}`));
  page.on('console', (m) => {
    // The browser itself writes an error for each answer of 4xx and for a lost connection, which tests cause on purpose.
    if (m.type() === 'error' && !/^Failed to load resource|WebSocket connection to/.test(m.text())) page.faults.push(m.text());
  });
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (!['data:', 'blob:'].includes(to.protocol) && to.hostname !== '127.0.0.1') page.faults.push(`request to ${to.origin}`);
  });
}

// Signs in with the form.
export async function signIn(page, server, user, password, path = '/') {
  await page.goto(server.url + path);
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

// Gives the page a session without the form.
export async function enter(page, server, cookie) {
  const [name, value] = cookie.split('=');
  await page.context().addCookies([{ name, value, url: server.url }]);
}

// Nothing may be wider than the screen.
export async function fits(page) {
  const wide = await page.evaluate(() => Math.max(...[document.documentElement, document.querySelector('#content')].map((e) => (e ? e.scrollWidth - e.clientWidth : 0))));
  assert.ok(wide <= 0, `the page is ${wide} px wider than the screen`);
}
