/**
 * A cursor is `<commit time in microseconds>-<percent-encoded id>`, ordered by time, then by id.
 * "" is before every other cursor.
 */

const encoder = new TextEncoder();

/** @param {string} cursor @returns {[string, string]} */
function parts(cursor) {
  const dash = cursor.indexOf('-');
  const time = (dash < 0 ? cursor : cursor.slice(0, dash)).replace(/^0+(?=\d)/, '');
  const encoded = dash < 0 ? '' : cursor.slice(dash + 1);
  try {
    return [time, decodeURIComponent(encoded)];
  } catch {
    return [time, encoded];
  }
}

/**
 * Ids are compared as the store does, by their UTF-8 bytes; UTF-16 order differs beyond the BMP.
 * @param {string} a
 * @param {string} b
 */
function compareIds(a, b) {
  if (a === b) return 0;
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    if (left[i] !== right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return Math.sign(left.length - right.length);
}

/**
 * @param {string} a
 * @param {string} b
 * @returns {number} negative, zero or positive
 */
export function compareCursors(a, b) {
  if (a === b) return 0;
  if (a === '') return -1;
  if (b === '') return 1;
  const [timeA, idA] = parts(a);
  const [timeB, idB] = parts(b);
  if (timeA.length !== timeB.length) return timeA.length < timeB.length ? -1 : 1;
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  return compareIds(idA, idB);
}

/** @param {string} a @param {string} b */
export function laterCursor(a, b) {
  return compareCursors(a, b) >= 0 ? a : b;
}
