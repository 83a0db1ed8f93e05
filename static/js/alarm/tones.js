/**
 * The tones as notes: [start in s, frequency in Hz, length in s, weight]. Oscillators play them, so no file has to load
 * when an order comes.
 *
 * @typedef {[number, number, number, number]} Note
 * @typedef {{wave: OscillatorType, notes: Note[], overtone: number}} Tone
 */

/** @type {Record<string, Tone>} */
export const TONES = {
  bell: { wave: 'sine', overtone: 2.76, notes: [[0, 880, 1.1, 1], [0.28, 1174.7, 1.2, 0.9]] },
  chime: { wave: 'triangle', overtone: 2, notes: [[0, 659.3, 0.5, 0.9], [0.18, 830.6, 0.5, 0.9], [0.36, 987.8, 0.9, 1]] },
  counter: { wave: 'sine', overtone: 3.01, notes: [[0, 1568, 0.7, 1]] },
  beeper: { wave: 'square', overtone: 0, notes: [[0, 988, 0.12, 0.5], [0.2, 988, 0.12, 0.5], [0.4, 988, 0.12, 0.5]] },
};

/**
 * The notes of one ring: an urgent one is played twice, higher and louder.
 * @param {string} name
 * @param {boolean} urgent
 * @returns {Tone}
 */
export function score(name, urgent) {
  const tone = Object.hasOwn(TONES, name) ? TONES[name] : TONES.bell;
  if (!urgent) return tone;
  const span = Math.max(...tone.notes.map(([start, , length]) => start + Math.min(length, 0.5)));
  const higher = tone.notes.map(([start, pitch, length, weight]) => /** @type {Note} */ ([start, pitch * 1.19, length, weight * 1.4]));
  const again = higher.map(([start, pitch, length, weight]) => /** @type {Note} */ ([start + span, pitch, length, weight]));
  return { ...tone, notes: [...higher, ...again] };
}
