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
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${String(minutes % 60).padStart(2, '0')}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
