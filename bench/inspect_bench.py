#!/usr/bin/env python3
"""fqlab inspect in eight formats against reading and dequantizing the file once per format, alternately in one run
(make bench-inspect).

Bars: at most twice the time; peak memory under 200 MiB besides the file map. Both sides use the same number of threads.
The time is the processor time of the whole process, which a busy machine disturbs less; wall time stands beside it.
"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORMATS = "bf16,fp8_e4m3,fp8_e5m2,mxfp8_e4m3,mxfp4,nvfp4,int8:channel:sym,int4:g32:sym"
ROUNDS, TIME_BAR, MEMORY_BAR_MIB = 5, 2.0, 200


def besides_the_map_kib(pid, model):
    """Resident memory but for the pages of the model's map; None when the process is gone."""
    total, of_model = 0, False
    try:
        for line in open(f"/proc/{pid}/smaps"):
            if "-" in line.split(" ", 1)[0]:
                of_model = line.rstrip().endswith(model)
            elif line.startswith("Rss:") and not of_model:
                total += int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return total


def run(command, model=None):
    """(wall seconds, processor seconds, peak KiB besides the map of `model` or None)"""
    before, start, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while model and process.poll() is None:
        peak = max(peak, besides_the_map_kib(process.pid, model) or 0)
        time.sleep(0.02)
    message = process.communicate()[1].decode()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {message}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def main():
    model = os.path.realpath(subprocess.check_output([ROOT / "scripts/setup", "--print", "model"], text=True).strip())
    build = ROOT / "build/release"
    count = len(FORMATS.split(","))
    failed = False
    for threads in (1, 2):
        inspect = [build / "fqlab", "inspect", model, "--format", FORMATS, "--threads", str(threads)]
        decode = [build / "bench/bench_decode", model, str(count), str(threads)]
        walls, processor = [], []
        for _ in range(ROUNDS):
            theirs, ours = run(decode), run(inspect)
            walls.append((theirs[0], ours[0]))
            processor.append((theirs[1], ours[1]))
        peak = max(run(inspect, model)[2] for _ in range(2)) / 1024  # apart from the timing: looking costs time
        ratio = statistics.median(ours / theirs for theirs, ours in processor)
        wall_ratio = statistics.median(ours / theirs for theirs, ours in walls)
        print(f"{threads} thread{'s' * (threads > 1)}: dequantizing {count} times {min(w[0] for w in walls):.2f} s, inspect {min(w[1] for w in walls):.2f} s"
              f" (least of {ROUNDS}); median ratio {ratio:.2f} of processor time, {wall_ratio:.2f} of wall time (bar {TIME_BAR});"
              f" peak besides the map {peak:.0f} MiB (bar {MEMORY_BAR_MIB})")
        failed |= ratio > TIME_BAR or peak > MEMORY_BAR_MIB
    return failed


sys.exit(main())
