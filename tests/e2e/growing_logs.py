"""Logs of imitated external meters that grow while the program runs: each on a clock of its own, each a straight line of
the processor time that the program and its children use, so that gain, offset and joules are known exactly."""
import os
import subprocess
import threading
import time


class Meter:
    """A column of a log: power = base_w + per_core_w * cores in use; its clock is shift_s ahead of ours."""

    def __init__(self, path, base_w, per_core_w, shift_s, late_lines=0):
        self.path, self.base_w, self.per_core_w, self.shift_s = path, base_w, per_core_w, shift_s
        self.late_lines, self.waiting = late_lines, []
        with open(path, "w", encoding="utf-8") as f:
            f.write("time_s,power_w\n")
        self.file = open(path, "a", encoding="utf-8")

    def add(self, moment, cores):
        """late_lines: a logger that hands its lines over in blocks."""
        self.waiting.append(f"{moment + self.shift_s:.6f},{self.base_w + self.per_core_w * cores:.6f}\n")
        if len(self.waiting) > self.late_lines:
            self.file.write("".join(self.waiting))
            self.file.flush()
            self.waiting = []


def run_ns(pid):
    """Processor time of each thread of one process, as the scheduler counts it."""
    found = {}
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                found[task] = int(f.read().split()[0])
    except (OSError, IndexError):
        pass
    return found


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(name)}/stat", encoding="utf-8", errors="replace") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except (OSError, ValueError, IndexError):
            pass
    return found


class Writer(threading.Thread):
    """Writes all meters every period from the start on, until told to stop."""

    def __init__(self, meters, period_s=0.05):
        super().__init__(daemon=True)
        self.meters, self.period_s = meters, period_s
        self.pid, self.ends = None, threading.Event()
        self.moments = []  # (begin, end, cores) of each line, on this machine's clock

    def look(self):
        threads = {}
        for pid in [self.pid, *children(self.pid)] if self.pid else []:
            threads.update(run_ns(pid))
        return threads

    def run(self):
        before, last = {}, time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
        while not self.ends.wait(self.period_s):
            threads, now = self.look(), time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
            spent_ns = sum(max(0, ns - before.get(task, 0)) for task, ns in threads.items())
            cores = spent_ns * 1e-9 / (now - last)
            for meter in self.meters:
                meter.add(now, cores)
            self.moments.append((last, now, cores))
            before, last = threads, now

    def stop(self):
        self.ends.set()
        self.join()
        for meter in self.meters:
            meter.file.close()


    def energy_j(self, meter, begin_ns, end_ns):
        """What the meter's line took in a window, in the plainest way there is."""
        total = 0.0
        for begin, end, cores in self.moments:
            covered = max(0.0, min(end, end_ns * 1e-9) - max(begin, begin_ns * 1e-9))
            total += covered * (meter.base_w + meter.per_core_w * cores)
        return total


def run_beside(writer, command, **more):
    """The command while the writer watches it; a finished process with text output."""
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    writer.pid = process.pid
    out, err = process.communicate(timeout=280)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
