// Section 4: what the ledger said and what was seen, stacked, against the device's line; a slider for the context.
import { contextPart } from './context.js';
import { h, section } from './dom.js';
import { mib, number, percent, sizeText, toMiB } from './format.js';
import { plot } from './plot.js';
import { modelName } from './tradeoff.js';
import { colour } from './theme.js';

const predictedParts = [['weights_mapped', 'weights, mapped'], ['weights_packed', 'weights, packed'], ['kv_cache', 'KV cache'], ['activations', 'activations'], ['scratch', 'scratch'], ['tokenizer', 'tokenizer'], ['runtime', 'program']];
const measuredParts = [['file_mapped', 'seen: mapped files'], ['anonymous', 'seen: anonymous'], ['rest', 'seen: only at the peak']];
const partNames = [...predictedParts, ...measuredParts].map(([, name]) => name);

// Threads hardly change memory, so one row per model and type: the configuration that took most.
function largest(configurations) {
  const by = new Map();
  const seen = (c) => c.figures.peak_memory_bytes?.value ?? 0;
  for (const c of configurations) {
    if (!c.predicted_memory && !seen(c)) continue;
    const key = `${modelName(c)} ${c.type}`;
    const other = by.get(key);
    if (!other || seen(c) > seen(other)) by.set(key, c);
  }
  return [...by.entries()].map(([label, c]) => ({ label, c }));
}

export function memorySection(data) {
  const rows = largest(data.configurations);
  if (!rows.length) return section('memory', 'Memory', h('p', { class: 'empty' }, 'Nothing yet: finished runs bring the measured peak, and the ledger’s prediction beside it.'));
  const measuredContext = rows[0].c.context_tokens;
  const slides = rows.every(({ c }) => c.predicted_memory && c.context_tokens > 0);
  let context = null; // null: as measured

  const kvOf = (c) => (context === null ? c.predicted_memory.kv_cache : c.predicted_memory.kv_cache * context / c.context_tokens);
  function bars() {
    return rows.flatMap(({ label, c }) => {
      const said = c.predicted_memory ? predictedParts.map(([key, part], i) => ({ row: label, kind: 'predicted', part, i, mib: (key === 'kv_cache' ? kvOf(c) : c.predicted_memory[key]) * toMiB })) : [];
      const peak = c.figures.peak_memory_bytes?.value;
      if (!peak || context !== null) return said;
      // The split is of the end of decoding; what the peak had above that is drawn as its own part.
      const split = c.measured_memory ? { ...c.measured_memory, rest: Math.max(0, peak - c.measured_memory.file_mapped - c.measured_memory.anonymous) } : { file_mapped: 0, anonymous: peak, rest: 0 };
      return [...said, ...measuredParts.map(([key, part], i) => ({ row: label, kind: 'measured', part, i: 10 + i, mib: split[key] * toMiB }))];
    }).filter((bar) => bar.mib > 0);
  }
  // Direct labels: what was said and seen, at the end of the longer bar.
  const labels = () => rows.map(({ label, c }) => {
    const said = c.predicted_memory ? c.predicted_memory.total - c.predicted_memory.kv_cache + kvOf(c) : null, seen = context === null ? c.figures.peak_memory_bytes?.value : null;
    return { row: label, mib: Math.max(said ?? 0, seen ?? 0) * toMiB, text: seen ? `${mib(seen)}${said ? `  (said ${mib(said)})` : ''}` : `said ${mib(said)}` };
  });
  const limit = data.machine.memory_bytes * toMiB;
  const longest = () => Math.max(...rows.map(({ c }) => Math.max((c.predicted_memory?.total ?? 0) - (c.predicted_memory?.kv_cache ?? 0) + (c.predicted_memory ? kvOf(c) : 0), c.figures.peak_memory_bytes?.value ?? 0))) * toMiB;

  function spec(width) {
    const narrow = width < 500;
    const values = bars(), present = partNames.filter((name) => values.some((bar) => bar.part === name));
    const colours = { 'weights, mapped': 'bar-1', 'weights, packed': 'bar-2', 'KV cache': 'bar-3', activations: 'bar-4', scratch: 'bar-5', tokenizer: 'bar-6', program: 'bar-7', 'seen: mapped files': 'bar-8', 'seen: anonymous': 'bar-9', 'seen: only at the peak': 'hair' };
    const layer = [{
      data: { values }, mark: { type: 'bar', stroke: colour('paper'), strokeWidth: 0.8 },
      encoding: {
        y: { field: 'row', type: 'nominal', title: null, sort: null, axis: { domain: false, ticks: false, ...(narrow ? { labelAlign: 'left', labelPadding: -2, labelOffset: -24, labelLimit: width, zindex: 1 } : { labelLimit: 260 }) }, scale: { paddingInner: narrow ? 0.5 : 0.3, paddingOuter: narrow ? 0.5 : 0.2 } },
        yOffset: { field: 'kind', scale: { domain: context === null ? ['predicted', 'measured'] : ['predicted'] } },
        x: { field: 'mib', type: 'quantitative', title: narrow ? 'MiB → worse' : 'Memory (MiB): upper bar predicted, lower bar measured → worse', stack: 'zero', axis: { tickCount: width < 500 ? 4 : 8 }, scale: { domain: [0, longest() * (width < 500 ? 1.02 : 1.16)], nice: false } },
        color: { field: 'part', type: 'nominal', title: null, scale: { domain: present, range: present.map((name) => colour(colours[name])) }, legend: { columns: width < 500 ? 2 : 5, symbolType: 'square' } },
        order: { field: 'i' }, tooltip: { field: 'part' },
      },
    }];
    if (width >= 500) layer.push({ data: { values: labels() }, mark: { type: 'text', align: 'left', dx: 6, color: colour('ink-soft'), fontSize: 12 },
      encoding: { y: { field: 'row', type: 'nominal', sort: null }, x: { field: 'mib', type: 'quantitative' }, text: { field: 'text' } } });
    if (limit && longest() > limit / 3) layer.push({ data: { values: [{ mib: limit }] }, mark: { type: 'rule', strokeWidth: 2, color: colour('warn') }, encoding: { x: { field: 'mib', type: 'quantitative' } } });
    return { width, height: rows.length * (narrow ? 56 : context === null ? 40 : 26) + 20, autosize: { type: 'fit-x', contains: 'padding' }, layer };
  }

  const picture = plot({
    name: 'memory', title: 'Memory per model and type: predicted above, measured below', spec,
    description: () => rows.map(({ label, c }) => `${label}: predicted ${mib(c.predicted_memory?.total)} MiB, measured ${mib(c.figures.peak_memory_bytes?.value)} MiB`).join('; '),
    table: () => ({ heads: ['Configuration', ...predictedParts.map(([, name]) => `${name} (MiB)`), 'predicted (MiB)', 'measured (MiB)', 'error'], numeric: [...Array(10).keys()].slice(1),
      rows: rows.map(({ label, c }) => [label, ...predictedParts.map(([key]) => mib(c.predicted_memory?.[key])), mib(c.predicted_memory?.total), mib(c.figures.peak_memory_bytes?.value), percent(c.memory_error_percent)]) }),
    lines: (datum) => [['', datum.row], [datum.part, `${number(datum.mib, datum.mib < 10 ? 1 : 0)} MiB`], ['', datum.kind]],
  });
  // What still fits at the slider's context, from the ledger: weights + KV + buffers against the device.
  const feasible = h('p', { class: 'why', 'aria-live': 'polite' });
  function judge() {
    const known = rows.filter(({ c }) => c.predicted_memory), total = (c) => c.predicted_memory.total - c.predicted_memory.kv_cache + kvOf(c);
    if (!known.length || !data.machine.memory_bytes) return;
    const beyond = known.filter(({ c }) => total(c) > data.machine.memory_bytes), outgrown = known.filter(({ c }) => kvOf(c) > c.predicted_memory.weights_mapped + c.predicted_memory.weights_packed);
    const untrained = context === null ? [] : known.filter(({ c }) => c.context?.trained_tokens && context > c.context.trained_tokens), names = (list) => list.slice(0, 5).map(({ label }) => label).join(', ') + (list.length > 5 ? ` and ${list.length - 5} more` : '');
    feasible.textContent = `${context === null ? 'As measured' : `At ${context.toLocaleString('en')} tokens`}: ${beyond.length ? `${known.length - beyond.length} of ${known.length} fit; too large for ${sizeText(data.machine.memory_bytes)}: ${names(beyond)}` : `${known.length === 1 ? 'it fits' : `all ${known.length} fit`} into ${sizeText(data.machine.memory_bytes)}`}.${outgrown.length ? ` The KV cache is larger than the weights of ${names(outgrown)}.` : ''}${untrained.length ? ` Longer than it was trained for: ${names(untrained)}.` : ''}`;
  }
  judge();
  const output = h('output', null, `as measured (${measuredContext} tokens)`);
  const steps = [null, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
  const slider = slides && h('label', { class: 'choice wide' }, h('span', null, 'Context'), h('input', { type: 'range', min: 0, max: steps.length - 1, step: 1, value: 0, oninput: (event) => {
    context = steps[Number(event.target.value)];
    output.textContent = context === null ? `as measured (${measuredContext} tokens)` : `${context.toLocaleString('en')} tokens: predicted, the KV cache grows with the context`;
    judge();
    picture.draw();
  } }), output);
  const errors = rows.map(({ c }) => c.memory_error_percent).filter(Number.isFinite);
  const worst = errors.length ? ` Worst error of the prediction: ${percent(errors.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)))}.` : '';
  return section('memory', 'Memory',
    h('p', { class: 'lead' }, `The ledger adds up what a run will take before anything is allocated; the measured peak is read from outside the process.${worst} `,
      limit ? `This machine has ${sizeText(data.machine.memory_bytes)}${longest() > limit / 3 ? ' (the line)' : ', far to the right of this picture'}.` : ''),
    slider, feasible, picture.element, contextPart(data));
}
