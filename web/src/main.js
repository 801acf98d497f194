// The report page. Reads the one JSON block of the page and builds every section; src/report/page_json.c writes it.
import { answerSection } from './answer.js';
import { compareSection } from './compare.js';
import { append, h } from './dom.js';
import { energySection } from './energy.js';
import { measures } from './figures.js';
import { date } from './format.js';
import { memorySection } from './memory.js';
import { failuresSection, machineSection, repeatSection, runsSection } from './method.js';
import { moneySection } from './money-section.js';
import { pleasantSection } from './pleasant.js';
import { qualitySection } from './quality.js';
import { samplesSection } from './samples.js';
import { speedSection } from './speed.js';
import { tableSection } from './table.js';
import { themeButton } from './theme.js';
import { tradeoffSection } from './tradeoff.js';
import { versusPage } from './versus.js';

function masthead(data) {
  const { study, machine } = data;
  return h('header', { class: 'masthead' },
    data.made_up && h('p', { class: 'made-up' }, 'Every number on this page is made up. It is a fixture for testing the page.'),
    h('h1', null, data.title),
    h('p', { class: 'byline' }, machine.summary, h('br'), `${study.done} of ${study.planned} runs${study.failed ? `, ${study.failed} failed` : ''} · ${date(study.ended ?? study.started)}`));
}

function contents(sections) {
  return h('nav', { 'aria-label': 'Sections', class: 'contents' }, sections.map((one) => h('a', { href: `#${one.id}` }, one.querySelector('h2').textContent)));
}

function build() {
  const root = document.getElementById('page');
  const data = JSON.parse(document.getElementById('data').textContent);
  if (data.format === 'edgewise-comparison' && data.version === 1) return show(root, data, versusPage(data));
  if (data.format !== 'edgewise-report' || data.version !== 1) throw new Error(`this page shows edgewise-report version 1, the data is ${data.format} version ${data.version}`);
  for (const cost of data.money?.configurations ?? []) { const c = data.configurations.find((one) => one.id === cost.configuration); if (c) c.money = cost; }
  if (data.quality?.unit) measures.quality.unit = data.quality.unit;
  const byId = new Map(data.configurations.map((c) => [c.id, c]));
  const sections = [answerSection(data), tradeoffSection(data), tableSection(data), compareSection(data), memorySection(data), speedSection(data), energySection(data), moneySection(data), pleasantSection(data), qualitySection(data), samplesSection(data),
    failuresSection(data, byId), machineSection(data), runsSection(data, byId), repeatSection(data)].filter(Boolean);
  show(root, data, [masthead(data), sections]);
}

function show(root, data, [head, sections]) {
  document.title = `${data.title} · Edgewise`;
  root.replaceChildren();
  append(root, [h('div', { class: 'topline' }, h('span', { class: 'brand' }, 'Edgewise report'), themeButton()), head, contents(sections), h('main', null, sections), h('footer', null, h('p', null, 'Made by Edgewise. One file, no network.'), h('details', { class: 'data' }, h('summary', null, 'Licences of the parts inside'), h('pre', null, document.getElementById('licences').textContent)))]);
  // Paper shows everything: closed tables are opened for printing.
  addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
}

try {
  build();
} catch (error) {
  document.getElementById('page').replaceChildren(h('p', { class: 'made-up' }, `This report cannot be shown: ${error.message}`));
  console.error(error);
}
