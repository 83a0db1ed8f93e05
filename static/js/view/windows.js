/** @import { WakeLock } from '../alarm/wake.js' */
/** @import { Sound } from '../alarm/sound.js' */
/** @import { Desk } from '../desk.js' */
/** @import { DevicePrefs } from '../prefs.js' */
/** @import { Formats } from '../text/format.js' */
import { byId, make } from './dom.js';
import { applyLook } from './look.js';

/** @type {Promise<void> | null} */
let style = null;

/** Loads the style of dialogs. After a failure the next call tries again. */
function loadStyle() {
  const link = make('link', { rel: 'stylesheet', href: `${document.body.dataset.assets}/css/window.css` });
  const loaded = new Promise((/** @type {(value?: any) => void} */ resolve, reject) => {
    link.addEventListener('load', resolve);
    link.addEventListener('error', () => {
      style = null;
      link.remove();
      reject(new Error('window.css'));
    });
  });
  document.head.append(link);
  return loaded;
}

/** Prepares dialogs for opening. @param {import('../prefs.js').Prefs} prefs */
export async function dress(prefs) {
  if (!style) {
    style = loadStyle();
    await style;
    // The new style sheet has its own widths, which grow with the text.
    applyLook(prefs);
  }
  await style;
}

/** @type {Record<string, {fill: () => unknown}>} */
const wired = {};

/**
 * @param {string} name settings, account or keys
 * @param {{desk: Desk, formats: Formats, device: DevicePrefs, sound: Sound, wakeLock: WakeLock}} context
 */
export async function openWindow(name, { desk, formats, device, sound, wakeLock }) {
  await dress(device.now);
  const dialog = byId(name, HTMLDialogElement);
  if (!dialog.hasAttribute('data-wired')) {
    dialog.setAttribute('data-wired', '');
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
  if (name === 'settings') {
    wired.settings ??= (await import('./settings.js')).wireSettings({ device, sound, awakeProblem: () => wakeLock.problem() });
  } else if (name === 'account') {
    wired.account ??= (await import('./account.js')).wireAccount(desk, formats);
  } else byId('keys-off').hidden = device.now.keys;
  void wired[name]?.fill();
  if (!dialog.open) dialog.showModal();
}
