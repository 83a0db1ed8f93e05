import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { ADMIN, Server } from './server.mjs';

const require = createRequire(new URL('../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axePath = require.resolve('axe-core/axe.min.js');

/** @typedef {import('playwright-core').Page} Page */

/** A browser and a server for the stories of one file. */
export class Stage {
  /** @param {Record<string, string>} [settings] @param {string[]} [switches] further switches of the browser */
  constructor(settings = { ORDERBELL_STREAM__HEARTBEAT_SECONDS: '2', ORDERBELL_STREAM__RETRY_MS: '1000' }, switches = []) {
    /** @type {import('playwright-core').Browser} */
    this.browser = /** @type {any} */ (null);
    /** @type {Server} */
    this.server = /** @type {any} */ (null);
    /** @type {string[]} */
    this.placed = [];
    before(async () => {
      this.browser = await openBrowser(switches);
      this.server = await Server.start(settings);
    });
    after(async () => {
      await this.browser?.close();
      await this.server?.remove();
    });
  }

  /** A device that signs in for one story. @param {Parameters<typeof signIn>[2]} [options] */
  signIn(options) {
    return signIn(this.browser, this.server, options);
  }

  /** @param {Parameters<typeof signIn>[2]} options @param {(device: Awaited<ReturnType<typeof signIn>>) => Promise<void>} story */
  async onDevice(options, story) {
    const device = await this.signIn(options);
    try {
      await story(device);
      assert.deepEqual(device.problems, []);
    } finally {
      // Requests that a test answers itself may be under way.
      await device.context.unrouteAll({ behavior: 'ignoreErrors' });
      for (const page of device.context.pages()) await page.unrouteAll({ behavior: 'ignoreErrors' });
      await device.context.close();
      await this.clear();
    }
  }

  /** @param {object} [order] */
  async place(order) {
    const id = await this.server.submit(order);
    this.placed.push(id);
    return id;
  }

  /** Leaves no order waiting for the next story. */
  async clear() {
    for (const id of this.placed.splice(0)) await this.server.update(id, { acknowledged: true, status: 'COMPLETED' }).catch(() => {});
  }
}

/** @param {string[]} [more] further switches of the browser */
export async function openBrowser(more = []) {
  const { ORDERBELL_CHROMIUM: path = '/usr/bin/chromium' } = process.env;
  return chromium.launch({
    executablePath: path,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--autoplay-policy=document-user-activation-required', ...more,
    ],
  });
}

/** Notes in the page, by its own clock, when it rang and when each order was first seen. */
function takeNotes() {
  const page = /** @type {any} */ (window);
  // Kept before any story sets the page's clock.
  const now = Date.now.bind(Date);
  page.rings = [];
  page.seenAt = {};
  // Every ring of one tab comes through one compressor.
  const make = AudioContext.prototype.createDynamicsCompressor;
  AudioContext.prototype.createDynamicsCompressor = function () {
    page.rings.push(now());
    return make.call(this);
  };
  new MutationObserver((records) => {
    for (const node of records.flatMap(({ addedNodes }) => [...addedNodes])) {
      const id = node instanceof HTMLElement && node.classList.contains('card') && node.dataset.id;
      if (id) page.seenAt[id] ??= now();
    }
  }).observe(document, { childList: true, subtree: true });
}

/**
 * A signed-in device: its own cookies, its own page.
 * @param {import('playwright-core').Browser} browser
 * @param {Server} server
 * @param {import('playwright-core').BrowserContextOptions & {query?: string}} [options]
 */
export async function signIn(browser, server, { query = '', ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', viewport: { width: 1280, height: 800 }, ...options });
  await context.addInitScript(takeNotes);
  const page = await context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) problems.push(message.text());
  });
  await page.goto(`${server.address}/login`);
  await page.fill('#email', ADMIN.email);
  await page.fill('#password', ADMIN.password);
  await Promise.all([page.waitForURL((url) => url.pathname === '/'), page.click('button[type=submit]')]);
  if (query) await page.goto(`${server.address}/${query}`);
  await ready(page);
  return { context, page, problems };
}

/**
 * Serves the desk with another state than the server's, from the next load on.
 * @param {Page} page
 * @param {(state: import('../../static/js/desk.js').DeskState) => void} change
 */
export async function rewriteState(page, change) {
  await page.route((url) => url.pathname === '/', async (route) => {
    const answer = await route.fetch({ maxRedirects: 0 });
    const html = await answer.text();
    const body = html.replace(/(id="page-data">)(.*?)(<\/script>)/s, (_, before, text, after) => {
      const data = JSON.parse(text);
      change(data.state);
      return `${before}${JSON.stringify(data).replaceAll('<', '\\u003c')}${after}`;
    });
    await route.fulfill({ response: answer, body });
  });
}

/** @param {Page} page */
export async function ready(page) {
  await page.waitForSelector('html[data-ready]');
  await condition(page, 'live');
}

/** @param {Page} page @param {string} word @param {number} [timeout] */
export async function condition(page, word, timeout = 20_000) {
  await page.waitForSelector(`#pill[data-condition="${word}"]`, { timeout });
}

/** @param {Page} page @param {string} id @param {string} [lane] */
export function cardOf(page, id, lane) {
  return page.locator(`${lane ? `[data-list="${lane}"]` : '#board'} .card[data-id="${id}"]`);
}

/**
 * Waits until a card has stood where it is for a while: the desk ignores a tap on one that has only just come there.
 * @param {import('playwright-core').Locator} card
 */
export async function steady(card) {
  await card.waitFor();
  await card.evaluate(async (element) => {
    let since = performance.now();
    let place = '';
    while (performance.now() - since < 500) {
      const { left, top, bottom } = element.getBoundingClientRect();
      const now = [left, top + scrollY, bottom + scrollY].map(Math.round).join();
      if (now !== place) since = performance.now();
      place = now;
      await new Promise((done) => requestAnimationFrame(done));
    }
  });
}

/** A deliberate tap. @param {import('playwright-core').Locator} card @param {string} act @param {'click' | 'tap'} [how] */
export async function press(card, act, how = 'click') {
  await steady(card);
  await card.locator(`[data-act=${act}]`)[how]();
}

/** @param {Page} page @returns {Promise<number>} */
export function rings(page) {
  return page.evaluate(() => /** @type {any} */ (window).rings.length);
}

/** @param {Page} page @param {number} least @param {number} [timeout] */
export async function waitForRings(page, least, timeout = 20_000) {
  await page.waitForFunction((n) => /** @type {any} */ (window).rings.length >= n, least, { timeout });
}

/** Lets time pass on the page's clock. @param {Page} page @param {number} ms */
export function pageTime(page, ms) {
  return page.evaluate((wait) => new Promise((done) => setTimeout(done, wait)), ms);
}

/** As if the tab were in the background. @param {Page} page @param {boolean} hidden */
export async function showHidden(page, hidden) {
  await page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, hidden);
}

/** @param {Page} page @param {string} name */
export async function openDialog(page, name) {
  await page.click('#menu summary');
  await page.click(`[data-dialog=${name}]`);
  await page.locator(`#${name}[open]`).waitFor();
  if (name === 'account') await page.locator('#sessions li').first().waitFor();
}

/** When an order was first seen, by the page's clock. @param {Page} page @param {string} id @returns {Promise<number>} */
export async function seenAt(page, id) {
  const handle = await page.waitForFunction((order) => /** @type {any} */ (window).seenAt[order], id, { timeout: 20_000 });
  return handle.jsonValue();
}

/** @param {Page} page @param {string} where */
export async function accessible(page, where) {
  // Colours are judged when they have settled.
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => (animation.effect?.getTiming().iterations === Infinity ? animation.cancel() : animation.finished.catch(() => {})))));
  const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map((/** @type {any} */ { id, nodes }) => [where, id, nodes.slice(0, 3).map((/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.failureSummary?.slice(0, 200)}`)]), []);
}

/** Axe as an extension would put it there: the page's own rules forbid foreign scripts. @param {import('playwright-core').BrowserContext} context */
export async function withAxe(context) {
  await context.addInitScript({ path: axePath });
}

/** @param {() => Promise<boolean>} check @param {string} what @param {number} [ms] */
export async function until(check, what, ms = 20_000) {
  const end = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
