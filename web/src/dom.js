// Elements are made here and nowhere else. Strings become text nodes, never markup: names in a store are other people's.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export function section(id, title, ...children) {
  return h('section', { id, 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...children);
}

export function button(label, onclick, attributes) {
  return h('button', { type: 'button', onclick, ...attributes }, label);
}

// A plain table; cells of `numeric` columns are right-aligned.
export function plainTable(heads, rows, numeric = []) {
  const align = (i) => (numeric.includes(i) ? 'num' : null);
  return h('div', { class: 'scroll', tabindex: '0' }, h('table', null,
    h('thead', null, h('tr', null, heads.map((head, i) => h('th', { scope: 'col', class: align(i) }, head)))),
    h('tbody', null, rows.map((row) => h('tr', null, row.map((cell, i) => h('td', { class: align(i) }, cell)))))));
}

// The same in pages: thousands of rows would make everything slow. rows are made when their page is shown.
export function pagedTable(heads, rows, numeric = [], size = 200) {
  if (rows.length <= size) return plainTable(heads, rows, numeric);
  const host = h('div', { class: 'paged' }), words = h('span', { class: 'hint', 'aria-live': 'polite' });
  let page = 0;
  const last = Math.ceil(rows.length / size) - 1;
  const show = (to) => {
    page = Math.max(0, Math.min(last, to));
    const from = page * size;
    words.textContent = `${from + 1} to ${Math.min(from + size, rows.length)} of ${rows.length}`;
    host.replaceChildren(plainTable(heads, rows.slice(from, from + size), numeric), h('div', { class: 'controls' }, button('Before', () => show(page - 1), { disabled: page === 0 }), words, button('After', () => show(page + 1), { disabled: page === last })));
  };
  show(0);
  return host;
}

export function choice(label, options, selected, onchange) {
  const select = h('select', { onchange: (event) => onchange(event.target.value) },
    options.map(([value, text]) => h('option', { value, selected: value === selected }, text)));
  return h('label', { class: 'choice' }, h('span', null, label), select);
}

export function save(name, type, content) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // file:// pages have no clipboard object in some browsers
    const area = h('textarea', { class: 'off-screen' }, text);
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}
