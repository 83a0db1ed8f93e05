import { addTexts } from '../text/index.js';

/** @type {Promise<unknown> | null} */
let later = null;

/**
 * Loads a module, and before its first use what the page leaves out: further texts and the dialogs. After a failure the next
 * call tries again.
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function withRest(load) {
  later ??= fetchRest().catch((error) => {
    later = null;
    throw error;
  });
  const [module] = await Promise.all([load(), later]);
  return module;
}

async function fetchRest() {
  const { body, documentElement } = document;
  const answer = await fetch(`${body.dataset.assets}/languages/${documentElement.lang}.json`);
  if (!answer.ok) throw new Error(answer.statusText);
  const { texts, windows } = await answer.json();
  addTexts(texts);
  body.append(...new DOMParser().parseFromString(windows, 'text/html').body.children);
}
