import { score } from './tones.js';

/**
 * Plays the desk's sounds. Browsers block sound until the user has used the page: call `unlock` in a click handler.
 */
export class Sound {
  constructor() {
    /** @type {AudioContext | null} */
    this.context = null;
    this.volume = 0.8;
    this.tone = 'bell';
  }

  /** Whether a ring would be audible, according to the browser. */
  get unlocked() {
    return this.context?.state === 'running';
  }

  /** @returns {Promise<boolean>} */
  async unlock() {
    try {
      this.context ??= new AudioContext();
      // Until the user has used the page, the promise neither resolves nor rejects.
      await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, 800))]);
    } catch {
      return false;
    }
    return this.unlocked;
  }

  /** @param {boolean} urgent @returns {boolean} whether it sounded */
  ring(urgent) {
    const context = this.context;
    if (!context || !this.unlocked || this.volume <= 0) return false;
    const { wave, notes, overtone } = score(this.tone, urgent);
    const limiter = context.createDynamicsCompressor();
    limiter.connect(context.destination);
    const start = context.currentTime + 0.02;
    for (const [at, pitch, length, weight] of notes) {
      this.#strike(context, limiter, wave, start + at, pitch, length, weight * this.volume);
      if (overtone) this.#strike(context, limiter, 'sine', start + at, pitch * overtone, length * 0.6, weight * this.volume * 0.3);
    }
    return true;
  }

  /**
   * @param {AudioContext} context
   * @param {AudioNode} out
   * @param {OscillatorType} wave
   * @param {number} at
   * @param {number} pitch
   * @param {number} length
   * @param {number} loudness
   */
  #strike(context, out, wave, at, pitch, length, loudness) {
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.type = wave;
    oscillator.frequency.value = pitch;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(Math.min(loudness, 1.4) * 0.5, at + 0.008);
    gain.gain.exponentialRampToValueAtTime(0.0004, at + length);
    oscillator.connect(gain).connect(out);
    oscillator.start(at);
    oscillator.stop(at + length + 0.05);
  }
}
