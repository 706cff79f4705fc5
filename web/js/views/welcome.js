// What does someone see who is not signed in?

import { h, icon } from '../dom.js';
import { t } from '../language.js';

const SVG = 'http://www.w3.org/2000/svg';

// A futsal court from above, with players taking their places.
function court() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 400 240');
  svg.setAttribute('class', 'court');
  svg.setAttribute('aria-hidden', 'true');
  const draw = (tag, attributes) => {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  };
  draw('rect', { x: 8, y: 8, width: 384, height: 224, rx: 14, class: 'court-line court-grass' });
  draw('path', { d: 'M200 8v224', class: 'court-line' });
  draw('circle', { cx: 200, cy: 120, r: 34, class: 'court-line' });
  draw('path', { d: 'M8 68a58 58 0 0 1 58 52 58 58 0 0 1-58 52', class: 'court-line' });
  draw('path', { d: 'M392 68a58 58 0 0 0-58 52 58 58 0 0 0 58 52', class: 'court-line' });
  const home = [[40, 120], [110, 66], [118, 170], [168, 118]];
  const away = [[360, 120], [286, 74], [296, 176], [236, 128]];
  for (const [cx, cy] of home) draw('circle', { cx, cy, r: 10, class: 'court-home' });
  for (const [cx, cy] of away) draw('circle', { cx, cy, r: 10, class: 'court-away' });
  draw('circle', { cx: 150, cy: 62, r: 10, class: 'court-free' });
  draw('circle', { cx: 201, cy: 121, r: 5, class: 'court-ball' });
  return svg;
}

export function welcome({ signIn }) {
  const point = (name, symbol) => h('li', {}, icon(symbol),
    h('div', {}, h('h2', {}, t(`welcome.${name}.title`)), h('p', {}, t(`welcome.${name}.text`))));
  return h('div', { class: 'page welcome' },
    h('div', { class: 'hero' },
      h('div', {},
        h('h1', { tabindex: '-1' }, t('welcome.title')),
        h('p', { class: 'lead' }, t('welcome.lead')),
        h('button', { type: 'button', class: 'button large', id: 'sign-in', 'data-testid': 'sign-in', onclick: signIn }, t('welcome.signIn'))),
      court()),
    h('ul', { class: 'points' }, point('live', 'ball'), point('fair', 'mine'), point('free', 'matches')));
}
