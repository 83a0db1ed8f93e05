import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilDone } from '../../static/js/feed/until-done.js';

const turn = () => new Promise((done) => setImmediate(done));

/** A request whose answers are the given statuses. @param {number[]} statuses */
function requests(statuses) {
  /** @type {(() => void)[]} */
  const waiting = [];
  /** @type {any[]} */
  const taken = [];
  let asked = 0;
  const fetch = async () => {
    asked += 1;
    const status = statuses.shift() ?? 200;
    return { status, body: status === 200 ? { number: asked } : null, code: '' };
  };
  const start = untilDone(fetch, (body) => taken.push(body), (run) => waiting.push(run));
  return { start, waiting, taken, asked: () => asked };
}

test('however often it is asked for, one request runs, until it succeeds', async () => {
  const { start, waiting, taken, asked } = requests([400, 0, 503]);
  start();
  start();
  await turn();
  assert.equal(asked(), 1);
  for (let again = 2; again <= 4; again += 1) {
    // Further gaps while it waits start no loop of their own.
    start();
    start();
    assert.equal(waiting.length, 1);
    waiting.shift()?.();
    await turn();
    assert.equal(asked(), again);
  }
  assert.deepEqual(taken, [{ number: 4 }]);
  assert.equal(waiting.length, 0);
  start();
  await turn();
  assert.deepEqual(taken.length, 2, 'it can be asked for again');
});

test('who was signed out is not asked again', async () => {
  const { start, waiting, taken, asked } = requests([401]);
  start();
  await turn();
  assert.deepEqual([asked(), waiting.length, taken.length], [1, 0, 0]);
});
