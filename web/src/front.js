// The Pareto front: what nothing else beats in one figure without losing in another. src/insight/front.c has the same rule.

// key(item) -> [values], larger is better for sense +1, smaller for -1. Items that lack a value are not on the front.
export function paretoFront(items, key, senses) {
  const scored = items.map((item) => [item, key(item)]).filter(([, values]) => values.every(Number.isFinite));
  const beats = (a, b) => {
    let better = false;
    for (let i = 0; i < senses.length; i++) {
      const gain = (a[i] - b[i]) * senses[i];
      if (gain < 0) return false;
      better ||= gain > 0;
    }
    return better;
  };
  return scored.filter(([, values]) => !scored.some(([, other]) => beats(other, values))).map(([item]) => item);
}
