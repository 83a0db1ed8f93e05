
/**
 * @typedef {object} Answer
 * @property {number} status        0 when the server could not be reached
 * @property {any} body
 * @property {string} code          the server's code of an error, or ""
 */

const LIMIT_MS = 15_000;
/** Time limit for some megabytes over a mobile network. */
const WHOLE_LIMIT_MS = 90_000;

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {number} [limitMs]
 * @returns {Promise<Answer>}
 */
export async function call(method, path, body, limitMs = LIMIT_MS) {
  try {
    const answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(limitMs),
    });
    const text = await answer.text();
    const json = parse(text);
    return { status: answer.status, body: json, code: typeof json?.code === 'string' ? json.code : '' };
  } catch {
    return { status: 0, body: null, code: '' };
  }
}

/** @param {string} id @param {unknown} change */
export function updateOrder(id, change) {
  return call('PUT', `/api/admin/orders/${encodeURIComponent(id)}?view=desk`, change);
}

/** @param {string} id */
export function wholeOrder(id) {
  return call('GET', `/api/admin/orders/${encodeURIComponent(id)}`);
}

/** @param {string} since */
export function ordersSince(since) {
  return call('GET', `/api/admin/orders/recent?${new URLSearchParams({ view: 'desk', since })}`);
}

/** The whole window. @param {number} limit */
export function allOrders(limit) {
  return call('GET', `/api/admin/orders/recent?${new URLSearchParams({ view: 'desk', limit: String(limit) })}`, undefined, WHOLE_LIMIT_MS);
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
