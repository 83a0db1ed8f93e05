/** @import { ToHub } from './hub.js' */
/** @import { Line, LinkOptions } from './line.js' */
import { monotonic } from '../clock.js';
import { Hub, realWorld } from './hub.js';
import { Timers } from './timers.js';
import { Watch } from './watch.js';

const LOCK = 'orderbell-stream';
/** Random delay before taking the lock, so that the other tabs hear the first one. */
const SPREAD_MS = 400;

/** The dependencies of a hub in a tab, hidden or not. @param {Timers} timers */
function tabWorld(timers) {
  return { ...realWorld(), setTimeout: timers.set.bind(timers), clearTimeout: timers.clear.bind(timers) };
}

/**
 * Used without SharedWorker: the tab that holds the lock owns the stream and forwards it to the others. The browser passes the
 * lock of a closed tab to the next one; a frozen tab keeps its lock, so the others steal it.
 * @param {LinkOptions} options
 * @returns {Line}
 */
export function linkByLeader({ hello, hear }) {
  const me = hello().tab;
  const channel = new BroadcastChannel(`orderbell:${new URL('.', import.meta.url).pathname}`);
  const watch = new Watch(monotonic());
  const timers = new Timers(monotonic);
  /** @type {Hub | null} */
  let hub = null;
  let closed = false;
  let stealing = false;
  /** @type {() => void} */
  let release = () => {};

  function lead() {
    hub = new Hub(tabWorld(timers), (message) => {
      channel.postMessage({ to: 'tabs', message });
      hear(message);
    });
    hub.hear(hello(), hear);
    // Makes the tabs of the former leader say hello to this one.
    channel.postMessage({ to: 'tabs', message: { t: 'pulse' }, fresh: true });
  }

  function follow() {
    hub?.close();
    hub = null;
    watch.heard(monotonic());
  }

  /** @param {boolean} steal */
  function stand(steal) {
    const held = () =>
      new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
        if (closed) return resolve();
        release = () => resolve();
        stealing = false;
        lead();
      });
    navigator.locks.request(LOCK, { steal }, held).catch(() => {
      // Another tab took the lock while this one slept: it leads now.
      if (closed) return;
      follow();
      stand(false);
    });
  }

  channel.onmessage = ({ data }) => {
    if (data.to === 'hub') {
      hub?.hear(data.message, (reply) => channel.postMessage({ to: data.message.tab, message: reply }));
      return;
    }
    if (hub || (data.to !== 'tabs' && data.to !== me)) return;
    watch.heard(monotonic());
    if (data.fresh) channel.postMessage({ to: 'hub', message: hello() });
    hear(data.message);
  };

  /** @param {ToHub} message */
  function post(message) {
    if (hub) hub.hear(message, hear);
    else channel.postMessage({ to: 'hub', message });
  }

  stand(false);
  post(hello());
  return {
    post,
    check(now) {
      timers.tick();
      if (hub || closed || stealing || !watch.silent(now)) return;
      stealing = true;
      timers.set(() => {
        if (hub || closed || !watch.silent(monotonic())) stealing = false;
        else stand(true);
      }, Math.random() * SPREAD_MS);
    },
    close() {
      closed = true;
      hub?.close();
      release();
      channel.close();
    },
  };
}

/**
 * Used when tabs can't share: this tab has its own stream.
 * @param {LinkOptions} options
 * @returns {Line}
 */
export function linkAlone({ hello, hear }) {
  const timers = new Timers(monotonic);
  const hub = new Hub(tabWorld(timers), hear);
  hub.hear(hello(), hear);
  return {
    post: (message) => hub.hear(message, hear),
    check: () => timers.tick(),
    close: () => hub.close(),
  };
}
