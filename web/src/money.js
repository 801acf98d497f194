// Owning against renting: the sums of src/insight/money.c again, so that sliders work without a network. A browser test holds
// both against each other. What is unknown is NaN and stays so.

const DAY = 86400, KWH = 3.6e6, DAYS_PER_YEAR = 365.25;
const sum = (values) => values.reduce((a, b) => a + b, 0);

export const requestSeconds = (r, d) => d.prompt / r.prefill + d.generate / r.decode;
export const requestJoules = (r, d) => d.prompt * r.prefillJ + d.generate * r.decodeJ;

// owner: price, years, hosting, perKwh[24], useShare[24], idleW, off, efficiency, carbon, embodiedKg. running: prefill, decode,
// prefillJ, decodeJ. demand: prompt, generate, requests.
function parts(owner, running, demand) {
  const seconds = requestSeconds(running, demand), idle = owner.off ? 0 : owner.idleW;
  return {
    seconds, allDay: idle * DAY / KWH / owner.efficiency,
    extra: (requestJoules(running, demand) - idle * seconds) / KWH / owner.efficiency,
    dayTariff: sum(owner.perKwh) / 24, useTariff: sum(owner.perKwh.map((price, h) => price * owner.useShare[h])),
    device: owner.price / (owner.years * DAYS_PER_YEAR) + owner.hosting,
  };
}

export function owning(owner, running, demand) {
  const p = parts(owner, running, demand);
  const energyKwh = p.allDay + demand.requests * p.extra;
  const energy = p.allDay * p.dayTariff + demand.requests * p.extra * p.useTariff, total = p.device + energy;
  return {
    seconds: p.seconds, most: DAY / p.seconds, utilisation: demand.requests * p.seconds / DAY, energyKwh, device: p.device, energy, total,
    perMonth: total * DAYS_PER_YEAR / 12, perMillion: total / (demand.requests * demand.generate) * 1e6, deviceMonth: p.device * DAYS_PER_YEAR / 12,
    carbon: energyKwh * owner.carbon + owner.embodiedKg * 1000 / (owner.years * DAYS_PER_YEAR),
  };
}

export const rentOfRequest = (rent, demand) => (demand.prompt * rent.input + demand.generate * rent.output) / 1e6;

export function breakEven(owner, running, demand, rent) {
  const p = parts(owner, running, demand), saved = rentOfRequest(rent, demand) - p.extra * p.useTariff;
  const requests = (p.device + p.allDay * p.dayTariff) / saved;
  if (Number.isNaN(requests)) return { kind: 'unknown', requests: NaN, payback: NaN };
  const savedPerDay = demand.requests * saved - p.allDay * p.dayTariff - owner.hosting, payback = savedPerDay > 0 ? owner.price / savedPerDay : Infinity;
  if (saved <= 0) return { kind: 'never', requests: Infinity, payback };
  return { kind: requests <= DAY / p.seconds ? 'at' : 'too_slow', requests, payback };
}

const change = {
  'device price': (o, r, d, f) => [{ ...o, price: o.price * f }, r, d],
  lifetime: (o, r, d, f) => [{ ...o, years: o.years * f }, r, d],
  tariff: (o, r, d, f) => [{ ...o, perKwh: o.perKwh.map((price) => price * f) }, r, d],
  'power at rest': (o, r, d, f) => [{ ...o, idleW: o.idleW * f }, r, d],
  'joules per token': (o, r, d, f) => [o, { ...r, prefillJ: r.prefillJ * f, decodeJ: r.decodeJ * f }, d],
  speed: (o, r, d, f) => [o, { ...r, prefill: r.prefill * f, decode: r.decode * f }, d],
  demand: (o, r, d, f) => [o, r, { ...d, requests: d.requests * f }],
};

// What one input at a time does to the money per million generated tokens, by half and one and a half times.
export function sensitivity(owner, running, demand, by = 0.5) {
  return Object.entries(change).map(([name, apply]) => ({ name, low: owning(...apply(owner, running, demand, 1 - by)).perMillion, high: owning(...apply(owner, running, demand, 1 + by)).perMillion }));
}

// A tariff with a cheaper part of the day, from hour `from` up to, not including, `to` (may pass midnight); no cheap price: a flat one.
export const hourly = (price, cheap, from, to) => Array.from({ length: 24 }, (_, h) => (Number.isFinite(cheap) && (from <= to ? h >= from && h < to : h >= from || h < to) ? cheap : price));

// The share of the requests that comes in each hour: evenly within the hours of use; from = to: all day.
export function useShares(from, to) {
  const within = Array.from({ length: 24 }, (_, h) => from === to || (from < to ? h >= from && h < to : h >= from || h < to)), n = within.filter(Boolean).length;
  return within.map((yes) => (yes ? 1 / n : 0));
}

// One charge: answers back to back, hours of that, hours at rest, and hours with the day's requests in between.
export function batteryLife(battery, running, demand, idleW) {
  const joules = battery.wh * 3600 * battery.usable * battery.efficiency, requestJ = requestJoules(running, demand), seconds = requestSeconds(running, demand);
  const answers = joules / requestJ, share = Math.min(demand.requests * seconds / DAY, 1);
  return { answers, hours: answers * seconds / 3600, idleHours: joules / idleW / 3600, dayHours: joules / (share * requestJ / seconds + (1 - share) * idleW) / 3600 };
}
