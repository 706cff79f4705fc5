// What is on the screen? Starts the page, follows the address, draws the frame
// around the views.

import { h, icon, replace } from './dom.js';
import { language, setLanguage, t, onLanguage } from './language.js';
import * as session from './session.js';
import * as store from './store.js';
import { alert, clear } from './notice.js';
import { explain } from './problem.js';
import { welcome } from './views/welcome.js';
import { matches } from './views/matches.js';
import { mine } from './views/mine.js';
import { profile } from './views/profile.js';
import { manage } from './views/manage.js';

const routes = {
  '/': { view: matches, title: 'nav.matches' },
  '/my': { view: mine, title: 'nav.mine' },
  '/profile': { view: profile, title: 'nav.profile' },
  '/manage': { view: manage, title: 'nav.manage', admin: true },
};

const main = document.getElementById('main');
let leave = () => {};

function route() {
  const found = routes[location.pathname];
  if (!found || (found.admin && session.user()?.role !== 'ADMIN')) return routes['/'];
  return found;
}

// Draws the view of the address. `focus`: a person went there, so the reader
// of a screen should hear where they are.
function draw({ focus = false } = {}) {
  leave();
  leave = () => {};
  drawFrame();
  if (!session.user()) {
    document.title = 'Kickytime';
    replace(main, welcome({ signIn }));
    return;
  }
  const { view, title } = route();
  document.title = `${t(title)} · Kickytime`;
  const drawn = view();
  leave = drawn.leave ?? leave;
  replace(main, drawn.element);
  if (focus) {
    window.scrollTo(0, 0);
    (main.querySelector('h1') ?? main).focus();
  }
}

export function go(path) {
  clear();
  if (path !== location.pathname) history.pushState(null, '', path);
  draw({ focus: true });
}

async function signIn() {
  try {
    await session.signIn(location.pathname);
  } catch (problem) {
    alert(explain(problem));
  }
}

function link(path, label, name, place) {
  const current = route() === routes[path];
  return h('a', {
    href: path,
    class: 'tab',
    'aria-current': current ? 'page' : null,
    'data-testid': `${place}-${name}`,
    onclick: (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      go(path);
    },
  }, icon(name), h('span', {}, label));
}

function drawFrame() {
  const user = session.user();
  const links = (place) => [
    link('/', t('nav.matches'), 'matches', place),
    link('/my', t('nav.mine'), 'mine', place),
    user?.role === 'ADMIN' && link('/manage', t('nav.manage'), 'manage', place),
    link('/profile', t('nav.profile'), 'profile', place),
  ].filter(Boolean);

  document.getElementById('skip').textContent = t('skip');
  const other = language() === 'ko' ? 'en' : 'ko';
  replace(document.getElementById('header'), h('div', { class: 'bar-inner' },
    h('a', { class: 'brand', href: '/', 'aria-label': t('home'), onclick: (event) => { event.preventDefault(); go('/'); } },
      icon('ball'), h('span', {}, 'Kickytime')),
    user && h('nav', { class: 'links', 'aria-label': t('nav.label') }, ...links('nav')),
    h('button', {
      type: 'button', class: 'button quiet', id: 'language', 'data-testid': 'language', lang: other,
      onclick: () => setLanguage(other),
    }, other === 'en' ? 'English' : '한국어'),
    !user && h('button', { type: 'button', class: 'button', 'data-testid': 'sign-in-header', onclick: signIn }, t('signIn')),
  ));
  const tabs = document.getElementById('tabs');
  tabs.hidden = !user;
  tabs.setAttribute('aria-label', t('nav.label'));
  replace(tabs, ...(user ? links('tab') : []));
}

async function start() {
  document.documentElement.lang = language();
  drawFrame();
  try {
    const returnTo = await session.resume();
    if (returnTo) history.replaceState(null, '', returnTo);
  } catch (problem) {
    alert(explain(problem));
  }
  draw();
  if (session.user()) store.start();
}

addEventListener('popstate', () => draw({ focus: true }));
onLanguage(() => {
  const id = document.activeElement?.id;
  clear();
  draw();
  if (id) document.getElementById(id)?.focus();
});
session.onChange(() => {
  if (session.user()) store.start();
  else store.stop();
  draw();
});

start();
