/** @import { DevicePrefs } from '../prefs.js' */
/** @import { Sound } from '../alarm/sound.js' */
import { readPrefs } from '../prefs.js';
import { t } from '../text/index.js';
import { byId } from './dom.js';

/**
 * The form of the device's preferences; every change applies at once.
 * @param {{device: DevicePrefs, sound: Sound, awakeProblem: () => string}} desk
 */
export function wireSettings({ device, sound, awakeProblem }) {
  const form = byId('settings-form', HTMLFormElement);
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));

  function fill() {
    for (const [name, value] of Object.entries(device.now)) {
      const input = field(name);
      if (input.type === 'checkbox') input.checked = Boolean(value);
      else input.value = String(value);
    }
    byId('set-language', HTMLSelectElement).value = chosenLanguage();
    hints();
  }

  function read() {
    /** @type {Record<string, unknown>} */
    const raw = {};
    for (const [name, value] of Object.entries(device.now)) {
      const input = field(name);
      if (typeof value === 'boolean') raw[name] = input.checked;
      else raw[name] = typeof value === 'number' ? Number(input.value) : input.value;
    }
    return readPrefs(JSON.stringify(raw));
  }

  function hints() {
    const notify = byId('notify-hint');
    const able = typeof Notification === 'function' && isSecureContext;
    notify.hidden = able && !(device.now.notify && Notification.permission === 'denied');
    notify.textContent = t(isSecureContext ? 'settings.notify.denied' : 'settings.notify.unsafe');
    const awake = byId('awake-hint');
    const problem = device.now.stayAwake ? awakeProblem() : '';
    awake.hidden = problem === '';
    awake.textContent = problem && t(problem);
  }

  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('change', async (event) => {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target.id === 'set-language') return chooseLanguage(target.value);
    const next = read();
    if (target.name === 'notify' && next.notify && typeof Notification === 'function' && Notification.permission === 'default') {
      await Notification.requestPermission();
    }
    device.set(next);
    fill();
  });
  byId('test-sound').addEventListener('click', async () => {
    const result = byId('test-result');
    device.set(read());
    const heard = (await sound.unlock()) && sound.ring(false);
    result.dataset.kind = heard ? 'good' : 'bad';
    result.textContent = t(heard ? 'settings.heard' : 'settings.silent');
  });
  return { fill };
}

/** The language that was chosen on this device; "" if none was. The server reads the cookie as well. */
function chosenLanguage() {
  return /(?:^|; )lang=([\w-]+)/.exec(document.cookie)?.[1] ?? '';
}

/** Shows the desk in another language, from now on. @param {string} code "" for the shop's */
function chooseLanguage(code) {
  const secure = location.protocol === 'https:' ? '; secure' : '';
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API needs HTTPS, which a shop's own network may lack.
  document.cookie = `lang=${code}; path=/; max-age=${code ? 31_536_000 : 0}; samesite=lax${secure}`;
  location.reload();
}
