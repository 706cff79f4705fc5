// What should a person hear about? Short messages that come and go; errors
// interrupt a screen reader, successes wait for their turn.

import { h } from './dom.js';
import { t } from './language.js';

const LASTS_MS = 6000;

function show(region, kind, text) {
  const notice = h('div', { class: `notice ${kind}`, 'data-testid': kind === 'bad' ? 'alert' : 'notice' },
    h('span', {}, text),
    h('button', { type: 'button', class: 'notice-close', 'aria-label': t('close'), onclick: () => notice.remove() }, '×'));
  const shown = document.getElementById(region);
  shown.replaceChildren(notice);
  setTimeout(() => notice.remove(), LASTS_MS);
}

export const say = (text) => show('notices', 'good', text);
export const alert = (text) => show('alerts', 'bad', text);

// What was said belongs to a page that is left or a language that was changed.
export function clear() {
  for (const region of ['notices', 'alerts']) document.getElementById(region).replaceChildren();
}
