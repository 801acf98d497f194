// Section 6: joules per phase and token, S_t, power over time; or one line on why there is none.
import { choice, h, plainTable, section } from './dom.js';
import { measures, valueOf } from './figures.js';
import { figureText, number } from './format.js';
import { colour } from './theme.js';
import { trace } from './trace.js';

export function energySection(data) {
  const { energy } = data;
  if (!energy.present) {
    return section('energy', 'Energy', h('p', { class: 'empty' }, h('b', null, 'There is no energy figure, and none was guessed'), ': ', ended(energy.reason ?? 'no meter worked'), ' ', energy.remedy ?? ''),
      energy.meters.length ? plainTable(['Looked for', 'Why it gives nothing', 'What would help'], energy.meters.map((m) => [m.name, m.refused ?? '–', m.remedy ?? '–'])) : null);
  }
  const usable = data.configurations.filter((c) => Number.isFinite(valueOf(measures.joules, c)));
  const byId = new Map(usable.map((c) => [c.id, c]));
  const meters = energy.meters.filter((m) => m.used).map((m) => h('p', { class: 'lead' }, `${m.name}: boundary ${m.boundary ?? 'unknown'}${m.period_s ? `, a reading every ${number(m.period_s * 1000)} ms` : ''}${m.note ? `. ${m.note}.` : '.'}`));
  const table = plainTable(['Configuration', 'Prefill, J/token', 'Decode, J/token', 'Decode net of idle', 'S_t, mJ·s/token²', 'Grade'],
    usable.map((c) => [c.label, figureText(c.figures.prefill_energy_j_per_token), figureText(c.figures.decode_energy_j_per_token), figureText(c.figures.decode_energy_net_j_per_token), figureText(c.figures.s_t, 1000), c.energy_grade ?? '–']), [1, 2, 3, 4]);
  return section('energy', 'Energy', meters,
    h('p', { class: 'lead' }, 'S_t is joules per token over tokens per second: energy and patience in one figure, lower is better.'), table, powerTrace(data, byId));
}

const ended = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

function powerTrace(data, byId) {
  const runs = data.power.filter((p) => byId.has(p.configuration));
  if (!runs.length) return null;
  let chosen = runs[0];
  const picture = trace({
    name: 'power', title: 'Power over time',
    build: () => ({ data: [chosen.t_s, chosen.power_w], series: [{ label: `${chosen.meter} (W)`, stroke: colour('accent'), fill: colour('shade-1') }], axes: ['Time since the run began (s)', 'Power (W)'],
      bands: chosen.phases.map((p) => ({ name: p.name, begin: p.begin_s, end: p.end_s })), lines: Number.isFinite(chosen.idle_w) ? [chosen.idle_w] : [] }),
  });
  return [h('div', { class: 'controls' }, choice('Run', runs.map((r, i) => [String(i), byId.get(r.configuration).label]), '0', (value) => { chosen = runs[Number(value)]; picture.draw(); })), picture.element,
    h('p', { class: 'hint' }, 'Shaded: the phases. Dashed: the machine at rest.')];
}
