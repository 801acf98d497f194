"""Turns the raw lines of engine_turns.py into tables: every figure is computed from them, again each time.

Ratios say ours ÷ theirs, of medians over the rounds that both have. The best peer of a cell is the one configuration of
any other engine with the best median there. A share of the limit is taken within a turn: decoding, the bytes that the
plan says a token must read ÷ reading speed; prefill, products of quantized weights ÷ 8-bit peak, or, where weights are
floats, products ÷ float peak."""
import collections
import dataclasses
import statistics

import bench_plan
import run_statistics

OURS = "edgewise"


class Gathered:
    def __init__(self, lines):
        self.head = next(line for line in reversed(lines) if line["kind"] == "head")
        self.runs = collections.defaultdict(dict)  # (model, cell, engine): {round: line}
        self.errors = collections.defaultdict(dict)  # (model, cell, engine): {round: message}
        self.turns = collections.defaultdict(dict)  # (model, cell): {round: line with limits}
        self.models, self.cells = {}, {}  # ordered sets
        self.engines = dict.fromkeys(self.head.get("engines", {}))  # in the order of the command line
        for line in lines:
            if line["kind"] == "head":
                continue
            key = line["model"], bench_plan.parse_cell(line["cell"])
            self.models[key[0]] = self.cells[key[1]] = True
            if line["kind"] == "turn":
                self.begin_turn(key, line)
            elif "error" in line:
                self.errors[(*key, line["engine"])][line["round"]] = line["error"]
            else:
                self.engines[line["engine"]] = None
                self.runs[(*key, line["engine"])][line["round"]] = line

    def begin_turn(self, key, line):
        """One that is taken again takes the place of the earlier one."""
        self.turns[key][line["round"]] = line
        for known in (self.runs, self.errors):
            for (model, cell, _), rounds in known.items():
                if (model, cell) == key:
                    rounds.pop(line["round"], None)

    def values(self, model, cell, engine, figure):
        """{round: value}"""
        runs = self.runs.get((model, cell, engine), {})
        return {index: line["figures"][figure] for index, line in sorted(runs.items()) if figure in line["figures"]}

    def bounds(self, model, cell):
        """{round: Bound} of the turns whose limits are known."""
        turns = self.turns.get((model, cell), {})
        return {index: bound_of(line, cell) for index, line in turns.items() if line["work"] and cell.kind != "load"}

    def shares(self, model, cell, engine):
        """Of the limit, {round: share}; empty where nothing that is known limits it."""
        bounds = self.bounds(model, cell)
        return {index: value * bounds[index].per_token / bounds[index].per_s
                for index, value in self.values(model, cell, engine, cell.kind).items() if index in bounds}

    def pair(self, model, cell, figure, peer):
        """Values of ours and of a peer in the rounds that both have."""
        ours, theirs = (self.values(model, cell, name, figure) for name in (OURS, peer))
        both = [index for index in ours if index in theirs]
        return [ours[index] for index in both], [theirs[index] for index in both]

    def best_peer(self, model, cell, figure):
        """Its name, or None."""
        sign = 1 if bench_plan.FIGURES[figure].more_is_better else -1
        medians = {}
        for peer in self.engines:
            theirs = self.pair(model, cell, figure, peer)[1] if peer != OURS else []
            if theirs:
                medians[peer] = sign * statistics.median(theirs)
        return max(medians, key=medians.get) if medians else None


@dataclasses.dataclass(frozen=True)
class Bound:
    """What limits a cell: so much per token, of so much per second."""
    per_token: float
    per_s: float
    unit: str


def bound_of(line, cell):
    work, limits = line["work"], line["limits"]
    if cell.kind == "decode":
        return Bound(work["bytes"], limits["read_bytes_per_s"], "GB/s")
    if work["int8_ops"] > 0:
        return Bound(work["int8_ops"] / cell.tokens, limits["int8_ops_per_s"], "Gop/s")
    return Bound(work["float_ops"] / cell.tokens, limits["f32_ops_per_s"], "Gflop/s")


# ---- tables ----


def table(head, rows, numbers_from):
    """Markdown; columns from numbers_from on are aligned to the right."""
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    marks = ["---" if i < numbers_from else "--:" for i in range(len(head))]
    return "\n".join([line(head), line(marks), *(line(row) for row in rows)])


def percent(shares):
    return f"{100 * statistics.median(shares):.0f} %" if shares else "–"


def show_values(values):
    return run_statistics.show(run_statistics.spread_of(values))


def limits_words(gathered):
    lines = [line["limits"] for turns in gathered.turns.values() for line in turns.values() if line["limits"]]
    if not lines:
        return "limits were not measured"
    parts = []
    for key, words, scale, unit in (("read_bytes_per_s", "reading", 1e-9, "GB/s"), ("int8_ops_per_s", "8-bit", 1e-9, "Gop/s"),
                                    ("f32_ops_per_s", "float", 1e-9, "Gflop/s")):
        values = [line[key] * scale for line in lines]
        parts.append(f"{words} {statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g}) {unit}")
    return f"limits beside the turns, median (lowest–highest): {', '.join(parts)}; {lines[0]['int8_with']}, {lines[0]['f32_with']}"


def load_words(gathered):
    """Our own runs count too: about the number of threads is what a machine shows that does nothing else."""
    loads = [line["load_1min"] for turns in gathered.turns.values() for line in turns.values()]
    return f"load average {min(loads):.1f}–{max(loads):.1f}" if loads else "no turn was taken"


def ratio_words(gathered, model, cell, figure, peer):
    ours, theirs = gathered.pair(model, cell, figure, peer)
    if not ours:
        return "–", "–"
    return (run_statistics.show(run_statistics.ratio_of_medians(ours, theirs)),
            run_statistics.show(run_statistics.ratio_by_round(ours, theirs)))


def summary_table(gathered):
    """Ours ÷ the best peer of each cell."""
    rows = []
    for cell in gathered.cells:
        for figure in cell.figures:
            row = [cell.words, bench_plan.FIGURES[figure].words]
            for model in gathered.models:
                peer = gathered.best_peer(model, cell, figure)
                row.append(f"{ratio_words(gathered, model, cell, figure, peer)[0]} {peer}" if peer else "–")
            if any(text != "–" for text in row[2:]):
                rows.append(row)
    return table(["cell", f"{OURS} ÷ best peer", *gathered.models], rows, 2)


def model_table(gathered, model):
    rows = []
    for cell in gathered.cells:
        for figure in cell.figures:
            for engine in gathered.engines:
                values = gathered.values(model, cell, engine, figure)
                if not values:
                    continue
                shares = gathered.shares(model, cell, engine) if figure == cell.kind else {}
                ratios = ("", "") if engine == OURS else ratio_words(gathered, model, cell, figure, engine)
                rows.append([cell.words, f"{bench_plan.FIGURES[figure].words}, {bench_plan.FIGURES[figure].unit}", engine,
                             show_values(values.values()), percent(shares.values()), *ratios, str(len(values))])
    return table(["cell", "figure", "engine", "median", "of limit", f"{OURS} ÷ it, medians", "by round", "rounds"], rows, 3)


def error_lines(gathered):
    for (model, cell, engine), errors in gathered.errors.items():
        if errors:
            yield f"{model}, {cell.words}, {engine}: {len(errors)} of its runs failed: {errors[min(errors)]}"


def notes(gathered):
    few = any(0 < len(runs) < run_statistics.ENOUGH for runs in gathered.runs.values())
    interval = ("in brackets the whole range where there are fewer than five rounds, else the 95 % interval of the median" if few
                else "in brackets the 95 % interval of the median")
    head = gathered.head
    threads = f"{head['threads']} thread{'s' * (head['threads'] != 1)}"
    return (f"{threads}, seed {head['seed']}, {head.get('machine', 'a machine without a name')}; medians, "
            f"{interval}; {load_words(gathered)}; {limits_words(gathered)}.")


# ---- one engine against the machine ----


def reached_words(gathered, model, cell):
    """Per second, and the limit of the same turns: `10.2 of 10.9 GB/s`."""
    bounds = gathered.bounds(model, cell)
    values = {index: value for index, value in gathered.values(model, cell, OURS, cell.kind).items() if index in bounds}
    if not values:
        return "–"
    reached = statistics.median(value * bounds[index].per_token for index, value in values.items())
    limit = statistics.median(bounds[index].per_s for index in values)
    return f"{reached * 1e-9:.3g} of {limit * 1e-9:.3g} {next(iter(bounds.values())).unit}"


def engine_speed_table(gathered):
    rows = []
    for model in gathered.models:
        for cell in gathered.cells:
            values = gathered.values(model, cell, OURS, cell.kind)
            if values:
                rows.append([model, cell.words, show_values(values.values()), reached_words(gathered, model, cell),
                             percent(gathered.shares(model, cell, OURS).values())])
    return table(["model", "cell", "tok/s", "reached", "of limit"], rows, 2)


def engine_load_table(gathered):
    rows = []
    for model in gathered.models:
        for cell in gathered.cells:
            values = [gathered.values(model, cell, OURS, figure) for figure in ("load_s", "first_token_s")]
            if cell.kind == "load" and all(values):
                runs = gathered.runs[model, cell, OURS].values()
                cached = [line["cached_share"] for line in runs if line["cached_share"] is not None]
                rows.append([model, cell.words, *(show_values(v.values()) for v in values), percent(cached)])
    return table(["model", "cell", "load, s", "load and first token, s", "of the file was cached"], rows, 2)


def engine_memory_table(gathered):
    """Peaks beside the file and beside what was said before anything was allocated."""
    rows = []
    for model in gathered.models:
        file_mib = gathered.head.get("file_mib", {}).get(model)
        for cell in gathered.cells:
            peaks = gathered.values(model, cell, OURS, "peak_mib")
            said = gathered.values(model, cell, OURS, "ledger_mib")
            if not peaks or not file_mib:
                continue
            peak = statistics.median(peaks.values())
            ledger = statistics.median(said.values()) if said else None
            rows.append([model, cell.words, f"{peak:.0f}", f"{file_mib:.0f}", f"{peak / file_mib:.2f}",
                         f"{ledger:.0f}" if ledger else "–", f"{peak / ledger:.3f}" if ledger else "–"])
    return table(["model", "cell", "peak, MiB", "file, MiB", "÷ file", "said before, MiB", "÷ said"], rows, 2)
