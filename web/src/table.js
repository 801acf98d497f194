// Section 3: the table. Sorted by buttons in the heads, filtered, copied as Markdown; the best of each column is marked.
import { button, choice, copy, h, pagedTable, save, section } from './dom.js';
import { measures, valueOf } from './figures.js';
import { csv, figureText, markdown, mib, parts, percent, threads } from './format.js';
import { pins } from './pins.js';

const figureColumn = (key, head, unit) => ({
  key, head, unit, numeric: true, sense: measures[key].sense,
  value: (c) => valueOf(measures[key], c),
  text: (c) => figureText(measures[key].get(c), measures[key].scale),
  cell: (c) => { const { value, spread } = parts(measures[key].get(c), measures[key].scale); return [value, spread && h('span', { class: 'spread' }, ` ${spread}`)]; },
});

const hasFlags = (c) => c.flags?.length > 0;
const FLAG_WORDS = { outlier: 'stands apart', drift: 'drift', neighbours: 'alike', swapped: 'swapped', throttled: 'throttled',
  meter_lost: 'meter lost', stalled: 'stalled for memory', limit_hit: 'memory limit hit', reread: 'files read again', page_cache: 'warm and cold', crowded: 'crowded' };
const flagWords = (flags) => [...new Set(flags.map((f) => f.kind))].map((kind) => h('abbr', { class: 'flag', title: flags.filter((f) => f.kind === kind).map((f) => f.text).join('\n') }, `⚑ ${FLAG_WORDS[kind] ?? kind} `));

function columns(data) {
  const energy = data.energy.present;
  const joules = figureColumn('joules', 'energy', 'J/token');
  return [
    { key: 'model', head: 'model', value: (c) => c.model, text: (c) => (c.synthetic ? `${c.model} (synthetic)` : c.model), cell: (c) => [c.model, c.synthetic && h('span', { class: 'tag' }, 'synthetic')] },
    { key: 'type', head: 'type', value: (c) => c.type, text: (c) => c.type },
    { key: 'threads', head: 'threads', unit: 'pre/dec', numeric: true, value: (c) => c.threads_prefill * 1000 + c.threads_decode, text: (c) => `${c.threads_prefill}/${c.threads_decode}` },
    figureColumn('load', 'load', 's'), figureColumn('ttft', 'TTFT', 's'), figureColumn('prefill', 'prefill', 'tok/s'), figureColumn('decode', 'decode', 'tok/s'), figureColumn('itl', 'p90 gap', 'ms'),
    figureColumn('memory', 'peak memory', 'MiB'),
    ...(data.quality?.basis ? [figureColumn('quality', 'quality', data.quality.unit)] : []),
    { key: 'said', head: 'predicted', unit: 'MiB', numeric: true, value: (c) => c.predicted_memory?.total ?? NaN, text: (c) => (c.predicted_memory ? mib(c.predicted_memory.total) : '–') },
    { key: 'error', head: 'error', unit: '%', numeric: true, sense: 0, value: (c) => (c.memory_error_percent === null ? NaN : Math.abs(c.memory_error_percent)), text: (c) => percent(c.memory_error_percent).replace(' %', '') },
    ...(energy ? [{ ...joules, cell: (c) => [joules.cell(c), c.energy_grade && h('span', { class: 'grade', title: `trust grade ${c.energy_grade}` }, c.energy_grade)], text: (c) => `${joules.text(c)}${c.energy_grade ? ` (${c.energy_grade})` : ''}` }, figureColumn('st', 'S_t', 'mJ·s/tok²')] : []),
    { key: 'runs', head: 'runs', numeric: true, value: (c) => c.runs_ok, text: (c) => (c.runs_failed ? `${c.runs_ok} + ${c.runs_failed} failed` : String(c.runs_ok)) },
    ...(data.configurations.some(hasFlags) ? [{ key: 'flags', head: 'flags', value: (c) => c.flags.map((f) => f.kind).join(' '), text: (c) => c.flags.map((f) => f.text).join('; '), cell: (c) => flagWords(c.flags) }] : []),
  ];
}

const PAGE = 300; // rows at once: thousands would make every click slow

export function tableSection(data) {
  const all = data.configurations, cols = columns(data);
  const state = { sort: null, down: true, words: '', model: '', type: '', kind: '', most: PAGE };
  const body = h('tbody'), heads = new Map();
  const best = new Map(cols.filter((col) => col.sense).map((col) => {
    const values = all.map(col.value).filter(Number.isFinite);
    return [col.key, values.length > 1 ? (col.sense > 0 ? Math.max(...values) : Math.min(...values)) : NaN];
  }));

  const shown = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = all.filter((c) => (!state.model || c.model === state.model) && (!state.type || c.type === state.type)
      && (state.kind !== 'front' || c.front_of_model) && (state.kind !== 'real' || !c.synthetic) && (state.kind !== 'failed' || c.runs_failed) && (state.kind !== 'flagged' || hasFlags(c))
      && words.every((word) => `${c.label} ${c.synthetic ? 'synthetic' : 'real'}`.toLowerCase().includes(word)));
    const col = cols.find((one) => one.key === state.sort);
    if (!col) return rows;
    const order = (a, b) => {
      const va = col.value(a), vb = col.value(b);
      if (typeof va === 'string') return va.localeCompare(vb);
      return Number.isFinite(va) ? (Number.isFinite(vb) ? va - vb : -Infinity) : Infinity;
    };
    return [...rows].sort((a, b) => { const o = order(a, b); return Number.isFinite(o) && state.down ? -o : o; });
  };

  function row(c) {
    const cells = cols.map((col) => {
      const isBest = col.value(c) === best.get(col.key);
      return h(col.key === 'model' ? 'th' : 'td', { class: [col.numeric && 'num', isBest && 'best'].filter(Boolean).join(' ') || null, scope: col.key === 'model' ? 'row' : null },
        col.cell ? col.cell(c) : col.text(c), isBest && h('span', { class: 'hidden' }, ' (best)'));
    });
    const pinned = pins.has(c.id);
    const pin = c.runs_ok ? button(pinned ? 'Unpin' : 'Pin', () => pins.toggle(c.id), { class: 'quiet pin', 'aria-pressed': String(pinned), 'aria-label': `${pinned ? 'Unpin' : 'Pin'} ${c.label}` }) : null;
    return h('tr', { class: [pinned && 'pinned', !c.runs_ok && 'failed', c.front_of_model && 'front'].filter(Boolean).join(' ') || null, 'data-configuration': c.id }, cells, h('td', { class: 'screen-only' }, pin));
  }

  const more = button(`${PAGE} more`, () => { state.most += PAGE; fill(); }, { class: 'quiet' });
  const count = h('span', { class: 'hint', 'aria-live': 'polite' });
  function fill() {
    const rows = shown();
    body.replaceChildren(...rows.slice(0, state.most).map(row));
    more.hidden = rows.length <= state.most;
    count.textContent = rows.length === all.length ? `${all.length} configurations` : `${rows.length} of ${all.length} configurations`;
    for (const [key, th] of heads) th.setAttribute('aria-sort', key !== state.sort ? 'none' : state.down ? 'descending' : 'ascending');
  }
  function sortBy(col) {
    if (state.sort === col.key) state.down = !state.down;
    else { state.sort = col.key; state.down = col.sense > 0; }
    fill();
  }
  const exported = () => [cols.map((col) => (col.unit ? `${col.head} (${col.unit})` : col.head)), shown().map((c) => cols.map((col) => col.text(c)))];
  const numeric = cols.map((col, i) => (col.numeric ? i : -1)).filter((i) => i >= 0);

  const header = h('tr', null, cols.map((col) => {
    const th = h('th', { scope: 'col', class: col.numeric ? 'num' : null, 'aria-sort': 'none' }, button([col.head, col.unit && h('small', null, col.unit)], () => sortBy(col), { class: 'sort' }));
    heads.set(col.key, th);
    return th;
  }), h('td', { class: 'screen-only' }));
  const distinct = (key) => [['', 'all'], ...[...new Set(all.map((c) => c[key]))].map((v) => [v, v])];
  const filter = (key) => (value) => { state[key] = value; fill(); };
  const copied = button('Copy as Markdown', async () => {
    await copy(markdown(...exported(), numeric));
    copied.textContent = 'Copied';
    setTimeout(() => { copied.textContent = 'Copy as Markdown'; }, 1500);
  });
  const controls = h('div', { class: 'controls' },
    h('label', { class: 'choice' }, h('span', null, 'Find'), h('input', { type: 'search', size: 14, oninput: (e) => filter('words')(e.target.value) })),
    choice('Model', distinct('model'), '', filter('model')), choice('Type', distinct('type'), '', filter('type')),
    choice('Show', [['', 'everything'], ['front', 'the front'], ['real', 'real weights'], ['failed', 'failures'], ['flagged', 'flagged']], '', filter('kind')),
    copied, button('CSV', () => save('configurations.csv', 'text/csv', csv(exported()[0], shown().map((c) => cols.map((col) => { const v = col.value(c); return col.key === 'threads' || typeof v === 'string' ? col.text(c) : Number.isFinite(v) ? v : null; })))), { 'aria-label': 'Save the table as CSV' }));
  pins.listen(fill);
  fill();
  return section('table', 'The table',
    h('p', { class: 'lead' }, 'Medians with their interval: ± is its larger half, + and − where it is lopsided. Best of each column in bold with a dot; rows with a rule at the left are on the Pareto front of their model.'), controls,
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of configurations' }, h('table', { class: 'main' }, h('thead', null, header), body)), count, ' ', more, flagList(data));
}

// Every mark in words; nothing was left out because of one.
function flagList(data) {
  const flagged = data.configurations.filter(hasFlags);
  if (!flagged.length) return data.configurations.some((c) => c.flags) && h('p', { class: 'hint' }, 'No run stands apart, drifted or swapped.');
  return h('details', { class: 'data flags' }, h('summary', null, `Flags: ${flagged.length} of ${data.configurations.length} configurations`),
    h('p', { class: 'hint' }, 'A flag marks and never deletes: every run stays in every figure. Of 20 configurations without drift or outliers about one has a flag of each kind by chance.'),
    pagedTable(['Configuration', 'What was seen'], flagged.flatMap((c) => c.flags.map((f) => [c.label, f.text]))));
}
