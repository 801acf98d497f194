// "Recommended for you": the reader's own limits, and what is left. The same rules as src/insight/recommend.c.
import { choice, h } from './dom.js';
import { number, parts, sizeText } from './format.js';

const value = (figure) => figure?.value ?? NaN;
const watts = (c) => {
  const f = c.figures, decode = value(f.decode_energy_j_per_token) * value(f.decode_tokens_per_s), prefill = value(f.prefill_energy_j_per_token) * value(f.prefill_tokens_per_s);
  return Number.isNaN(prefill) ? decode : Number.isNaN(decode) ? prefill : Math.max(prefill, decode);
};
const LIMITS = [
  { key: 'memory', label: 'Memory at most', unit: 'MiB', words: 'peak memory', sense: -1, get: (c) => value(c.figures.peak_memory_bytes) / 1048576 },
  { key: 'ttft', label: 'First token within', unit: 's', words: 'time to the first token', sense: -1, get: (c) => value(c.figures.ttft_s) },
  { key: 'speed', label: 'Writes at least', unit: 'tokens/s', words: 'decode speed', sense: 1, get: (c) => value(c.figures.decode_tokens_per_s) },
  { key: 'watts', label: 'Power at most', unit: 'W', words: 'average power', sense: -1, get: watts },
  { key: 'joules', label: 'Energy at most', unit: 'J/token', words: 'joules per token', sense: -1, get: (c) => value(c.figures.decode_energy_j_per_token) },
  { key: 'quality', label: 'Quality at least', unit: '', words: 'quality', sense: 1, get: (c) => c.quality ?? NaN },
];
const PREFER = { quality: 'the best answers', speed: 'speed', energy: 'few joules', memory: 'little memory' };

function better(a, b, prefer, measured) {
  const merit = (c) => ({ speed: value(c.figures.decode_tokens_per_s), energy: -value(c.figures.decode_energy_j_per_token), memory: -value(c.figures.peak_memory_bytes), quality: measured ? c.quality ?? NaN : c.parameters }[prefer]);
  const ma = merit(a), mb = merit(b);
  if (Number.isNaN(ma) !== Number.isNaN(mb)) return Number.isNaN(mb);
  if (ma !== mb) return ma > mb;
  const bits = (c) => c.file_size_bytes / c.parameters;
  if (prefer === 'quality' && !measured && bits(a) !== bits(b)) return bits(a) > bits(b);
  return value(a.figures.decode_tokens_per_s) > value(b.figures.decode_tokens_per_s);
}

// What the figure called quality is, where it decided: the words of src/insight/recommend.c.
function qualityWords(data, usable, best) {
  if (!Number.isFinite(best.quality)) return '';
  const known = best.quality_low < best.quality_high, file = (c) => `${c.file} ${c.kv_type}`;
  const others = known ? usable.filter((c) => file(c) !== file(best) && c.quality_low <= best.quality_high && c.quality_high >= best.quality_low && Number.isFinite(c.quality)).length : 0;
  const { value } = parts({ value: best.quality, low: best.quality_low, high: best.quality_high }), digits = value.split('.')[1]?.length ?? 0;
  return ` Quality ${value}${known ? ` (${number(best.quality_low, digits)} to ${number(best.quality_high, digits)})` : ''}${data.quality?.words ? `: ${data.quality.words}` : ''}${others ? `, not told apart from ${others} other${others === 1 ? '' : 's'}` : ''}.`;
}

export function wishesPart(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0);
  if (usable.length < 2) return null;
  const limits = LIMITS.filter((l) => usable.some((c) => Number.isFinite(l.get(c)))), asked = new Map();
  const measured = usable.some((c) => c.quality !== null && c.quality !== undefined);
  let prefer = 'quality';
  const say = h('p', { class: 'say', 'aria-live': 'polite' }), why = h('p', { class: 'why' });
  const meets = (c, l) => (l.sense < 0 ? l.get(c) <= asked.get(l.key) : l.get(c) >= asked.get(l.key));

  function choose() {
    const active = limits.filter((l) => asked.has(l.key)), left = usable.filter((c) => active.every((l) => meets(c, l)));
    const fallen = active.map((l) => [usable.filter((c) => !meets(c, l)).length, l.words]).filter(([n]) => n).map(([n, words]) => `${n} by ${words}`).join(', ');
    if (!left.length) {
      say.textContent = 'Nothing measured here meets these limits.';
      why.textContent = `Fallen out: ${fallen}.`;
      return;
    }
    const best = left.reduce((a, b) => (better(b, a, prefer, measured) ? b : a)), power = watts(best);
    say.textContent = `Run ${best.label}: first token after ${number(value(best.figures.ttft_s))} s, then ${number(value(best.figures.decode_tokens_per_s))} tokens/s, in ${sizeText(value(best.figures.peak_memory_bytes))}${Number.isFinite(power) ? `, ${number(power)} W` : ''}.`;
    why.textContent = `${left.length} of ${usable.length} configurations are within your limits${fallen ? ` (fallen out: ${fallen})` : ''}.${prefer === 'quality' && !measured ? ' Quality was not measured: most parameters, then most bits per weight, stand in for it.' : ''}${measured && (prefer === 'quality' || asked.has('quality')) ? qualityWords(data, usable, best) : ''}`;
  }

  const unitOf = (l) => (l.key === 'quality' ? data.quality?.unit : l.unit);
  const inputs = limits.map((l) => h('label', { class: 'choice' }, h('span', null, `${l.label}${unitOf(l) ? ` (${unitOf(l)})` : ''}`), h('input', { type: 'number', min: 0, step: 'any', placeholder: 'any', 'data-limit': l.key, oninput: (event) => {
    if (event.target.value === '') asked.delete(l.key);
    else asked.set(l.key, Number(event.target.value));
    choose();
  } })));
  choose();
  return h('div', { class: 'answer wishes' }, h('h3', null, 'Recommended for you'), h('div', null,
    h('div', { class: 'controls' }, inputs, choice('Of those I want', Object.entries(PREFER), prefer, (chosen) => { prefer = chosen; choose(); })), say, why));
}
