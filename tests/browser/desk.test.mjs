import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cardOf, condition, openBrowser, ready, rings, Server, signIn, waitForRings } from './harness.mjs';

/** @type {Server} */
let server;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  browser = await openBrowser();
  server = await Server.start({ ORDERBELL_STREAM__HEARTBEAT_SECONDS: '2' });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** @param {Parameters<typeof signIn>[2]} options @param {(device: Awaited<ReturnType<typeof signIn>>) => Promise<void>} story */
async function onDevice(options, story) {
  const device = await signIn(browser, server, options);
  try {
    await story(device);
    assert.deepEqual(device.problems, []);
  } finally {
    await device.context.close();
    await quiet();
  }
}

/** Leaves no order waiting for the next story. */
async function quiet() {
  for (const id of placed.splice(0)) await server.update(id, { acknowledged: true, status: 'COMPLETED' }).catch(() => {});
}

/** @type {string[]} */
const placed = [];

/** @param {object} [order] */
async function place(order) {
  const id = await server.submit(order);
  placed.push(id);
  return id;
}

test('a wrong password is told, the right one leads to the desk', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${server.address}/`);
  await page.waitForURL((url) => url.pathname === '/login');
  await page.fill('#email', 'owner@example.com');
  await page.fill('#password', 'not the password');
  await page.click('button[type=submit]');
  await page.waitForSelector('.problem[role=alert]');
  assert.equal(await page.inputValue('#email'), 'owner@example.com');
  await context.close();
});

test('an order appears, is shown, heard and announced within a second, without a reload', () =>
  onDevice({}, async ({ page }) => {
    const id = await place({ notes: 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' });
    const card = cardOf(page, id, 'new');
    await card.waitFor({ timeout: 1000 });
    await waitForRings(page, 1, 2000);
    await page.locator('.toast', { hasText: id }).waitFor();
    await page.waitForFunction((text) => document.querySelector('#say-polite')?.textContent?.includes(text), id);
    await card.locator('[data-f=notes]', { hasText: 'no onions' }).waitFor();
    assert.equal(await card.locator('[data-f=phone]').getAttribute('href'), 'tel:+2135551234');
    assert.match(await page.title(), /^\(1\)/);
    assert.match((await page.locator('link[rel=icon]').getAttribute('href')) ?? '', /^data:image\/svg/);
    assert.equal((await rings(page)) < 3, true);
  }));

test('the alarm goes on until the order is acknowledged on another device, then all fall silent', () =>
  onDevice({}, async ({ page }) => {
    const other = await signIn(browser, server);
    try {
      const id = await place();
      await waitForRings(page, 2, 20_000);
      await page.locator('#alarm:not([hidden])').waitFor();
      await cardOf(other.page, id, 'new').locator('[data-act=ack]').click();
      await page.locator('#alarm').waitFor({ state: 'hidden', timeout: 3000 });
      await cardOf(page, id).locator('[data-f=by]', { hasText: 'Noticed' }).waitFor();
      assert.doesNotMatch(await page.title(), /^\(/);
    } finally {
      await other.context.close();
    }
  }));

test('a tap moves an order along; undo brings it back', () =>
  onDevice({}, async ({ page }) => {
    const id = await place();
    await cardOf(page, id, 'new').locator('[data-act=next]').click();
    await cardOf(page, id, 'preparing').waitFor();
    await page.waitForFunction(() => !document.querySelector('.card[data-pending]'));
    assert.equal((await server.order(id)).status, 'CONFIRMED');
    await page.locator('.toast', { hasText: id }).getByRole('button', { name: /Undo/ }).click();
    await cardOf(page, id, 'new').waitFor();
    await page.locator('.toast', { hasText: 'again' }).waitFor();
    const order = await server.order(id);
    assert.equal(order.status, 'PENDING');
    assert.equal(order.acknowledged, true, 'it was noticed all the same');
  }));

test('a conflict shows what the other one did', () =>
  onDevice({}, async ({ page }) => {
    const id = await place();
    const card = cardOf(page, id, 'new');
    await card.waitFor();
    let raced = false;
    await page.route('**/api/admin/orders/*?view=desk', async (route) => {
      // Another device is faster by a hair.
      if (!raced && route.request().method() === 'PUT') {
        raced = true;
        await server.update(id, { status: 'CANCELLED' });
      }
      await route.continue();
    });
    await card.locator('[data-act=next]').click();
    await page.locator('.toast[data-kind=bad]', { hasText: 'Cancelled' }).waitFor();
    await page.waitForFunction((cardId) => !document.querySelector(`[data-list="preparing"] [data-id="${cardId}"]`), id);
    assert.equal((await server.order(id)).status, 'CANCELLED');
  }));

test('a cancelled order stays in sight, struck through, until it was seen', () =>
  onDevice({}, async ({ page }) => {
    const id = await place();
    await cardOf(page, id, 'new').waitFor();
    await server.update(id, { status: 'CANCELLED', acknowledged: true });
    await page.locator(`.card[data-id="${id}"][data-mark=cancelled]`).waitFor();
    await page.reload();
    await ready(page);
    const card = page.locator(`[data-list=new] .card[data-id="${id}"][data-mark=cancelled]`);
    await card.waitFor();
    await card.locator('[data-act=seen]').click();
    await card.waitFor({ state: 'detached' });
  }));

test('offline and back: the list stays, goes stale, and what came meanwhile rings once, grouped', () =>
  onDevice({}, async ({ page }) => {
    const first = await place();
    await cardOf(page, first, 'new').locator('[data-act=ack]').click();
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    server.unplug();
    await condition(page, 'offline');
    await page.waitForSelector('body[data-stale]');
    assert.equal(await cardOf(page, first).isVisible(), true);
    const ids = [await place(), await place(), await place()];
    const heard = await rings(page);
    // Only orders older than ten seconds count as missed; the others have just arrived.
    const placedAt = Date.now();
    await page.waitForFunction((at) => Date.now() - at > 11_000, placedAt, { timeout: 15_000 });
    await server.plugIn();
    await condition(page, 'live', 40_000);
    for (const id of ids) await cardOf(page, id, 'new').waitFor();
    await page.locator('.toast', { hasText: '3 orders came while you were away' }).waitFor();
    await waitForRings(page, heard + 1);
    assert.equal(await page.locator('body[data-stale]').count(), 0);
    assert.equal(await page.locator('.toast', { hasText: 'New order' }).count(), 0);
  }));

test('a refused stream is no end: any answer but a stream, and the page polls, then streams again', () =>
  onDevice({ query: '?share=solo' }, async ({ page }) => {
    const refusals = [
      { status: 503, contentType: 'application/json', body: '{}' },
      { status: 200, contentType: 'text/html', body: '<p>restarting' },
      { status: 204, body: '' },
    ];
    let refused = 0;
    await page.route('**/api/stream-orders*', (route) => route.fulfill(refusals[refused++ % refusals.length]));
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await condition(page, 'polling', 30_000);
    assert.ok(refused >= 3);
    const id = await place();
    await cardOf(page, id, 'new').waitFor({ timeout: 8000 });
    await page.unroute('**/api/stream-orders*');
    await condition(page, 'live', 40_000);
  }));

test('the server restarts: the page recovers by itself and nothing is lost', () =>
  onDevice({}, async ({ page }) => {
    const before = await place();
    await cardOf(page, before, 'new').waitFor();
    await server.down();
    await page.waitForFunction(() => document.getElementById('pill')?.dataset.condition !== 'live');
    assert.equal(await cardOf(page, before).isVisible(), true);
    await server.up();
    const meanwhile = await place();
    await condition(page, 'live', 40_000);
    await cardOf(page, meanwhile, 'new').waitFor();
    assert.equal(await page.locator(`.card[data-id="${meanwhile}"]`).count(), 1);
  }));

test('a session ended elsewhere: the list stays and the way back is shown', () =>
  onDevice({}, async ({ page }) => {
    const id = await place();
    await cardOf(page, id, 'new').waitFor();
    const other = await signIn(browser, server);
    try {
      await other.page.click('#menu summary');
      await other.page.click('[data-dialog=account]');
      await other.page.locator('#screens li').first().waitFor();
      await other.page.click('#revoke');
      await other.page.locator('#revoke-result[data-kind=good]').waitFor();
      await condition(page, 'ended', 70_000);
      assert.equal(await cardOf(page, id).isVisible(), true);
      assert.equal(await page.locator('#banner-connection a').getAttribute('href'), '/login');
    } finally {
      await other.context.close();
    }
  }));

test('a hostile order is shown as text', () =>
  onDevice({}, async ({ page }) => {
    await page.evaluate(() => {
      /** @type {any} */ (window).pwned = false;
    });
    const evil = '</script><script>pwned=true</script><img src=x onerror="pwned=true">\u202egnp.exe "onmouseover="pwned=true';
    const id = await place({
      customerName: evil, phone: 'javascript:pwned=true', notes: evil + 'A'.repeat(30_000), deliveryAddress: evil,
      items: [{ productName: evil, productPrice: evil, quantity: 1e9 }, ...Array.from({ length: 40 }, (_, n) => ({ productName: `Item ${n} ${'W'.repeat(300)}`, productPrice: '$1', quantity: 1 }))],
    });
    const card = cardOf(page, id, 'new');
    await card.locator('.card-notes', { hasText: 'onerror' }).waitFor();
    await card.locator('.item-name').first().waitFor();
    assert.equal(await card.locator('img, script, iframe').count(), 0);
    assert.equal(await card.locator('[data-f=phone]').isVisible(), false);
    const box = await card.boundingBox();
    assert.ok(box && box.height < 900, `a card stays a card: ${box?.height}`);
    assert.ok(!(await card.textContent())?.includes('\u202e'));
    await card.locator('[data-act=open]').first().click();
    await page.locator('#detail[open] details summary').click();
    await page.reload();
    await ready(page);
    await card.waitFor();
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).pwned), undefined);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  }));

test('the whole evening by keyboard alone', () =>
  onDevice({}, async ({ page }) => {
    const id = await place();
    await cardOf(page, id, 'new').waitFor();
    await page.keyboard.press('?');
    await page.locator('#keys[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('1');
    const focused = () => page.evaluate(() => document.activeElement?.closest('[data-id]')?.getAttribute('data-id'));
    assert.equal(await focused(), id);
    await page.keyboard.press('a');
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    await page.keyboard.press('n');
    await cardOf(page, id, 'preparing').waitFor();
    await page.keyboard.press('u');
    await cardOf(page, id, 'new').waitFor();
    await page.keyboard.press('1');
    await page.keyboard.press('Enter');
    await page.locator('#detail[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('nobody');
    await cardOf(page, id).waitFor({ state: 'detached' });
    assert.match(page.url(), /q=nobody/);
    await page.keyboard.press('Escape');
    await cardOf(page, id, 'new').waitFor();
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    await page.keyboard.press('h');
    await page.locator('#history:not([hidden])').waitFor();
    await page.keyboard.press('j');
    assert.ok(await focused());
  }));

test('on a phone: one column at a time, no sideways scrolling, big targets', () =>
  onDevice({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async ({ page }) => {
    const id = await place({ phone: '+213 555 12 34', deliveryAddress: '12 Main St', notes: 'ring twice' });
    await cardOf(page, id, 'new').waitFor();
    assert.equal(await page.locator('#lane-preparing').isVisible(), false);
    await cardOf(page, id, 'new').locator('[data-act=next]').tap();
    await page.locator('#tab-preparing').tap();
    await cardOf(page, id, 'preparing').waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input, select, summary')]
        .filter((element) => /** @type {HTMLElement} */ (element).offsetParent !== null && !element.closest('.visually-hidden, .skip'))
        .map((element) => ({ text: element.outerHTML.slice(0, 80), height: element.getBoundingClientRect().height }))
        .filter(({ height }) => height > 0 && height < 43.5),
    );
    assert.deepEqual(small, []);
  }));

test('search, chips and history keep their place in the address', () =>
  onDevice({}, async ({ page }) => {
    const id = await place({ customerName: 'Zoë Quill', deliveryAddress: '12 Main St' });
    await cardOf(page, id, 'new').waitFor();
    await page.click('.views [data-view=history]');
    await page.fill('#search', 'zoe quill');
    await page.click('[data-chip="way:delivery"]');
    await page.locator(`#history-rows tr[data-id="${id}"]`).waitFor();
    await page.reload();
    await ready(page);
    assert.equal(await page.inputValue('#search'), 'zoe quill');
    assert.equal(await page.locator('#history-rows tr').count(), 1);
    await page.goBack();
    await page.locator('#board').waitFor();
  }));

test('the day can be downloaded, a ticket printed', () =>
  onDevice({}, async ({ page }) => {
    const id = await place({ customerName: '=cmd()', notes: 'no onions' });
    await cardOf(page, id, 'new').locator('[data-act=ack]').click();
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    await page.click('#menu summary');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#csv')]);
    assert.match(download.suggestedFilename(), /^orders-\d{4}-\d\d-\d\d\.csv$/);
    let text = '';
    for await (const chunk of await download.createReadStream()) text += chunk;
    assert.ok(text.startsWith('\ufefforder,'));
    assert.ok(text.includes("'=cmd()"));
    await page.evaluate(() => {
      window.print = () => {
        document.body.dataset.printed = 'yes';
      };
    });
    await cardOf(page, id).locator('[data-act=print]').click();
    await page.waitForSelector('body[data-printed]');
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('#ticket').isVisible(), true);
    assert.equal(await page.locator('#board').isVisible(), false);
    const width = await page.locator('#ticket').evaluate((element) => element.getBoundingClientRect().width);
    assert.ok(Math.abs(width - (80 / 25.4) * 96) < 1, `${width}`);
  }));

test('a page nobody has touched says that it is silent, and one tap starts the shift', () =>
  onDevice({}, async ({ page, context }) => {
    await page.close();
    const untouched = await context.newPage();
    await untouched.goto(`${server.address}/`);
    await ready(untouched);
    const banner = untouched.locator('#banner-sound');
    await banner.filter({ hasText: 'Sound is off' }).waitFor();
    await untouched.locator('#start-shift').click();
    await banner.waitFor({ state: 'hidden' });
    await waitForRings(untouched, 1);
    await untouched.locator('#mute').click();
    await banner.filter({ hasText: 'Muted' }).waitFor();
    const id = await place();
    await cardOf(untouched, id, 'new').waitFor();
    assert.equal(await rings(untouched), 1);
    await untouched.locator('#start-shift').click();
    await waitForRings(untouched, 2);
  }));
