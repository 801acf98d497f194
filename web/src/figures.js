// What can stand on an axis or in a column: name, unit, where it lies, which way is better.
import { toMiB } from './format.js';

export const measures = {
  decode: { name: 'Decode', unit: 'tokens/s', sense: 1, get: (c) => c.figures.decode_tokens_per_s },
  prefill: { name: 'Prefill', unit: 'tokens/s', sense: 1, get: (c) => c.figures.prefill_tokens_per_s },
  ttft: { name: 'Time to first token', unit: 's', sense: -1, get: (c) => c.figures.ttft_s },
  load: { name: 'Load', unit: 's', sense: -1, get: (c) => c.figures.load_s },
  itl: { name: 'Between tokens, p90', unit: 'ms', scale: 1000, sense: -1, get: (c) => c.figures.inter_token_p90_s },
  memory: { name: 'Peak memory', unit: 'MiB', scale: toMiB, sense: -1, get: (c) => c.figures.peak_memory_bytes },
  size: { name: 'File size', unit: 'MiB', scale: toMiB, sense: -1, get: (c) => ({ value: c.file_size_bytes }) },
  joules: { name: 'Decode energy', unit: 'J/token', sense: -1, get: (c) => c.figures.decode_energy_j_per_token },
  joulesPrefill: { name: 'Prefill energy', unit: 'J/token', sense: -1, get: (c) => c.figures.prefill_energy_j_per_token },
  joulesNet: { name: 'Decode energy, net of idle', unit: 'J/token', sense: -1, get: (c) => c.figures.decode_energy_net_j_per_token },
  quality: { name: 'Quality', unit: 'score', sense: 1, get: (c) => (Number.isFinite(c.quality) ? { value: c.quality, low: c.quality_low, high: c.quality_high } : null) },
  money: { name: 'Money', unit: 'per million generated tokens', sense: -1, get: (c) => ({ value: c.money?.per_million_generated ?? NaN }) },
  st: { name: 'S_t = E/t', unit: 'mJ·s/token²', scale: 1000, sense: -1, get: (c) => c.figures.s_t },
};

export const axisTitle = (m) => `${m.name} (${m.unit}) ${m.sense > 0 ? '→ better' : '→ worse'}`;

export function valueOf(measure, configuration) {
  const figure = measure.get(configuration);
  return figure && Number.isFinite(figure.value) ? figure.value * (measure.scale ?? 1) : NaN;
}

// Types in the order of the table, so that a type has one colour on the whole page.
export const typesOf = (data) => [...new Set(data.configurations.map((c) => c.type))];
