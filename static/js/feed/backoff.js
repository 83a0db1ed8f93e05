const BACKOFF_CAP_MS = 30_000;

/**
 * How long to wait before the next attempt: doubling, capped, and spread over its upper half so that a shop full of
 * screens does not come back in one instant.
 * @param {number} failures in a row, from 1
 * @param {number} baseMs
 * @param {() => number} random in [0, 1)
 */
export function backoff(failures, baseMs, random) {
  const ceiling = Math.min(BACKOFF_CAP_MS, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** The spread a server that goes away asks for. @param {() => number} random */
export function farewell(random) {
  return Math.round(1000 + random() * 7000);
}
