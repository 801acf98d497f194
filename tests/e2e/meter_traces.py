"""Power traces with a known answer, for the tests of `edgewise meter`."""

WATTS = 5.0


def steady(case, name="steady.csv", watts=WATTS, grade="C", step_s=0.02, **keys):
    """A sensor with 50 updates a second, or one each step_s, around a constant power: 0.05 W above and below it in turn, as a reading that
    stands still is not believed. The mean over any two samples is exactly `watts`."""
    head = {"boundary": "board", "covers": "a bench supply", "grade": grade, "error_relative": "0.02", "loop": "yes"}
    head.update(keys)
    lines = [f"# {key}: {value}" for key, value in head.items()]
    lines.append("time_s,power_w")
    lines += [f"{i * step_s:.4f},{watts + (0.05 if i % 2 else -0.05):.4f}" for i in range(200)]
    return case.write(name, "\n".join(lines) + "\n")


def counter(case, name="counter.csv", watts=WATTS, seconds=60):
    """An energy counter that is updated 50 times a second, with slopes 1 % above and below `watts` in turn."""
    lines = ["# boundary: die", "# covers: a processor", "# grade: B", "# error_relative: 0.02", "time_s,energy_j"]
    joules = 100.0
    for i in range(seconds * 50):
        lines.append(f"{i * 0.02:.2f},{joules:.6f}")
        joules += 0.02 * watts * (1.01 if i % 2 else 0.99)
    return case.write(name, "\n".join(lines) + "\n")
