/** @import { Prefs } from '../prefs.js' */

/** @param {Prefs} prefs */
export function applyLook({ theme, textSize }) {
  const root = document.documentElement;
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'dark' : 'light';
  root.dataset.size = textSize;
}
