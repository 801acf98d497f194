"""Medians of few runs, ratios of two engines that took turns, and how far to trust both.

With five values and more, an interval is the 95 % percentile bootstrap of the median; with fewer it is the whole range,
which says less. Ratios are resampled by rounds, so that what slowed a whole round down slows both."""
import dataclasses
import random
import statistics

ENOUGH = 5
DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class Spread:
    value: float
    low: float
    high: float
    n: int

    @property
    def is_range(self):
        return self.n < ENOUGH


def _interval(n, statistic, whole, seed):
    """Of statistic(indices of rounds); whole: the values whose range stands in with few rounds."""
    if n < ENOUGH:
        return min(whole), max(whole)
    draw = random.Random(seed)
    drawn = sorted(statistic([draw.randrange(n) for _ in range(n)]) for _ in range(DRAWS))
    return drawn[round(0.025 * (DRAWS - 1))], drawn[round(0.975 * (DRAWS - 1))]


def spread_of(values, seed=1):
    values = list(values)
    low, high = _interval(len(values), lambda at: statistics.median(values[i] for i in at), values, seed)
    return Spread(statistics.median(values), low, high, len(values))


def ratio_of_medians(ours, theirs, seed=1):
    """ours[i] and theirs[i] are of one round."""
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]

    def ratio(at):
        return statistics.median(ours[i] for i in at) / statistics.median(theirs[i] for i in at)

    low, high = _interval(len(rounds), ratio, rounds, seed)
    return Spread(ratio(range(len(rounds))), low, high, len(rounds))


def ratio_by_round(ours, theirs, seed=1):
    return spread_of([a / b for a, b in zip(ours, theirs, strict=True)], seed)


def show(spread, digits=3):
    """`12.3 (11.9–13.0)`, with as many digits as the value deserves."""
    places = max(0, digits - len(str(int(abs(spread.value)))))
    if abs(spread.value) < 1:
        places = digits - 1
    value, low, high = (f"{x:.{places}f}" for x in (spread.value, spread.low, spread.high))
    return value if spread.n == 1 else f"{value} ({low}–{high})"
