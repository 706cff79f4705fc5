// What can an administrator do? Open, look into, call off and delete matches.

import * as api from '../api.js';
import { cards, emptyState, skeletons } from '../card.js';
import { confirm } from '../confirm.js';
import { h, replace } from '../dom.js';
import { field, showFaults } from '../form.js';
import { t } from '../language.js';
import { alert, say } from '../notice.js';
import { explain } from '../problem.js';
import * as seoul from '../seoul.js';
import * as store from '../store.js';

const IN_A_DAY_MINUTES = 24 * 60;

export function manage() {
  const list = cards({ actions });
  const body = h('div', {});
  let shape;

  function update() {
    const { state } = store.status();
    const matches = [...store.upcoming(), ...store.past()];
    list.update(matches);
    const now = state === 'ready' ? `ready ${matches.length > 0}` : state;
    if (now === shape) return;
    shape = now;
    if (state === 'loading') replace(body, skeletons(2));
    else if (matches.length === 0) replace(body, emptyState(t('manage.empty')));
    else replace(body, list.element);
  }

  const element = h('div', { class: 'page' },
    h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, t('manage.title'))),
    creation(),
    h('section', {}, h('h2', {}, t('manage.list')), body));
  update();
  return { element, leave: store.subscribe(update) };
}

function creation() {
  const fields = {
    location: field('location', t('manage.location'), { maxlength: 255, required: true, autocomplete: 'off', hint: t('manage.locationHint') }),
    matchDateTime: field('matchDateTime', t('manage.time'), {
      type: 'datetime-local', required: true, min: seoul.wallClock(), value: `${seoul.wallClock(IN_A_DAY_MINUTES).slice(0, 11)}20:00`,
    }),
    maxPlayers: field('maxPlayers', t('manage.seats'), { type: 'number', inputmode: 'numeric', min: 2, max: 22, value: '10', required: true, hint: t('manage.seatsHint') }),
  };
  const button = h('button', { type: 'submit', class: 'button', 'data-testid': 'create-match' }, t('manage.create'));

  function faulty({ location, matchDateTime, maxPlayers }) {
    return [
      !location && 'location',
      !(matchDateTime && matchDateTime > seoul.wallClock()) && 'matchDateTime',
      !(maxPlayers >= 2 && maxPlayers <= 22 && Number.isInteger(maxPlayers)) && 'maxPlayers',
    ].filter(Boolean);
  }

  async function create(event) {
    event.preventDefault();
    const values = {
      location: fields.location.input.value.trim(),
      // Seoul's wall clock, which is what the service takes a time without offset for
      matchDateTime: fields.matchDateTime.input.value,
      maxPlayers: Number(fields.maxPlayers.input.value),
    };
    if (!showFaults(fields, faulty(values))) return;
    button.setAttribute('aria-disabled', 'true');
    try {
      store.put(await api.createMatch(values));
      fields.location.input.value = '';
      say(t('manage.created'));
    } catch (problem) {
      showFaults(fields, (problem.errors ?? []).map((fault) => fault.field));
      alert(explain(problem));
    } finally {
      button.setAttribute('aria-disabled', 'false');
    }
  }

  return h('form', { class: 'panel form creation', novalidate: '', 'data-testid': 'create-form', 'aria-labelledby': 'creation-title', onsubmit: create },
    h('h2', { id: 'creation-title' }, t('manage.new')),
    fields.location.element, fields.matchDateTime.element, fields.maxPlayers.element,
    h('div', { class: 'actions' }, button));
}

// The buttons of one card. `match()` is the match as it is shown now.
function actions(match) {
  const values = () => ({ location: match().location, when: seoul.whole(match().matchDateTime) });
  // which match a button is about, for who hears the buttons one by one
  const about = { 'aria-describedby': `place-${match().id}` };
  const people = h('div', { class: 'people', hidden: true });

  async function show(event) {
    const button = event.currentTarget;
    people.hidden = !people.hidden;
    button.setAttribute('aria-expanded', String(!people.hidden));
    if (people.hidden) return;
    try {
      const joined = await api.participants(match().id);
      replace(people, joined.length === 0 ? h('p', { class: 'muted' }, t('manage.nobody')) : h('ol', {},
        joined.map((person) => h('li', {}, h('strong', {}, person.nickname), ' ',
          h('span', { class: 'muted' }, `${t(`rank.${person.rank}`)} · ${person.email}`)))));
    } catch (problem) {
      alert(explain(problem));
    }
  }

  const ask = (name, work) => async () => {
    const sure = await confirm({
      title: t(`manage.${name}Title`), text: t(`manage.${name}Text`, values()),
      yes: t(`manage.${name}Confirm`), no: t('manage.back'), danger: true,
    });
    if (!sure) return;
    try {
      await work();
    } catch (problem) {
      alert(explain(problem));
    }
  };
  const cancel = ask('cancel', async () => {
    store.put(await api.cancelMatch(match().id));
    say(t('manage.canceled'));
  });
  const remove = ask('delete', async () => {
    await api.deleteMatch(match().id);
    store.remove(match().id);
    say(t('manage.deleted'));
  });

  return [
    h('button', { type: 'button', class: 'button quiet small', 'aria-expanded': 'false', ...about, 'data-testid': 'participants', onclick: show }, t('manage.participants')),
    h('button', { type: 'button', class: 'button quiet small cancel-match', ...about, 'data-testid': 'cancel-match', onclick: cancel }, t('manage.cancel')),
    h('button', { type: 'button', class: 'button quiet small danger-text', ...about, 'data-testid': 'delete-match', onclick: remove }, t('manage.delete')),
    people,
  ];
}
