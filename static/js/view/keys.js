/**
 * Single-key shortcuts. They are off while the user types, in dialogs, and by preference.
 *
 * @typedef {'next-card' | 'previous-card' | 'open' | 'ack' | 'advance' | 'back' | 'undo' | 'print' | 'lane-1' | 'lane-2'
 *   | 'lane-3' | 'search' | 'view' | 'mute' | 'help'} Command
 */

/** @type {Record<string, Command>} */
const KEYS = {
  j: 'next-card', k: 'previous-card', a: 'ack', n: 'advance', b: 'back', u: 'undo', p: 'print', 1: 'lane-1', 2: 'lane-2',
  3: 'lane-3', '/': 'search', h: 'view', m: 'mute', '?': 'help', Enter: 'open',
};

/**
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, repeat?: boolean}} press
 * @param {{typing: boolean, dialog: boolean, onCard: boolean, enabled: boolean}} where
 * @returns {Command | null}
 */
export function commandFor(press, { typing, dialog, onCard, enabled }) {
  if (press.ctrlKey || press.metaKey || press.altKey || typing || dialog) return null;
  if (!Object.hasOwn(KEYS, press.key)) return null;
  const command = KEYS[press.key];
  // Enter opens a focused card; on a button in the card, it presses the button.
  if (command === 'open') return onCard ? command : null;
  // A held key must not move an order through several states.
  if (press.repeat && command !== 'next-card' && command !== 'previous-card') return null;
  return enabled ? command : null;
}

/** @param {EventTarget | null} target */
export function isTyping(target) {
  const element = /** @type {HTMLElement | null} */ (target);
  if (!element?.tagName) return false;
  if (element.isContentEditable || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT') return true;
  return element.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(/** @type {HTMLInputElement} */ (element).type);
}
