// Sections 10 and on: machine, method, failures, every raw run, how to repeat.
import { button, copy, h, pagedTable, save, section } from './dom.js';
import { csv, date, number, sizeText, toMiB } from './format.js';

export function machineSection(data) {
  const facts = [...data.machine.facts, ['Study', data.study.file ?? data.study.name], ['Begun', date(data.study.started)], ['Ended', date(data.study.ended)], ['Seed of the order', String(data.study.seed)],
    ['Runs', `${data.study.done} finished, ${data.study.failed} failed, ${data.study.left} left of ${data.study.planned}`]];
  return section('machine', 'Machine and method',
    h('dl', { class: 'facts' }, facts.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value)))),
    h('ul', { class: 'method' }, data.method.map((line) => h('li', null, line))));
}

export function failuresSection(data, byId) {
  const failed = data.trials.filter((t) => !['ok', 'planned', 'running'].includes(t.outcome));
  const left = data.left_out ?? [];
  if (!failed.length && !left.length) return null;
  const leftOut = left.length > 0 && [h('p', { class: 'lead' }, 'Not run, because this machine could not be set so or the budget did not reach:'),
    pagedTable(['What', 'Why', 'Configurations'], left.map((one) => [one.what ?? '–', one.why ?? '–', one.n ?? '–']), [2])];
  if (!failed.length) return section('failures', 'What was left out', leftOut);
  return section('failures', 'What failed', leftOut,
    h('p', { class: 'lead' }, 'A run that does not fit, crashes or takes too long is a result. It is listed, not dropped.'),
    pagedTable(['Configuration', 'Run', 'Outcome', 'Reason', 'Ledger said'],
      failed.map((t) => { const c = byId.get(t.configuration); return [c?.label ?? '–', t.repetition, t.outcome, t.reason ?? '–', c?.predicted_memory ? sizeText(c.predicted_memory.total) : '–']; }), [1]));
}

const runColumns = [
  ['order', (t) => t.order], ['configuration', (t, c) => c?.label ?? ''], ['run', (t) => t.repetition], ['outcome', (t) => t.outcome], ['load (s)', (t) => t.load_s], ['TTFT (s)', (t) => t.ttft_s],
  ['prefill (tok/s)', (t) => t.prefill_tokens_per_s], ['decode (tok/s)', (t) => t.decode_tokens_per_s], ['peak (MiB)', (t) => (t.peak_memory_bytes ? t.peak_memory_bytes * toMiB : null)],
  ['before (°C)', (t) => t.start_c], ['after (°C)', (t) => t.end_c], ['decode (J/token)', (t) => t.decode_energy_j_per_token], ['grade', (t) => t.energy_grade], ['flags', (t) => (t.flags ?? []).join(', ')],
];

export function runsSection(data, byId) {
  const runs = data.trials.filter((t) => t.outcome !== 'planned');
  const raw = (t) => runColumns.map(([, get]) => get(t, byId.get(t.configuration)));
  const used = runColumns.map((_, i) => runs.some((t) => { const v = raw(t)[i]; return v !== null && v !== undefined && v !== ''; }));
  const heads = runColumns.map(([head]) => head).filter((_, i) => used[i]);
  const cells = (t) => raw(t).filter((_, i) => used[i]);
  const host = h('details', { class: 'data' }, h('summary', null, `All ${runs.length} runs, in the order in which they ran`));
  const fill = () => {
    if (host.childElementCount > 1) return;
    host.append(pagedTable(heads, runs.map((t) => cells(t).map((v) => (typeof v === 'number' && !Number.isInteger(v) ? number(v) : v ?? '–'))), heads.map((head, i) => (/\(|^order|^run$/.test(head) ? i : -1)).filter((i) => i >= 0)));
  };
  host.addEventListener('toggle', fill);
  return section('runs', 'Every raw run',
    h('p', { class: 'lead' }, 'What the figures above were derived from. Token stamps and samples of every meter are in the store.'), host,
    h('p', null, button('Save as CSV', () => save('runs.csv', 'text/csv', csv(heads, runs.map(cells)))), ' ',
      button('Save all data as JSON', () => save('report.json', 'application/json', document.getElementById('data').textContent))));
}

export function repeatSection(data) {
  const text = data.repeat_commands.join('\n');
  const copied = button('Copy', async () => { await copy(text); copied.textContent = 'Copied'; });
  return section('repeat', 'How to repeat this', h('pre', { tabindex: '0' }, text), h('p', null, copied));
}
