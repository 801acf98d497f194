// Section 9, first half: quality against what it costs; or one line on what would fill it.
import { choice, h, section } from './dom.js';
import { measures, typesOf, valueOf } from './figures.js';
import { figureText, number } from './format.js';
import { plot } from './plot.js';
import { palette } from './theme.js';
import { modelName } from './tradeoff.js';

const COSTS = ['size', 'memory', 'decode', 'ttft', 'joules', 'money'];

export function qualitySection(data) {
  const rated = data.configurations.filter((c) => Number.isFinite(valueOf(measures.quality, c)));
  if (!rated.length) return section('quality', 'Quality', h('p', { class: 'empty' }, 'Quality (perplexity, accuracy) was not measured in this study. Parameters and bits per weight stand in for it where an answer needs it, and the answer says so; a study that rates its models fills this section.'));
  const state = { cost: 'size' }, types = typesOf(data);
  const rows = () => rated.map((c) => ({ id: c.id, label: c.label, model: modelName(c), type: c.type, cost: valueOf(measures[state.cost], c), quality: valueOf(measures.quality, c) })).filter((r) => Number.isFinite(r.cost));
  const picture = plot({
    name: 'quality', title: 'Quality and what it costs',
    spec: (width) => ({
      width, height: 280, autosize: { type: 'fit-x', contains: 'padding' }, data: { values: rows() }, mark: { type: 'point', filled: true, size: 90, opacity: 1 },
      encoding: { x: { field: 'cost', type: 'quantitative', title: `${measures[state.cost].name} (${measures[state.cost].unit})`, scale: { zero: false } }, y: { field: 'quality', type: 'quantitative', title: 'Quality (score) → better', scale: { zero: false } },
        color: { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: types, range: palette() } }, shape: { field: 'model', type: 'nominal', title: 'Model', legend: { columns: width < 500 ? 1 : 3, labelLimit: 240 } }, tooltip: { field: 'label' } },
    }),
    description: () => rows().map((r) => `${r.label}: quality ${number(r.quality)}, ${measures[state.cost].name} ${number(r.cost)} ${measures[state.cost].unit}`).join('; '),
    table: () => ({ heads: ['Configuration', `${measures[state.cost].name} (${measures[state.cost].unit})`, 'Quality (score)'], numeric: [1, 2], rows: rows().map((r) => [r.label, number(r.cost), number(r.quality)]) }),
    lines: (d) => { const c = rated.find((one) => one.id === d.id), m = measures[state.cost]; return c ? [['', c.label], ['quality', number(d.quality)], [m.name.toLowerCase(), `${figureText(m.get(c), m.scale)} ${m.unit}`]] : []; },
  });
  const available = COSTS.filter((key) => rated.some((c) => Number.isFinite(valueOf(measures[key], c))));
  return section('quality', 'Quality', h('div', { class: 'controls' }, choice('Against', available.map((key) => [key, measures[key].name]), state.cost, (value) => { state.cost = value; picture.draw(); })), picture.element);
}
