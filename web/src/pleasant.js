// Section 8: is it pleasant to use? Plain classes, with the thresholds and where they come from.
import { h, pagedTable, section } from './dom.js';
import { figureText, threads } from './format.js';
import { modelName } from './tradeoff.js';

export function pleasantSection(data) {
  const usable = data.configurations.filter((c) => c.classes);
  if (!usable.length) return section('pleasant', 'Pleasant to use?', h('p', { class: 'empty' }, 'Finished runs fill this: each configuration is held against the thresholds of speech, reading and conversation.'));
  const mark = (met) => (met === null || met === undefined ? '–' : h('span', { class: met ? 'yes' : 'no' }, met ? 'yes' : 'no'));
  return section('pleasant', 'Pleasant to use?',
    pagedTable(['Model', 'Type', 'Threads', 'First token, s', 'Decode, tok/s', ...data.thresholds.map((t) => t.name)],
      usable.map((c) => [modelName(c), c.type, threads(c), figureText(c.figures.ttft_s), figureText(c.figures.decode_tokens_per_s), ...data.thresholds.map((t) => mark(c.classes[t.key]))]), [2, 3, 4]),
    h('dl', { class: 'rules' }, data.thresholds.map((t) => h('div', null, h('dt', null, t.name), h('dd', null, t.rule, h('span', { class: 'source' }, ` ${t.source}`))))));
}
