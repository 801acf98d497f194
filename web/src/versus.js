// The page of two stores: this board against that, before against after. What changed in words, each configuration's ratio with
// its interval, the table, what differs between the machines. The verdicts are src/insight/versus.c's.
import { forest, intervalText, percentText, ratioText, verdictCell } from './compare.js';
import { button, choice, copy, h, plainTable, save, section } from './dom.js';
import { csv, date, markdown, number } from './format.js';
import { effectWord } from './verdict.js';

const ORDER = ['worse', 'better', 'not known', 'no difference'];
const PAGE = 300, MOST_MARKS = 40;
const NAMES = { load_s: 'load', ttft_s: 'first token', inter_token_p50_s: 'gap, p50', inter_token_p90_s: 'gap, p90', inter_token_p99_s: 'gap, p99', prefill_energy_j_per_token: 'prefill energy', decode_energy_j_per_token: 'decode energy', decode_energy_net_j_per_token: 'decode energy, net' };
const nameOf = (m) => NAMES[m.key] ?? m.name;
const unitOf = (m) => (m.unit ? `${nameOf(m)}, ${m.unit}` : nameOf(m));
const shown = (value, m) => number(value === null ? NaN : value * m.scale);

function masthead(data) {
  const side = (name, s) => [`${name}: `, h('b', null, s.study.store), ` · ${s.title} · ${s.machine.summary} · ${s.study.done} of ${s.study.planned} runs · ${date(s.study.ended ?? s.study.started)}`];
  return h('header', { class: 'masthead' }, h('h1', null, 'Before and after'), h('p', { class: 'byline' }, side('Before', data.before), h('br'), side('After', data.after)));
}

function answer(data) {
  if (!data.pairs.length) return section('answer', 'What changed', h('p', { class: 'say' }, 'The two stores share no configuration: same model, threads and tokens are needed.'), only(data));
  const words = data.measures.map((m) => {
    const counts = [['better', m.better], ['worse', m.worse], ['no difference', m.no_difference], ['not known', m.not_known]].filter(([, n]) => n), all = counts.reduce((total, [, n]) => total + n, 0);
    return h('div', { class: 'answer' }, h('h3', null, nameOf(m)), h('div', null, h('p', { class: 'say' }, `${counts.map(([word, n]) => `${word} in ${n}`).join(', ')} of ${all}.`),
      h('p', { class: 'why' }, `In the middle ${ratioText(m.middle_ratio)} of before${m.sense > 0 ? '; more is better' : '; less is better'}.`)));
  });
  // What both stores say in the same words is said once.
  const both = (c, other) => other.caveats.some((o) => o.text === c.text);
  const caveats = [['before', data.before, data.after], ['after', data.after, data.before]].flatMap(([name, side, other]) => side.caveats.filter((c) => name === 'before' || !both(c, other))
    .map((c) => h('div', { class: 'answer caveat' }, h('h3', null, `${c.heading}, ${both(c, other) ? 'both' : name}`), h('div', null, h('p', { class: 'say' }, c.text)))));
  return section('answer', 'What changed',
    h('p', { class: 'lead' }, `${data.pairs.length} configurations are in both stores. Verdicts are at 5 %, adjusted for their number; up to ${percentText(data.margin)} % either way counts as no difference, and “not known” means too few runs or too much noise.`), words, only(data), caveats);
}

const only = (data) => [['only before', data.only_before], ['only after', data.only_after]].filter(([, list]) => list.length)
  .map(([name, list]) => h('div', { class: 'answer caveat' }, h('h3', null, name), h('div', null, h('p', { class: 'why' }, `${list.slice(0, 12).join('; ')}${list.length > 12 ? `; and ${list.length - 12} more` : ''}.`))));

function picture(data) {
  let m = data.measures.find((one) => one.key === 'decode_tokens_per_s') ?? data.measures[0];
  const all = () => data.pairs.filter((p) => p.figures[m.key]).map((p) => ({ name: p.label, ...p.figures[m.key], low: p.figures[m.key].low ?? NaN, high: p.figures[m.key].high ?? NaN }));
  // Rows of one name would fall onto one line.
  const apart = (list) => { const seen = new Map(); return list.map((r) => { const n = (seen.get(r.name) ?? 0) + 1; seen.set(r.name, n); return n > 1 ? { ...r, name: `${r.name} (${n})` } : r; }); };
  const rows = () => apart(all()).sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || a.ratio - b.ratio).slice(0, MOST_MARKS);
  const plotted = forest({ name: 'before-after', title: 'After against before, with 95 % intervals', axis: 'after ÷ before; shaded: the margin', rows, margin: () => data.margin });
  const note = h('p', { class: 'hint' });
  const say = () => { note.textContent = all().length > MOST_MARKS ? `The ${MOST_MARKS} that changed most surely, of ${all().length}; the table has all.` : ''; };
  say();
  return section('picture', 'The picture', h('div', { class: 'controls' }, choice('Figure', data.measures.map((one) => [one.key, unitOf(one)]), m.key, (key) => { m = data.measures.find((one) => one.key === key); say(); plotted.draw(); })), plotted.element, note);
}

function table(data) {
  const flat = data.pairs.flatMap((p) => data.measures.filter((m) => p.figures[m.key]).map((m) => ({ p, m, f: p.figures[m.key] })));
  const columns = [
    ['configuration', (r) => r.p.label + (r.p.synthetic ? ' (synthetic)' : ''), (r) => r.p.label], ['figure', (r) => unitOf(r.m), (r) => r.m.key], ['before', (r) => shown(r.f.before, r.m), (r) => r.f.before, true], ['after', (r) => shown(r.f.after, r.m), (r) => r.f.after, true],
    ['after ÷ before', (r) => ratioText(r.f.ratio), (r) => r.f.ratio, true], ['95 % interval', (r) => intervalText(r.f.low ?? NaN, r.f.high ?? NaN), (r) => r.f.low, true], ['effect', (r) => `${number(r.f.cliff_delta, 2)}, ${effectWord(r.f.cliff_delta ?? NaN)}`, (r) => r.f.cliff_delta, true],
    ['runs', (r) => `${r.f.runs_before}, ${r.f.runs_after}`, (r) => r.f.runs_before + r.f.runs_after, true], ['verdict', (r) => r.f.verdict, (r) => ORDER.indexOf(r.f.verdict)],
  ];
  const state = { words: '', figure: '', verdict: '', sort: -1, down: false, most: PAGE };
  const body = h('tbody'), count = h('span', { class: 'hint', 'aria-live': 'polite' }), heads = [];
  const chosen = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = flat.filter((r) => (!state.figure || r.m.key === state.figure) && (!state.verdict || r.f.verdict === state.verdict) && words.every((w) => r.p.label.toLowerCase().includes(w)));
    if (state.sort < 0) return rows;
    const get = columns[state.sort][2], way = state.down ? -1 : 1;
    return [...rows].sort((a, b) => { const x = get(a), y = get(b); return (typeof x === 'string' ? x.localeCompare(y) : (x ?? Infinity) - (y ?? Infinity)) * way; });
  };
  const more = button(`${PAGE} more`, () => { state.most += PAGE; fill(); }, { class: 'quiet' });
  function fill() {
    const rows = chosen();
    body.replaceChildren(...rows.slice(0, state.most).map((r) => h('tr', { 'data-verdict': r.f.verdict }, columns.map(([name, text, , numeric], i) => h(i ? 'td' : 'th', { class: numeric ? 'num' : null, scope: i ? null : 'row' },
      name === 'verdict' ? verdictCell(r.f.verdict) : text(r), i === 0 && r.p.alike && h('span', { class: 'flag' }, ` ~ differs in ${r.p.differs}`))))));
    more.hidden = rows.length <= state.most;
    count.textContent = `${rows.length} of ${flat.length} rows`;
    heads.forEach((th, i) => th.setAttribute('aria-sort', i !== state.sort ? 'none' : state.down ? 'descending' : 'ascending'));
  }
  const header = h('tr', null, columns.map(([name, , , numeric], i) => {
    const th = h('th', { scope: 'col', class: numeric ? 'num' : null, 'aria-sort': 'none' }, button(name, () => { state.down = state.sort === i ? !state.down : false; state.sort = i; fill(); }, { class: 'sort' }));
    heads.push(th);
    return th;
  }));
  const set = (key) => (value) => { state[key] = value; state.most = PAGE; fill(); };
  const copied = button('Copy as Markdown', async () => { await copy(markdown(columns.map(([name]) => name), chosen().map((r) => columns.map(([, text]) => text(r))), [2, 3, 4, 5, 6, 7])); copied.textContent = 'Copied'; setTimeout(() => { copied.textContent = 'Copy as Markdown'; }, 1500); });
  const saved = button('CSV', () => save('before-after.csv', 'text/csv', csv(['configuration', 'figure', 'before', 'after', 'ratio', 'low', 'high', 'cliff_delta', 'different_p', 'equivalent_p', 'verdict'], chosen().map(({ p, m, f }) => [p.label, m.key, f.before, f.after, f.ratio, f.low, f.high, f.cliff_delta, f.different_p, f.equivalent_p, f.verdict]))), { 'aria-label': 'Save the table as CSV' });
  fill();
  return section('table', 'The table',
    h('div', { class: 'controls' }, h('label', { class: 'choice' }, h('span', null, 'Find'), h('input', { type: 'search', size: 14, oninput: (e) => set('words')(e.target.value) })),
      choice('Figure', [['', 'all'], ...data.measures.map((m) => [m.key, unitOf(m)])], '', set('figure')), choice('Verdict', [['', 'all'], ...ORDER.map((v) => [v, v])], '', set('verdict')), copied, saved),
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of differences' }, h('table', { class: 'main' }, h('thead', null, header), body)), count, ' ', more);
}

function machines(data) {
  const facts = (side) => new Map(side.machine.facts), a = facts(data.before), b = facts(data.after);
  const rows = [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).map((name) => [name, a.get(name) ?? '–', b.get(name) ?? '–']);
  return section('machine', 'What differs between the machines', rows.length ? plainTable(['', 'before', 'after'], rows) : h('p', { class: 'empty' }, 'Nothing that was recorded: machine, system and build are the same.'));
}

function repeat(data) {
  const text = data.repeat_commands.join('\n'), copied = button('Copy', async () => { await copy(text); copied.textContent = 'Copied'; });
  return section('repeat', 'How to repeat this', h('pre', { tabindex: '0' }, text), h('p', null, copied, ' ', button('Save all data as JSON', () => save('comparison.json', 'application/json', document.getElementById('data').textContent))));
}

export const versusPage = (data) => [masthead(data), [answer(data), ...(data.pairs.length ? [picture(data), table(data)] : []), machines(data), repeat(data)]];
