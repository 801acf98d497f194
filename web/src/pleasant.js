// Section 8: is it pleasant to use? Plain classes, with the thresholds and where they come from.
import { h, plainTable, section } from './dom.js';
import { figureText, threads } from './format.js';
import { modelName } from './tradeoff.js';

export function pleasantSection(data) {
  const usable = data.configurations.filter((c) => c.classes);
  if (!usable.length) return section('pleasant', 'Pleasant to use?', h('p', { class: 'empty' }, 'Finished runs fill this: each configuration is held against the thresholds of speech, reading and conversation.'));
  const mark = (met) => (met === null || met === undefined ? '–' : h('span', { class: met ? 'yes' : 'no' }, met ? 'yes' : 'no'));
  return section('pleasant', 'Pleasant to use?',
    plainTable(['Model', 'Type', 'Threads', 'First token, s', 'Decode, tok/s', ...data.thresholds.map((t) => t.name)],
      usable.map((c) => [modelName(c), c.type, threads(c), figureText(c.figures.ttft_s), figureText(c.figures.decode_tokens_per_s), ...data.thresholds.map((t) => mark(c.classes[t.key]))]), [2, 3, 4]),
    h('dl', { class: 'rules' }, data.thresholds.map((t) => h('div', null, h('dt', null, t.name), h('dd', null, t.rule, h('span', { class: 'source' }, ` ${t.source}`))))));
}

export function samplesSection(data) {
  if (!data.samples.length) return section('samples', 'In its own words', h('p', { class: 'empty' }, 'No text was kept. A study with a real model and sample text shows here what it writes; synthetic weights write noise, so theirs is never shown.'));
  return section('samples', 'In its own words',
    h('p', { class: 'lead' }, 'Text that the real models wrote in these runs, unedited.'),
    data.samples.map((s) => h('figure', { class: 'sample' }, h('blockquote', null, h('span', { class: 'prompt' }, s.prompt), s.text), h('figcaption', null, `${s.model} · ${s.type}`))));
}
