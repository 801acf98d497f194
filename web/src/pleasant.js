// Section 8: is it pleasant to use? Plain classes, with the thresholds and where they come from, and the reader's own.
import { h, pagedTable, section } from './dom.js';
import { figureText, threads } from './format.js';
import { modelName } from './tradeoff.js';

export function pleasantSection(data) {
  const usable = data.configurations.filter((c) => c.classes);
  if (!usable.length) return section('pleasant', 'Pleasant to use?', h('p', { class: 'empty' }, 'Finished runs fill this: each configuration is held against the thresholds of speech, reading and conversation.'));
  const mark = (met) => (met === null || met === undefined ? '–' : h('span', { class: met ? 'yes' : 'no' }, met ? 'yes' : 'no'));
  const own = { ttft: NaN, speed: NaN }, host = h('div'), say = h('p', { class: 'why', 'aria-live': 'polite' });
  const asked = () => Number.isFinite(own.ttft) || Number.isFinite(own.speed);
  // Unknown figures meet nothing and fail nothing.
  const meets = (c) => {
    const ttft = c.figures.ttft_s?.value, speed = c.figures.decode_tokens_per_s?.value;
    if ((Number.isFinite(own.ttft) && !Number.isFinite(ttft)) || (Number.isFinite(own.speed) && !Number.isFinite(speed))) return null;
    return !(ttft > own.ttft) && !(speed < own.speed);
  };
  function fill() {
    const met = usable.filter((c) => meets(c) === true);
    say.textContent = asked() ? `${met.length} of ${usable.length} configurations are as you want it${met.length ? `: ${met.slice(0, 4).map((c) => c.label).join('; ')}${met.length > 4 ? ' …' : ''}` : ''}.` : 'What is pleasant for you? Your own thresholds add a column.';
    host.replaceChildren(pagedTable(['Model', 'Type', 'Threads', 'First token, s', 'Decode, tok/s', ...data.thresholds.map((t) => t.name), ...(asked() ? ['Yours'] : [])],
      usable.map((c) => [modelName(c), c.type, threads(c), figureText(c.figures.ttft_s), figureText(c.figures.decode_tokens_per_s), ...data.thresholds.map((t) => mark(c.classes[t.key])), ...(asked() ? [mark(meets(c))] : [])]), [2, 3, 4]));
  }
  const input = (key, label) => h('label', { class: 'choice' }, h('span', null, label), h('input', { type: 'number', min: 0, step: 'any', placeholder: 'any', 'data-own': key, oninput: (event) => { own[key] = event.target.value === '' ? NaN : Number(event.target.value); fill(); } }));
  fill();
  return section('pleasant', 'Pleasant to use?',
    h('div', { class: 'controls' }, input('ttft', 'Yours: first token within (s)'), input('speed', 'and at least (tokens/s)')), say, host,
    h('dl', { class: 'rules' }, data.thresholds.map((t) => h('div', null, h('dt', null, t.name), h('dd', null, t.rule, h('span', { class: 'source' }, ` ${t.source}`))))));
}
