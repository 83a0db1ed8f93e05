/** @import { Feed } from './machine.js' */
/** @import { Effect, FeedEvent, TimerName } from './types.js' */

/**
 * Runs the effects of the state machine. Its dependencies are passed in, for tests and for workers.
 *
 * @typedef {object} World
 * @property {(url: string) => EventSource} openStream
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 *
 * @typedef {Extract<Effect, {type: 'summary' | 'removed' | 'cards' | 'status'}>} News
 */

const EVENTS = ['message', 'new_order', 'order_update', 'order_removed', 'reset', 'heartbeat', 'source', 'bye'];
const FETCH_LIMIT_MS = 15_000;

/**
 * @param {Feed} feed
 * @param {World} world
 * @param {{limit: number, name: () => string, tell: (news: News) => void}} desk
 */
export function drive(feed, world, desk) {
  /** @type {Map<TimerName, any>} */
  const timers = new Map();
  /** @type {EventSource | null} */
  let stream = null;

  /** @param {FeedEvent} event */
  function send(event) {
    for (const effect of feed.handle(event)) run(effect);
  }

  /** @param {Effect} effect */
  function run(effect) {
    switch (effect.type) {
      case 'connect':
        return connect(effect.epoch, effect.since);
      case 'disconnect':
        stream?.close();
        stream = null;
        return;
      case 'timer':
        world.clearTimeout(timers.get(effect.name));
        timers.set(effect.name, world.setTimeout(() => send({ type: 'timer', name: effect.name }), effect.ms));
        return;
      case 'clear':
        world.clearTimeout(timers.get(effect.name));
        timers.delete(effect.name);
        return;
      case 'fetch':
        void request(effect.ticket, effect.since);
        return;
      default:
        desk.tell(effect);
    }
  }

  /** @param {number} epoch @param {string} since */
  function connect(epoch, since) {
    stream?.close();
    const query = new URLSearchParams();
    if (since) query.set('since', since);
    const name = desk.name();
    if (name) query.set('name', name);
    const opened = world.openStream(`/api/stream-orders?${query}`);
    stream = opened;
    opened.addEventListener('open', () => send({ type: 'open', epoch }));
    // The machine decides what happens next, whether the browser would retry or has given up.
    opened.addEventListener('error', () => {
      opened.close();
      send({ type: 'error', epoch });
    });
    for (const event of EVENTS) {
      opened.addEventListener(event, (message) => {
        const { data, lastEventId } = /** @type {MessageEvent} */ (message);
        send({ type: 'message', epoch, event, id: lastEventId, data });
      });
    }
  }

  /** @param {number} ticket @param {string | null} since */
  async function request(ticket, since) {
    // Without an ETag: also without changed orders, the answer has the clock, the source and the version.
    const query = new URLSearchParams({ view: 'desk' });
    if (since === null) query.set('limit', String(desk.limit));
    else query.set('since', since);
    const abort = new AbortController();
    const limit = world.setTimeout(() => abort.abort(), FETCH_LIMIT_MS);
    /** @type {FeedEvent} */
    let outcome = { type: 'fetched', ticket, status: 0 };
    try {
      const answer = await world.fetch(`/api/admin/orders/recent?${query}`, {
        cache: 'no-store',
        credentials: 'same-origin',
        signal: abort.signal,
      });
      const body = answer.status === 200 ? await answer.json() : undefined;
      outcome = { type: 'fetched', ticket, status: answer.status, body, retryAfterMs: retryAfter(answer) };
    } catch {
      // No answer, or an incomplete one: the machine gets the status 0.
    }
    world.clearTimeout(limit);
    send(outcome);
  }

  return { send };
}

/** @param {Response} answer */
function retryAfter(answer) {
  const seconds = Number(answer.headers.get('retry-after'));
  return seconds > 0 ? seconds * 1000 : undefined;
}
