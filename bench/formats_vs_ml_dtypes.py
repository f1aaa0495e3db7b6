#!/usr/bin/env python3
"""The e4m3 round trip of ml_dtypes beside fqlab's, on the same 64 MiB and one core.

    $(scripts/oracle-python) bench/formats_vs_ml_dtypes.py build/release/bench/bench_formats
"""
import json
import subprocess
import sys
import time

import ml_dtypes
import numpy as np

bench = sys.argv[1] if len(sys.argv) > 1 else "build/release/bench/bench_formats"
values = (np.random.default_rng(1).standard_normal(1 << 24) * 0.02).astype(np.float32)
best = float("inf")
for _ in range(3):
    start = time.process_time()
    values.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    best = min(best, time.process_time() - start)
theirs = 2 * values.nbytes / best
run = subprocess.run([bench, "--benchmark_filter=^fp8_e4m3/64MiB", "--benchmark_format=json"], capture_output=True, check=True)
ours = max(row["bytes_per_second"] for row in json.loads(run.stdout)["benchmarks"])
print(f"ml_dtypes e4m3 round trip {theirs / 1e9:6.2f} GB/s\nfqlab fp8_e4m3           {ours / 1e9:6.2f} GB/s\nratio {ours / theirs:.1f}")
