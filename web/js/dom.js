// How are elements made? One function, and the icons.

const PROPERTIES = new Set(['disabled', 'hidden', 'value', 'checked', 'open', 'required']);

// h('button', { class: 'x', onclick: f }, 'text'): children that are null,
// undefined or false are left out; text never becomes markup.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

const PATHS = {
  ball: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z', 'M12 8.2l3.6 2.6-1.4 4.2H9.8l-1.4-4.2z', 'M12 3v5.2M20.6 9.3l-5 1.5M17.3 19.3l-3.1-4.3M6.7 19.3l3.1-4.3M3.4 9.3l5 1.5'],
  matches: ['M4 6.5h16v13H4z', 'M4 10.5h16M8.5 4v4M15.5 4v4'],
  mine: ['M5 12.5l4.5 4.5L19 7.5'],
  profile: ['M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5'],
  manage: ['M4 7h9M17 7h3M4 17h3M11 17h9', 'M15 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM9 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4z'],
  place: ['M12 21s6.5-5.7 6.5-11a6.5 6.5 0 0 0-13 0c0 5.3 6.5 11 6.5 11z', 'M12 12.3a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6z'],
};

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of PATHS[name]) {
    const path = document.createElementNS(svg.namespaceURI, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}
