// Section 5: what each knob does to speed, and when each token came.
import { choice, h, section } from './dom.js';
import { figureText, number } from './format.js';
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

// What is left of the speed after minutes: about a second of decoding a mark, against the median of the short runs.
function sustainedTrace(data, byId) {
  const runs = (data.sustained ?? []).filter((r) => byId.has(r.configuration));
  if (!runs.length) return h('p', { class: 'hint' }, 'Only short bursts were measured; a study with a sustained phase shows here what heat leaves of the speed.');
  let chosen = runs[0];
  const burst = () => byId.get(chosen.configuration).figures.decode_tokens_per_s?.value;
  const words = h('p', { class: 'hint', 'aria-live': 'polite' });
  const say = () => {
    const known = chosen.tokens_per_s.filter(Number.isFinite), tail = known.slice(-Math.max(1, Math.floor(known.length / 10))), end = tail.reduce((a, b) => a + b, 0) / tail.length;
    words.textContent = `Dashed: decode in the short runs. The last tenth of ${number(chosen.t_s.at(-1), 0)} s ran at ${number(end)} tokens/s${Number.isFinite(burst()) ? `, ${number(100 * end / burst(), 0)} % of that` : ''}${Number.isFinite(chosen.end_c) ? `; the processor went from ${number(chosen.start_c, 0)} to ${number(chosen.end_c, 0)} °C` : ''}.`;
  };
  const picture = trace({
    name: 'sustained', title: 'Sustained decoding',
    description: () => words.textContent,
    build: () => ({ data: [chosen.t_s, chosen.tokens_per_s], series: [{ label: 'decode (tokens/s)', stroke: palette()[0] }], axes: ['Time since it began (s)', 'tokens/s'], lines: Number.isFinite(burst()) ? [burst()] : [] }),
  });
  say();
  return [h('div', { class: 'controls' }, choice('Configuration', runs.map((r, i) => [String(i), byId.get(r.configuration).label]), '0', (value) => { chosen = runs[Number(value)]; say(); picture.draw(); })), picture.element, words];
}

export function speedSection(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0);
  const byId = new Map(usable.map((c) => [c.id, c]));
  if (!usable.length) return section('speed', 'Speed', h('p', { class: 'empty' }, 'No finished run yet.'));
  return section('speed', 'Speed',
    knobsPart(data),
    stampsTrace(data, byId), sustainedTrace(data, byId));
}
