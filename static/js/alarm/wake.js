/** Keeps the screen on during a shift. The browser releases the lock whenever the page is hidden. */
export class WakeLock {
  constructor() {
    this.wanted = false;
    this.asking = false;
    /** @type {any} */
    this.lock = null;
    this.refused = false;
    document.addEventListener('visibilitychange', () => void this.#acquire());
  }

  /** @param {boolean} wanted */
  set(wanted) {
    this.wanted = wanted;
    if (wanted) void this.#acquire();
    else this.#release();
  }

  /** Key of the text that says why the screen may turn off, or "". */
  problem() {
    if (!('wakeLock' in navigator)) return 'settings.awake.unsafe';
    return this.refused ? 'settings.awake.failed' : '';
  }

  async #acquire() {
    const isHeld = this.lock !== null && !this.lock.released;
    if (!this.wanted || this.asking || isHeld || document.hidden || !('wakeLock' in navigator)) return;
    this.asking = true;
    try {
      this.lock = await navigator.wakeLock.request('screen');
      this.refused = false;
    } catch {
      this.refused = true;
    }
    this.asking = false;
    if (!this.wanted) this.#release();
  }

  #release() {
    void this.lock?.release();
    this.lock = null;
  }
}
