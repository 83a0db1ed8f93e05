import { enLater } from './en-later.js';
import { language, learn } from './index.js';

/** @type {Record<string, import('./index.js').Texts>} */
const LANGUAGES = { en: enLater };

learn(LANGUAGES[language]);
