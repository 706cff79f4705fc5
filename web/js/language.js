// Which words, in which language? Korean unless English was chosen.

import { ko } from './words/ko.js';
import { en } from './words/en.js';

const KEY = 'kickytime.language';
const words = { ko, en };
const listeners = new Set();

// storage may be forbidden; then the choice lasts as long as the page
function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

let current = stored() === 'en' ? 'en' : 'ko';

export const language = () => current;
export const locale = () => (current === 'ko' ? 'ko-KR' : 'en-GB');
export const onLanguage = (listener) => listeners.add(listener);

export function setLanguage(chosen) {
  current = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch { /* see above */ }
  document.documentElement.lang = chosen;
  for (const listener of listeners) listener();
}

// t('match.left', { left: 3 })
export function t(key, values = {}) {
  const text = words[current][key] ?? words.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const has = (key) => key in words[current];
