// Section 7: what owning this board costs against an API, with inputs that work offline. Nothing here was measured but speed and joules;
// what the owner has not stated starts at a value that says so.
import { choice, h, plainTable, section } from './dom.js';
import { number } from './format.js';
import { batteryLife, breakEven, hourly, owning, rentOfRequest, sensitivity, useShares } from './money.js';
import { plot } from './plot.js';
import { colour } from './theme.js';

const STARTS = { device_price: 100, lifetime_years: 4, tariff: 0.3, requests_per_day: 200, idle_w: 3, usd_rate: 1 };
const FIELDS = [
  ['device_price', 'Device', (c) => c.currency, 0, 3000, 5], ['lifetime_years', 'Lifetime', () => 'years', 0.5, 10, 0.5],
  ['requests_per_day', 'Requests', () => 'per day', 1, 20000, 1], ['tariff', 'Electricity', (c) => `${c.currency}/kWh`, 0, 1, 0.01],
  ['idle_w', 'Power at rest', () => 'W', 0, 60, 0.1], ['work_w', 'Power at work', () => 'W', 0, 200, 0.5], ['usd_rate', '1 USD is', (c) => c.currency, 0.1, 10, 0.01],
];
// Asked less often: they stand behind "More".
const MORE = [
  ['cheap_tariff', 'Cheap hours at', (c) => `${c.currency}/kWh`, 0, 1, 0.01], ['cheap_from', 'Cheap from', () => 'o’clock', 0, 24, 1], ['cheap_to', 'Cheap until', () => 'o’clock', 0, 24, 1],
  ['use_from', 'Requests from', () => 'o’clock', 0, 24, 1], ['use_to', 'Requests until', () => 'o’clock', 0, 24, 1], ['hosting_per_day', 'Hosting', (c) => `${c.currency} per day`, 0, 10, 0.05],
  ['supply_efficiency', 'Power supply', () => 'efficiency', 0.5, 1, 0.01], ['embodied_kg', 'Making the device', () => 'kg CO₂e', 0, 300, 1], ['battery_wh', 'Battery', () => 'Wh', 0, 500, 1],
];
const QUIET = { hosting_per_day: 0, supply_efficiency: 1, embodied_kg: 0, cheap_from: 22, cheap_to: 6, use_from: 0, use_to: 0 };
const MOST_ROWS = 40;
const nan = (value) => (value === null || value === undefined ? NaN : value);

// The state of the inputs: stated by the owner, measured, or a start value.
function start(stated) {
  const state = { country: stated.country ?? '', api: stated.api ?? '', currency: stated.currency, origin: {} };
  for (const [key] of FIELDS) {
    const measured = key === 'idle_w' ? stated.measured_idle_w : null;
    state[key] = nan(stated[key] ?? measured ?? STARTS[key]);
    state.origin[key] = stated[key] !== null && stated[key] !== undefined ? 'stated' : measured !== null && measured !== undefined ? 'measured' : key === 'work_w' ? 'not stated' : 'a start value, not yours yet';
  }
  const known = { ...stated, cheap_from: stated.cheap_hours?.[0], cheap_to: stated.cheap_hours?.[1], use_from: stated.use_hours?.[0], use_to: stated.use_hours?.[1] };
  for (const [key] of MORE) {
    state[key] = nan(known[key] ?? QUIET[key]);
    state.origin[key] = known[key] !== null && known[key] !== undefined && known[key] !== QUIET[key] ? 'stated' : 'not stated';
  }
  return state;
}

export function moneySection(data) {
  const usable = data.configurations.filter((c) => c.runs_ok > 0 && c.figures.decode_tokens_per_s && c.figures.prefill_tokens_per_s);
  if (!data.money || !usable.length) return section('money', 'Money', h('p', { class: 'empty' }, 'Nothing to put a price on yet: finished runs bring speeds, and a meter brings joules.'));
  const stated = data.money.case, state = start(stated), apis = data.money.apis, countries = data.money.countries.list;
  const carbonOf = () => countries.find(([code, name]) => code === state.country || name === state.country);
  if (!state.api) state.api = (apis.list.find(([, id]) => id === 'gpt-4o-mini') ?? apis.list[0])?.[1] ?? '';
  let chosen = (usable.find((c) => c.id === data.answers.find((a) => a.use === 'chat')?.configuration) ?? usable[0]).id;

  const metered = usable.some((c) => c.figures.decode_energy_j_per_token);
  const owner = () => ({
    price: state.device_price, years: state.lifetime_years, hosting: state.hosting_per_day, idleW: state.idle_w, off: stated.off_when_idle,
    efficiency: state.supply_efficiency, carbon: carbonOf()?.[2] ?? NaN, embodiedKg: state.embodied_kg, useShare: useShares(state.use_from, state.use_to),
    perKwh: hourly(state.tariff, state.cheap_tariff, state.cheap_from, state.cheap_to),
  });
  const running = (c) => {
    const f = c.figures, r = { prefill: f.prefill_tokens_per_s.value, decode: f.decode_tokens_per_s.value, prefillJ: nan(f.prefill_energy_j_per_token?.value), decodeJ: nan(f.decode_energy_j_per_token?.value) };
    return Number.isNaN(r.decodeJ) ? { ...r, prefillJ: state.work_w / r.prefill, decodeJ: state.work_w / r.decode, assumed: true } : r;
  };
  const demand = (c) => ({ prompt: stated.prompt_tokens ?? c.prompt_tokens, generate: stated.generate_tokens ?? c.generate_tokens, requests: state.requests_per_day });
  const api = () => apis.list.find(([, id, name]) => id === state.api || name === state.api);
  const rent = () => { const a = api(); return a ? { input: a[3] * state.usd_rate, output: a[4] * state.usd_rate } : { input: NaN, output: NaN }; };
  const money = (value) => (Number.isFinite(value) ? `${number(value, Math.abs(value) >= 1000 ? 0 : undefined)}` : '–');
  const evenText = (even) => ({ unknown: '–', never: 'never', at: number(even.requests, 0), too_slow: `${number(even.requests, 0)}, more than it can answer` }[even.kind]);

  const say = h('p', { class: 'say', 'aria-live': 'polite' }), why = h('p', { class: 'why' }), tableHost = h('div'), carbonLine = h('p', { class: 'hint' }), batteryLine = h('p', { class: 'hint battery' });
  const row = (c) => {
    const r = running(c), cost = owning(owner(), r, demand(c));
    return { c, r, cost, even: breakEven(owner(), r, demand(c), rent()), rentMonth: rentOfRequest(rent(), demand(c)) * state.requests_per_day * 365.25 / 12 };
  };

  function speak() {
    const c = usable.find((one) => one.id === chosen), { r, cost, even, rentMonth } = row(c), a = api();
    const total = Number.isFinite(cost.perMonth) ? `${money(cost.perMonth)} ${state.currency} a month` : `${money(cost.deviceMonth)} ${state.currency} a month for the device alone; ${Number.isFinite(r.decodeJ) ? 'the joules of its prompt were not measured' : 'its energy is not known'}`;
    const versus = a && Number.isFinite(rentMonth) ? ` ${a[2]} would ask ${money(rentMonth)}.` : '';
    const busy = cost.utilisation > 1 ? ` One board cannot answer that many: it manages ${number(cost.most, 0)} a day.` : ` It would work ${number(cost.utilisation * 100)} % of the time.`;
    say.textContent = `${c.label} costs ${total}.${versus}${busy}`;
    const turn = { unknown: 'When owning pays cannot be said without its energy.', never: 'Owning never pays: a request’s energy alone costs more than its rent.', at: `Owning pays from ${number(even.requests, 0)} requests a day on${Number.isFinite(even.payback) ? `; at ${number(state.requests_per_day, 0)} a day the device has paid for itself after ${number(even.payback, 0)} days` : ''}.`, too_slow: `Owning would pay from ${number(even.requests, 0)} requests a day on, more than one board can answer.` }[even.kind];
    why.textContent = `${turn}${r.assumed && Number.isFinite(state.work_w) ? ' Its energy is assumed (grade E), not measured.' : ''} A small model on this board and a hosted one do not give the same answers; the price is all that is compared.`;
    const life = state.battery_wh > 0 ? batteryLife({ wh: state.battery_wh, usable: stated.battery_usable ?? 1, efficiency: stated.battery_efficiency ?? 1 }, r, demand(c), state.idle_w) : null;
    batteryLine.textContent = !life ? 'State the watt-hours of a battery (under More) for how long one charge lasts.'
      : Number.isFinite(life.answers) ? `One charge of ${number(state.battery_wh)} Wh: ${number(life.answers, 0)} answers or ${number(life.hours)} h of answering without a pause${Number.isFinite(life.dayHours) ? `; ${number(life.dayHours)} h at ${number(state.requests_per_day, 0)} requests a day, ${number(life.idleHours)} h at rest` : ''}.` : 'How long a battery lasts needs joules: measured, or the power at work stated.';
    const place = carbonOf();
    carbonLine.textContent = place && Number.isFinite(cost.carbon) ? `${number(cost.carbon * 365.25 / 12 / 1000)} kg CO₂e a month with the grid of ${place[1]} (${number(place[2], 0)} g/kWh, ${place[3]}).` : place ? `${place[1]}’s grid emits ${number(place[2], 0)} g/kWh (${place[3]}); carbon needs the energy of prompt and answer.` : 'Choose a country for the carbon of its grid.';
  }

  function list() {
    const rows = usable.map(row).sort((a, b) => nan(a.cost.perMillion || a.cost.deviceMonth) - nan(b.cost.perMillion || b.cost.deviceMonth));
    const heads = ['Configuration', `Per month (${state.currency})`, `Per million generated (${state.currency})`, 'Energy (kWh/month)', 'Busy (%)', 'Pays from (requests/day)'];
    tableHost.replaceChildren(plainTable(heads, rows.slice(0, MOST_ROWS).map(({ c, cost, even, r }) => [`${c.label}${r.assumed && Number.isFinite(state.work_w) ? ' (E)' : ''}`, money(cost.perMonth), money(cost.perMillion), money(cost.energyKwh * 365.25 / 12), number(cost.utilisation * 100), evenText(even)]), [1, 2, 3, 4, 5]),
      rows.length > MOST_ROWS ? h('p', { class: 'hint' }, `The ${MOST_ROWS} cheapest of ${rows.length}.`) : '');
  }

  const volumes = () => Array.from({ length: 61 }, (_, i) => 10 ** (i / 12));
  const curve = () => {
    const c = usable.find((one) => one.id === chosen), r = running(c), month = 365.25 / 12;
    return volumes().flatMap((requests) => {
      const d = { ...demand(c), requests }, cost = owning(owner(), r, d), own = Number.isFinite(cost.total) ? cost.total : cost.device;
      // Past what one board can answer, more boards are bought.
      const boards = Math.max(1, Math.ceil(cost.utilisation - 1e-9));
      return [{ requests, who: 'owning', value: (own + (boards - 1) * cost.device) * month }, { requests, who: 'renting', value: rentOfRequest(rent(), d) * requests * month }];
    }).filter((p) => p.value > 0);
  };
  const volumePlot = plot({
    name: 'money-by-demand', title: 'Money per month by demand',
    spec: (width) => ({
      width, height: 240, autosize: { type: 'fit-x', contains: 'padding' },
      layer: [
        { data: { values: curve() }, mark: { type: 'line', strokeWidth: 2 }, encoding: {
          x: { field: 'requests', type: 'quantitative', scale: { type: 'log' }, title: 'Requests per day', axis: { format: '~s', tickCount: 6 } },
          y: { field: 'value', type: 'quantitative', scale: { type: 'log' }, title: `${state.currency} per month → worse`, axis: { format: '~g', tickCount: 5 } },
          color: { field: 'who', type: 'nominal', title: null, scale: { domain: ['owning', 'renting'], range: [colour('bar-1'), colour('bar-3')] } },
          strokeDash: { field: 'who', type: 'nominal', title: null, scale: { domain: ['owning', 'renting'], range: [[1, 0], [6, 4]] } }, tooltip: { field: 'who' } } },
        { data: { values: [{ requests: state.requests_per_day }] }, mark: { type: 'rule', color: colour('ink-soft'), strokeDash: [2, 3] }, encoding: { x: { field: 'requests', type: 'quantitative' } } },
      ],
    }),
    description: () => `Money per month over requests per day, owning and renting. ${say.textContent} ${why.textContent}`,
    table: () => ({ heads: ['Requests per day', 'Who', `${state.currency} per month`], numeric: [0, 2], rows: curve().map((p) => [number(p.requests, 0), p.who, money(p.value)]) }),
    lines: (d) => [['', d.who], ['requests per day', number(d.requests, 0)], [`${state.currency} per month`, money(d.value)]],
  });
  const moves = () => {
    const c = usable.find((one) => one.id === chosen);
    return sensitivity(owner(), running(c), demand(c)).filter((s) => Number.isFinite(s.low) && Number.isFinite(s.high)).sort((a, b) => Math.abs(b.high - b.low) - Math.abs(a.high - a.low));
  };
  const sensitivityPlot = plot({
    name: 'money-sensitivity', title: 'What moves the price most: each input halved, and half as much again',
    spec: (width) => {
      const c = usable.find((one) => one.id === chosen), now = owning(owner(), running(c), demand(c)).perMillion, found = moves();
      const rows = found.length ? found : [{ name: '', low: 0, high: 0 }]; // hidden then: without energy there is nothing to move
      const axis = { field: 'name', type: 'nominal', sort: null, title: null };
      return {
        width, height: Math.max(rows.length, 1) * 26 + 20, autosize: { type: 'fit-x', contains: 'padding' },
        layer: [
          { data: { values: rows }, mark: { type: 'bar', height: 12, color: colour('bar-2') }, encoding: { y: axis, x: { field: 'low', type: 'quantitative', title: `${state.currency} per million generated tokens → worse`, scale: { zero: false } }, x2: { field: 'high' }, tooltip: { field: 'name' } } },
          { data: { values: [{ now: Number.isFinite(now) ? now : 0 }] }, mark: { type: 'rule', color: colour('ink'), strokeWidth: 1.5 }, encoding: { x: { field: 'now', type: 'quantitative' } } },
        ],
      };
    },
    description: () => moves().map((s) => `${s.name}: ${money(s.low)} to ${money(s.high)}`).join('; '),
    table: () => ({ heads: ['Input', 'halved', 'half as much again'], numeric: [1, 2], rows: moves().map((s) => [s.name, money(s.low), money(s.high)]) }),
    lines: (d) => [['', d.name], ['halved', money(d.low)], ['half as much again', money(d.high)]],
  });

  let waiting = 0;
  const refresh = () => { speak(); list(); sensitivityPlot.element.hidden = !moves().length; clearTimeout(waiting); waiting = setTimeout(() => { volumePlot.draw(); sensitivityPlot.draw(); }, 60); };

  function field([key, label, unit, min, max, step]) {
    const origin = h('small', null, state.origin[key]), shown = Number.isFinite(state[key]) ? Number(state[key].toPrecision(4)) : '';
    const take = (from, to) => { state[key] = from.value === '' ? NaN : Number(from.value); to.value = from.value; state.origin[key] = 'yours'; origin.textContent = 'yours'; refresh(); };
    const exact = h('input', { type: 'number', min, step: 'any', value: shown, 'aria-label': `${label} (${unit(state)})`, 'data-key': key, oninput: () => take(exact, slider) });
    const slider = h('input', { type: 'range', min, max, step, value: shown === '' ? min : shown, 'aria-label': `${label} (${unit(state)}), slider`, oninput: () => take(slider, exact) });
    return h('div', { class: 'dial' }, h('span', null, `${label} `, h('i', null, unit(state))), exact, slider, origin);
  }

  const shownFields = FIELDS.filter(([key]) => (key !== 'work_w' || !metered) && (key !== 'usd_rate' || state.currency !== apis.currency));
  const controls = h('div', { class: 'controls' },
    choice('Configuration', usable.map((c) => [String(c.id), c.label]), String(chosen), (value) => { chosen = Number(value); refresh(); }),
    choice('Against', apis.list.map(([vendor, id, name]) => [id, `${name} (${vendor})`]), api()?.[1] ?? state.api, (value) => { state.api = value; refresh(); }),
    choice('Grid of', [['', 'no country'], ...countries.map(([code, name]) => [code, name])], carbonOf()?.[0] ?? '', (value) => { state.country = value; refresh(); }));
  refresh();
  return section('money', 'Money',
    h('p', { class: 'lead' }, 'Speed and joules are measured; everything else is the owner’s. State it once with ', h('code', null, 'edgewise report --cost device_price=80 …'), ', in the study file, or here.'),
    controls, h('div', { class: 'dials' }, shownFields.map(field)), h('details', { class: 'data more' }, h('summary', null, 'More: night tariff, hours of use, hosting, supply, battery'), h('div', { class: 'dials' }, MORE.map(field))), say, why, carbonLine, batteryLine,  volumePlot.element, sensitivityPlot.element, tableHost,
    h('p', { class: 'hint' }, `API prices in ${apis.currency} per million tokens, list of ${apis.date}: ${apis.source}. Grids: ${data.money.countries.carbon_source}.`));
}
