// Section 9, second half: what the models wrote, side by side; words that differ from the reference type's answer are marked. Answers
// to the fixed set of prompts were generated greedily, so what differs is what the file's fewer bits changed.
import { button, choice, h, pagedTable, section } from './dom.js';
import { number } from './format.js';
import { fileKey, fileLabel } from './quality.js';

const MOST_WORDS = 400;
const MOST_CARDS = 24;

const words = (text) => text.match(/\S+\s*|\s+/g) ?? [];

// Which words of b are not in the longest common subsequence with a, how many are, and the first word that differs (-1: none).
export function differences(a, b) {
  const x = a.slice(0, MOST_WORDS), y = b.slice(0, MOST_WORDS), n = x.length, m = y.length;
  const length = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--) for (let j = m - 1; j >= 0; j--) length[i][j] = x[i] === y[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const differs = new Array(b.length).fill(false);
  for (let i = 0, j = 0; j < m;) {
    if (i < n && x[i] === y[j]) { i++; j++; } else if (i < n && length[i + 1][j] >= length[i][j + 1]) i++;
    else differs[j++] = true;
  }
  let first = 0;
  while (first < Math.max(n, m) && x[first] === y[first]) first++;
  return { differs, first: first < Math.max(n, m) ? first : -1, share: Math.max(n, m) ? length[0][0] / Math.max(n, m) : 1 };
}

const bare = (text) => words(text.trim()).map((word) => word.trim());
// Of two answers: how they differ.
const between = (reference, answer) => differences(bare(reference.text ?? ''), bare(answer.text ?? ''));
const share = (value) => `${Math.floor(100 * value)} %`;
const verdict = ({ first, share: same }) => (first < 0 ? 'word for word the same' : `differs from word ${first + 1} on · ${share(same)} of the words the same`);
// The word is marked, the space behind it is not.
const marked = (word) => [h('mark', null, word.trimEnd()), word.slice(word.trimEnd().length)];

function card(answer, reference, showPrompt) {
  const text = answer.text ?? '', compared = reference && reference !== answer ? between(reference, answer) : null, lead = text.match(/^\s*/)[0].length;
  const cut = Number.isFinite(answer.tokens) && answer.tokens === answer.most_tokens;
  return h('figure', { class: 'sample' },
    h('blockquote', null, showPrompt && h('span', { class: 'prompt' }, answer.prompt), showPrompt && text.slice(0, lead), words(text.slice(lead)).map((word, i) => (compared?.differs[i] ? marked(word) : word)), cut && h('span', { class: 'prompt' }, ' …')),
    h('figcaption', null, h('b', null, fileLabel(answer)), h('span', null, !reference ? '' : reference === answer ? 'the reference' : verdict(compared))));
}

// The file of a model with most bytes, with the plain KV type first: what the others are held against.
const better = (a, b) => (b.file_size_bytes ?? 0) - (a.file_size_bytes ?? 0) || (b.kv_type === 'f16') - (a.kv_type === 'f16');
const referenceOf = (answers, answer) => answers.filter((one) => one.model === answer.model).sort(better)[0];

// Over all prompts: how much of each file's text is that of its reference.
function glance(all, prompts) {
  const rows = new Map();
  for (const { answers } of prompts) for (const answer of answers) {
    const reference = referenceOf(answers, answer);
    if (reference === answer) continue;
    const key = fileKey(answer), d = between(reference, answer);
    if (!rows.has(key)) rows.set(key, { label: fileLabel(answer), against: fileLabel(reference), shares: [], firsts: [], same: 0 });
    const row = rows.get(key);
    row.shares.push(d.share);
    if (d.first < 0) row.same++; else row.firsts.push(d.first + 1);
  }
  const middle = (list) => { const s = [...list].sort((a, b) => a - b); return s.length ? (s[(s.length - 1) >> 1] + s[s.length >> 1]) / 2 : NaN; };
  return [...rows.values()].map((r) => [r.label, r.against, `${r.same} of ${r.shares.length}`, share(r.shares.reduce((a, b) => a + b, 0) / r.shares.length), r.firsts.length ? number(middle(r.firsts), 0) : '–']);
}

function promptsPart(all) {
  const sets = [...new Set(all.map((a) => a.set))];
  const promptsOf = (set) => {
    const by = new Map();
    for (const a of all) if (a.set === set) { if (!by.has(a.position)) by.set(a.position, { position: a.position, prompt: a.prompt ?? '', answers: [] }); by.get(a.position).answers.push(a); }
    for (const p of by.values()) p.answers.sort((a, b) => (a.model === b.model ? better(a, b) : 0));
    return [...by.values()].sort((a, b) => a.position - b.position);
  };
  const models = [...new Set(all.map((a) => a.model))];
  const state = { set: sets[0], prompts: promptsOf(sets[0]), at: 0, model: models[0] };
  const host = h('div', { class: 'samples' }), shown = h('blockquote', { class: 'asked' }), place = h('span', { class: 'hint', 'aria-live': 'polite' }), note = h('p', { class: 'hint' });
  const summary = h('details', { class: 'data' }, h('summary', null, 'All prompts at a glance'));
  summary.addEventListener('toggle', () => {
    if (!summary.open || summary.childElementCount > 1) return;
    const rows = glance(all, state.prompts);
    summary.append(rows.length ? pagedTable(['File', 'Against', 'Word for word the same', 'Words the same', 'First difference at word (median)'], rows, [2, 3, 4]) : h('p', { class: 'hint' }, 'Each model has one file here, so there is nothing to hold it against.'));
  });
  const ask = choice('Prompt', [], '', (value) => { state.at = Number(value); show(); }), select = ask.querySelector('select');
  const before = button('Before', () => { state.at--; show(); }), after = button('After', () => { state.at++; show(); });
  function fill() {
    select.replaceChildren(...state.prompts.map((p, i) => h('option', { value: String(i) }, `${i + 1}. ${p.prompt.replace(/\s+/g, ' ').slice(0, 70)}`)));
    while (summary.childElementCount > 1) summary.lastElementChild.remove();
    summary.open = false;
    show();
  }
  function show() {
    const p = state.prompts[state.at], mine = p.answers.filter((a) => !state.model || a.model === state.model);
    select.value = String(state.at);
    before.disabled = state.at === 0;
    after.disabled = state.at === state.prompts.length - 1;
    place.textContent = `${state.at + 1} of ${state.prompts.length}`;
    shown.textContent = p.prompt;
    host.replaceChildren(...mine.slice(0, MOST_CARDS).map((a) => card(a, p.answers.some((o) => o !== a && o.model === a.model) ? referenceOf(p.answers, a) : null, false)));
    note.textContent = mine.length > MOST_CARDS ? `${MOST_CARDS} of ${mine.length} answers; choose a model to see its own.` : mine.length ? '' : 'This model was not asked this.';
  }
  fill();
  return [h('h3', { class: 'part' }, 'The same prompts, one file beside the other'),
    h('p', { class: 'lead' }, 'Each file answered the same prompts, always taking the most likely token. Marked: words that differ from the answer of the model’s largest file. A difference is not an error: after the first other word the text goes its own way.'),
    h('div', { class: 'controls' }, sets.length > 1 && choice('Set', sets.map((s) => [s, s]), sets[0], (set) => { state.set = set; state.prompts = promptsOf(set); state.at = 0; fill(); }), ask,
      models.length > 1 && choice('Model', [...models.map((m) => [m, m]), ['', 'all']], models[0], (m) => { state.model = m; show(); }), h('div', { class: 'turn' }, before, place, after)),
    shown, host, note, summary];
}

// Text that came about while speed was measured: one piece per model and type.
function runsPart(data) {
  const bytes = (s) => data.configurations.find((c) => c.model === s.model && c.type === s.type)?.file_size_bytes ?? 0;
  const samples = [...data.samples].sort((a, b) => (a.model === b.model ? bytes(b) - bytes(a) : 0));
  const prompts = [...new Set(samples.map((s) => s.prompt))], host = h('div', { class: 'samples' });
  const show = (prompt) => {
    const mine = samples.filter((s) => s.prompt === prompt);
    const reference = (s) => (mine.some((o) => o !== s && o.model === s.model) ? mine.find((o) => o.model === s.model) : null);
    host.replaceChildren(...mine.map((s) => card(s, reference(s), true)));
  };
  show(prompts[0]);
  const marked = samples.some((s) => samples.some((o) => o !== s && o.model === s.model && o.prompt === s.prompt));
  return [h('p', { class: 'lead' }, `Text that the real models wrote in these runs, unedited.${marked ? ' Marked: words that differ from the model’s largest file.' : ''}`),
    prompts.length > 1 && h('div', { class: 'controls' }, choice('Prompt', prompts.map((p) => [p, p.slice(0, 80)]), prompts[0], show)), host];
}

export function samplesSection(data) {
  const answers = data.answers_to_prompts ?? [];
  if (!data.samples.length && !answers.length) return section('samples', 'In its own words', h('p', { class: 'empty' }, 'No text was kept. A study with a real model and sample text, or with a set of prompts, shows here what it writes; synthetic weights write noise, so theirs is never shown.'));
  return section('samples', 'In its own words', answers.length > 0 && promptsPart(answers), data.samples.length > 0 && [answers.length > 0 && h('h3', { class: 'part' }, 'Written while speed was measured'), runsPart(data)]);
}
