/** @import { Line, LinkOptions } from './line.js' */
import { monotonic } from '../clock.js';
import { Watch } from './watch.js';

const GENERATIONS = 3;

/** @param {LinkOptions} options @returns {Line} */
export function link(options) {
  /** @type {Line | null} */
  let line = null;
  // Few browsers need the other ways, so they are loaded on demand.
  const next = async () => {
    const { linkByLeader, linkAlone } = await import('./leader.js');
    line = canLead(options.force) ? linkByLeader(options) : linkAlone(options);
  };
  if (canShareWorker(options.force)) line = linkByWorker(options, () => void next());
  else void next();
  return {
    post: (message) => line?.post(message),
    check: (now) => line?.check(now),
    close: () => line?.close(),
  };
}

/** @param {string} [force] */
function canShareWorker(force) {
  return force ? force === 'worker' : typeof SharedWorker === 'function';
}

/** @param {string} [force] */
function canLead(force) {
  const able = 'locks' in navigator && typeof BroadcastChannel === 'function';
  return able && force !== 'solo';
}

/**
 * Shares by SharedWorker. Its address has the hash of the assets, so each deploy has its own worker. The next generation replaces
 * a worker that died or froze; all tabs count generations alike, so they use the same one.
 * @param {LinkOptions} options
 * @param {() => void} giveUp
 * @returns {Line}
 */
function linkByWorker({ hello, hear }, giveUp) {
  let generation = 0;
  let heardEver = false;
  /** @type {MessagePort} */
  let port;
  let watch = new Watch(monotonic());

  function open() {
    const worker = new SharedWorker(new URL('./shared-worker.js', import.meta.url), {
      type: 'module',
      name: `orderbell-desk-${generation}`,
    });
    worker.onerror = () => {
      if (!heardEver) giveUp();
    };
    port = worker.port;
    port.onmessage = ({ data }) => {
      heardEver = true;
      watch.heard(monotonic());
      hear(data);
    };
    port.postMessage(hello());
  }

  open();
  return {
    post: (message) => port.postMessage(message),
    check(now) {
      if (!watch.silent(now)) return;
      port.postMessage({ t: 'leave', tab: hello().tab });
      generation += 1;
      if (!heardEver && generation >= GENERATIONS) return giveUp();
      watch = new Watch(now);
      open();
    },
    close: () => port.postMessage({ t: 'leave', tab: hello().tab }),
  };
}
