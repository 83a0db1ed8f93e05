/** @import { Board } from '../view/board.js' */
/** @import { Filters } from '../view/filters.js' */
/** @import { DeskContext } from './context.js' */
import { lanes } from '../order/status.js';
import { all, byId } from '../view/dom.js';
import { openWindow } from './menu.js';
import { perform, performIfMeant } from './orders.js';

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
function isTyping(target) {
  const element = /** @type {HTMLElement | null} */ (target);
  if (!element?.tagName) return false;
  if (element.isContentEditable || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT') return true;
  return element.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(/** @type {HTMLInputElement} */ (element).type);
}

/** @param {DeskContext} context */
export function wireKeys(context) {
  const { actions, device, screen } = context;
  const { board, filters } = screen;
  addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const dialog = document.querySelector('dialog[open]') !== null;
    const onCard = target.classList?.contains('card') ?? false;
    const command = commandFor(event, { typing: isTyping(target), dialog, onCard, enabled: device.now.keys });
    if (event.key === 'Escape' && target.id === 'search') filters.set({ text: '' });
    if (!command) return;
    event.preventDefault();
    const id = document.activeElement?.closest('[data-id]')?.getAttribute('data-id');
    switch (command) {
      case 'next-card':
        return step(board, filters, 1);
      case 'previous-card':
        return step(board, filters, -1);
      case 'undo':
        return void actions.undo();
      case 'search':
        byId('search').focus();
        return byId('search', HTMLInputElement).select();
      case 'view':
        return filters.view(filters.filter.view === 'board' ? 'history' : 'board');
      case 'mute':
        return device.set({ muted: !device.now.muted });
      case 'help':
        return void openWindow('keys', context);
      case 'lane-1':
      case 'lane-2':
      case 'lane-3': {
        const lane = lanes[Number(command.at(-1)) - 1];
        filters.view('board');
        board.select(lane);
        return (all(byId(`lane-${lane}`), '.card')[0] ?? byId(`head-${lane}`)).focus();
      }
      default:
        if (!id) return;
        if (command === 'open' || command === 'print') perform(context, command, id);
        else performIfMeant(context, command === 'advance' ? 'next' : command, id, board.places.isMeant(id, board.clock()));
    }
  });
}

/** @param {Board} board @param {Filters} filters @param {1 | -1} by */
function step(board, filters, by) {
  const places = filters.filter.view === 'board' ? board.inSight() : all(document, '#history-rows .open');
  const here = document.activeElement?.closest('[data-id]');
  const at = places.findIndex((place) => place === here || here?.contains(place));
  const next = places[at < 0 ? (by > 0 ? 0 : places.length - 1) : Math.min(Math.max(at + by, 0), places.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}
