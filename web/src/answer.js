// Section 1: what to run here, in words, and what changes that answer, in the same size of type.
import { h, section } from './dom.js';
import { wishesPart } from './wishes.js';

export function answerSection(data) {
  const asked = data.recommended && h('div', { class: 'answer' }, h('h3', null, 'Recommended for you'), h('div', null, h('p', { class: 'say' }, together(data.recommended.text)), h('p', { class: 'why' }, together(data.recommended.reason))));
  const answers = data.answers.map((answer) => h('div', { class: 'answer' },
    h('h3', null, answer.heading),
    h('div', null, h('p', { class: 'say' }, together(answer.text)), answer.reason && h('p', { class: 'why' }, together(answer.reason)))));
  const caveats = data.caveats.map((caveat) => h('div', { class: 'answer caveat' },
    h('h3', null, caveat.heading), h('div', null, h('p', { class: 'say' }, together(caveat.text)))));
  return section('answer', 'Answer', asked,
    answers.length ? answers : h('p', { class: 'say' }, 'No finished run yet, so there is no answer.'), caveats, wishesPart(data));
}

// A number and its unit stay on one line.
const together = (text) => text.replace(/(\d) (?=(?:s|ms|MiB|GiB|tokens?|threads?|runs?|J|W|%|×)(?![a-z]))/g, '$1\u00a0');
