// Numbers as text: as many digits as the interval allows, units named once in the head of a column.

const MIB = 1048576;

const significant = (value, digits) => (value ? Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))))) : 0);

// Digits after the point so that the half-width of the interval shows one or two significant digits.
function decimalsOf(half, value) {
  if (half > 0) return Math.min(6, Math.max(0, -Math.floor(Math.log10(half))));
  return significant(value, 3);
}

export function number(value, decimals) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (decimals === undefined && value && Math.abs(value) < 1e-4) return value.toExponential(1).replaceAll('-', '−');
  const digits = decimals ?? decimalsOf(0, value);
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace('-', '−');
}

// A figure {value, low, high, n} in a scaled unit: {value: "57.8", spread: "± 0.4"}.
export function parts(figure, scale = 1) {
  if (!figure) return { value: '–', spread: '' };
  const value = figure.value * scale;
  if (figure.low === null || figure.low === undefined) return { value: number(value), spread: '' };
  if (figure.value && Math.abs(value) < 1e-4) return { value: number(value), spread: `± ${number(Math.max(figure.high - figure.value, figure.value - figure.low) * scale)}` };
  const up = (figure.high - figure.value) * scale, down = (figure.value - figure.low) * scale, half = Math.max(up, down);
  // The first digit of the interval, at least two of the value, and no sixth one because the interval is tight.
  const digits = Math.max(significant(value, 2), Math.min(decimalsOf(half, value), significant(value, 3) + (Math.abs(value) < 1000 ? 1 : 0)));
  if (half >= 2 * Math.min(up, down) && half > Math.abs(value) / 10) return { value: number(value, digits), spread: `+${number(up, digits)} −${number(down, digits)}` };
  const step = 10 ** -digits;
  return { value: number(value, digits), spread: half < step / 2 ? `± <${number(step, digits)}` : `± ${number(half, digits)}` };
}

export const figureText = (figure, scale) => {
  const { value, spread } = parts(figure, scale);
  return spread ? `${value} ${spread}` : value;
};

export const toMiB = 1 / MIB;
export const mib = (bytes) => (bytes === null || bytes === undefined ? '–' : number(bytes / MIB, bytes / MIB < 10 ? 1 : 0));
export const sizeText = (bytes) => (bytes >= 1024 * MIB ? `${number(bytes / MIB / 1024, 1)} GiB` : `${mib(bytes)} MiB`);
export const percent = (value) => (value === null || value === undefined ? '–' : `${Math.abs(value) < 0.05 ? '' : value > 0 ? '+' : '−'}${number(Math.abs(value), 1)} %`);
export const threads = (c) => (c.threads_prefill === c.threads_decode ? String(c.threads_decode) : `${c.threads_prefill}/${c.threads_decode}`);
export const date = (iso) => (iso ? iso.replace('T', ' ').replace(/:\d\d(\.\d+)?Z$/, ' UTC') : '–');

export function csv(heads, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? '' : String(value);
    // A leading = + - @ would be a formula in a spreadsheet; numbers keep their minus.
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [heads, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

export function markdown(heads, rows, numeric = []) {
  const cell = (value) => String(value ?? '').replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/[\r\n]+/g, ' ');
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(heads), `|${heads.map((_, i) => (numeric.includes(i) ? '--:' : '---')).join('|')}|`, ...rows.map(line)].join('\n') + '\n';
}
