// Where do I play, where have I played?

import { myMatches } from '../api.js';
import { go } from '../app.js';
import { cards, emptyState, skeletons } from '../card.js';
import { h, replace } from '../dom.js';
import { t } from '../language.js';
import { explain } from '../problem.js';
import * as store from '../store.js';

export function mine() {
  const body = h('div', {}, skeletons(2));
  const element = h('div', { class: 'page' }, h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, t('mine.title'))), body);
  const upcoming = cards();
  const past = cards();
  let seen = '';
  let shape;

  async function load() {
    try {
      draw(await myMatches());
    } catch (problem) {
      shape = null;
      replace(body, emptyState(t('matches.failed'), explain(problem),
        h('button', { type: 'button', class: 'button', onclick: load }, t('retry'))));
    }
  }

  function draw({ summary, matches }) {
    const coming = matches.filter((match) => ['OPEN', 'FULL'].includes(match.matchStatus)).reverse();
    const over = matches.filter((match) => !['OPEN', 'FULL'].includes(match.matchStatus));
    upcoming.update(coming);
    past.update(over);
    const figure = (name, value) => h('div', {}, h('dt', {}, t(`mine.${name}`)), h('dd', { 'data-testid': `mine-${name}` }, String(value)));
    const figures = h('dl', { class: 'figures' },
      figure('total', summary.totalCount), figure('upcoming', summary.upcomingCount), figure('completed', summary.completedCount));
    const now = `${coming.length > 0} ${over.length > 0} ${JSON.stringify(summary)}`;
    if (shape === now) return;
    shape = now;
    if (matches.length === 0) {
      replace(body, emptyState(t('mine.empty.title'), t('mine.empty.text'),
        h('button', { type: 'button', class: 'button', onclick: () => go('/') }, t('mine.empty.go'))));
      return;
    }
    replace(body, figures,
      coming.length > 0 && h('section', {}, h('h2', {}, t('mine.upcomingList')), upcoming.element),
      over.length > 0 && h('section', {}, h('h2', {}, t('mine.pastList')), past.element));
  }

  // read again when something that may concern us has changed
  const leave = store.subscribe(() => {
    const now = JSON.stringify([...store.upcoming(), ...store.past()]
      .filter((match) => store.isJoined(match.id)).map((match) => [match.id, match.currentPlayers, match.matchStatus]));
    if (now !== seen) load();
    seen = now;
  });
  load();
  return { element, leave };
}
