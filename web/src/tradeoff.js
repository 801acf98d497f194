// Section 2: the picture. Every configuration a mark with its interval, the Pareto front drawn; click pins for comparison.
import { choice, h, section } from './dom.js';
import { axisTitle, measures, typesOf, valueOf } from './figures.js';
import { figureText, number, sizeText, threads } from './format.js';
import { paretoFront } from './front.js';
import { pins } from './pins.js';
import { plot } from './plot.js';
import { colour, palette } from './theme.js';

// Any two or three of them make a front.
const AXES = ['decode', 'prefill', 'ttft', 'joules', 'joulesPrefill', 'joulesNet', 'st', 'memory', 'size', 'load', 'itl', 'quality', 'money'];
const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross', 'triangle-right', 'triangle-left'];

function rowsFor(configurations, x, y) {
  return configurations.map((c) => {
    const fx = x.get(c), fy = y.get(c), sx = x.scale ?? 1, sy = y.scale ?? 1;
    return {
      id: c.id, label: c.label, model: modelName(c), type: c.type, threads: threads(c), memory: valueOf(measures.memory, c),
      x: valueOf(x, c), x0: (fx?.low ?? fx?.value) * sx, x1: (fx?.high ?? fx?.value) * sx,
      y: valueOf(y, c), y0: (fy?.low ?? fy?.value) * sy, y1: (fy?.high ?? fy?.value) * sy, pinned: pins.has(c.id),
    };
  }).filter((row) => Number.isFinite(row.x) && Number.isFinite(row.y));
}

export const modelName = (c) => (c.synthetic ? `${c.model} (synthetic)` : c.model);
const isWide = (values) => Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 15;
// 1, 2, 5 times powers of ten: on a logarithmic axis every line has its label.
function roundTicks(values, steps) {
  const low = Math.floor(Math.log10(Math.min(...values))), high = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: high - low + 1 }, (_, i) => low + i).flatMap((power) => steps.map((step) => step * 10 ** power));
}
const text = (measure, c) => figureText(measure.get(c), measure.scale);

export function tradeoffSection(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0);
  const state = { x: 'decode', y: data.energy.present ? 'joules' : 'memory', z: '', within: usable.some((c) => c.model !== usable[0].model) ? 'model' : 'all' };
  const models = [...new Set(usable.map(modelName))];
  const byId = new Map(usable.map((c) => [c.id, c]));
  const xy = () => [measures[state.x], measures[state.y]];
  const third = () => measures[state.z];

  const fronts = (rows) => {
    const [x, y] = xy();
    const groups = state.within === 'all' ? [rows] : models.map((m) => rows.filter((r) => r.model === m));
    const z = third();
    return groups.flatMap((group, i) => paretoFront(group, (r) => (z ? [r.x, r.y, valueOf(z, byId.get(r.id))] : [r.x, r.y]), z ? [x.sense, y.sense, z.sense] : [x.sense, y.sense])
      .sort((a, b) => a.x - b.x).map((r) => ({ ...r, group: i })));
  };

  function spec(width) {
    const [x, y] = xy();
    const rows = rowsFor(usable, x, y), ink = colour('ink'), z = third();
    // A front over three figures is no line: its marks get a ring.
    const ringed = z ? new Set(fronts(rows).map((r) => r.id)) : new Set();
    for (const r of rows) { r.ring = r.pinned || ringed.has(r.id); r.bubble = z ? valueOf(z, byId.get(r.id)) : r.memory; }
    const scale = (key) => (isWide(rows.map((r) => r[key])) ? { type: 'log', nice: false, padding: 24 } : { zero: false, nice: true, padding: 18 });
    const log = (key) => isWide(rows.map((r) => r[key]));
    const axis = (m, key) => ({ title: axisTitle(m), format: '~r', ...(log(key) ? { values: roundTicks(rows.map((r) => r[key]), width < 500 ? [1] : [1, 2, 5]) } : { tickCount: width < 500 ? 4 : 7 }) });
    const position = { x: { field: 'x', type: 'quantitative', scale: scale('x'), axis: axis(x, 'x') }, y: { field: 'y', type: 'quantitative', scale: scale('y'), axis: axis(y, 'y') } };
    const type = { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: typesOf(data), range: palette() }, legend: { columns: width < 500 ? 3 : 6 } };
    const bubble = z || (data.energy.present && state.y !== 'memory');
    return {
      width, height: width < 500 ? 460 : Math.max(340, Math.min(500, width * 0.5)), autosize: { type: 'fit', contains: 'padding' },
      layer: [
        ...(z ? [] : [{ data: { values: fronts(rows) }, mark: { type: 'line', color: ink, strokeDash: [5, 4], strokeWidth: 1.2, opacity: 0.55 },
          encoding: { ...position, detail: { field: 'group' }, order: { field: 'x' } } }]),
        { data: { values: rows }, mark: { type: 'rule', strokeWidth: 1.4, opacity: 0.75 },
          encoding: { ...position, x: { ...position.x, field: 'x0' }, x2: { field: 'x1' }, color: { ...type } } },
        { data: { values: rows }, mark: { type: 'rule', strokeWidth: 1.4, opacity: 0.75 },
          encoding: { ...position, y: { ...position.y, field: 'y0' }, y2: { field: 'y1' }, color: { ...type } } },
        { data: { values: rows }, name: 'marks', mark: { type: 'point', filled: true, opacity: 0.92, size: 110, strokeWidth: 2, cursor: 'pointer' },
          encoding: { ...position, color: type,
            shape: { field: 'model', type: 'nominal', title: 'Model', scale: { domain: models, range: models.map((_, i) => shapes[i % shapes.length]) }, legend: { columns: width < 500 ? 1 : 3, labelLimit: 240 } },
            stroke: { condition: { test: 'datum.ring', value: ink }, value: null },
            ...(bubble ? { size: { field: 'bubble', type: 'quantitative', title: z ? axisTitle(z) : 'Peak memory (MiB)', scale: { range: [60, 420] }, legend: { columns: 4, tickCount: 3 } } } : {}),
            tooltip: { field: 'label' } } },
      ],
    };
  }

  const picture = plot({
    name: 'trade-off', title: 'Every configuration, with its interval', spec,
    description: () => `${usable.length} configurations: ${axisTitle(xy()[0])} against ${axisTitle(xy()[1])}. On the front: ${fronts(rowsFor(usable, ...xy())).map((r) => r.label).join('; ')}. The table below has all values.`,
    table: () => {
      const [x, y] = xy();
      const onFront = new Set(fronts(rowsFor(usable, x, y)).map((r) => r.id));
      return { heads: ['Model', 'Type', 'Threads', `${x.name} (${x.unit})`, `${y.name} (${y.unit})`, 'On the front'], numeric: [3, 4],
        rows: usable.map((c) => [modelName(c), c.type, threads(c), number(valueOf(x, c)), number(valueOf(y, c)), onFront.has(c.id) ? 'yes' : '']) };
    },
    lines: (datum) => {
      const c = byId.get(datum.id);
      if (!c) return [];
      return [['', c.model], ['', c.synthetic ? 'synthetic weights' : 'real weights'], ['type', c.type], ['threads', threads(c)], ['decode', `${text(measures.decode, c)} tokens/s`], ['prefill', `${text(measures.prefill, c)} tokens/s`],
        ['first token', `${text(measures.ttft, c)} s`], ['peak memory', `${text(measures.memory, c)} MiB`],
        ...(measures.joules.get(c) ? [['energy', `${text(measures.joules, c)} J/token (${c.energy_grade})`]] : []), ['runs', String(c.runs_ok)]];
    },
    onclick: (datum) => byId.has(datum.id) && pins.toggle(datum.id),
  });

  const available = (keys) => keys.filter((k) => usable.some((c) => Number.isFinite(valueOf(measures[k], c)))).map((k) => [k, measures[k].name]);
  const set = (key) => (value) => { state[key] = value; picture.draw(); };
  const controls = h('div', { class: 'controls' },
    choice('Across', available(AXES), state.x, set('x')),
    choice('Up', available(AXES), state.y, set('y')),
    choice('And', [['', 'nothing more'], ...available(AXES)], state.z, set('z')),
    choice('Front', [['model', 'within each model'], ['all', 'over everything']], state.within, set('within')));

  const pinned = h('p', { class: 'hint', 'aria-live': 'polite' });
  const say = () => {
    const [a, b] = pins.all().map((id) => byId.get(id)).filter(Boolean);
    pinned.replaceChildren(a ? `Pinned: ${a.label}${b ? ` and ${b.label}. ` : '. Pin a second one to compare.'}` : '', b ? h('a', { href: '#compare' }, 'Compared below') : '');
  };
  pins.listen(() => { say(); picture.draw(); });
  if (!usable.length) return section('picture', 'The picture', h('p', { class: 'empty' }, 'No configuration has a finished run yet. Finished runs fill this picture.'));
  return section('picture', 'The picture',
    h('p', { class: 'lead' }, 'Dashed: the Pareto front, configurations that nothing else beats in one figure without losing in the other. Bars are intervals of the median. With a third figure the marks on the front have a ring. Select a mark, or Pin in the table, to compare two.'),
    controls, picture.element, pinned);
}
