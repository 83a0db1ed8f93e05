import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { condition, openBrowser, openDialog, ready, rewriteState, signIn } from './harness.mjs';
import { Server } from './server.mjs';
import { eveningOrders } from './evening.mjs';

/**
 * Pictures of the desk on a made-up evening: `node screenshots.mjs FOLDER [NAME…]`, of which only those whose names
 * begin like one of the given are made. The README's:
 *
 *     node tests/browser/screenshots.mjs docs/images evening-desktop-light busy-tablet-dark busy-phone-light offline-desktop-light
 */
const [folder, ...only] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node screenshots.mjs FOLDER [NAME…]');
  process.exit(2);
}
const out = resolve(folder);
await mkdir(out, { recursive: true });

const SIZES = { wide: { width: 1920, height: 1080 }, laptop: { width: 1366, height: 768 }, desktop: { width: 1440, height: 900 }, tablet: { width: 820, height: 1180 }, phone: { width: 360, height: 740 } };

/** @typedef {import('playwright-core').Page} Page */

const browser = await openBrowser();
try {
  await pictures('empty', []);
  const evening = eveningOrders(16).map((one) => ({ ...one, noticed: true }));
  await pictures('evening', evening);
  await pictures('detail', evening, openDetail);
  await pictures('history', evening, async (page) => page.locator('a[data-view=history]:visible').click());
  for (const dialog of ['settings', 'account', 'keys']) await pictures(dialog, evening, (page) => openDialog(page, dialog));
  await pictures('busy', eveningOrders(60, 'busy'));
  await pictures('large', eveningOrders(60, 'busy'), async (page) => {
    await page.evaluate(() => localStorage.setItem('orderbell.prefs', '{"textSize":"huge"}'));
    await page.reload();
    await settle(page);
  });
  await pictures('flood', [...flood(40), ...eveningOrders(9, 'busy')], async (page) => {
    await page.locator('#floods .pile').waitFor();
    await page.locator('#old-orders .pile').waitFor();
  });
  await pictures('reject', [...flood(40), ...eveningOrders(9, 'busy')], async (page) => {
    await page.click('#floods [data-do=ask]');
    await page.click('#old-orders [data-do=ask]');
    await page.locator('#floods [data-do=confirm]').waitFor();
  });
  await pictures('offline', evening, async (page, server) => {
    server.unplug();
    await condition(page, 'offline');
    await page.waitForSelector('body[data-stale]');
    return () => server.plugIn();
  });
} finally {
  await browser.close();
}

/** @param {string} name */
function isWanted(name) {
  return only.length === 0 || only.some((wanted) => name.startsWith(wanted));
}

/**
 * @param {string} scene
 * @param {import('./evening.mjs').Evening[]} orders
 * @param {(page: Page, server: Server) => Promise<unknown>} [arrange] may hand back how to undo it
 */
async function pictures(scene, orders, arrange) {
  const names = Object.keys(SIZES).flatMap((size) => ['light', 'dark'].map((scheme) => `${scene}-${size}-${scheme}`));
  if (!names.some(isWanted)) return;
  const server = await Server.start();
  try {
    for (const { order, status, noticed } of orders) {
      const id = await server.submit(order);
      if (status !== 'PENDING' || noticed) await server.update(id, { ...(status !== 'PENDING' && { status }), ...(noticed && { acknowledged: true }) });
    }
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        const name = `${scene}-${size}-${colorScheme}`;
        if (!isWanted(name)) continue;
        const phone = size === 'phone';
        const { context, page } = await signIn(browser, server, { viewport, colorScheme, reducedMotion: 'reduce', isMobile: phone, hasTouch: phone, deviceScaleFactor: phone ? 2 : 1 });
        await spreadOverTime(page);
        await page.reload();
        await settle(page);
        const undo = await arrange?.(page, server);
        await page.evaluate(() => document.fonts.ready);
        await page.screenshot({ path: join(out, `${name}.png`) });
        console.log(`${name}.png`);
        if (typeof undo === 'function') await undo();
        await context.close();
      }
    }
  } finally {
    await server.remove();
  }
}

/** @param {number} count @returns {import('./evening.mjs').Evening[]} */
function flood(count) {
  return Array.from({ length: count }, () => ({ order: { customerName: 'Flood' }, status: 'PENDING', noticed: false }));
}

/**
 * All orders were placed in the last second; the picture is to show an evening.
 * @param {Page} page
 */
async function spreadOverTime(page) {
  await rewriteState(page, (desk) => {
    const floods = desk.orders.some(({ customerName }) => customerName === 'Flood');
    if (floods) Object.assign(desk, { openTotal: 2613, openHidden: 113 });
    desk.orders.forEach((card, n) => {
      if (card.customerName === 'Flood') {
        card.source = '00000000000000ff';
        card.timestamp -= n * 1000;
        return;
      }
      if (floods && n > 6) card.timestamp -= 9 * 86_400_000;
      const age = (n + 0.4) * (desk.orders.length > 30 ? 17_000 : 72_000) * (1 + n / 12);
      card.timestamp -= age;
      card.createdAt -= age;
      if (card.changedBy) card.changedBy = n % 3 ? 'Lina' : 'Omar';
      if (card.acknowledgedBy) card.acknowledgedBy = 'Lina';
    });
  });
}

/** Live, and with its sound on. @param {Page} page */
async function settle(page) {
  await ready(page);
  await page.locator('.shop').click();
  await page.waitForFunction(() => document.getElementById('banner-sound')?.hidden);
}

/** @param {Page} page */
async function openDetail(page) {
  const tab = page.locator('#tab-preparing');
  if (await tab.isVisible()) await tab.click();
  await page.locator('[data-list=preparing] [data-act=open]').nth(1).click();
  await page.locator('#detail details').waitFor();
}
