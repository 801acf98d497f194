// Section 5: what each knob does to speed, and when each token came.
import { choice, h, section } from './dom.js';
import { figureText } from './format.js';
import { knobsPart } from './knobs.js';
import { palette } from './theme.js';
import { trace } from './trace.js';

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
  return section('speed', 'Speed',
    knobsPart(data),
    stampsTrace(data, byId));
}
