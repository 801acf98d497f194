// Section 4, second half: which context still fits, and where the KV cache outgrows the weights. Estimates from the ledger of each
// configuration, in which the cache grows in proportion to the context.
import { h } from './dom.js';
import { number, sizeText, toMiB } from './format.js';
import { plot } from './plot.js';
import { colour, palette } from './theme.js';
import { typesOf } from './figures.js';
import { modelName } from './tradeoff.js';

const MOST_LINES = 12;

// Contexts to draw, five per doubling: from 512, or from an eighth of what the shortest-sighted model was trained for.
function contextSteps(fits) {
  const trained = fits.map((fit) => fit.trained_tokens ?? 32768);
  const first = Math.min(512, 2 ** Math.max(0, Math.floor(Math.log2(Math.min(...trained) / 8)))), last = Math.max(...trained, 8 * first);
  return Array.from({ length: Math.min(Math.floor(5 * Math.log2(last / first)), 80) + 1 }, (_, i) => Math.round(first * 2 ** (i / 5)));
}

// One line per model and type: threads hardly change memory.
function lines(configurations) {
  const by = new Map();
  for (const c of configurations) if (c.context) by.set(`${modelName(c)} ${c.type}`, c);
  return [...by.entries()].map(([label, c]) => ({ label, c, fit: c.context }));
}

const tokens = (value) => (value >= 1e6 ? `${number(value / 1e6, 1)} M` : number(value, 0));

export function contextPart(data) {
  const all = lines(data.configurations), rows = all.slice(0, MOST_LINES);
  if (!rows.length) return null;
  const limit = data.machine.memory_bytes, types = typesOf(data);
  const most = (fit) => (limit ? Math.max(0, Math.floor((limit - fit.fixed_bytes) / fit.kv_bytes_per_token)) : NaN);
  const fits = (fit) => { const by = most(fit); return fit.trained_tokens && by > fit.trained_tokens ? `${tokens(fit.trained_tokens)} (all it was trained for)` : tokens(by); };
  const steps = contextSteps(rows.map(({ fit }) => fit));
  const values = rows.flatMap(({ label, c, fit }) => steps.filter((n) => !fit.trained_tokens || n <= fit.trained_tokens).map((n) => ({ label, type: c.type, context: n, mib: (fit.fixed_bytes + n * fit.kv_bytes_per_token) * toMiB })));
  const crossings = rows.filter(({ fit }) => fit.outgrows_tokens <= (fit.trained_tokens ?? Infinity) && fit.outgrows_tokens >= steps[0] && fit.outgrows_tokens <= steps.at(-1))
    .map(({ label, c, fit }) => ({ label, type: c.type, context: fit.outgrows_tokens, mib: (fit.fixed_bytes + fit.outgrows_tokens * fit.kv_bytes_per_token) * toMiB }));
  const top = Math.max(...values.map((v) => v.mib));
  const x = { field: 'context', type: 'quantitative', scale: { type: 'log', base: 2 }, title: 'Context (tokens)', axis: { format: 'd', values: steps.filter((_, i) => i % 5 === 0) } };
  const y = { field: 'mib', type: 'quantitative', scale: { type: 'log' }, title: 'Memory (MiB), estimated → worse', axis: { format: '~s', tickCount: 5 } };
  const picture = plot({
    name: 'memory-by-context', title: 'Memory by context: estimated from the ledger',
    spec: (width) => ({
      width, height: 260, autosize: { type: 'fit-x', contains: 'padding' },
      layer: [
        { data: { values }, mark: { type: 'line', strokeWidth: 1.8 }, encoding: { x, y, detail: { field: 'label' }, color: { field: 'type', type: 'nominal', title: 'Quantization', scale: { domain: types, range: palette() } }, tooltip: { field: 'label' } } },
        ...(crossings.length ? [{ data: { values: crossings }, mark: { type: 'point', filled: true, size: 70, shape: 'diamond', opacity: 1 }, encoding: { x, y, color: { field: 'type', type: 'nominal', scale: { domain: types, range: palette() } }, tooltip: { field: 'label' } } }] : []),
        ...(limit && top > limit * toMiB / 8 ? [{ data: { values: [{ mib: limit * toMiB }] }, mark: { type: 'rule', color: colour('warn'), strokeWidth: 2 }, encoding: { y: { field: 'mib', type: 'quantitative' } } }] : []),
      ],
    }),
    description: () => rows.map(({ label, fit }) => `${label}: ${fits(fit)} tokens fit`).join('; '),
    table: () => ({ heads: ['Model and type', 'Weights', 'KV per 1,000 tokens', 'KV outgrows the weights at', 'Fits into this machine'], numeric: [1, 2, 3, 4],
      rows: all.map(({ label, fit }) => [label, sizeText(fit.weights_bytes), sizeText(1000 * fit.kv_bytes_per_token), tokens(fit.outgrows_tokens), fits(fit)]) }),
    lines: (d) => [['', d.label], ['context', `${tokens(d.context)} tokens`], ['memory', `${number(d.mib, 0)} MiB`]],
  });
  const best = rows.reduce((a, b) => (b.c.parameters > a.c.parameters ? b : a));
  return [h('p', { class: 'lead' }, `${best.label}: each 1,000 tokens of context take ${sizeText(1000 * best.fit.kv_bytes_per_token)}; the cache outgrows the weights at ${tokens(best.fit.outgrows_tokens)} tokens (◆ where a line reaches that)${limit ? `; ${fits(best.fit)} tokens fit into all of this machine's memory` : ''}.`), picture.element,
    all.length > rows.length && h('p', { class: 'hint' }, `The first ${rows.length} of ${all.length} models and types; the table has all.`)];
}
