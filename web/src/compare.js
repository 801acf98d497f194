// Any two configurations side by side: what differs in how they were run, and every figure with ratio, interval, effect size and
// verdict. The same rules as src/insight/versus.c; the sums are in verdict.js.
import { button, choice, copy, h, save, section } from './dom.js';
import { measures, valueOf } from './figures.js';
import { csv, figureText, markdown, number } from './format.js';
import { pins } from './pins.js';
import { plot, rowAxis } from './plot.js';
import { colour } from './theme.js';
import { compareRuns, effectWord } from './verdict.js';

// key of a measure -> key of a run
const RUN_KEYS = { decode: 'decode_tokens_per_s', prefill: 'prefill_tokens_per_s', ttft: 'ttft_s', load: 'load_s', itl: 'inter_token_p90_s', memory: 'peak_memory_bytes', joulesPrefill: 'prefill_energy_j_per_token', joules: 'decode_energy_j_per_token', joulesNet: 'decode_energy_net_j_per_token', st: 's_t' };
const SETTINGS = [['model', 'model'], ['type', 'type'], ['threads_prefill', 'prefill threads'], ['threads_decode', 'decode threads'], ['prompt_tokens', 'prompt tokens'], ['generate_tokens', 'answer tokens'], ['depth_tokens', 'depth'],
  ['context_tokens', 'context'], ['layout', 'layout'], ['batch', 'batch'], ['kv_type', 'KV type'], ['speculate', 'speculation'], ['backend', 'backend'], ['governor', 'governor'], ['power_mode', 'power mode'], ['max_mhz', 'frequency cap'], ['epp', 'energy preference'], ['load_state', 'page cache'], ['cores', 'cores'], ['spin_us', 'spin'], ['run', 'burst or sustained'], ['kernels', 'kernels']];
const MARK = { better: '▲', worse: '▼', 'no difference': '=', 'not known': '?' };

export const percentText = (share) => String(Math.round(1e4 * share) / 100);
export const ratioText = (value) => (Number.isFinite(value) ? `${number(value, value < 10 ? 3 : 1)} ×` : '–');
export const intervalText = (low, high) => (Number.isFinite(low) ? `${number(low, low < 10 ? 3 : 1)} to ${number(high, high < 10 ? 3 : 1)}` : '–');
export const verdictCell = (verdict) => h('span', { class: `verdict ${verdict.replace(' ', '-')}` }, `${MARK[verdict]} ${verdict}`);

// A row of marks with whiskers around the line at one: what changed, and how surely. rows: {name, ratio, low, high, verdict}.
export function forest(options) {
  const kinds = Object.keys(MARK), shapes = ['triangle-up', 'triangle-down', 'square', 'circle'];
  return plot({
    name: options.name, title: options.title,
    spec: (width) => {
      const rows = options.rows().filter((r) => Number.isFinite(r.ratio) && r.ratio > 0), names = rows.map((r) => r.name), narrow = width < 500;
      const low = Math.min(0.97, ...rows.map((r) => (r.low > 0 ? r.low : r.ratio))), high = Math.max(1.03, ...rows.map((r) => (Number.isFinite(r.high) ? r.high : r.ratio)));
      const y = { field: 'name', type: 'nominal', sort: names, title: null, axis: { ...rowAxis(narrow, width, 14), grid: !narrow, gridDash: [1, 4] } };
      const x = { field: 'ratio', type: 'quantitative', scale: { type: 'log', domain: [low, high], nice: false, padding: 8 }, title: narrow ? 'second ÷ first' : options.axis, axis: { tickCount: narrow ? 3 : 7, format: '~r' } };
      const legend = { columns: narrow ? 2 : 4 };
      const verdict = { field: 'verdict', type: 'nominal', title: null, legend, scale: { domain: kinds, range: [colour('good'), colour('warn'), colour('accent'), colour('ink-soft')] } };
      return {
        width, height: Math.max(1, rows.length) * (narrow ? 44 : 24) + 10, autosize: { type: 'fit-x', contains: 'padding' },
        layer: [
          { data: { values: [{ one: 1 - options.margin(), end: 1 + options.margin() }] }, mark: { type: 'rect', color: colour('shade-1') }, encoding: { x: { field: 'one', type: 'quantitative' }, x2: { field: 'end' } } },
          { data: { values: [{ one: 1 }] }, mark: { type: 'rule', color: colour('ink-soft') }, encoding: { x: { field: 'one', type: 'quantitative' } } },
          { data: { values: rows.filter((r) => Number.isFinite(r.low)) }, mark: { type: 'rule', strokeWidth: 1.6 }, encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' }, color: verdict } },
          { data: { values: rows }, mark: { type: 'point', filled: true, size: 90, opacity: 1 }, encoding: { y, x, color: verdict, shape: { field: 'verdict', type: 'nominal', title: null, legend, scale: { domain: kinds, range: shapes } }, tooltip: { field: 'name' } } },
        ],
      };
    },
    description: () => options.rows().map((r) => `${r.name}: ${ratioText(r.ratio)}, ${r.verdict}`).join('; '),
    table: () => ({ heads: ['', 'Ratio', '95 % interval', 'Verdict'], numeric: [1, 2], rows: options.rows().map((r) => [r.name, ratioText(r.ratio), intervalText(r.low, r.high), r.verdict]) }),
    lines: (d) => (d.name ? [['', d.name], ['ratio', ratioText(d.ratio)], ['95 %', intervalText(d.low, d.high)], ['', d.verdict]] : []),
  });
}

function runsOf(data) {
  const by = new Map();
  for (const t of data.trials) if (t.outcome === 'ok') { if (!by.has(t.configuration)) by.set(t.configuration, []); by.get(t.configuration).push(t); }
  return by;
}

export function compareSection(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0), byId = new Map(usable.map((c) => [c.id, c])), runs = runsOf(data);
  if (usable.length < 2) return section('compare', 'Compare two', h('p', { class: 'empty' }, 'Two configurations with finished runs are needed; a second one in the study fills this.'));
  let margin = 0.02;
  const chosen = () => pins.all().map((id) => byId.get(id)).filter(Boolean);

  function rows() {
    const [a, b] = chosen();
    if (!b) return [];
    return Object.entries(RUN_KEYS).map(([key, runKey]) => {
      const m = measures[key], side = (c) => (runs.get(c.id) ?? []).filter((t) => Number.isFinite(t[runKey])).map((t) => ({ value: t[runKey], block: t.repetition }));
      const result = compareRuns(side(a), side(b), m.sense, margin);
      return result && { key, m, name: `${m.name}, ${m.unit}`, a, b, ...result };
    }).filter(Boolean);
  }

  const host = h('div', { class: 'compare', 'aria-live': 'polite' });
  const picture = forest({ name: 'compare-two', title: 'Second against first, with 95 % intervals', axis: 'second ÷ first; shaded: the margin', rows, margin: () => margin });
  const heads = () => { const [a, b] = chosen(); return ['Figure', a.label, b.label, 'second ÷ first', '95 % interval', 'effect (Cliff’s δ)', 'verdict on the second']; };
  const plainRows = () => rows().map((r) => [r.name, figureText(r.m.get(r.a), r.m.scale), figureText(r.m.get(r.b), r.m.scale), ratioText(r.ratio), intervalText(r.low, r.high), `${number(r.delta, 2)}, ${effectWord(r.delta)}`, r.verdict]);

  function settings(a, b) {
    const differ = SETTINGS.filter(([key]) => (a[key] ?? null) !== (b[key] ?? null)).map(([key, name]) => `${name} ${a[key] ?? '–'} → ${b[key] ?? '–'}`);
    return h('p', { class: 'lead' }, differ.length ? `They differ in: ${differ.join('; ')}.` : 'They differ in nothing that was recorded.');
  }

  function show() {
    const [a, b] = chosen();
    first.querySelector('select').value = a?.id ?? '';
    second.querySelector('select').value = b?.id ?? '';
    picture.element.hidden = !b;
    if (!b) return host.replaceChildren(h('p', { class: 'hint' }, a ? `${a.label} is the first. Choose a second one here, in the picture, or with Pin in the table.` : 'Choose two here, in the picture, or with Pin in the table.'));
    const found = rows();
    const copied = button('Copy as Markdown', async () => { await copy(markdown(heads(), plainRows(), [1, 2, 3, 4, 5])); copied.textContent = 'Copied'; setTimeout(() => { copied.textContent = 'Copy as Markdown'; }, 1500); });
    host.replaceChildren(settings(a, b), h('div', { class: 'scroll', tabindex: '0' }, h('table', null,
      h('thead', null, h('tr', null, heads().map((head, i) => h('th', { scope: 'col', class: i && i < 6 ? 'num' : null }, head)))),
      h('tbody', null, found.map((r, i) => h('tr', { 'data-figure': RUN_KEYS[r.key], 'data-verdict': r.verdict, 'data-different': r.different, 'data-equivalent': r.equivalent, 'data-ratio': r.ratio, 'data-delta': r.delta },
        plainRows()[i].map((cell, k) => (k === 0 ? h('th', { scope: 'row' }, cell) : h('td', { class: k < 6 ? 'num' : null }, k === 6 ? verdictCell(cell) : cell)))))))),
    h('p', { class: 'hint' }, `${found.some((r) => r.paired) ? 'Runs of the same block are held against each other. ' : ''}Each figure is judged by itself at 5 %. “No difference” is said only where it was shown to lie within ±${percentText(margin)} %; “not known” means too few runs or too much noise. n = ${found.length ? found[0].n.join(' and ') : 0}.`),
    h('p', null, copied, ' ', button('CSV', () => save('comparison.csv', 'text/csv', csv(['figure', 'first', 'second', 'ratio', 'low', 'high', 'cliff_delta', 'different_p', 'equivalent_p', 'verdict'], found.map((r) => [RUN_KEYS[r.key], r.m.get(r.a)?.value, r.m.get(r.b)?.value, r.ratio, r.low, r.high, r.delta, r.different, r.equivalent, r.verdict]))), { 'aria-label': 'Save the comparison as CSV' }), ' ', button('Swap', () => pins.set([b.id, a.id]), { class: 'quiet' }), ' ', button('Unpin both', () => pins.clear(), { class: 'quiet' })));
    picture.draw();
  }

  const options = [['', 'none'], ...usable.map((c) => [String(c.id), c.label])];
  const choose = (place) => (value) => { const ids = pins.all().filter((id) => byId.has(id)).slice(0, 2), other = ids[1 - place]; pins.set((place ? [other, value && Number(value)] : [value && Number(value), other]).filter(Boolean)); };
  const first = choice('First', options, '', choose(0)), second = choice('Second', options, '', choose(1));
  const marginInput = h('label', { class: 'choice' }, h('span', null, 'Does not count (± %)'), h('input', { type: 'number', min: 0.1, max: 100, step: 0.5, value: 2, 'data-key': 'margin', oninput: (e) => { const v = Number(e.target.value) / 100; if (v > 0) { margin = v; show(); } } }));
  pins.listen(show);
  show();
  return section('compare', 'Compare two', h('div', { class: 'controls' }, first, second, marginInput), host, picture.element);
}
