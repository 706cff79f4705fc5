// What does a match look like? A card that is drawn once and then changed in
// place, so that seats filling up never take the focus away.

import { confirm } from './confirm.js';
import { h, icon, replace } from './dom.js';
import { t } from './language.js';
import { alert, say } from './notice.js';
import { explain } from './problem.js';
import * as seoul from './seoul.js';
import * as store from './store.js';

// `actions(match)`: buttons of the view's own instead of join and leave.
export function card(first, { actions } = {}) {
  const seats = h('div', { class: 'seats', role: 'img' });
  const count = h('p', { class: 'count' });
  const badge = h('span', { class: 'badge', 'data-testid': 'match-status' });
  const mine = h('span', { class: 'badge mine' }, t('match.joined'));
  const place = h('h3', { id: `place-${first.id}` });
  const calendar = h('time', { class: 'calendar' });
  const clock = h('span', { class: 'clock' });
  const button = h('button', { type: 'button', class: 'button', 'aria-describedby': place.id });
  const foot = h('div', { class: 'card-actions' });
  const element = h('article', { class: 'card', 'data-testid': 'match-card', 'data-match-id': first.id, id: `match-${first.id}` },
    calendar,
    h('div', { class: 'card-body' },
      h('div', { class: 'badges' }, clock, badge, mine),
      place, seats, count),
    foot);
  let shown = first;

  button.addEventListener('click', () => (store.isJoined(shown.id) ? leave(shown) : join(shown)));
  if (actions) replace(foot, ...actions(() => shown));
  else replace(foot, button);

  function update(match) {
    shown = match;
    const joined = store.isJoined(match.id);
    const left = Math.max(match.maxPlayers - match.currentPlayers, 0);
    const open = match.matchStatus === 'OPEN';
    element.dataset.status = match.matchStatus;
    element.dataset.joined = joined;
    place.textContent = match.location;
    calendar.dateTime = match.matchDateTime;
    replace(calendar, h('span', { class: 'month' }, seoul.month(match.matchDateTime)),
      h('span', { class: 'day' }, seoul.day(match.matchDateTime)),
      h('span', { class: seoul.weekend(match.matchDateTime) ? 'weekday weekend' : 'weekday' }, seoul.weekday(match.matchDateTime)));
    clock.textContent = seoul.time(match.matchDateTime);
    badge.textContent = t(`status.${match.matchStatus}`);
    badge.className = `badge ${match.matchStatus.toLowerCase()}`;
    mine.hidden = !joined;
    drawSeats(seats, match, joined);
    replace(count, h('strong', { 'data-testid': 'match-seats' }, `${match.currentPlayers}/${match.maxPlayers}`),
      open && h('span', { class: left <= 2 ? 'left few' : 'left' }, left === 1 ? t('match.lastSeat') : t('match.left', { left })));
    if (!actions) drawButton(button, match, joined);
  }
  update(first);
  return { element, update };
}

function drawSeats(seats, match, joined) {
  seats.setAttribute('aria-label', t('match.seats', { joined: match.currentPlayers, seats: match.maxPlayers }));
  while (seats.children.length > match.maxPlayers) seats.lastChild.remove();
  while (seats.children.length < match.maxPlayers) seats.append(h('i', {}));
  [...seats.children].forEach((seat, index) => {
    const taken = index < match.currentPlayers;
    // ours is the last of the taken ones, wherever it really is
    const own = joined && index === match.currentPlayers - 1;
    seat.className = own ? 'own' : taken ? 'taken' : '';
  });
}

function drawButton(button, match, joined) {
  const over = ['CLOSED', 'CANCELED'].includes(match.matchStatus);
  const full = match.matchStatus === 'FULL';
  button.hidden = over && !(joined && match.matchStatus === 'CANCELED');
  // disabled would drop the focus of whoever pressed it
  button.setAttribute('aria-disabled', String(store.isBusy(match.id) || (full && !joined)));
  button.className = joined ? 'button quiet' : 'button';
  button.dataset.testid = joined ? 'leave' : 'join';
  button.textContent = joined ? t('match.leave') : full ? t('match.full') : t('match.join');
}

async function join(match) {
  if (match.matchStatus !== 'OPEN') return;
  try {
    await store.join(match.id);
    say(t('match.joinedNotice', { when: seoul.whole(match.matchDateTime) }));
  } catch (problem) {
    alert(explain(problem));
  }
}

async function leave(match) {
  const sure = await confirm({
    title: t('leave.title'),
    text: t('leave.text', { location: match.location, when: seoul.whole(match.matchDateTime) }),
    yes: t('leave.confirm'), no: t('leave.cancel'), danger: true,
  });
  if (!sure) return;
  try {
    await store.leave(match.id);
    say(t('match.leftNotice'));
  } catch (problem) {
    alert(explain(problem));
  }
}

// A list of cards, kept in step with `matches` by id.
export function cards(options) {
  const element = h('div', { class: 'cards' });
  const drawn = new Map();
  return {
    element,
    update(matches) {
      const wanted = new Set(matches.map((match) => match.id));
      for (const [id, { element: gone }] of drawn) {
        if (!wanted.has(id)) {
          gone.remove();
          drawn.delete(id);
        }
      }
      matches.forEach((match, index) => {
        if (drawn.has(match.id)) drawn.get(match.id).update(match);
        else drawn.set(match.id, card(match, options));
        const { element: child } = drawn.get(match.id);
        if (element.children[index] !== child) element.insertBefore(child, element.children[index] ?? null);
      });
    },
  };
}

export const emptyState = (title, text, action) => h('div', { class: 'empty', 'data-testid': 'empty' },
  icon('ball'), h('h2', {}, title), text && h('p', {}, text), action);

export const skeletons = (count = 3) => h('div', { class: 'cards', role: 'status', 'aria-label': t('loading') },
  Array.from({ length: count }, () => h('div', { class: 'skeleton skeleton-card' })));
