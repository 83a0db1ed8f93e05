import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, press, ready, Stage } from './harness.mjs';
import { ADMIN } from './server.mjs';

/** A name of the shop's own network: plain HTTP that is not loopback, so browsers send no `Sec-Fetch-Site`. */
const NAME = 'desk.lan';
const stage = new Stage({ ORDERBELL_AUTH__INSECURE_COOKIES: 'true' }, [`--host-resolver-rules=MAP ${NAME} 127.0.0.1`]);

test('over the plain HTTP of a shop\'s network: sign in, act, sign out', async () => {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  const address = stage.server.address.replace('127.0.0.1', NAME);
  const id = await stage.place();
  await page.goto(`${address}/`);
  await page.fill('#email', ADMIN.email);
  await page.fill('#password', ADMIN.password);
  const [signedIn] = await Promise.all([page.waitForResponse((answer) => answer.request().method() === 'POST'), page.click('button[type=submit]')]);
  assert.equal(signedIn.status(), 303);
  await ready(page);
  assert.equal(await page.evaluate(() => isSecureContext), false, 'the name counts as any other of a network');
  const card = cardOf(page, id, 'new');
  await card.waitFor();
  const [written] = await Promise.all([page.waitForResponse((answer) => answer.request().method() === 'PUT'), press(card, 'ack')]);
  assert.equal(written.status(), 200);
  assert.equal((await stage.server.order(id)).acknowledged, true);
  await page.click('#menu summary');
  await Promise.all([page.waitForURL((url) => url.pathname === '/login'), page.click('form[action="/logout"] button')]);
  await page.goto(`${address}/`);
  await page.waitForURL((url) => url.pathname === '/login');
  await context.close();
});
