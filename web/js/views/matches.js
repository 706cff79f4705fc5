// Which matches are there?

import { go } from '../app.js';
import { cards, emptyState, skeletons } from '../card.js';
import { h, replace } from '../dom.js';
import { t } from '../language.js';
import { alert } from '../notice.js';
import { explain } from '../problem.js';
import * as session from '../session.js';
import * as store from '../store.js';

export function matches() {
  const live = h('span', { class: 'live', 'data-testid': 'live' });
  const body = h('div', {});
  const upcoming = cards();
  const past = cards();
  const pastCount = h('span', { class: 'muted' });
  const older = h('details', { class: 'older', id: 'past' },
    h('summary', {}, h('span', {}, t('matches.past')), ' ', pastCount), past.element);
  const more = h('button', { type: 'button', class: 'button quiet', id: 'more', onclick: showMore }, t('matches.more'));
  const nothing = emptyState(t('matches.empty.title'), t('matches.empty.text'),
    session.user().role === 'ADMIN' && h('button', { type: 'button', class: 'button', onclick: () => go('/manage') }, t('matches.empty.create')));
  let shape;

  async function showMore() {
    try {
      await store.loadMore();
    } catch (problem) {
      alert(explain(problem));
    }
  }

  // Which parts are there; changes seldom, so that focus and an opened list stay.
  function reshape(now, parts) {
    if (shape !== now) replace(body, ...parts);
    shape = now;
  }

  function update() {
    live.dataset.on = store.isLive();
    live.textContent = store.isLive() ? t('live.on') : t('live.off');
    const { state, failure, hasMore } = store.status();
    live.hidden = state !== 'ready';
    if (state === 'loading') return reshape('loading', [skeletons()]);
    if (state === 'failed') {
      return reshape(`failed ${failure?.code}`, [emptyState(t('matches.failed'), explain(failure),
        h('button', { type: 'button', class: 'button', onclick: () => store.load() }, t('retry')))]);
    }
    const soon = store.upcoming();
    const gone = store.past();
    upcoming.update(soon);
    past.update(gone);
    pastCount.textContent = t('matches.count', { count: gone.length });
    more.hidden = !hasMore;
    return reshape(`ready ${soon.length > 0} ${gone.length > 0}`,
      [soon.length > 0 ? upcoming.element : nothing, gone.length > 0 && older, more]);
  }

  const element = h('div', { class: 'page' },
    h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, t('matches.upcoming')), live),
    body);
  update();
  return { element, leave: store.subscribe(update) };
}
