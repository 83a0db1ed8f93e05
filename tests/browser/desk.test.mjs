import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, press, ready, Stage } from './harness.mjs';

const stage = new Stage();

test('a wrong password is told, the right one leads to the desk', async () => {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  await page.goto(`${stage.server.address}/`);
  await page.waitForURL((url) => url.pathname === '/login');
  await page.fill('#email', 'owner@example.com');
  await page.fill('#password', 'not the password');
  await page.click('button[type=submit]');
  await page.waitForSelector('.problem[role=alert]');
  assert.equal(await page.inputValue('#email'), 'owner@example.com');
  await context.close();
});

test('a tap moves an order along; undo brings it back', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    await press(cardOf(page, id, 'new'), 'next');
    await cardOf(page, id, 'preparing').waitFor();
    await page.waitForFunction(() => !document.querySelector('.card[data-pending]'));
    assert.equal((await stage.server.order(id)).status, 'CONFIRMED');
    await page.locator('.toast', { hasText: id }).getByRole('button', { name: /Undo/ }).click();
    await cardOf(page, id, 'new').waitFor();
    await page.locator('.toast', { hasText: 'again' }).waitFor();
    const order = await stage.server.order(id);
    assert.equal(order.status, 'PENDING');
    assert.equal(order.acknowledged, true, 'it was noticed all the same');
  }));

test('a conflict shows what the other one did', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    const card = cardOf(page, id, 'new');
    await card.waitFor();
    let raced = false;
    await page.route('**/api/admin/orders/*?view=desk', async (route) => {
      // Another device is faster by a hair.
      if (!raced && route.request().method() === 'PUT') {
        raced = true;
        await stage.server.update(id, { status: 'CANCELLED' });
      }
      await route.continue();
    });
    await press(card, 'next');
    await page.locator('.toast[data-kind=bad]', { hasText: /: \S.* has just set it to Cancelled/ }).waitFor();
    await page.waitForFunction((cardId) => !document.querySelector(`[data-list="preparing"] [data-id="${cardId}"]`), id);
    assert.equal((await stage.server.order(id)).status, 'CANCELLED');
  }));

test('the details show what admins have written', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    await stage.server.update(id, { status: 'CANCELLED', cancelReason: 'TOO_FAR', cancelNote: 'beyond the <b>river</b>', staffNote: 'call back' });
    const card = cardOf(page, id);
    await card.locator('[data-act=open]').first().click();
    const detail = page.locator('#detail[open] .detail-grid').first();
    await detail.getByText('Too far away').waitFor();
    assert.match((await detail.textContent()) ?? '', /beyond the <b>river<\/b>.*call back/s);
    await stage.server.update(id, { status: 'OUT_FOR_DELIVERY', driverName: 'Sami', readyAt: Date.now() });
    await detail.getByText('Sami').waitFor();
    assert.doesNotMatch((await detail.textContent()) ?? '', /Too far|beyond/, 'it is no longer cancelled');
  }));

test('a cancelled order stays in sight, struck through, until it was seen', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    await cardOf(page, id, 'new').waitFor();
    await stage.server.update(id, { status: 'CANCELLED', acknowledged: true });
    await page.locator(`.card[data-id="${id}"][data-mark=cancelled]`).waitFor();
    await page.reload();
    await ready(page);
    const card = page.locator(`[data-list=new] .card[data-id="${id}"][data-mark=cancelled]`);
    await card.waitFor();
    await press(card, 'seen');
    await card.waitFor({ state: 'detached' });
  }));

test('a hostile order is shown as text', () =>
  stage.onDevice({}, async ({ page }) => {
    await page.evaluate(() => {
      /** @type {any} */ (window).pwned = false;
    });
    const evil = '</script><script>pwned=true</script><img src=x onerror="pwned=true">\u202egnp.exe "onmouseover="pwned=true';
    const id = await stage.place({
      customerName: evil, phone: 'javascript:pwned=true', notes: evil + 'A'.repeat(1_800), deliveryAddress: evil,
      items: [{ productName: evil, productPrice: '<img src=x onerror=pwned=true>', quantity: 1e9 }, ...Array.from({ length: 40 }, (_, n) => ({ productName: `Item ${n} ${'W'.repeat(180)}`, productPrice: '$1', quantity: 1 }))],
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
    assert.equal(await page.locator('#detail').locator('img, script, iframe').count(), 0);
    await page.keyboard.press('Escape');
    await page.click('.views [data-view=history]');
    await page.locator(`#history-rows tr[data-id="${id}"]`).waitFor();
    assert.equal(await page.locator('#history').locator('img, script, iframe').count(), 0);
    await page.goBack();
    await page.reload();
    await ready(page);
    await card.waitFor();
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).pwned), undefined);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  }));

test('the whole evening by keyboard alone', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
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
    // The rows come with a script that is loaded when the history is first opened.
    await page.locator('#history:not([hidden]) [data-id]').first().waitFor();
    await page.keyboard.press('j');
    assert.ok(await focused());
  }));

test('on a phone: one column at a time, no sideways scrolling, big targets', () =>
  stage.onDevice({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async ({ page }) => {
    const id = await stage.place({ phone: '+213 555 12 34', deliveryAddress: '12 Main St', notes: 'ring twice' });
    await cardOf(page, id, 'new').waitFor();
    assert.equal(await page.locator('#lane-preparing').isVisible(), false);
    await press(cardOf(page, id, 'new'), 'next', 'tap');
    await page.locator('#tab-preparing').tap();
    await cardOf(page, id, 'preparing').waitFor();
    const width = (/** @type {string} */ dir) =>
      page.evaluate((value) => {
        document.dir = value;
        return document.documentElement.scrollWidth;
      }, dir);
    for (const dir of ['rtl', 'ltr']) assert.equal(await width(dir), 360, dir);
    await page.locator('.to-history').tap();
    await page.locator('#history-rows tr').first().waitFor();
    for (const dir of ['rtl', 'ltr']) assert.equal(await width(dir), 360, `history, ${dir}`);
    await page.locator('#tab-preparing').tap();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input, select, summary')]
        .filter((element) => /** @type {HTMLElement} */ (element).offsetParent !== null && !element.closest('.visually-hidden, .skip'))
        .map((element) => ({ text: element.outerHTML.slice(0, 80), height: element.getBoundingClientRect().height }))
        .filter(({ height }) => height > 0 && height < 43.5),
    );
    assert.deepEqual(small, []);
  }));

test('search, chips and history keep their place in the address', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place({ customerName: 'Zoë Quill', deliveryAddress: '12 Main St' });
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

test('an order that its customer changed is marked until somebody has seen it', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    const id = await stage.place({ notes: 'no onions' });
    const card = cardOf(page, id, 'new');
    await card.locator('.card-notes', { hasText: 'no onions' }).waitFor();
    // Phones change orders in Firestore; here the answer is rewritten as if one had.
    await page.route('**/api/admin/orders/recent?*', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('no onions', 'extra onions') });
    });
    await stage.server.update(id, { acknowledged: true });
    const changed = page.locator(`.card[data-id="${id}"][data-mark=changed]`);
    await changed.locator('.card-mark', { hasText: 'Changed by the customer' }).waitFor();
    await changed.locator('.card-notes', { hasText: 'extra onions' }).waitFor();
    await page.locator('#say-polite', { hasText: `Order ${id} was changed` }).waitFor({ state: 'attached' });
    await press(changed, 'seen');
    await changed.waitFor({ state: 'detached' });
    await card.waitFor();
  }));

test('very large text: nothing is cut off, nothing scrolls sideways', async () => {
  for (const viewport of [{ width: 360, height: 740 }, { width: 820, height: 1180 }, { width: 1440, height: 900 }]) {
    await stage.onDevice({ viewport }, async ({ page }) => {
      await page.evaluate(() => localStorage.setItem('orderbell.prefs', '{"textSize":"huge"}'));
      await page.reload();
      await ready(page);
      const id = await stage.place({ phone: '+213 555 12 34', deliveryAddress: '12 Main St', notes: 'ring twice' });
      const card = cardOf(page, id, 'new');
      await card.locator('.card-notes').waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${viewport.width}`);
      const cut = await card.evaluate((element) => {
        const { left, right } = element.getBoundingClientRect();
        const parts = [...element.querySelectorAll('.card-number, .card-age, .card-name, .card-total, .button')];
        return parts.filter((part) => /** @type {HTMLElement} */ (part).offsetParent && (part.getBoundingClientRect().right > right || part.getBoundingClientRect().left < left)).map((part) => part.className);
      });
      assert.deepEqual(cut, [], `${viewport.width}`);
    });
  }
});
