/** @import { ToHub } from './hub.js' */
/** @import { Line, LinkOptions } from './link.js' */
import { Hub, realWorld } from './hub.js';
import { Watch } from './watch.js';

const LOCK = 'orderbell-stream';

/**
 * Where there is no SharedWorker: the tab that holds the lock owns the stream and passes it on. The browser hands the
 * lock of a closed tab to the next one; from a frozen tab, which keeps its lock, it is taken.
 * @param {LinkOptions} options
 * @returns {Line}
 */
export function linkByLeader({ hello, hear }) {
  const me = hello().tab;
  const channel = new BroadcastChannel(`orderbell:${new URL('.', import.meta.url).pathname}`);
  const watch = new Watch(Date.now());
  /** @type {Hub | null} */
  let hub = null;
  let closed = false;
  let stealing = false;
  /** @type {() => void} */
  let release = () => {};

  function lead() {
    hub = new Hub(realWorld(), (message) => {
      channel.postMessage({ to: 'tabs', message });
      hear(message);
    });
    hub.hear(hello(), hear);
    // Tabs that waited for the former leader introduce themselves to this one.
    channel.postMessage({ to: 'tabs', message: { t: 'pulse' }, fresh: true });
  }

  function follow() {
    hub?.close();
    hub = null;
    watch.heard(Date.now());
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
    watch.heard(Date.now());
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
      if (hub || closed || stealing || !watch.silent(now)) return;
      stealing = true;
      // Not all at once: the first to take it is heard by the others.
      setTimeout(() => {
        if (hub || closed || !watch.silent(Date.now())) stealing = false;
        else stand(true);
      }, Math.random() * 700);
    },
    close() {
      closed = true;
      hub?.close();
      release();
      channel.close();
    },
    role: () => (hub ? 'leader' : 'follower'),
  };
}

/**
 * Without a way to share, a tab has a stream of its own.
 * @param {LinkOptions} options
 * @returns {Line}
 */
export function linkAlone({ hello, hear }) {
  const hub = new Hub(realWorld(), hear);
  hub.hear(hello(), hear);
  return {
    post: (message) => hub.hear(message, hear),
    check: () => {},
    close: () => hub.close(),
    role: () => 'solo',
  };
}
