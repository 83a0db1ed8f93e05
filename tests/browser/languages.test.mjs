import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { test } from 'node:test';
import { accessible, cardOf, openDialog, press, ready, Stage, withAxe } from './harness.mjs';

const stage = new Stage({ ORDERBELL_SHOP__CURRENCY: 'DZD' });

const folder = new URL('../../languages/', import.meta.url);
const languages = readdirSync(folder).map((name) => {
  const { direction, pages, scripts, later } = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  return { code: name.replace('.json', ''), direction, texts: { ...pages, ...scripts, ...later } };
});
const DZ = { locale: 'en-US', timezoneId: 'Africa/Algiers' };
/** Customers write in every language, whatever that of the desk is. */
const ORDERS = [
  { customerName: 'محمد الأمين بن عيسى', phone: '+213 555 12 34 56', deliveryAddress: 'شارع ديدوش مراد 12، الجزائر', notes: 'بدون بصل، please', items: [{ name: 'بطاطا مقلية كبيرة', price: 350, quantity: 2 }, { name: 'Coca-Cola 1.5 L', price: 180, quantity: 1 }], totalAmount: 880 },
  { customerName: 'Ana María Fernández-Quiñones', phone: '0555123456', notes: 'no onions', items: [{ name: 'Tomato', price: '$2.50', quantity: 3 }], totalAmount: 1234.5 },
  { customerName: 'نور', items: [{ name: 'شاي', price: 50, quantity: 1 }], totalAmount: 50 },
];

/** Sets the device's language. @param {import('playwright-core').BrowserContext} context @param {string} code */
function choose(context, code) {
  return context.addCookies([{ name: 'lang', value: code, url: stage.server.address }]);
}

/** @param {import('playwright-core').Page} page */
function start(page) {
  return page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dir}`);
}

test('the sign-in page follows the browser, then the choice, and the desk keeps it', async () => {
  const context = await stage.browser.newContext({ ...DZ, locale: 'fr-DZ' });
  const page = await context.newPage();
  await page.goto(`${stage.server.address}/login`);
  assert.equal(await start(page), 'fr ltr');
  await page.click('button[lang=ar]');
  assert.equal(await start(page), 'ar rtl');
  await page.fill('#email', 'a@b.example');
  await page.fill('#password', 'wrong');
  await page.click('button[type=submit]');
  assert.match((await page.textContent('.problem')) ?? '', /\p{Script=Arabic}/u);
  assert.equal(await start(page), 'ar rtl');
  await page.goto(`${stage.server.address}/nowhere`);
  assert.equal(await start(page), 'ar rtl');
  assert.match((await page.textContent('h1')) ?? '', /\p{Script=Arabic}/u);
  await context.close();
});

test('a device chooses its language in its settings, and goes back to that of the shop', () =>
  stage.onDevice(DZ, async ({ page }) => {
    assert.equal(await start(page), 'en ltr');
    for (const [code, wanted] of [['ar', 'ar rtl'], ['', 'en ltr']]) {
      await openDialog(page, 'settings');
      await Promise.all([page.waitForEvent('load'), page.selectOption('#set-language', code)]);
      await ready(page);
      assert.equal(await start(page), wanted);
    }
  }));

test('the desk in Arabic: read from the right, worked by keyboard, without offence to axe', () =>
  stage.onDevice(DZ, async ({ page, context }) => {
    const { texts } = languages.find(({ code }) => code === 'ar') ?? assert.fail('no Arabic');
    await withAxe(context);
    await choose(context, 'ar');
    await page.reload();
    await ready(page);
    const [first, second] = [await stage.place(ORDERS[0]), await stage.place(ORDERS[1])];
    const card = cardOf(page, first, 'new');
    await card.waitFor();
    await page.locator('.toast', { hasText: ORDERS[1].customerName }).waitFor();
    await accessible(page, 'board');
    // The first column is at the right, and the phone number is read from the left.
    const [lane, last] = await Promise.all(['new', 'ready'].map((name) => page.locator(`#lane-${name}`).boundingBox()));
    assert.ok(lane && last && lane.x > last.x);
    assert.equal(await card.locator('[data-f=phone-text]').evaluate((element) => getComputedStyle(element).direction), 'ltr');
    assert.match((await card.locator('[data-f=total]').textContent()) ?? '', /880,00.*د\.ج/);
    await page.keyboard.press('j');
    await page.keyboard.press('a');
    await card.locator('[data-f=by]', { hasText: 'owner' }).or(card.locator('[data-f=by]:not([hidden])')).first().waitFor();
    await press(cardOf(page, second, 'new'), 'next');
    await page.locator('.toast', { hasText: texts.undo }).first().waitFor();
    await page.keyboard.press('u');
    await page.keyboard.press('?');
    await page.locator('#keys[open]').waitFor();
    await accessible(page, 'keys');
    await page.keyboard.press('Escape');
    await page.locator(`.card[data-id="${first}"]`).focus();
    await page.keyboard.press('Enter');
    await page.locator('#detail[open] details').waitFor();
    await accessible(page, 'detail');
    await page.keyboard.press('Escape');
    await page.keyboard.press('h');
    await page.locator('#history-rows tr').first().waitFor();
    await accessible(page, 'history');
    await page.keyboard.press('h');
    await page.setViewportSize({ width: 360, height: 740 });
    await page.locator('#tab-new').focus();
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.getAttribute('#tab-preparing', 'aria-selected'), 'true');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.getAttribute('#tab-new', 'aria-selected'), 'true');
  }));

test('errors of the server are shown in the language of the desk', () =>
  stage.onDevice(DZ, async ({ page, context }) => {
    const { texts } = languages.find(({ code }) => code === 'fr') ?? assert.fail('no French');
    await choose(context, 'fr');
    await page.reload();
    await ready(page);
    const id = await stage.place(ORDERS[2]);
    await openDialog(page, 'keys');
    await page.keyboard.press('Escape');
    const body = { status: 'error', message: 'the store is not available', statusCode: 503, code: 'STORE_UNAVAILABLE', details: [] };
    await page.route(`**/api/admin/orders/${id}*`, (route) => (route.request().method() === 'PUT' ? route.fulfill({ status: 503, json: body }) : route.fallback()));
    await press(cardOf(page, id, 'new'), 'next');
    await page.locator('.toast[data-kind=bad]', { hasText: texts['error.STORE_UNAVAILABLE'] }).waitFor();
  }));

/**
 * Text that is cut off or lies on other text. What ends in an ellipsis or scrolls is no fault.
 * @returns {string[]}
 */
function faults() {
  const found = [];
  const isMeant = (/** @type {Element} */ element) => element.closest('.visually-hidden, .skip, .ticket, .card-way, .raw');
  /** Hidden from the eye, and there for screen readers. @param {Element | null} element @returns {boolean} */
  const isUnseen = (element) => element !== null && (getComputedStyle(element).clipPath !== 'none' || isUnseen(element.parentElement));
  const walker = document.createTreeWalker(document.querySelector('dialog[open]') ?? document.body, NodeFilter.SHOW_TEXT);
  /** @type {{text: string, box: DOMRect, element: Element}[]} */
  const boxes = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? '';
    if (!element || !text || ['SCRIPT', 'STYLE', 'OPTION', 'TITLE'].includes(element.tagName) || isMeant(element) || isUnseen(element) || !element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
    if (lines.length === 0) continue;
    const box = range.getBoundingClientRect();
    let isWhole = true;
    let scrolls = false;
    for (let around = /** @type {Element | null} */ (element); around && around !== document.body; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.textOverflow === 'ellipsis' || style.webkitLineClamp !== 'none') isWhole = false;
      if (!isWhole) break;
      const { left, right, top, bottom } = around.getBoundingClientRect();
      const hides = (/** @type {string} */ value) => value === 'hidden' || value === 'clip';
      if (hides(style.overflowX) && (box.left < left - 1 || box.right > right + 1)) found.push(`cut: ${text}`);
      if (hides(style.overflowY) && (box.top < top - 3 || box.bottom > bottom + 3)) found.push(`cut below: ${text}`);
      // A button's text that is wider than the button.
      if (around.matches('button, .button, .chip, .tag, .pill, .badge') && (box.left < left - 1 || box.right > right + 1)) found.push(`wider than its ${around.className || around.tagName}: ${text}`);
      if (/auto|scroll/.test(style.overflowX + style.overflowY)) scrolls = true;
      if (scrolls || style.position === 'fixed' || style.position === 'sticky') break;
    }
    if (!isWhole) continue;
    if (!scrolls && (box.left < -1 || box.right > innerWidth + 1)) found.push(`beyond the edge: ${text} ${Math.round(box.left)}–${Math.round(box.right)}`);
    for (const line of lines) boxes.push({ text, box: line, element });
  }
  const layer = (/** @type {Element} */ element) => element.closest('.toasts, .bottom, .top, .banners, .alarm, .menu-list');
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      if (one.element === other.element || layer(one.element) !== layer(other.element)) continue;
      const width = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const height = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (width > 2 && height > 5 && !one.element.contains(other.element) && !other.element.contains(one.element)) found.push(`overlap: ${one.text} | ${other.text}`);
    }
  }
  return [...new Set(found)];
}

for (const { code, direction } of languages) {
  test(`no text is cut off or covered in ${code}, on a phone and a laptop`, () =>
    stage.onDevice(DZ, async ({ page, context }) => {
      await choose(context, code);
      const ids = [];
      for (const order of ORDERS) ids.push(await stage.place(order));
      await stage.server.update(ids[1], { status: 'PREPARING_ORDER' });
      /** @type {[string, string[]][]} */
      const bad = [];
      const check = async (/** @type {string} */ where) => {
        await page.evaluate(() => document.fonts.ready);
        const found = await page.evaluate(faults);
        if (found.length > 0) bad.push([where, found]);
        if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${code}-${where.replaceAll(' ', '-')}.png` });
      };
      for (const width of [360, 1366]) {
        await page.setViewportSize({ width, height: 768 });
        const sight = await stage.browser.newContext({ ...DZ, viewport: { width, height: 768 } });
        await choose(sight, code);
        const signIn = await sight.newPage();
        for (const path of ['/login', '/nowhere']) {
          await signIn.goto(`${stage.server.address}${path}`);
          const found = await signIn.evaluate(faults);
          if (found.length > 0) bad.push([`${path} ${width}`, found]);
          if (process.env.PICTURES) await signIn.screenshot({ path: `${process.env.PICTURES}/${code}-${path.slice(1)}-${width}.png` });
        }
        await sight.close();
        await page.goto(stage.server.address);
        await ready(page);
        assert.equal(await start(page), `${code} ${direction}`);
        await cardOf(page, ids[0], 'new').waitFor();
        await check(`board ${width}`);
        if (width === 360) {
          await page.click('#tab-preparing');
          await check(`preparing ${width}`);
          await page.click('#tab-new');
        }
        await page.click('#menu summary');
        await check(`menu ${width}`);
        await page.click('#menu summary');
        for (const name of ['settings', 'account', 'keys']) {
          await openDialog(page, name);
          await check(`${name} ${width}`);
          await page.keyboard.press('Escape');
        }
        await cardOf(page, ids[0]).locator('[data-act=open]').first().click();
        await page.locator('#detail details').waitFor();
        await check(`detail ${width}`);
        await page.locator('#detail [data-do=cancel]').click();
        await check(`cancel ${width}`);
        await page.keyboard.press('Escape');
        await page.locator('a[data-view=history]:visible').click();
        await page.locator('#history-rows tr').first().waitFor();
        await check(`history ${width}`);
      }
      assert.deepEqual(bad, []);
    }));
}

/** What comes over the wire for a browser that reads gzip. @param {string} url @param {string} cookie @returns {Promise<number>} */
function weigh(url, cookie) {
  return new Promise((resolve, reject) => {
    get(url, { headers: { cookie, 'accept-encoding': 'gzip' } }, (answer) => {
      let bytes = 0;
      answer.on('data', (chunk) => (bytes += chunk.length));
      answer.on('end', () => (answer.statusCode === 200 ? resolve(bytes) : reject(new Error(`${url}: ${answer.statusCode}`))));
    }).on('error', reject);
  });
}

for (const { code } of languages) {
  test(`the page weighs less than 60 kB in ${code}`, () =>
    stage.onDevice(DZ, async ({ page, context }) => {
      await choose(context, code);
      await page.reload();
      await ready(page);
      /** @type {string[]} */
      const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
      const script = loaded.find((url) => url.endsWith('/js/main.js')) ?? '';
      // What the shared worker loads, which no page sees.
      const unseen = ['tabs/shared-worker', 'tabs/hub', 'feed/drive', 'feed/machine', 'feed/backoff'].map((name) => script.replace('main', name));
      const urls = [...new Set([`${stage.server.address}/`, ...loaded.filter((url) => url.includes('/static/')), ...unseen])];
      const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
      const bytes = await Promise.all(urls.map((url) => weigh(url, cookie)));
      const total = bytes.reduce((sum, size) => sum + size, 0);
      console.log(`${code}: ${urls.length} files, ${total} bytes, of which the page itself ${bytes[0]}`);
      assert.ok(urls.length > 40 && total < 60_000, `${urls.length} files, ${total} bytes`);
    }));
}
