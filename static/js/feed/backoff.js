const BACKOFF_CAP_MS = 30_000;

/**
 * Wait before the next attempt: doubled each time, capped, and random within its upper half, so that a shop's screens don't
 * all reconnect at once.
 * @param {number} failures in a row, from 1
 * @param {number} baseMs
 * @param {() => number} random in [0, 1)
 */
export function backoff(failures, baseMs, random) {
  const ceiling = Math.min(BACKOFF_CAP_MS, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** Random wait after a server has said `bye`. @param {() => number} random */
export function farewell(random) {
  return Math.round(1000 + random() * 7000);
}
