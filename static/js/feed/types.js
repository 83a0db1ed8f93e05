/** @import { Summary } from '../order/card.js' */
/** @import { Row } from '../order/book.js' */

/**
 * @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'ended'} Phase
 * @typedef {{state: string, since: number, message: string}} Source
 * @typedef {{reads: number, writes: number, readLimit: number, writeLimit: number}} Usage   of the store, today
 *
 * @typedef {object} Status             state of the connection, for the screen
 * @property {Phase} phase
 * @property {boolean} polling
 * @property {boolean | null} reachable  outcome of the last request, null while unknown
 * @property {boolean} online
 * @property {number} failures
 * @property {number} lastWord          when the server last sent something, by the reader's monotonic clock, ms
 * @property {number} skew              server time minus the reader's monotonic clock, ms
 * @property {Source} source
 * @property {string | null} assets     address prefix of the server's current scripts
 * @property {Usage | null} usage
 * @property {{total: number, hidden: number} | null} open   open orders of the server, and those left out; null while unknown
 *
 * @typedef {'retry' | 'watchdog' | 'poll' | 'details'} TimerName
 *
 * @typedef {{type: 'start'} | {type: 'stop'} | {type: 'wake', reason: 'visible' | 'online' | 'signin' | 'slept'} | {type: 'offline'}
 *   | {type: 'open', epoch: number} | {type: 'error', epoch: number}
 *   | {type: 'message', epoch: number, event: string, id: string, data: string}
 *   | {type: 'timer', name: TimerName}
 *   | {type: 'fetched', ticket: number, status: number, body?: any, retryAfterMs?: number}} FeedEvent
 *
 * @typedef {{type: 'connect', epoch: number, since: string} | {type: 'disconnect'}
 *   | {type: 'timer', name: TimerName, ms: number} | {type: 'clear', name: TimerName}
 *   | {type: 'fetch', ticket: number, since: string | null}
 *   | {type: 'summary', event: 'new_order' | 'order_update', id: string, summary: Summary}
 *   | {type: 'removed', event: 'order_removed', id: string, order: string}
 *   | {type: 'cards', from: string | null, to: string, rows: Row[], whole: boolean}
 *   | {type: 'status'}} Effect
 *
 * @typedef {object} FeedOptions
 * @property {string} cursor
 * @property {number} now
 * @property {number} serverTime
 * @property {Source} source
 * @property {number} [heartbeatMs]
 * @property {number} [retryMs]
 * @property {() => number} clock
 * @property {() => number} random
 */

export {};
