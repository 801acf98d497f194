// Section 5: how speed grows with threads, and when each token came.
import { choice, h, section } from './dom.js';
import { measures, typesOf, valueOf } from './figures.js';
import { figureText, number, threads } from './format.js';
import { plot } from './plot.js';
import { palette } from './theme.js';
import { trace } from './trace.js';
import { modelName } from './tradeoff.js';

function threadsPlot(data, usable, key, of) {
  const m = measures[key];
  const rows = usable.map((c) => ({ id: c.id, threads: c[of], model: modelName(c), type: c.type, value: valueOf(m, c), low: m.get(c)?.low, high: m.get(c)?.high })).filter((r) => Number.isFinite(r.value));
  const models = [...new Set(rows.map((r) => r.model))];
  const types = typesOf(data);
  const most = Math.max(...rows.map((r) => r.threads));
  const spec = (width) => {
    const columns = width < 560 ? 1 : Math.min(models.length, 3);
    const each = Math.floor((width - 58 * columns) / columns);
    const one = (model) => {
      const values = rows.filter((r) => r.model === model);
      const domain = [0, 1.1 * Math.max(...values.map((r) => r.high ?? r.value))];
      return {
        data: { values }, width: each, height: 150, title: { text: model, anchor: 'start', fontSize: 12, fontWeight: 500, offset: 10, limit: each },
        encoding: {
          x: { field: 'threads', type: 'quantitative', title: 'Threads', axis: { values: Array.from({ length: most }, (_, i) => i + 1), format: 'd', grid: false }, scale: { domain: [0.7, most + 0.3], nice: false } },
          color: { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: types, range: palette() } },
        },
        layer: [
          { mark: { type: 'line', strokeWidth: 1.6 }, encoding: { y: { field: 'value', type: 'quantitative', title: `${m.unit} → better`, scale: { domain, nice: false }, axis: { tickCount: 4, format: '~s' } } } },
          { mark: { type: 'rule', strokeWidth: 1.4 }, encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } } },
          { mark: { type: 'point', filled: true, size: 60, opacity: 1 }, encoding: { y: { field: 'value', type: 'quantitative' }, shape: { field: 'type', title: 'Quantization', scale: { domain: types } }, tooltip: { field: 'type' } } },
        ],
      };
    };
    return { autosize: { type: 'pad' }, columns, spacing: 28, concat: models.map(one), resolve: { scale: { y: 'independent' } } };
  };
  return plot({
    name: `threads-${key}`, title: `${m.name} speed by threads`, spec,
    description: () => rows.map((r) => `${r.model} ${r.type}, ${r.threads} threads: ${number(r.value)} ${m.unit}`).join('; '),
    table: () => ({ heads: ['Model', 'Type', 'Threads', `${m.name} (${m.unit})`], numeric: [2, 3], rows: rows.map((r) => [r.model, r.type, r.threads, number(r.value)]) }),
    lines: (d) => { const c = usable.find((one) => one.id === d.id); return c ? [['', c.model], ['type', c.type], ['threads', threads(c)], [m.name.toLowerCase(), `${figureText(m.get(c))} ${m.unit}`]] : []; },
  });
}

function stampsTrace(data, byId) {
  const ids = [...new Set(data.traces.map((t) => t.configuration))].filter((id) => byId.has(id));
  if (!ids.length) return h('p', { class: 'empty' }, 'Token stamps are not in this report; runs that decode bring them.');
  let chosen = ids[ids.length - 1];
  const runsOf = () => data.traces.filter((t) => t.configuration === chosen && t.gaps_ms.length);
  const picture = trace({
    name: 'token-gaps', title: 'Time from token to token',
    description: () => `Time between tokens of ${byId.get(chosen).label}; the p50 and p90 are in the text below the plot.`,
    build: () => {
      const runs = runsOf(), longest = Math.max(1, ...runs.map((r) => r.gaps_ms.length)), colours = palette();
      return { data: [Array.from({ length: longest }, (_, i) => i + 2), ...runs.map((r) => Array.from({ length: longest }, (_, i) => r.gaps_ms[i] ?? null))],
        series: runs.map((r, i) => ({ label: `run ${r.repetition} (ms)`, stroke: colours[i % colours.length], dash: i % 2 ? [5, 3] : undefined })), axes: ['Token', 'Since the one before (ms)'] };
    },
  });
  const words = h('p', { class: 'hint', 'aria-live': 'polite' });
  const say = () => {
    const f = byId.get(chosen).figures;
    const ms = (figure) => (figure ? `${figureText(figure, 1000)} ms` : 'undefined, too few tokens');
    words.textContent = `Half of the tokens within ${ms(f.inter_token_p50_s)}, nine of ten within ${ms(f.inter_token_p90_s)}; p99 ${ms(f.inter_token_p99_s)}. Drag across the plot to zoom, double-click to go back.`;
  };
  say();
  return [h('div', { class: 'controls' }, choice('Configuration', ids.map((id) => [String(id), byId.get(id).label]), String(chosen), (value) => { chosen = Number(value); picture.draw(); say(); })), picture.element, words];
}

export function speedSection(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0);
  const byId = new Map(usable.map((c) => [c.id, c]));
  if (!usable.length) return section('speed', 'Speed', h('p', { class: 'empty' }, 'No finished run yet.'));
  const sweep = new Set(usable.map((c) => c.threads_decode)).size > 1 || new Set(usable.map((c) => c.threads_prefill)).size > 1;
  return section('speed', 'Speed',
    sweep ? [threadsPlot(data, usable, 'decode', 'threads_decode').element, threadsPlot(data, usable, 'prefill', 'threads_prefill').element] : h('p', { class: 'empty' }, 'Only one thread count was measured; a study with several in decode_threads or prefill_threads draws the curves here.'),
    stampsTrace(data, byId));
}
