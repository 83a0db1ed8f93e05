import { t } from '../text/index.js';
import { byId, make } from './dom.js';

/**
 * @typedef {object} Toast
 * @property {string} text
 * @property {string} [detail]
 * @property {'new' | 'bad' | 'plain'} [kind]
 * @property {string} [key]          replaces an older toast with the same key
 * @property {number} [ms]
 * @property {{label: string, run: () => void, countdown?: boolean}} [action]
 */

const MOST = 3;
const NORMAL_MS = 6000;

/** @typedef {{element: HTMLElement, until: number, key: string, button: HTMLElement | null, toast: Toast}} Entry */

/** Short messages at the bottom of the screen. They take no focus, and their content is also elsewhere. */
export class Toasts {
  /** @param {() => number} clock */
  constructor(clock) {
    this.clock = clock;
    this.root = byId('toasts');
    /** @type {Entry[]} */
    this.entries = [];
  }

  /** @param {Toast} toast */
  show(toast) {
    if (toast.key) this.close(toast.key);
    const text = make('span', { class: 'toast-text' }, [make('strong', { text: toast.text })]);
    if (toast.detail) text.append(make('span', { text: toast.detail }));
    const element = make('div', { class: 'toast', 'data-kind': toast.kind ?? 'plain' }, [text]);
    const button = toast.action ? make('button', { type: 'button', class: 'button', text: toast.action.label }) : null;
    const closer = make('button', { type: 'button', class: 'button square', 'aria-label': t('close'), text: '×' });
    const entry = { element, until: this.clock() + (toast.ms ?? NORMAL_MS), key: toast.key ?? '', button, toast };
    if (button) {
      button.addEventListener('click', () => {
        this.#remove(entry);
        toast.action?.run();
      });
      element.append(button);
    }
    closer.addEventListener('click', () => this.#remove(entry));
    element.append(closer);
    this.entries.push(entry);
    this.root.append(element);
    while (this.entries.length > MOST) this.#remove(this.entries[0]);
    this.tick();
  }

  /** @param {string} key */
  close(key) {
    for (const entry of this.entries.filter((other) => other.key === key)) this.#remove(entry);
  }

  /** Must be called about twice a second. A toast with the focus stays, unless it counts down. */
  tick() {
    const now = this.clock();
    for (const entry of [...this.entries]) {
      const left = entry.until - now;
      const countdown = entry.toast.action?.countdown;
      if (entry.button && countdown && entry.toast.action) {
        entry.button.textContent = `${entry.toast.action.label} ${t('undo.left', { n: Math.max(0, Math.ceil(left / 1000)) })}`;
      }
      const held = !countdown && entry.element.contains(document.activeElement);
      if (left <= 0 && !held) this.#remove(entry);
    }
  }

  /** @param {Entry} entry */
  #remove(entry) {
    entry.element.remove();
    this.entries = this.entries.filter((other) => other !== entry);
  }
}
