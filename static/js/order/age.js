import { quantity } from '../text/index.js';

/** @typedef {'fresh' | 'warn' | 'late'} Urgency */

/**
 * @param {number} ageMs
 * @param {{warnMinutes: number, lateMinutes: number}} thresholds
 * @returns {Urgency}
 */
export function urgencyOf(ageMs, { warnMinutes, lateMinutes }) {
  if (ageMs >= lateMinutes * 60_000) return 'late';
  return ageMs >= warnMinutes * 60_000 ? 'warn' : 'fresh';
}

/**
 * How long something has waited: m:ss in the first hour, then h:mm, then days.
 * @param {number} ms
 */
export function formatAge(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${quantity(minutes, '')}:${quantity(seconds % 60, '', 'narrow', 2)}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${quantity(hours, 'hour')} ${quantity(minutes % 60, 'minute', 'narrow', 2)}`;
  return `${quantity(Math.floor(hours / 24), 'day')} ${quantity(hours % 24, 'hour')}`;
}
