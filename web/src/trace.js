// Long traces with uPlot: its own theme, size, download (SVG, PNG, CSV) and keyboard-reachable numbers beside it.
import uPlot from 'uplot';
import { button, h, save } from './dom.js';
import { csv } from './format.js';
import { colour, onThemeChange } from './theme.js';

// options: name, title, height, build() -> {data, series, axes: [x title, y title], bands: [{name, begin, end}], lines: [y]}.
export function trace(options) {
  let chart = null;
  const host = h('div', { class: 'plot trace', role: 'img' });
  const bar = h('div', { class: 'plot-bar' },
    button('SVG', () => save(`${options.name}.svg`, 'image/svg+xml', drawn(options.build(), host.clientWidth || 800, options.height ?? 240)), { class: 'quiet', 'aria-label': `Save ${options.title} as SVG` }),
    button('PNG', () => host.querySelector('canvas')?.toBlob((blob) => save(`${options.name}.png`, 'image/png', blob)), { class: 'quiet', 'aria-label': `Save ${options.title} as PNG` }),
    button('CSV', () => { const { data, series, axes } = options.build(); save(`${options.name}.csv`, 'text/csv', csv([axes[0], ...series.map((s) => s.label)], data[0].map((_, i) => data.map((column) => column[i])))); },
      { class: 'quiet', 'aria-label': `Save the data of ${options.title} as CSV` }));
  const element = h('figure', null, h('figcaption', null, h('span', null, options.title), bar), host);

  function shade(bands, lines) {
    return (u) => {
      const { ctx } = u, top = u.bbox.top, height = u.bbox.height;
      ctx.save();
      ctx.textAlign = 'left';
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
      width, height: options.height ?? 240, scales: { x: { time: false }, ...(lines.length ? { y: { range: (u, low, high) => uPlot.rangeNum(Math.min(low ?? Infinity, ...lines), Math.max(high ?? -Infinity, ...lines), 0.1, true) } } : {}) }, axes: [axis(axes[0], 34), axis(axes[1], 52)],
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

// The same picture as SVG, whole and unzoomed; uPlot draws on a canvas only. Names are escaped: they are other people's.
const escaped = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function ticks(low, high, most) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough)), step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => Number(((Math.ceil(low / step) + i) * step).toPrecision(12)));
}

export function drawn({ data, series, axes, bands = [], lines = [] }, width, height) {
  const left = 60, right = 12, top = 12, bottom = 46, xs = data[0], ys = data.slice(1).flat().filter(Number.isFinite).concat(lines);
  const x0 = xs[0], x1 = xs.at(-1), low = Math.min(...ys), high = Math.max(...ys), margin = 0.05 * (high - low || 1);
  const px = (x) => (left + (x - x0) / (x1 - x0 || 1) * (width - left - right)).toFixed(1), py = (y) => (height - bottom - (y - low + margin) / (high - low + 2 * margin) * (height - top - bottom)).toFixed(1);
  const font = `font-family="${escaped(colour('sans'))}" font-size="12" fill="${colour('ink-soft')}"`, label = (x, y, text, more = '') => `<text x="${x}" y="${y}" ${font} ${more}>${escaped(text)}</text>`;
  const shade = bands.map((band, i) => { const a = Math.max(band.begin, x0), b = Math.min(band.end, x1); return b > a ? `<rect x="${px(a)}" y="${top}" width="${(px(b) - px(a)).toFixed(1)}" height="${height - top - bottom}" fill="${colour(i % 2 ? 'shade-2' : 'shade-1')}"/>${px(b) - px(a) > 50 ? label(Number(px(a)) + 6, top + 16, band.name) : ''}` : ''; });
  const grid = [...ticks(low - margin, high + margin, 5).map((y) => `<path d="M${left} ${py(y)}H${width - right}" stroke="${colour('hair')}"/>${label(left - 6, Number(py(y)) + 4, y, 'text-anchor="end"')}`), ...ticks(x0, x1, 8).map((x) => `<path d="M${px(x)} ${top}V${height - bottom}" stroke="${colour('hair')}"/>${label(px(x), height - bottom + 16, x, 'text-anchor="middle"')}`)];
  const curves = series.map((s, k) => { let pen = false; const path = data[k + 1].map((y, i) => { if (!Number.isFinite(y)) { pen = false; return ''; } const to = `${pen ? 'L' : 'M'}${px(xs[i])} ${py(y)}`; pen = true; return to; }).join(''); return `<path d="${path}" fill="none" stroke="${escaped(s.stroke)}" stroke-width="1.4"${s.dash ? ` stroke-dasharray="${s.dash.join(' ')}"` : ''}/>`; });
  const rests = lines.map((y) => `<path d="M${left} ${py(y)}H${width - right}" stroke="${colour('ink-soft')}" stroke-dasharray="4 4"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><rect width="100%" height="100%" fill="${colour('paper')}"/>${shade.join('')}${grid.join('')}${curves.join('')}${rests.join('')}${label(width / 2, height - 8, axes[0], 'text-anchor="middle"')}${label(14, height / 2, series.length === 1 ? series[0].label : axes[1], `text-anchor="middle" transform="rotate(-90 14 ${height / 2})"`)}</svg>`;
}
