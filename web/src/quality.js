// Section 9, first half: what the models know against what it costs, the cost of each step of quantization in words, and every figure
// with its data; or one line on what would fill it. Figures belong to a file (with its KV type), not to a configuration.
import { button, choice, h, pagedTable, save, section } from './dom.js';
import { measures, typesOf, valueOf } from './figures.js';
import { csv, figureText, number, sizeText, toMiB } from './format.js';
import { plot } from './plot.js';
import { colour, palette } from './theme.js';

const COSTS = ['size', 'memory', 'decode', 'ttft', 'joules', 'money'];
const SHARES = ['accuracy', 'exact_match', 'last_word'];
const NAMES = { perplexity: 'Perplexity', kl_divergence: 'KL divergence', accuracy: 'Accuracy', exact_match: 'Exact match', last_word: 'Last words' };
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross', 'triangle-right', 'triangle-left'];

const nameOf = (measure) => NAMES[measure] ?? measure.replaceAll('_', ' ');
const isShare = (measure) => SHARES.includes(measure);
export const fileKey = (one) => `${one.file} ${one.kv_type ?? 'f16'}`;
export const fileLabel = (one) => `${one.model} ${one.type}${(one.kv_type ?? 'f16') === 'f16' ? '' : ` · KV ${one.kv_type}`}`;

// What compares: same measure, same data, same settings. Perplexities also need one vocabulary, so they are shown a model at a time.
const groupKey = (q) => [q.measure, q.data_hash ?? q.data, q.settings, q.measure === 'perplexity' ? q.model : ''].join('\u0000');

// The figures that can be drawn: the one number first, then each measure on its data; bits a byte wherever a perplexity has them.
function figuresOf(data, files) {
  const list = [];
  const rated = [...files.values()].filter((f) => Number.isFinite(f.configurations[0]?.quality));
  if (rated.length) {
    list.push({ key: 'quality', name: `Quality: ${data.quality?.words ?? 'score'}`, axis: `Quality, ${data.quality?.unit || 'score'}`, sense: 1,
      rows: rated.map((f) => { const c = f.configurations[0]; return { file: f, value: c.quality, low: c.quality_low ?? c.quality, high: c.quality_high ?? c.quality, chance: data.quality?.basis === 'tasks' ? c.quality_chance : null }; }) });
  }
  const groups = new Map();
  for (const q of data.qualities) { if (!groups.has(groupKey(q))) groups.set(groupKey(q), []); groups.get(groupKey(q)).push(q); }
  const several = new Set(data.qualities.map((q) => q.model)).size > 1;
  for (const [key, of] of groups) {
    const [q] = of, share = isShare(q.measure), on = `${q.data ?? 'its data'}${of.some((o) => data.qualities.some((p) => p.measure === o.measure && p.data === o.data && p.settings !== o.settings)) && q.settings ? ` (${q.settings})` : ''}`;
    const row = (o, value, low, high) => ({ file: files.get(fileKey(o)), value, low: low ?? value, high: high ?? value, chance: share && Number.isFinite(o.chance) ? 100 * o.chance : null, n: o.n, reference: o.reference });
    const scale = share ? 100 : 1;
    list.push({ key, name: `${nameOf(q.measure)} · ${on}${q.measure === 'perplexity' && several ? ` · ${q.model}` : ''}`, axis: `${nameOf(q.measure)} on ${q.data ?? 'its data'}${share ? ', %' : q.measure === 'kl_divergence' ? ', nats' : ''}`, sense: share ? 1 : -1,
      rows: of.map((o) => row(o, scale * o.value, o.low === null ? null : scale * o.low, o.high === null ? null : scale * o.high)).filter((r) => r.file) });
  }
  // Bits a byte do not depend on the vocabulary: all models in one picture.
  for (const text of new Set(data.qualities.filter((q) => q.measure === 'perplexity' && q.figures?.bits_per_byte > 0).map((q) => `${q.data_hash ?? q.data}\u0000${q.settings}`))) {
    const of = data.qualities.filter((q) => q.measure === 'perplexity' && `${q.data_hash ?? q.data}\u0000${q.settings}` === text && q.figures?.bits_per_byte > 0);
    const bits = (q, perplexity) => q.figures.bits_per_byte * Math.log(perplexity ?? q.value) / Math.log(q.value);
    list.push({ key: `bits ${text}`, name: `Bits a byte · ${of[0].data ?? 'its data'}`, axis: `Bits a byte of ${of[0].data ?? 'its data'}`, sense: -1,
      rows: of.map((q) => ({ file: files.get(fileKey(q)), value: bits(q), low: bits(q, q.low), high: bits(q, q.high), n: q.n })).filter((r) => r.file) });
  }
  return list.filter((one) => one.rows.length);
}

// Each file once, with its configurations; what a file costs is what its best configuration costs.
function filesOf(data) {
  const files = new Map();
  for (const c of data.configurations) {
    const key = fileKey(c);
    if (!files.has(key)) files.set(key, { key, label: fileLabel(c), model: c.model, type: c.type, line: `${c.model} ${c.kv_type ?? 'f16'}`, bytes: c.file_size_bytes, configurations: [] });
    files.get(key).configurations.push(c);
  }
  // Rated without having been run.
  for (const q of data.qualities) if (!files.has(fileKey(q))) files.set(fileKey(q), { key: fileKey(q), label: fileLabel(q), model: q.model, type: q.type, line: `${q.model} ${q.kv_type}`, bytes: q.file_size_bytes, configurations: [] });
  return files;
}

function costOf(file, key) {
  if (key === 'size') return Number.isFinite(file.bytes) ? { value: file.bytes * toMiB, low: file.bytes * toMiB, high: file.bytes * toMiB, text: number(file.bytes * toMiB), configuration: null } : null;
  const m = measures[key], of = file.configurations.filter((c) => Number.isFinite(valueOf(m, c)));
  if (!of.length) return null;
  const best = of.reduce((a, b) => ((valueOf(m, b) - valueOf(m, a)) * m.sense > 0 ? b : a)), f = m.get(best), scale = m.scale ?? 1;
  return { value: valueOf(m, best), low: (f.low ?? f.value) * scale, high: (f.high ?? f.value) * scale, text: figureText(f, scale), configuration: best };
}

function picturePart(data, figures) {
  const state = { figure: figures[0], cost: 'size' }, types = [...new Set([...typesOf(data), ...data.qualities.map((q) => q.type)])];
  const models = [...new Set(figures.flatMap((one) => one.rows.map((r) => r.file.model)))];
  const rows = () => state.figure.rows.map((r) => ({ ...r, cost: costOf(r.file, state.cost) })).filter((r) => r.cost).map((r) => ({ key: r.file.key, label: r.file.label, model: r.file.model, type: r.file.type, line: r.file.line, n: r.n, reference: r.reference, chance: r.chance,
    x: r.cost.value, x0: r.cost.low, x1: r.cost.high, xText: r.cost.text, how: r.cost.configuration?.label, y: r.value, y0: r.low, y1: r.high })).sort((a, b) => a.x - b.x);
  const text = (r) => figureText({ value: r.y, low: r.y0, high: r.y1 });
  const cost = () => measures[state.cost];
  const costTitle = () => `${cost().name} (${cost().unit}) ${cost().sense > 0 ? '→ better' : '→ worse'}`;
  const isWide = (values) => Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 15;

  function spec(width) {
    const all = rows(), narrow = width < 500, wide = isWide(all.map((r) => r.x));
    const x = { field: 'x', type: 'quantitative', title: costTitle(), scale: wide ? { type: 'log', nice: false, padding: 24 } : { zero: false, padding: 18 }, axis: { tickCount: narrow ? 4 : 7, format: wide ? '~s' : '~r' } };
    const y = { field: 'y', type: 'quantitative', title: `${state.figure.axis} ${state.figure.sense > 0 ? '→ better' : '→ worse'}`, scale: { zero: false, padding: 14 }, axis: { tickCount: 6 } };
    const color = { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: types, range: palette() }, legend: { columns: narrow ? 3 : 6 } };
    const chances = [...new Set(all.map((r) => r.chance).filter(Number.isFinite))].map((chance) => ({ chance, words: 'guessing' }));
    const left = Math.min(...all.map((r) => r.x0));
    return {
      width, height: narrow ? 400 + 18 * models.length : 360, autosize: { type: 'fit', contains: 'padding' },
      layer: [
        ...(chances.length ? [{ data: { values: chances }, mark: { type: 'rule', strokeDash: [2, 4], color: colour('ink-soft') }, encoding: { y: { ...y, field: 'chance' } } },
          { data: { values: chances.map((c) => ({ ...c, left })) }, mark: { type: 'text', align: 'left', baseline: 'bottom', dy: -3, color: colour('ink-soft'), fontSize: 11 }, encoding: { y: { ...y, field: 'chance' }, x: { ...x, field: 'left' }, text: { field: 'words' } } }] : []),
        { data: { values: all }, mark: { type: 'line', color: colour('ink-soft'), strokeWidth: 1, strokeDash: [5, 4], opacity: 0.6 }, encoding: { x, y, detail: { field: 'line' }, order: { field: 'x' } } },
        { data: { values: all }, mark: { type: 'rule', strokeWidth: 1.5, opacity: 0.8 }, encoding: { x, y: { ...y, field: 'y0' }, y2: { field: 'y1' }, color } },
        { data: { values: all }, mark: { type: 'rule', strokeWidth: 1.5, opacity: 0.8 }, encoding: { x: { ...x, field: 'x0' }, x2: { field: 'x1' }, y, color } },
        { data: { values: all }, name: 'files', mark: { type: 'point', filled: true, size: 110, opacity: 1 }, encoding: { x, y, color,
          shape: { field: 'model', type: 'nominal', title: 'Model', scale: { domain: models, range: models.map((_, i) => SHAPES[i % SHAPES.length]) }, legend: models.length > 1 ? { columns: narrow ? 1 : 3, labelLimit: 240 } : null }, tooltip: { field: 'label' } } },
      ],
    };
  }

  const picture = plot({
    name: 'quality', title: 'What the files know, and what that costs', spec,
    description: () => rows().map((r) => `${r.label}: ${state.figure.name} ${text(r)}, ${cost().name} ${r.xText} ${cost().unit}`).join('; '),
    table: () => ({ heads: ['File', `${cost().name} (${cost().unit})`, state.figure.axis, 'low', 'high', 'n'], numeric: [1, 2, 3, 4, 5], rows: rows().map((r) => [r.label, number(r.x), number(r.y), number(r.y0), number(r.y1), r.n ?? '–']) }),
    lines: (d) => (d.key ? [['', d.label], [state.figure.name.split(' · ')[0].split(':')[0].toLowerCase(), text(d)], ...(Number.isFinite(d.chance) ? [['guessing', number(d.chance, 0)]] : []), ...(d.reference ? [['against', d.reference]] : []), [cost().name.toLowerCase(), `${d.xText} ${cost().unit}`], ...(d.how ? [['run as', d.how]] : [])] : []),
  });
  const available = COSTS.filter((key) => figures.some((one) => one.rows.some((r) => costOf(r.file, key))));
  return [h('div', { class: 'controls' },
    choice('Figure', figures.map((one, i) => [String(i), one.name]), '0', (i) => { state.figure = figures[Number(i)]; picture.draw(); }),
    choice('Against', available.map((key) => [key, measures[key].name]), state.cost, (value) => { state.cost = value; picture.draw(); })), picture.element];
}

function stepsPart(data) {
  const steps = data.quality_steps ?? [];
  if (!steps.length) return null;
  const models = [...new Set(steps.map((s) => s.model))];
  return [h('h3', { class: 'part' }, 'What each step of quantization costs'),
    h('p', { class: 'lead' }, 'Each file of a model against the next larger one. A difference is claimed only where it is larger than its interval; speed and energy are of two configurations that differ in nothing but the file.'),
    models.map((model, i) => (models.length > 1 ? h('details', { class: 'steps', open: i === 0 }, h('summary', null, model), stepList(steps, model)) : h('div', { class: 'steps' }, stepList(steps, model))))];
}

// The files of a step are what the eye looks for: "F16 → Q8_0".
const stepList = (steps, model) => h('ul', null, steps.filter((s) => s.model === model).map((s) => { const at = s.text.indexOf(': '); return h('li', null, h('b', null, s.text.slice(0, at)), s.text.slice(at)); }));

// What a file knows per joule and per gigabyte: of its best configuration in either.
function worthPart(data, files) {
  const rated = [...files.values()].filter((f) => Number.isFinite(f.configurations[0]?.quality));
  if (!rated.length) return null;
  const most = (f, key) => f.configurations.reduce((best, c) => (Number.isFinite(c[key]) && !(c[key] <= best) ? c[key] : best), NaN);
  const joules = rated.some((f) => Number.isFinite(most(f, 'quality_per_joule')));
  const chance = rated[0].configurations[0].quality_chance, c = (f) => f.configurations[0];
  return [h('h3', { class: 'part' }, `Per gigabyte${joules ? ' and per joule' : ''}`),
    h('p', { class: 'lead' }, `Quality: ${data.quality.words}${Number.isFinite(chance) && chance > 0 ? `; ${data.quality.basis === 'tasks' ? `guessing gives about ${number(chance, 2)}` : `a model that knows nothing has ${number(chance, 0)}`}, and only what is above that counts here` : ''}. Divided by peak memory${joules ? ' and by joules per generated token' : ''}, each of the file’s best configuration.`),
    pagedTable(['File', 'Size', 'Quality', 'per GB of peak memory', ...(joules ? ['per J/token'] : [])],
      rated.map((f) => [f.label, sizeText(f.bytes), figureText({ value: c(f).quality, low: c(f).quality_low, high: c(f).quality_high }), number(most(f, 'quality_per_gb')), ...(joules ? [number(most(f, 'quality_per_joule'))] : [])]), [1, 2, 3, 4], 25)];
}

const percent = (share, digits) => `${number(100 * share, digits)} %`;
function besides(q) {
  const f = q.figures ?? {}, r = f.reference && typeof f.reference === 'object' ? f.reference : {}, said = [];
  if (q.measure === 'perplexity' && Number.isFinite(f.bits_per_byte)) said.push(`${number(f.bits_per_byte, 4)} bits a byte`);
  if (q.measure === 'kl_divergence') {
    if (Number.isFinite(r.same_top?.value)) said.push(`same top token ${percent(r.same_top.value, 1)}`);
    if (Number.isFinite(r.delta_p_rms)) said.push(`Δp ${number(r.delta_p_rms)} points RMS`);
    if (q.reference) said.push(`against ${q.reference}`);
  }
  if (Number.isFinite(q.joules)) said.push(`${number(q.joules)} J to measure`);
  return said.join(', ');
}

// Files of one model share the text, so perplexities differ by less than their intervals: four digits at least.
function perplexityText(q) {
  const digits = Math.max(0, 3 - Math.floor(Math.log10(q.value)));
  return `${number(q.value, digits)}${Number.isFinite(q.low) ? ` ± ${number(Math.max(q.high - q.value, q.value - q.low), digits)}` : ''}`;
}

function tablePart(data) {
  const columns = [['File', (q) => fileLabel(q)], ['Measure', (q) => nameOf(q.measure)], ['Data', (q) => q.data ?? '–'],
    ['Value', (q) => { const s = isShare(q.measure) ? 100 : 1; return `${q.measure === 'perplexity' ? perplexityText(q) : figureText({ value: q.value, low: q.low, high: q.high }, s)}${isShare(q.measure) ? ' %' : q.measure === 'kl_divergence' ? ' nats' : ''}`; }],
    ['Guessing', (q) => (Number.isFinite(q.chance) ? percent(q.chance, 0) : '–')], ['n', (q) => (q.n === null ? '–' : number(q.n, 0))], ['Settings', (q) => q.settings ?? '–'], ['Besides', (q) => besides(q) || '–']];
  const raw = () => csv(['model', 'type', 'kv_type', 'measure', 'data', 'data_hash', 'settings', 'reference', 'n', 'value', 'low', 'high', 'chance', 'figures'], data.qualities.map((q) => [q.model, q.type, q.kv_type, q.measure, q.data, q.data_hash, q.settings, q.reference, q.n, q.value, q.low, q.high, q.chance, q.figures ? JSON.stringify(q.figures) : null]));
  return [h('h3', { class: 'part' }, 'Every figure'),
    h('p', { class: 'lead' }, '± is the larger half of the 95 % interval. Figures compare where measure, data and settings are the same; perplexities also need the same vocabulary, bits a byte do not.'),
    pagedTable(columns.map(([head]) => head), data.qualities.map((q) => columns.map(([, text]) => text(q))), [3, 4, 5], 25),
    h('p', null, button('CSV', () => save('qualities.csv', 'text/csv', raw()), { class: 'quiet', 'aria-label': 'Save every figure of quality as CSV' }))];
}

export function qualitySection(data) {
  if (!data.qualities?.length) return section('quality', 'Quality', h('p', { class: 'empty' }, 'Quality (perplexity, accuracy) was not measured in this study. Parameters and bits per weight stand in for it where an answer needs it, and the answer says so; a study that rates its models, or `edgewise eval --store`, fills this section.'));
  const files = filesOf(data), figures = figuresOf(data, files);
  return section('quality', 'Quality',
    h('p', { class: 'lead' }, data.quality?.basis ? `The one number called quality here is the ${data.quality.words}. Bars are 95 % intervals: where they overlap, this figure alone does not tell the files apart. The steps below use paired differences where there are any, and tell more.` : 'No one figure compares over the files of this study, so no configuration has a single number for its quality. Bars are 95 % intervals.'),
    figures.length > 0 && picturePart(data, figures), stepsPart(data), worthPart(data, files), tablePart(data));
}
