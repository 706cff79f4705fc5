// How is a value asked for? A label, a field, a hint and, when it is wrong,
// what is wrong with it, tied together for a screen reader.

import { h } from './dom.js';
import { t } from './language.js';

export function field(name, label, { hint, ...attributes }) {
  const input = h('input', {
    id: name, name, 'data-testid': name, 'aria-describedby': `${name}-hint ${name}-fault`, type: 'text', ...attributes,
  });
  const fault = h('p', { class: 'fault', id: `${name}-fault` });
  const element = h('div', { class: 'field' },
    h('label', { for: name }, label), input, h('p', { class: 'hint', id: `${name}-hint` }, hint ?? ''), fault);
  return { element, input, fault };
}

// Marks the named fields and goes to the first of them. True if there is none.
export function showFaults(fields, names) {
  for (const [name, { input, fault }] of Object.entries(fields)) {
    const wrong = names.includes(name);
    input.setAttribute('aria-invalid', String(wrong));
    fault.textContent = wrong ? t(`field.${name}`) : '';
  }
  const first = Object.keys(fields).find((name) => names.includes(name));
  if (first) fields[first].input.focus();
  return !first;
}
