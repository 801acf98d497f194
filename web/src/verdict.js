// Two configurations against each other: the sums of src/study/comparison.c again, so that any two can be picked without a
// network. A browser test holds both against each other. What cannot be had is NaN and stays so.

const sum = (values) => values.reduce((a, b) => a + b, 0);
const mean = (values) => sum(values) / values.length;
const sorted = (values) => [...values].sort((a, b) => a - b);
export const median = (values) => { const s = sorted(values), n = s.length; return n ? (n % 2 ? s[(n - 1) / 2] : 0.5 * (s[n / 2 - 1] + s[n / 2])) : NaN; };
const deviation = (values) => { const m = mean(values); return Math.sqrt(sum(values.map((v) => (v - m) ** 2)) / (values.length - 1)); };

// ---- distributions: src/study/distributions.c

// Lanczos 1964, g = 7, nine terms.
const LANCZOS = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
function lgamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - lgamma(1 - x);
  const t = x + 6.5, series = LANCZOS.reduce((all, c, i) => (i ? all + c / (x - 1 + i) : c), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

function betaFraction(x, a, b) {
  let value = 1, c = 1, e = 0;
  for (let k = 1; k <= 20000; k++) {
    const m = k >> 1, d = k % 2 ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    e = 1 / (1 + d * e || 1e-300);
    c = 1 + d / c || 1e-300;
    value *= c * e;
    if (Math.abs(c * e - 1) < 1e-15) break;
  }
  return value;
}

function beta(x, a, b) {
  if (!(x >= 0 && x <= 1)) return NaN;
  if (x === 0 || x === 1) return x;
  const front = Math.exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front / (a * betaFraction(x, a, b)) : 1 - front / (b * betaFraction(1 - x, b, a));
}

function studentBelow(t, df) {
  const beyond = beta(df / (df + t * t), df / 2, 0.5);
  return t < 0 ? beyond / 2 : 1 - beyond / 2;
}

function studentQuantile(p, df) {
  let low = 0, high = 1;
  while (studentBelow(high, df) < p) high *= 2;
  for (let i = 0; i < 100; i++) { const middle = (low + high) / 2; if (studentBelow(middle, df) < p) low = middle; else high = middle; }
  return (low + high) / 2;
}

// The normal distribution as Student's with very many degrees of freedom: good to seven digits.
const normalBelow = (z) => studentBelow(z, 1e7);

// ---- t tests of log ratios: src/study/equivalence.c

const above = (difference, error, df) => (error > 0 ? studentBelow(-difference / error, df) : difference > 1e-12 ? 0 : 1);

function judged(difference, error, df, margin) {
  const reach = error > 0 ? studentQuantile(0.975, df) * error : 0, bound = Math.log1p(margin);
  return { low: Math.exp(difference - reach), high: Math.exp(difference + reach), different: Math.min(1, 2 * above(Math.abs(difference), error, df)),
    equivalent: margin > 0 ? Math.max(above(bound + difference, error, df), above(bound - difference, error, df)) : NaN };
}

const nothing = { low: NaN, high: NaN, different: NaN, equivalent: NaN };
const moments = (logs) => { const spread = deviation(logs); return [mean(logs), spread < 1e-12 ? 0 : spread ** 2]; };

function groups(a, b, margin) {
  if (Math.min(a.length, b.length) < 3 || [...a, ...b].some((v) => !(v > 0))) return nothing;
  const [ma, va] = moments(a.map(Math.log)), [mb, vb] = moments(b.map(Math.log)), ea = va / a.length, eb = vb / b.length, error = Math.sqrt(ea + eb);
  const df = error > 0 ? (ea + eb) ** 2 / (ea * ea / (a.length - 1) + eb * eb / (b.length - 1)) : a.length + b.length - 2;
  return judged(ma - mb, error, df, margin);
}

function pairs(a, b, margin) {
  if (a.length < 3 || [...a, ...b].some((v) => !(v > 0))) return nothing;
  const [m, v] = moments(a.map((value, i) => Math.log(value / b[i])));
  return judged(m, Math.sqrt(v / a.length), a.length - 1, margin);
}

// ---- ranks: src/study/rank_tests.c

function rankTails(a, b, factor) {
  const all = [...a.map((v) => [v, true]), ...b.map((v) => [factor * v, false])].sort((x, y) => x[0] - y[0]), n = all.length, ranks = [];
  let seen = 0, ties = 0;
  for (let i = 0, j; i < n; i = j) {
    for (j = i + 1; j < n && all[j][0] === all[i][0];) j++;
    for (let k = i; k < j; k++) { ranks.push(i + j + 1); if (all[k][1]) seen += i + j + 1; } // doubled midranks
    ties += (j - i) ** 3 - (j - i);
  }
  if (n > 40) {
    const u = seen / 2 - a.length * (a.length + 1) / 2, product = a.length * b.length, variance = product / 12 * (n + 1 - ties / (n * (n - 1)));
    return variance > 0 ? { below: normalBelow((u - product / 2 + 0.5) / Math.sqrt(variance)), above: normalBelow((product / 2 - u + 0.5) / Math.sqrt(variance)) } : { below: 1, above: 1 };
  }
  const width = n * (n + 1) + 1, counts = Array.from({ length: a.length + 1 }, () => new Float64Array(width));
  counts[0][0] = 1;
  ranks.forEach((rank, i) => { for (let row = Math.min(i + 1, a.length); row >= 1; row--) for (let s = width - 1; s >= rank; s--) counts[row][s] += counts[row - 1][s - rank]; });
  const ways = counts[a.length], total = sum([...ways]);
  return { below: sum([...ways.subarray(0, seen + 1)]) / total, above: sum([...ways.subarray(seen)]) / total };
}

function byRanks(a, b, margin) {
  const one = rankTails(a, b, 1);
  return { different: Math.min(1, 2 * Math.min(one.above, one.below)), equivalent: margin > 0 ? Math.max(rankTails(a, b, 1 / (1 + margin)).above, rankTails(a, b, 1 + margin).below) : NaN };
}

const combine = (p, q) => (Number.isNaN(p) ? q : Number.isNaN(q) ? p : Math.min(1, 2 * Math.min(p, q)));

// ---- effect and interval

function cliff(a, b) {
  let balance = 0;
  for (const x of a) for (const y of b) balance += Math.sign(x - y);
  return balance / (a.length * b.length);
}
export const effectWord = (delta) => { const size = Math.abs(delta); return Number.isNaN(size) ? '–' : size < 0.147 ? 'negligible' : size < 0.33 ? 'small' : size < 0.474 ? 'medium' : 'large'; };

// Percentile bootstrap of the ratio of medians, 1,999 resamples; seeded, so the page says the same each time.
function resampled(a, b, paired) {
  if (Math.min(a.length, b.length) < 5 || [...a, ...b].some((v) => !(v > 0))) return null;
  let state = 1;
  const draw = (n) => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
  };
  const ratios = Array.from({ length: 1999 }, () => {
    const at = a.map(() => draw(a.length)), bt = paired ? at : b.map(() => draw(b.length));
    return median(at.map((i) => a[i])) / median(bt.map((i) => b[i]));
  }).sort((x, y) => x - y);
  return { low: ratios[49], high: ratios[1949] };
}

const FEWEST_PAIRS = 5;

// second against first; each a list of {value, block}, one per run. sense: +1 where more is better. paired: of one study.
export function compareRuns(first, second, sense, margin, paired = true) {
  const values = (runs) => runs.map((r) => r.value), blocks = new Map(first.map((r) => [r.block, r.value]));
  const shared = second.filter((r) => blocks.has(r.block)), inPairs = paired && shared.length >= FEWEST_PAIRS;
  const a = values(second), b = values(first);
  if (!a.length || !b.length) return null;
  const pa = inPairs ? values(shared) : a, pb = inPairs ? shared.map((r) => blocks.get(r.block)) : b;
  const t = inPairs ? pairs(pa, pb, margin) : groups(a, b, margin), ranks = byRanks(a, b, margin);
  const different = combine(t.different, ranks.different), equivalent = combine(t.equivalent, ranks.equivalent);
  const positive = [...pa, ...pb].every((v) => v > 0), ratio = positive ? median(pa) / median(pb) : NaN, delta = cliff(a, b), up = ratio !== 1 && Number.isFinite(ratio) ? ratio - 1 : delta;
  const verdict = equivalent <= 0.05 ? 'no difference' : different <= 0.05 ? (up * sense > 0 ? 'better' : 'worse') : 'not known';
  return { ratio, ...(resampled(pa, pb, inPairs) ?? { low: t.low, high: t.high }), different, equivalent, delta, verdict, paired: inPairs, n: [b.length, a.length] };
}
