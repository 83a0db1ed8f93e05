import { t } from '../text/index.js';

/** Keeps the screen lit during a shift. The browser drops the lock whenever the page is hidden. */
export class WakeLock {
  constructor() {
    this.wanted = false;
    /** @type {any} */
    this.lock = null;
    this.refused = false;
    document.addEventListener('visibilitychange', () => void this.#acquire());
  }

  /** @param {boolean} wanted */
  set(wanted) {
    this.wanted = wanted;
    if (!wanted) {
      void this.lock?.release();
      this.lock = null;
    } else void this.#acquire();
  }

  /** Why the screen may go dark, or "". */
  problem() {
    if (!('wakeLock' in navigator)) return t('settings.awake.unsafe');
    return this.refused ? t('settings.awake.failed') : '';
  }

  async #acquire() {
    if (!this.wanted || document.hidden || !('wakeLock' in navigator) || (this.lock && !this.lock.released)) return;
    try {
      this.lock = await navigator.wakeLock.request('screen');
      this.refused = false;
    } catch {
      this.refused = true;
    }
  }
}
