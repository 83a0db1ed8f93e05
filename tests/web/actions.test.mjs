import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflictText } from '../../static/js/outcomes.js';
import { Actions } from '../../static/js/actions.js';
import { Desk } from '../../static/js/desk.js';
import { moveAll as moveMany } from '../../static/js/bulk.js';
import { UNDO_MS } from '../../static/js/order/edits.js';
import { card, cursor, T0 } from './fixtures.mjs';

/** @import { Card } from '../../static/js/order/card.js' */

/** A desk with a server that answers when told to. @param {Card[]} orders */
function room(orders) {
  const clock = { now: T0 };
  const state = {
    cursor: cursor(T0, 'A'), serverTime: T0, heartbeatSeconds: 30, window: 500, shop: { name: 'S', currency: 'USD' },
    admin: { name: 'Ana', email: 'a@b.c' }, source: { state: 'live', since: 0, message: '' }, version: '1', store: 'embedded', usage: null, orders,
  };
  const desk = new Desk(state, { clock: () => clock.now });
  /** @type {{id: string, body: any, answer: (status: number, body?: any) => Promise<void>}[]} */
  const writes = [];
  /** @type {string[]} */
  const said = [];
  const actions = new Actions(
    desk,
    (id, body) =>
      new Promise((resolve) => {
        writes.push({
          id, body,
          answer: async (status, answer = null) => {
            resolve({ status, body: answer, code: answer?.code ?? '' });
            await new Promise((done) => setImmediate(done));
          },
        });
      }),
    {
      changed: () => {},
      moved: (move) => said.push(`moved ${move.id} ${move.to}`),
      undone: (move) => said.push(`undone ${move.id} ${move.from}`),
      conflict: (was, now) => said.push(`conflict ${was.id} ${now.status} ${now.changedBy}`),
      failed: (was, answer) => said.push(`failed ${was.id} ${answer.status}`),
      ended: () => said.push('ended'),
    },
  );
  return { desk, actions, writes, said, clock };
}

const turn = () => new Promise((done) => setImmediate(done));

test('a tap shows at once, relies on what was seen, and silences the alarm with the same write', async () => {
  const { desk, actions, writes, said } = room([card('B')]);
  void actions.advance('B');
  assert.equal(desk.shown('B')?.status, 'CONFIRMED');
  assert.equal(desk.book.get('B')?.status, 'PENDING', 'the server has the last word');
  await turn();
  assert.deepEqual(writes[0].body, { status: 'CONFIRMED', expectedStatus: 'PENDING', acknowledged: true });
  await writes[0].answer(200, { order: card('B', { status: 'CONFIRMED', acknowledged: true, updatedAt: T0 + 500 }) });
  assert.equal(desk.edits.isPending('B'), false);
  assert.equal(desk.book.get('B')?.status, 'CONFIRMED');
  assert.deepEqual(said, ['moved B CONFIRMED']);
});

test('a conflict takes the tap back and tells who was faster', async () => {
  const { desk, actions, writes, said } = room([card('B')]);
  void actions.advance('B');
  await turn();
  await writes[0].answer(409, { order: card('B', { status: 'CANCELLED', changedBy: 'Omar', updatedAt: T0 + 500 }) });
  assert.equal(desk.shown('B')?.status, 'CANCELLED');
  assert.deepEqual(said, ['moved B CONFIRMED', 'conflict B CANCELLED Omar']);
  assert.equal(desk.edits.undoable(T0), null);
});

test('without a server the tap is taken back, and nothing is pretended', async () => {
  const { desk, actions, writes, said } = room([card('B')]);
  void actions.advance('B');
  await turn();
  await writes[0].answer(0);
  assert.equal(desk.shown('B')?.status, 'PENDING');
  assert.equal(desk.shown('B')?.acknowledged, false, 'the alarm goes on');
  assert.deepEqual(said, ['moved B CONFIRMED', 'failed B 0']);
});

test('a session that is over is told as such', async () => {
  const { actions, writes, said } = room([card('B')]);
  void actions.acknowledge('B');
  await turn();
  await writes[0].answer(401);
  assert.deepEqual(said, ['ended']);
});

test('undo goes back to where the order was, for ten seconds', async () => {
  const { desk, actions, writes, said, clock } = room([card('B', { status: 'CONFIRMED', acknowledged: true })]);
  void actions.advance('B');
  await turn();
  await writes[0].answer(200, { order: card('B', { status: 'PREPARING_ORDER', acknowledged: true, updatedAt: T0 + 500 }) });
  clock.now += UNDO_MS - 1;
  void actions.undo();
  assert.equal(desk.shown('B')?.status, 'CONFIRMED');
  await turn();
  assert.deepEqual(writes[1].body, { status: 'CONFIRMED', expectedStatus: 'PREPARING_ORDER' });
  await writes[1].answer(200, { order: card('B', { status: 'CONFIRMED', acknowledged: true, updatedAt: T0 + 900 }) });
  assert.deepEqual(said, ['moved B PREPARING_ORDER', 'undone B CONFIRMED']);
  clock.now += 1;
  assert.equal(await actions.undo(), false, 'once');
});

test('after ten seconds there is nothing to undo', async () => {
  const { desk, actions, clock } = room([card('B')]);
  void actions.advance('B');
  clock.now += UNDO_MS;
  assert.equal(desk.edits.undoable(clock.now), null);
  assert.equal(await actions.undo(), false);
});

test('an undo tapped while the move is still on its way waits for it', async () => {
  const { actions, writes } = room([card('B')]);
  void actions.advance('B');
  void actions.undo('B');
  await turn();
  assert.equal(writes.length, 1);
  await writes[0].answer(200, { order: card('B', { status: 'CONFIRMED', acknowledged: true, updatedAt: T0 + 500 }) });
  await turn();
  assert.deepEqual(writes[1].body, { status: 'PENDING', expectedStatus: 'CONFIRMED' });
});

test('two taps in a row go out one after the other, each relying on the one before', async () => {
  const { desk, actions, writes } = room([card('B')]);
  void actions.advance('B');
  void actions.advance('B');
  assert.equal(desk.shown('B')?.status, 'PREPARING_ORDER');
  await turn();
  await writes[0].answer(200, { order: card('B', { status: 'CONFIRMED', acknowledged: true, updatedAt: T0 + 500 }) });
  assert.equal(desk.shown('B')?.status, 'PREPARING_ORDER', 'the second one stays shown');
  await turn();
  assert.equal(writes[1].body.expectedStatus, 'CONFIRMED');
});

test('all are acknowledged, a few at a time, and failures are counted', async () => {
  const orders = Array.from({ length: 8 }, (_, n) => card(`O${n}`));
  const { desk, actions, writes } = room(orders);
  const done = actions.acknowledgeAll(orders.map(({ id }) => id));
  for (let n = 0; n < 8; n++) {
    await turn();
    assert.ok(writes.length - n <= 3);
    const { id, answer } = writes[n];
    await answer(n === 5 ? 503 : 200, n === 5 ? {} : { order: card(id, { acknowledged: true, updatedAt: T0 + n + 1 }) });
  }
  assert.equal(await done, 1);
  assert.equal(desk.cards().filter(({ acknowledged }) => acknowledged).length, 7);
});

/** Answers writes as they come, by order. @param {any[]} writes @param {(id: string) => [number, any?]} how @param {() => boolean} done */
async function answerAll(writes, how, done) {
  let most = 0;
  for (let n = 0; !done(); ) {
    await turn();
    most = Math.max(most, writes.length - n);
    if (n < writes.length) await writes[n].answer(...how(writes[n++].id));
  }
  return most;
}

/** @param {Card[]} orders @param {(id: string) => [number, any?]} how */
async function moveAll(orders, how) {
  const made = room(orders);
  /** @type {any[]} */
  const steps = [];
  let finished = false;
  const moved = moveMany(made.actions, orders.map(({ id }) => id), 'CANCELLED', (outcome) => steps.push(outcome)).finally(() => (finished = true));
  const most = await answerAll(made.writes, how, () => finished);
  return { ...made, outcome: await moved, steps, most };
}

test('many orders are moved three at a time, without a word about each, relying on what was seen', async () => {
  const orders = Array.from({ length: 14 }, (_, n) => card(`O${n}`));
  const taken = card('O3', { status: 'CONFIRMED', updatedAt: T0 + 500 });
  const { desk, writes, said, outcome, steps, most } = await moveAll(orders, (id) =>
    id === 'O3' ? [409, { order: taken }] : id === 'O7' ? [503, {}] : id === 'O9' ? [404, {}] : [200, { order: card(id, { status: 'CANCELLED', acknowledged: true, updatedAt: T0 + 500 }) }]);
  assert.deepEqual(outcome, { done: 12, failed: 2, total: 14 });
  assert.ok(most <= 3, `${most}`);
  assert.deepEqual(writes[0].body, { status: 'CANCELLED', expectedStatus: 'PENDING', acknowledged: true });
  assert.deepEqual(said, []);
  assert.equal(desk.shown('O3')?.status, 'CONFIRMED', 'a colleague has accepted it');
  assert.equal(desk.shown('O7')?.status, 'PENDING');
  assert.deepEqual(desk.edits.moves, [], 'ten seconds of undo are not for hundreds');
  assert.deepEqual([steps[0].total, steps.length], [14, 14]);
});

test('without a server, or a session, the rest of many orders is not tried', async () => {
  const orders = Array.from({ length: 60 }, (_, n) => card(`O${n}`));
  const away = await moveAll(orders, () => [0]);
  assert.deepEqual(away.outcome, { done: 0, failed: 60, total: 60 });
  assert.ok(away.writes.length < 12, `${away.writes.length}`);
  const over = await moveAll(orders, () => [401]);
  assert.ok(over.writes.length <= 3);
  assert.ok(over.said.every((word) => word === 'ended'));
});

test('the queue of an order is forgotten when its last write was answered', async () => {
  const { actions, writes } = room([card('B')]);
  void actions.acknowledge('B');
  await turn();
  await writes[0].answer(200, { order: card('B', { acknowledged: true, updatedAt: T0 + 500 }) });
  assert.equal(actions.queues.size, 0);
});

test('a tap does not bear the name of whoever set the status before', async () => {
  const { desk, actions, writes } = room([card('B', { status: 'CONFIRMED', acknowledged: true, changedBy: 'Sara' })]);
  void actions.advance('B');
  assert.equal(desk.shown('B')?.changedBy, null);
  await turn();
  await writes[0].answer(200, { order: card('B', { status: 'PREPARING_ORDER', changedBy: 'Ana', updatedAt: T0 + 500 }) });
  assert.equal(desk.shown('B')?.changedBy, 'Ana');
});

test('a conflict names an admin only where the server does', () => {
  const was = card('B');
  const said = (/** @type {Partial<import('../../static/js/order/card.js').Card>} */ change) => conflictText(was, card('B', { status: 'CANCELLED', ...change }));
  assert.equal(said({ changedBy: 'Omar' }), 'B not changed: Omar has just set it to Cancelled.');
  assert.equal(said({ changedElsewhere: true }), 'B not changed: it is already Cancelled.');
  assert.equal(said({ changedElsewhere: true, acknowledgedBy: 'Omar' }).includes('Omar'), false);
});
