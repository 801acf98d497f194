// Long traces with uPlot: its own theme, size, download (PNG, CSV) and keyboard-reachable numbers beside it.
import uPlot from 'uplot';
import { button, h, save } from './dom.js';
import { csv } from './format.js';
import { colour, onThemeChange } from './theme.js';

// options: name, title, height, build() -> {data, series, axes: [x title, y title], bands: [{name, begin, end}], lines: [y]}.
export function trace(options) {
  let chart = null;
  const host = h('div', { class: 'plot trace', role: 'img' });
  const bar = h('div', { class: 'plot-bar' },
    button('PNG', () => host.querySelector('canvas')?.toBlob((blob) => save(`${options.name}.png`, 'image/png', blob)), { class: 'quiet', 'aria-label': `Save ${options.title} as PNG` }),
    button('CSV', () => { const { data, series, axes } = options.build(); save(`${options.name}.csv`, 'text/csv', csv([axes[0], ...series.map((s) => s.label)], data[0].map((_, i) => data.map((column) => column[i])))); },
      { class: 'quiet', 'aria-label': `Save the data of ${options.title} as CSV` }));
  const element = h('figure', null, h('figcaption', null, h('span', null, options.title), bar), host);

  function shade(bands, lines) {
    return (u) => {
      const { ctx } = u, top = u.bbox.top, height = u.bbox.height;
      ctx.save();
      bands.forEach((band, i) => {
        const a = u.valToPos(band.begin, 'x', true), b = u.valToPos(band.end, 'x', true);
        ctx.fillStyle = colour(i % 2 ? 'shade-2' : 'shade-1');
        ctx.fillRect(a, top, b - a, height);
        ctx.fillStyle = colour('ink-soft');
        ctx.font = `${12 * devicePixelRatio}px ${colour('sans')}`;
        if (b - a > 50 * devicePixelRatio) ctx.fillText(band.name, a + 6 * devicePixelRatio, top + 16 * devicePixelRatio);
      });
      ctx.strokeStyle = colour('ink-soft');
      ctx.setLineDash([4, 4]);
      lines.forEach((y) => { const p = u.valToPos(y, 'y', true); ctx.beginPath(); ctx.moveTo(u.bbox.left, p); ctx.lineTo(u.bbox.left + u.bbox.width, p); ctx.stroke(); });
      ctx.restore();
    };
  }
  function draw() {
    const width = Math.floor(host.clientWidth);
    if (!width) return;
    const { data, series, axes, bands = [], lines = [] } = options.build();
    const axis = (label, size) => ({ label, size, labelSize: 22, labelGap: 0, stroke: colour('ink-soft'), font: `12px ${colour('sans')}`, labelFont: `500 12px ${colour('sans')}`, grid: { stroke: colour('hair'), width: 1 }, ticks: { stroke: colour('hair'), width: 1 } });
    chart?.destroy();
    chart = new uPlot({
      width, height: options.height ?? 240, scales: { x: { time: false } }, axes: [axis(axes[0], 34), axis(axes[1], 52)],
      series: [{ label: axes[0] }, ...series.map((s) => ({ points: { show: false }, width: 1.4, ...s }))],
      cursor: { drag: { x: true, y: false } }, hooks: { drawAxes: [shade(bands, lines)] },
    }, data, host);
    host.setAttribute('aria-label', options.description?.() ?? options.title);
  }
  onThemeChange(draw);
  let last = 0;
  // A frame later: drawing changes the height, which would make the observer complain of a loop.
  new ResizeObserver(() => requestAnimationFrame(() => { if (host.clientWidth !== last) { last = host.clientWidth; draw(); } })).observe(host);
  return { element, draw };
}
