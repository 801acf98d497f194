// Section 6: joules per phase and token, S_t, power over time, what the doubt is made of; or one line on why there is none.
import { choice, h, pagedTable, plainTable, section } from './dom.js';
import { measures, valueOf } from './figures.js';
import { figureText, number } from './format.js';
import { plot, rowAxis, rowScale } from './plot.js';
import { colour } from './theme.js';
import { trace } from './trace.js';

const MOST_BARS = 24;
const ended = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
const PARTS = { sensor: 'the sensor’s stated error', quantization: 'its smallest step', sampling: 'between its readings', averaging: 'its averaging at the edges', clock: 'its clock', idle: 'the idle baseline', drift: 'drift of the idle power', repeats: 'scatter of repeats' };
const PHASES = ['load', 'warmup', 'depth', 'prefill', 'decode', 'sustained', 'sample'];
const plusMinus = (value, error, digits = 3) => (Number.isFinite(value) ? `${number(value)}${Number.isFinite(error) ? ` ± ${number(error, Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(Math.abs(value) || 1)))))}` : ''}` : '–');

export function energySection(data) {
  const { energy } = data;
  if (!energy.present) {
    return section('energy', 'Energy', h('p', { class: 'empty' }, h('b', null, 'There is no energy figure, and none was guessed'), ': ', ended(energy.reason ?? 'no meter worked'), ' ', energy.remedy ?? ''),
      energy.meters.length ? plainTable(['Looked for', 'Why it gives nothing', 'What would help'], energy.meters.map((m) => [m.name, m.refused ?? '–', m.remedy ?? '–'])) : null);
  }
  const usable = data.configurations.filter((c) => ['joules', 'joulesPrefill'].some((key) => Number.isFinite(valueOf(measures[key], c))));
  const byId = new Map(data.configurations.map((c) => [c.id, c]));
  const grades = [...new Set(usable.map((c) => c.energy_grade).filter(Boolean))].sort().join(', ');
  const meters = energy.meters.filter((m) => m.used).map((m) => h('p', { class: 'lead' }, `${m.name}: boundary ${m.boundary ?? 'unknown'}${m.period_s ? `, a reading every ${number(m.period_s * 1000)} ms` : ''}${grades ? `, grade ${grades}` : ''}${m.note ? `. ${m.note}.` : '.'}`));
  const short = data.configurations.filter((c) => c.runs_ok && !Number.isFinite(valueOf(measures.joules, c))).length;
  const table = pagedTable(['Configuration', 'Prefill, J/token', 'Decode, J/token', 'Decode net of idle', 'S_t, mJ·s/token²', 'Grade'],
    usable.map((c) => [c.label, figureText(c.figures.prefill_energy_j_per_token), figureText(c.figures.decode_energy_j_per_token), figureText(c.figures.decode_energy_net_j_per_token), figureText(c.figures.s_t, 1000), c.energy_grade ?? '–']), [1, 2, 3, 4]);
  return section('energy', 'Energy', meters, short > 0 && h('p', { class: 'lead' }, `${short} configuration${short > 1 ? 's have' : ' has'} no joules of decoding: it was shorter than this sensor can resolve. More generated tokens give a figure.`),
    perToken(data, usable), h('p', { class: 'lead' }, 'S_t is joules per token over tokens per second: energy and patience in one figure, lower is better.'), table, phases(data, byId));
}

// Joules per token of both phases, and what of decoding is more than the machine at rest.
function perToken(data, usable) {
  const kinds = [['joulesPrefill', 'prefill'], ['joules', 'decode'], ['joulesNet', 'decode, net of idle']];
  const rows = usable.slice(0, MOST_BARS).flatMap((c) => kinds.map(([key, kind], i) => { const f = measures[key].get(c); return { label: c.label, kind, i, joules: f?.value ?? NaN, low: f?.low ?? f?.value, high: f?.high ?? f?.value }; })).filter((r) => Number.isFinite(r.joules));
  if (!rows.length) return null;
  const names = kinds.map(([, name]) => name);
  const picture = plot({
    name: 'energy-per-token', title: 'Joules per token',
    spec: (width) => {
      const narrow = width < 500, y = { field: 'label', type: 'nominal', sort: null, title: null, axis: rowAxis(narrow, width, 24), scale: rowScale(narrow) }, yOffset = { field: 'kind', scale: { domain: names } };
      return {
        width, height: [...new Set(rows.map((r) => r.label))].length * 46 + 20, autosize: { type: 'fit-x', contains: 'padding' }, data: { values: rows },
        layer: [
          { mark: { type: 'bar', height: { band: 0.8 } }, encoding: { y, yOffset, x: { field: 'joules', type: 'quantitative', title: 'J/token → worse', axis: { tickCount: narrow ? 4 : 8 } }, color: { field: 'kind', type: 'nominal', title: null, scale: { domain: names, range: [colour('bar-2'), colour('bar-1'), colour('bar-4')] }, legend: { columns: narrow ? 2 : 4 } }, tooltip: { field: 'kind' } } },
          { mark: { type: 'rule', strokeWidth: 1.4, color: colour('ink') }, encoding: { y, yOffset, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } } },
        ],
      };
    },
    description: () => rows.map((r) => `${r.label}, ${r.kind}: ${number(r.joules)} J/token`).join('; '),
    table: () => ({ heads: ['Configuration', 'Phase', 'J/token', 'low', 'high'], numeric: [2, 3, 4], rows: rows.map((r) => [r.label, r.kind, number(r.joules), number(r.low), number(r.high)]) }),
    lines: (d) => [['', d.label], [d.kind, `${number(d.joules)} J/token`]],
  });
  return [picture.element, usable.length > MOST_BARS && h('p', { class: 'hint' }, `The first ${MOST_BARS} of ${usable.length}; the table has all.`)];
}

// One run: power over time, joules by phase, and where the doubt comes from.
function phases(data, byId) {
  const runs = data.power.filter((p) => byId.has(p.configuration));
  if (!runs.length) return h('p', { class: 'empty' }, 'No power was sampled during a finished run; a meter that works brings power over time here.');
  let chosen = runs[0];
  const picture = trace({
    name: 'power', title: 'Power over time',
    description: () => `Power of ${byId.get(chosen.configuration).label} over ${number(chosen.t_s.at(-1))} s; joules by phase are in the table below.`,
    build: () => ({ data: [chosen.t_s, chosen.power_w], series: [{ label: `${chosen.meter} (W)`, stroke: colour('accent'), fill: colour('shade-1') }], axes: ['Time since the run began (s)', 'Power (W)'],
      bands: chosen.phases.map((p) => ({ name: p.name, begin: p.begin_s, end: p.end_s })), lines: Number.isFinite(chosen.idle_w) ? [chosen.idle_w] : [] }),
  });
  const parts = () => chosen.phases.filter((p) => p.budget_j).flatMap((p) => Object.entries(p.budget_j).map(([part, joules]) => ({ phase: p.name, part: PARTS[part] ?? part, share: joules ** 2 / Object.values(p.budget_j).reduce((all, v) => all + v * v, 0), joules })));
  const doubt = plot({
    name: 'energy-doubt', title: 'What the doubt is made of: share of the variance by part',
    spec: (width) => {
      const values = parts(), names = Object.values(PARTS).filter((name) => values.some((v) => v.part === name));
      return {
        width, height: Math.max(1, new Set(values.map((v) => v.phase)).size) * 30 + 20, autosize: { type: 'fit-x', contains: 'padding' }, data: { values }, mark: { type: 'bar', stroke: colour('paper') },
        encoding: { y: { field: 'phase', type: 'nominal', sort: PHASES, title: null }, x: { field: 'share', type: 'quantitative', stack: 'normalize', title: 'Share of the variance', axis: { format: '%', tickCount: 5 } },
          color: { field: 'part', type: 'nominal', title: null, scale: { domain: names, range: names.map((_, i) => colour(`bar-${i + 1}`)) }, legend: { columns: width < 500 ? 1 : 3, labelLimit: 240 } }, tooltip: { field: 'part' } },
      };
    },
    description: () => parts().map((v) => `${v.phase}, ${v.part}: ${number(100 * v.share, 0)} %`).join('; '),
    table: () => ({ heads: ['Phase', 'Part', 'Standard uncertainty (J)', 'Share of the variance (%)'], numeric: [2, 3], rows: parts().map((v) => [v.phase, v.part, number(v.joules), number(100 * v.share, 0)]) }),
    lines: (d) => [['', d.phase], [d.part, `${number(d.joules)} J`], ['of the variance', `${number(100 * d.share, 0)} %`]],
  });
  const host = h('div', { class: 'phases' });
  const fill = () => {
    doubt.element.hidden = !parts().length;
    const measured = chosen.phases.filter((p) => Number.isFinite(p.energy_j)), joules = measured.reduce((all, p) => all + p.energy_j, 0);
    host.replaceChildren(plainTable(['Phase', 'Seconds', 'Joules', 'Share', 'Net of idle', 'Mean W', 'Peak W', 'J/token', 'Grade'],
      chosen.phases.map((p) => [p.name, number(p.end_s - p.begin_s), plusMinus(p.energy_j, p.error_j), Number.isFinite(p.energy_j) ? `${number(100 * p.energy_j / joules, 0)} %` : '–', plusMinus(p.net_j, p.net_error_j), number(p.average_w ?? NaN), number(p.peak_w ?? NaN), p.tokens > 0 && Number.isFinite(p.energy_j) ? number(p.energy_j / p.tokens) : '–', p.grade ?? p.reason ?? '–']), [1, 2, 3, 4, 5, 6, 7]));
  };
  fill();
  return [h('h3', { class: 'part' }, 'One run, phase by phase'), h('div', { class: 'controls' }, choice('Run', runs.map((r, i) => [String(i), byId.get(r.configuration).label]), '0', (value) => { chosen = runs[Number(value)]; fill(); picture.draw(); doubt.draw(); })), picture.element,
    h('p', { class: 'hint' }, `Shaded: the phases. Dashed: the machine at rest${Number.isFinite(chosen.idle_w) ? '' : ' (not measured here)'}. ± is the half-width of the 95 % interval of this one run.`), host, doubt.element];
}
