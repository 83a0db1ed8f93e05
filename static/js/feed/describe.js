/** @import { Status } from './types.js' */

/**
 * @typedef {'connecting' | 'live' | 'away' | 'reconnecting' | 'polling' | 'offline' | 'ended'} Condition
 */

/**
 * The state of the connection, as the pill shows it.
 * @param {Status} status
 * @param {number} now monotonic ms
 * @param {number} [heartbeatMs]
 * @returns {{condition: Condition, ageMs: number}}
 */
export function describe(status, now, heartbeatMs = 30_000) {
  const ageMs = Math.max(0, now - status.lastWord);
  return { condition: conditionOf(status, ageMs, heartbeatMs), ageMs };
}

/** @param {Status} status @param {number} ageMs @param {number} heartbeatMs @returns {Condition} */
function conditionOf(status, ageMs, heartbeatMs) {
  if (status.phase === 'ended') return 'ended';
  const settled = status.source.state === 'live';
  if (status.phase === 'open') {
    if (ageMs > 2 * heartbeatMs + 5000) return 'reconnecting';
    return settled ? 'live' : 'away';
  }
  if (!status.online || status.reachable === false) return 'offline';
  if (status.polling && status.reachable && ageMs < 20_000) return settled ? 'polling' : 'away';
  if (status.phase === 'connecting' && status.failures === 0) return 'connecting';
  return 'reconnecting';
}

/** Whether the screen may be out of date. @param {Condition} condition */
export function isStale(condition) {
  return condition === 'reconnecting' || condition === 'offline' || condition === 'ended' || condition === 'away';
}
