// Section 5, first half: what each knob does. Any setting with several values across, any figure up; a line joins configurations
// that differ in that knob alone.
import { choice, h } from './dom.js';
import { measures, typesOf, valueOf } from './figures.js';
import { figureText, number } from './format.js';
import { plot } from './plot.js';
import { palette } from './theme.js';
import { modelName } from './tradeoff.js';

// Values are numbers (a line) or names (marks side by side).
const KNOBS = [
  { key: 'threads_decode', name: 'Decode threads', of: 'decode' }, { key: 'threads_prefill', name: 'Prefill threads', of: 'prefill' },
  { key: 'depth_tokens', name: 'Context depth (tokens)', of: 'decode' }, { key: 'prompt_tokens', name: 'Prompt (tokens)', of: 'prefill' }, { key: 'generate_tokens', name: 'Answer (tokens)', of: 'decode' },
  { key: 'batch', name: 'Batch (tokens)', of: 'prefill' }, { key: 'max_mhz', name: 'Frequency cap (MHz)', of: 'decode' }, { key: 'power_mode', name: 'Power mode', of: 'decode' },
  { key: 'governor', name: 'Governor', of: 'decode' }, { key: 'epp', name: 'Energy preference', of: 'decode' }, { key: 'cores', name: 'Cores', of: 'decode' }, { key: 'spin_us', name: 'Spin (µs)', of: 'decode' }, { key: 'kv_type', name: 'KV type', of: 'decode' }, { key: 'speculate', name: 'Speculation', of: 'decode' },
  { key: 'layout', name: 'Weights layout', of: 'decode' }, { key: 'backend', name: 'Backend', of: 'decode' }, { key: 'run', name: 'Burst or sustained', of: 'decode' }, { key: 'load_state', name: 'Page cache', of: 'load' },
];
const MOST_MODELS = 12;
const settled = (c, key) => c[key] ?? null;

function usedKnobs(usable) {
  const varied = KNOBS.filter((knob) => new Set(usable.map((c) => settled(c, knob.key)).filter((v) => v !== null)).size > 1);
  // Two thread counts that always go together are one knob.
  const together = usable.every((c) => c.threads_prefill === c.threads_decode);
  return varied.filter((knob) => !(together && knob.key === 'threads_prefill'));
}

export function knobsPart(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0), knobs = usedKnobs(usable);
  if (!knobs.length) return h('p', { class: 'empty' }, 'Only one setting of each knob was measured; a study with several thread counts, depths or power modes draws its curves here.');
  const state = { knob: knobs[0], measure: knobs[0].of };
  const together = usable.every((c) => c.threads_prefill === c.threads_decode);
  const others = () => KNOBS.filter((k) => k !== state.knob && !(together && state.knob.key === 'threads_decode' && k.key === 'threads_prefill'));
  const rowsOf = () => {
    const m = measures[state.measure];
    return usable.map((c) => ({ id: c.id, x: settled(c, state.knob.key), model: modelName(c), type: c.type, group: [c.type, ...others().map((k) => settled(c, k.key))].join('|'), value: valueOf(m, c), low: (m.get(c)?.low ?? m.get(c)?.value) * (m.scale ?? 1), high: (m.get(c)?.high ?? m.get(c)?.value) * (m.scale ?? 1) }))
      .filter((r) => r.x !== null && Number.isFinite(r.value));
  };
  const types = typesOf(data);
  const spec = (width) => {
    const m = measures[state.measure], rows = rowsOf(), named = rows.some((r) => typeof r.x === 'string');
    const models = [...new Set(rows.map((r) => r.model))].slice(0, MOST_MODELS);
    const columns = width < 560 ? 1 : Math.min(models.length, 3), each = Math.floor((width - 58 * columns) / columns);
    const present = [...new Set(rows.map((r) => r.x))].sort((a, b) => (named ? String(a).localeCompare(String(b)) : a - b));
    const wide = !named && present[0] > 0 && present.at(-1) / present[0] > 15;
    const margin = named ? 0 : 0.06 * (present.at(-1) - present[0]); // one scale for all models
    const x = named ? { field: 'x', type: 'nominal', title: state.knob.name, sort: present, axis: { labelAngle: 0, labelLimit: 90 } }
      : { field: 'x', type: 'quantitative', title: state.knob.name, axis: { values: present.length <= 10 ? present : undefined, format: '~s', grid: false, labelOverlap: true }, scale: wide ? { type: 'log', nice: false, domain: [present[0] * 0.85, present.at(-1) * 1.15] } : { zero: false, nice: false, domain: [present[0] - margin, present.at(-1) + margin] } };
    const one = (model) => {
      const values = rows.filter((r) => r.model === model);
      const y = { field: 'value', type: 'quantitative', title: `${m.unit} ${m.sense > 0 ? '→ better' : '→ worse'}`, scale: { domain: [0, 1.1 * Math.max(...values.map((r) => r.high ?? r.value))], nice: false }, axis: { tickCount: 4, format: '~s' } };
      const offset = named ? { xOffset: { field: 'type', scale: { domain: types } } } : {};
      return {
        data: { values }, width: each, height: 150, title: { text: model, anchor: 'start', fontSize: 12, fontWeight: 500, offset: 10, limit: each },
        encoding: { x, ...offset, color: { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: types, range: palette() } } },
        layer: [
          ...(named ? [] : [{ mark: { type: 'line', strokeWidth: 1.6 }, encoding: { y, detail: { field: 'group' } } }]),
          { mark: { type: 'rule', strokeWidth: 1.4 }, encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } } },
          { mark: { type: 'point', filled: true, size: 60, opacity: 1 }, encoding: { y, shape: { field: 'type', title: 'Quantization', scale: { domain: types } }, tooltip: { field: 'type' } } },
        ],
      };
    };
    return { autosize: { type: 'pad' }, columns, spacing: 28, concat: models.map(one), resolve: { scale: { y: 'independent' } } };
  };
  const picture = plot({
    name: 'knobs', title: 'What each knob does', spec,
    description: () => rowsOf().map((r) => `${r.model} ${r.type}, ${state.knob.name} ${r.x}: ${number(r.value)} ${measures[state.measure].unit}`).join('; '),
    table: () => ({ heads: ['Model', 'Type', state.knob.name, `${measures[state.measure].name} (${measures[state.measure].unit})`], numeric: [2, 3], rows: rowsOf().map((r) => [r.model, r.type, r.x, number(r.value)]) }),
    lines: (d) => { const c = usable.find((one) => one.id === d.id), m = measures[state.measure]; return c ? [['', c.label], [state.knob.name.toLowerCase(), String(d.x)], [m.name.toLowerCase(), `${figureText(m.get(c), m.scale)} ${m.unit}`]] : []; },
  });
  const available = ['decode', 'prefill', 'ttft', 'load', 'memory', 'joules', 'st'].filter((k) => usable.some((c) => Number.isFinite(valueOf(measures[k], c))));
  const measureChoice = choice('Figure', available.map((k) => [k, measures[k].name]), state.measure, (value) => { state.measure = value; picture.draw(); });
  const knobChoice = choice('Knob', knobs.map((k) => [k.key, k.name]), state.knob.key, (value) => {
    state.knob = knobs.find((k) => k.key === value);
    if (available.includes(state.knob.of)) { state.measure = state.knob.of; measureChoice.querySelector('select').value = state.measure; }
    picture.draw();
  });
  return [h('div', { class: 'controls' }, knobChoice, measureChoice), picture.element];
}
