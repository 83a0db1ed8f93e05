import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drive } from '../../static/js/feed/drive.js';
import { Feed } from '../../static/js/feed/machine.js';
import { card, cursor, summary, T0 } from './fixtures.mjs';

/**
 * An EventSource by the letter of the HTML standard, fed by hand: states, events, sticky last event id, and the two
 * ways to fail: retrying by itself (network) or closed for good (any status but 200, any other type).
 */
class FakeEventSource extends EventTarget {
  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    this.readyState = 0;
    this.lastId = '';
  }

  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  /** One block of the stream. @param {{event?: string, id?: string, data?: string}} block */
  block({ event = '', id, data }) {
    if (id !== undefined && !id.includes('\0')) this.lastId = id;
    if (data === undefined || this.readyState === 2) return;
    this.dispatchEvent(new MessageEvent(event || 'message', { data, lastEventId: this.lastId }));
  }

  /** @param {boolean} forGood */
  fail(forGood) {
    if (this.readyState === 2) return;
    this.readyState = forGood ? 2 : 0;
    this.dispatchEvent(new Event('error'));
  }

  close() {
    this.readyState = 2;
  }
}

function rig() {
  let now = T0;
  /** @type {{run: () => void, at: number}[]} */
  let timers = [];
  /** @type {FakeEventSource[]} */
  const streams = [];
  /** @type {{url: URL, headers: any, answer: (response: Response | Error) => Promise<void>}[]} */
  const requests = [];
  /** @type {any[]} */
  const told = [];
  const feed = new Feed({
    cursor: cursor(T0, 'A b'), now, serverTime: now, source: { state: 'live', since: 0, message: '' }, heartbeatMs: 30_000, retryMs: 2000,
    clock: () => now, random: () => 1,
  });
  const world = {
    openStream: (/** @type {string} */ url) => {
      const stream = new FakeEventSource(url);
      streams.push(stream);
      return /** @type {any} */ (stream);
    },
    fetch: (/** @type {string} */ url, /** @type {any} */ init) =>
      new Promise((/** @type {(response: Response) => void} */ resolve, reject) => {
        init.signal.addEventListener('abort', () => reject(new Error('aborted')));
        requests.push({
          url: new URL(url, 'http://desk'), headers: init.headers,
          answer: async (response) => {
            if (response instanceof Error) reject(response);
            else resolve(response);
            for (let n = 0; n < 5; n++) await new Promise((done) => setImmediate(done));
          },
        });
      }),
    setTimeout: (/** @type {() => void} */ run, /** @type {number} */ ms) => {
      const timer = { run, at: now + ms };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (/** @type {any} */ timer) => {
      timers = timers.filter((other) => other !== timer);
    },
  };
  const driver = drive(feed, world, { limit: 2500, name: () => 'Kitchen', tell: (news) => told.push(news) });
  const pass = async (/** @type {number} */ ms) => {
    const end = now + ms;
    for (;;) {
      const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers = timers.filter((other) => other !== next);
      now = next.at;
      next.run();
    }
    now = end;
    for (let n = 0; n < 5; n++) await new Promise((done) => setImmediate(done));
  };
  driver.send({ type: 'start' });
  return { feed, streams, requests, told, pass, driver };
}

test('the address carries cursor and name, encoded', () => {
  const { streams } = rig();
  const url = new URL(streams[0].url, 'http://desk');
  assert.equal(url.pathname, '/api/stream-orders');
  assert.equal(url.searchParams.get('since'), cursor(T0, 'A b'));
  assert.equal(url.searchParams.get('name'), 'Kitchen');
});

test('a stream closed for good and one that would retry by itself are both replaced, never doubled', async () => {
  for (const forGood of [true, false]) {
    const { streams, pass } = rig();
    streams[0].open();
    streams[0].block({ id: cursor(T0, 'A b'), data: '{"type":"connected"}' });
    streams[0].fail(forGood);
    assert.equal(streams[0].readyState, 2, 'the browser\'s own retry is called off');
    await pass(2000);
    assert.equal(streams.length, 2);
    assert.equal(streams.filter(({ readyState }) => readyState !== 2).length, 1);
  }
});

test('the id is sticky: a block without one goes on from the last', async () => {
  const { streams, feed, pass } = rig();
  streams[0].open();
  streams[0].block({ data: '{"type":"connected"}' });
  const at = cursor(T0 + 1000, 'B');
  streams[0].block({ event: 'new_order', id: at, data: JSON.stringify(summary('B')) });
  streams[0].block({ event: 'source', data: '{"state":"away","since":1,"message":""}' });
  assert.equal(feed.seen, at);
  streams[0].fail(false);
  await pass(2000);
  assert.equal(new URL(streams[1].url, 'http://desk').searchParams.get('since'), at);
});

test('details are asked for from the cursor on, and are told as one batch', async () => {
  const { streams, requests, told } = rig();
  streams[0].open();
  const at = cursor(T0 + 1000, 'B');
  streams[0].block({ event: 'new_order', id: at, data: JSON.stringify(summary('B')) });
  assert.equal(requests[0].url.searchParams.get('view'), 'desk');
  assert.equal(requests[0].url.searchParams.get('since'), cursor(T0, 'A b'));
  await requests[0].answer(Response.json({ orders: [card('B', { position: at })], cursor: at, serverTime: T0 }));
  const batch = told.find(({ type }) => type === 'cards');
  assert.deepEqual([batch.from, batch.to, batch.rows.length], [cursor(T0, 'A b'), at, 1]);
});

test('a reset asks for all that the server may list, not for the newest orders alone', async () => {
  const { streams, requests } = rig();
  streams[0].open();
  streams[0].block({ event: 'reset', data: '{"reason":"old"}' });
  assert.equal(requests[0].url.searchParams.get('limit'), '2500');
});

test('half an answer, a refused one, and none at all are failures of the request alone', async () => {
  for (const response of [new Response('{"orders":['), new Response('<html>', { status: 502 }), new Error('cut')]) {
    const { streams, requests, feed, pass } = rig();
    streams[0].open();
    streams[0].block({ event: 'new_order', id: cursor(T0 + 1000, 'B'), data: JSON.stringify(summary('B')) });
    await requests[0].answer(response);
    assert.equal(feed.status.phase, 'open');
    await pass(5000);
    assert.equal(requests.length, 2, 'it is tried again');
  }
});

test('an answer that never comes is given up', async () => {
  const { streams, requests, pass, feed } = rig();
  streams[0].open();
  streams[0].block({ event: 'new_order', id: cursor(T0 + 1000, 'B'), data: JSON.stringify(summary('B')) });
  await pass(15_000);
  assert.equal(feed.status.reachable, false);
  await pass(5000);
  assert.equal(requests.length, 2);
});

test('stopped, it lets go of everything', async () => {
  const { streams, driver, pass } = rig();
  driver.send({ type: 'stop' });
  assert.equal(streams[0].readyState, 2);
  await pass(120_000);
  assert.equal(streams.length, 1);
});
