// One wrapper for every Vega-Lite plot: theme, size, hover, download (SVG, PNG, CSV) and the data as a table.
// Expressions run through Vega's interpreter, so the page needs no eval and can forbid it.
import { compile } from 'vega-lite';
import { View, Warn, parse } from 'vega';
import { expressionInterpreter } from 'vega-interpreter';
import { button, h, plainTable, save } from './dom.js';
import { csv } from './format.js';
import { colour, onThemeChange, palette } from './theme.js';

function config(narrow) {
  const ink = colour('ink'), soft = colour('ink-soft'), hair = colour('hair'), font = colour('sans');
  const text = { labelFont: font, titleFont: font, labelColor: soft, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 };
  return {
    background: null,
    font,
    view: { stroke: null },
    axis: { ...text, domainColor: hair, tickColor: hair, gridColor: hair, gridOpacity: 0.6, titlePadding: 10, labelPadding: 5 },
    legend: { ...text, orient: 'bottom', columns: 4, symbolSize: 90, symbolStrokeWidth: 1.8, symbolBaseFillColor: soft, symbolBaseStrokeColor: soft, layout: { bottom: { anchor: 'start', direction: narrow ? 'vertical' : 'horizontal', margin: narrow ? 8 : 24 } } },
    title: { color: ink, font },
    header: { ...text },
    range: { category: palette() },
  };
}

// Names of rows: beside them where there is room, above them on a phone.
export const rowAxis = (narrow, width, up) => (narrow ? { domain: false, ticks: false, labelAlign: 'left', labelPadding: -2, labelOffset: -up, labelLimit: width, zindex: 1 } : { labelLimit: 320 });
export const rowScale = (narrow) => (narrow ? { paddingInner: 0.45, paddingOuter: 0.45 } : { paddingInner: 0.2, paddingOuter: 0.1 });

// tooltip.lines(datum) gives [name, value] pairs; everything is set as text.
let tip;
function showTip(event, lines) {
  tip ??= document.body.appendChild(h('div', { class: 'tip', role: 'status' }));
  tip.replaceChildren(...lines.map(([name, value]) => h('div', { class: name ? null : 'tip-head' }, name && h('span', null, name), h('b', null, value))));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
}
const hideTip = () => { if (tip) tip.hidden = true; };
addEventListener('keydown', (event) => { if (event.key === 'Escape') hideTip(); });
addEventListener('scroll', hideTip, { passive: true });

// options: name (of files), title, description (for screen readers), spec(width) -> Vega-Lite, table() -> {heads, rows,
// numeric}, lines(datum) for hover, onclick(datum). Returns the element and a function that draws it again.
export function plot(options) {
  let view = null, drawn = 0;
  const canvas = h('div', { class: 'plot' });
  const dataHost = h('details', { class: 'data' }, h('summary', null, 'Data as a table'));
  dataHost.addEventListener('toggle', () => {
    if (!dataHost.open || dataHost.childElementCount > 1) return;
    const { heads, rows, numeric } = options.table();
    dataHost.append(plainTable(heads, rows, numeric));
  });
  const image = async (type) => {
    if (type === 'svg') save(`${options.name}.svg`, 'image/svg+xml', await view.toSVG());
    else save(`${options.name}.png`, 'image/png', await pngOf(view));
  };
  const bar = h('div', { class: 'plot-bar' },
    button('SVG', () => image('svg'), { class: 'quiet', 'aria-label': `Save ${options.title} as SVG` }),
    button('PNG', () => image('png'), { class: 'quiet', 'aria-label': `Save ${options.title} as PNG` }),
    button('CSV', () => { const { heads, rows } = options.table(); save(`${options.name}.csv`, 'text/csv', csv(heads, rows)); },
      { class: 'quiet', 'aria-label': `Save the data of ${options.title} as CSV` }));
  const element = h('figure', null, h('figcaption', null, h('span', null, options.title), bar), canvas, dataHost);

  async function draw() {
    const turn = ++drawn;
    const width = Math.floor(canvas.clientWidth);
    if (!width) return;
    while (dataHost.childElementCount > 1) dataHost.lastElementChild.remove();
    dataHost.open = false;
    const spec = compile({ $schema: 'https://vega.github.io/schema/vega-lite/v6.json', config: config(width < 500), ...options.spec(width) }, { logger: quiet }).spec;
    const next = new View(parse(spec, undefined, { ast: true }), {
      expr: expressionInterpreter, renderer: 'svg', logLevel: Warn, hover: false, loader: offline,
      tooltip: (handler, event, item, value) => { if (value && item?.datum && options.lines) showTip(event, options.lines(item.datum)); else hideTip(); },
    });
    if (turn !== drawn) return next.finalize();
    view?.finalize();
    view = next.initialize(canvas);
    if (options.onclick) view.addEventListener('click', (event, item) => item?.datum && options.onclick(item.datum));
    await view.runAsync();
    const svg = canvas.querySelector('svg');
    svg?.setAttribute('role', 'img');
    svg?.setAttribute('aria-label', options.description());
  }
  onThemeChange(draw);
  let last = 0;
  // A frame later: drawing changes the height, which would make the observer complain of a loop.
  new ResizeObserver(() => requestAnimationFrame(() => { if (canvas.clientWidth !== last) { last = canvas.clientWidth; draw(); } })).observe(canvas);
  return { element, draw };
}

const quiet = { level() { return this; }, error(...m) { console.error(...m); return this; }, warn() { return this; }, info() { return this; }, debug() { return this; } };
// Nothing is ever loaded: a page that asks the network for something has a fault.
const offline = { load: () => Promise.reject(new Error('offline')), sanitize: () => Promise.reject(new Error('offline')), http: null, file: null };

async function pngOf(view) {
  view.background(colour('paper'));
  const canvas = await view.toCanvas(2);
  view.background(null);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
