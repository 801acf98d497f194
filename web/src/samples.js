// Section 9: what the models wrote, side by side; words that differ from the first answer to the same prompt are marked.
import { choice, h, section } from './dom.js';

const MOST_WORDS = 400;

// Words of b that are not in the longest common subsequence with a.
function differences(a, b) {
  const x = a.slice(0, MOST_WORDS), y = b.slice(0, MOST_WORDS), n = x.length, m = y.length;
  const length = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--) for (let j = m - 1; j >= 0; j--) length[i][j] = x[i] === y[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
  const differs = new Array(b.length).fill(false);
  for (let i = 0, j = 0; j < m;) {
    if (i < n && x[i] === y[j]) { i++; j++; } else if (i < n && length[i + 1][j] >= length[i][j + 1]) i++;
    else differs[j++] = true;
  }
  return differs;
}

const words = (text) => text.match(/\S+\s*|\s+/g) ?? [];

function card(sample, reference) {
  const mine = words(sample.text), marks = reference && reference !== sample ? differences(words(reference.text).map((w) => w.trim()), mine.map((w) => w.trim())) : [];
  const share = marks.length ? marks.filter(Boolean).length / marks.length : 0;
  return h('figure', { class: 'sample' },
    h('blockquote', null, h('span', { class: 'prompt' }, sample.prompt), mine.map((word, i) => (marks[i] ? h('mark', null, word) : word))),
    h('figcaption', null, `${sample.model} · ${sample.type}`, reference && reference !== sample && h('span', null, share ? ` · ${Math.round(100 * share)} % of its words differ` : ' · word for word the same')));
}

export function samplesSection(data) {
  if (!data.samples.length) return section('samples', 'In its own words', h('p', { class: 'empty' }, 'No text was kept. A study with a real model and sample text shows here what it writes; synthetic weights write noise, so theirs is never shown.'));
  const prompts = [...new Set(data.samples.map((s) => s.prompt))], host = h('div', { class: 'samples' });
  const show = (prompt) => {
    const mine = data.samples.filter((s) => s.prompt === prompt);
    // Compared within one model, where the type alone differs; else with the first.
    host.replaceChildren(...mine.map((s) => card(s, mine.find((other) => other.model === s.model) ?? mine[0])));
  };
  show(prompts[0]);
  const marked = data.samples.some((s) => data.samples.some((o) => o !== s && o.model === s.model && o.prompt === s.prompt));
  return section('samples', 'In its own words',
    h('p', { class: 'lead' }, `Text that the real models wrote in these runs, unedited.${marked ? ' Marked: words that differ from the first type of the same model.' : ''}`),
    prompts.length > 1 && h('div', { class: 'controls' }, choice('Prompt', prompts.map((p) => [p, p.slice(0, 80)]), prompts[0], show)), host);
}
