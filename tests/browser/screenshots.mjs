import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { condition, openBrowser, ready, Server, signIn } from './harness.mjs';
import { eveningOrders } from './evening.mjs';

/** Pictures of the desk on a made-up evening: `node screenshots.mjs FOLDER [NAME…]`. */
const [folder, ...only] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node screenshots.mjs FOLDER [NAME…]');
  process.exit(2);
}
const out = resolve(folder);
await mkdir(out, { recursive: true });

const SIZES = { desktop: { width: 1440, height: 900 }, tablet: { width: 820, height: 1180 }, phone: { width: 360, height: 740 } };

/** @typedef {import('playwright-core').Page} Page */

const browser = await openBrowser();
try {
  await pictures('empty', []);
  const evening = eveningOrders(16).map((one) => ({ ...one, noticed: true }));
  await pictures('evening', evening, async (page, _server, name) => {
    if (name !== 'desktop-light') return;
    await openDetail(page);
    await shoot(page, 'detail-desktop-light');
    await page.keyboard.press('Escape');
    for (const dialog of ['settings', 'account', 'keys']) {
      await page.click('#menu summary');
      await page.click(`[data-dialog=${dialog}]`);
      if (dialog === 'account') await page.locator('#sessions li').first().waitFor();
      await shoot(page, `${dialog}-desktop-light`);
      await page.keyboard.press('Escape');
    }
    await page.click('.views [data-view=history]');
    await shoot(page, 'history-desktop-light');
    await page.click('.views [data-view=board]');
  });
  await pictures('busy', eveningOrders(60, 'busy'));
  await pictures('offline', evening, async (page, server, name) => {
    server.unplug();
    await condition(page, 'offline');
    await page.waitForSelector('body[data-stale]');
    await shoot(page, `offline-${name}`);
    await server.plugIn();
  });
} finally {
  await browser.close();
}

/**
 * @param {string} scene
 * @param {import('./evening.mjs').Evening[]} orders
 * @param {(page: Page, server: Server, name: string) => Promise<void>} [more]
 */
async function pictures(scene, orders, more) {
  if (only.length > 0 && !only.some((name) => name.startsWith(scene))) return;
  const server = await Server.start();
  try {
    for (const { order, status, noticed } of orders) {
      const id = await server.submit(order);
      if (status !== 'PENDING' || noticed) await server.update(id, { ...(status !== 'PENDING' && { status }), ...(noticed && { acknowledged: true }) });
    }
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        const name = `${size}-${colorScheme}`;
        const phone = size === 'phone';
        const { context, page } = await signIn(browser, server, { viewport, colorScheme, reducedMotion: 'reduce', isMobile: phone, hasTouch: phone, deviceScaleFactor: phone ? 2 : 1 });
        await spreadOverTime(page);
        await page.reload();
        await ready(page);
        await page.locator('.shop').click();
        await page.waitForFunction(() => document.getElementById('banner-sound')?.hidden);
        if (scene !== 'offline') await shoot(page, `${scene}-${name}`);
        await more?.(page, server, name);
        await context.close();
      }
    }
  } finally {
    await server.remove();
  }
}

/**
 * All orders were placed in the last second; the picture is to show an evening.
 * @param {Page} page
 */
async function spreadOverTime(page) {
  await page.route((url) => url.pathname === '/', async (route) => {
    const answer = await route.fetch({ maxRedirects: 0 });
    const html = await answer.text();
    const body = html.replace(/data-desk="([^"]*)"/, (_, text) => {
      const desk = JSON.parse(unescape(text));
      desk.orders.forEach((/** @type {any} */ card, /** @type {number} */ n) => {
        const age = (n + 0.4) * (desk.orders.length > 30 ? 17_000 : 72_000) * (1 + n / 12);
        card.timestamp -= age;
        card.createdAt -= age;
        if (card.updatedBy) card.updatedBy = n % 3 ? 'Lina' : 'Omar';
        if (card.acknowledgedBy) card.acknowledgedBy = 'Lina';
      });
      return `data-desk="${JSON.stringify(desk).replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"`;
    });
    await route.fulfill({ response: answer, body });
  });
}

/** @param {string} text as an attribute holds it */
function unescape(text) {
  const named = /** @type {Record<string, string>} */ ({ quot: '"', amp: '&', lt: '<', gt: '>', '#x27': "'", '#x2F': '/', '#39': "'" });
  return text.replace(/&([#\w]+);/g, (whole, name) => named[name] ?? whole);
}

/** @param {Page} page @param {string} name */
async function shoot(page, name) {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(out, `${name}.png`) });
  console.log(`${name}.png`);
}

/** @param {Page} page */
async function openDetail(page) {
  await page.locator('[data-list=preparing] [data-act=open]').first().click();
  await page.locator('#detail details').waitFor();
}
