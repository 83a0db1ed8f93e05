/** @import { Actions } from '../actions.js' */
/** @import { Bell } from '../alarm/bell.js' */
/** @import { Sound } from '../alarm/sound.js' */
/** @import { WakeLock } from '../alarm/wake.js' */
/** @import { Desk } from '../desk.js' */
/** @import { DevicePrefs } from '../prefs.js' */
/** @import { Formats } from '../text/format.js' */
/** @import { Screen } from '../view/screen.js' */
/** @import { Toasts } from '../view/toasts.js' */

/**
 * The parts of the desk that controls act on.
 *
 * @typedef {object} DeskContext
 * @property {Desk} desk
 * @property {Actions} actions
 * @property {Screen} screen
 * @property {Toasts} toasts
 * @property {Sound} sound
 * @property {Bell} bell
 * @property {WakeLock} wakeLock
 * @property {Formats} formats
 * @property {DevicePrefs} device
 */

export {};
