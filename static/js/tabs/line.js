/** @import { FromHub, Hello, ToHub } from './hub.js' */

/**
 * A tab's connection to the owner of the stream.
 *
 * @typedef {object} Line
 * @property {(message: ToHub) => void} post
 * @property {(now: number) => void} check   must be called about once a second, with monotonic ms
 * @property {() => void} close
 *
 * @typedef {object} LinkOptions
 * @property {() => Hello} hello
 * @property {(message: FromHub) => void} hear
 * @property {string} [force] the way to share, for tests: worker, leader or solo
 */

export {};
