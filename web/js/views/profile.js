// Who am I here?

import { changeProfile, deleteAccount } from '../api.js';
import { confirm } from '../confirm.js';
import { h } from '../dom.js';
import { t } from '../language.js';
import { alert, say } from '../notice.js';
import { explain } from '../problem.js';
import * as session from '../session.js';
import { field, showFaults } from '../form.js';

const RANKS = ['BEGINNER', 'INTERMEDIATE', 'MASTER'];

export function profile() {
  const user = session.user();
  const nickname = field('nickname', t('profile.nickname'), {
    value: user.nickname, maxlength: 30, required: true, autocomplete: 'nickname', hint: t('profile.nicknameHint'),
  });
  const ranks = h('fieldset', { class: 'ranks' },
    h('legend', {}, t('profile.rank')),
    RANKS.map((rank) => h('label', { class: 'rank' },
      h('input', { type: 'radio', name: 'rank', value: rank, checked: user.rank === rank, 'data-testid': `rank-${rank}` }),
      h('span', {}, h('strong', {}, t(`rank.${rank}`)), h('small', {}, t(`rank.${rank}.text`))))));
  const form = h('form', { class: 'panel form', novalidate: '', onsubmit: save }, nickname.element, ranks,
    h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'button', 'data-testid': 'profile-save' }, t('profile.save'))));

  async function save(event) {
    event.preventDefault();
    const fields = { nickname };
    if (!showFaults(fields, nickname.input.value.trim() ? [] : ['nickname'])) return;
    try {
      const rank = form.elements.rank.value;
      session.setUser(await changeProfile({ nickname: nickname.input.value.trim(), rank }));
      avatar.textContent = initial(session.user().nickname);
      name.textContent = session.user().nickname;
      say(t('profile.saved'));
    } catch (problem) {
      showFaults(fields, (problem.errors ?? []).map((fault) => fault.field));
      alert(explain(problem));
    }
  }

  async function remove() {
    const sure = await confirm({
      title: t('profile.deleteTitle'), text: t('profile.deleteText'),
      yes: t('profile.deleteConfirm'), no: t('profile.deleteCancel'), danger: true,
    });
    if (!sure) return;
    try {
      await deleteAccount();
      session.expire();
      say(t('profile.deleted'));
    } catch (problem) {
      alert(explain(problem));
    }
  }

  const avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' }, initial(user.nickname));
  const name = h('strong', { 'data-testid': 'profile-name' }, user.nickname);
  const element = h('div', { class: 'page narrow' },
    h('div', { class: 'heading' }, h('h1', { tabindex: '-1' }, t('profile.title'))),
    h('div', { class: 'panel person' }, avatar,
      h('div', {}, name,
        h('p', { class: 'muted' }, user.email, ' · ', t(user.emailVerified ? 'profile.verified' : 'profile.unverified'))),
      h('span', { class: 'badge', 'data-testid': 'profile-role' }, t(`role.${user.role}`))),
    form,
    h('section', { class: 'panel account' },
      h('h2', {}, t('profile.account')),
      h('div', { class: 'actions' },
        h('button', { type: 'button', class: 'button quiet', 'data-testid': 'sign-out', onclick: () => session.signOut().catch((problem) => alert(explain(problem))) }, t('signOut')),
        h('button', { type: 'button', class: 'button quiet danger-text', 'data-testid': 'delete-account', onclick: remove }, t('profile.delete')))));
  return { element };
}

const initial = (name) => [...name][0]?.toUpperCase() ?? '?';
