// Are you sure? A dialog that answers true or false. The browser keeps the
// focus inside and gives it back; Escape says no.

import { h } from './dom.js';

export function confirm({ title, text, yes, no, danger = false }) {
  return new Promise((answer) => {
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text', 'data-testid': 'dialog' },
      h('h2', { id: 'dialog-title' }, title),
      h('p', { id: 'dialog-text' }, text),
      h('div', { class: 'actions' },
        h('button', { type: 'button', class: 'button quiet', 'data-testid': 'dialog-no', onclick: () => dialog.close() }, no),
        h('button', {
          type: 'button', class: danger ? 'button danger' : 'button', 'data-testid': 'dialog-yes',
          onclick: () => dialog.close('yes'),
        }, yes)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      answer(dialog.returnValue === 'yes');
    });
    // a click outside
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
