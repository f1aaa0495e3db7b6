#!/usr/bin/env python3
"""fqlab compare against llama-perplexity, alternately in one run (make bench-compare).

Bar: the whole of `fqlab compare` (SmolLM2, 16 chunks of 512, reference arithmetic, set-up included) takes at most 1.15 times
(number of scored passes, controls and checks included) x (llama-perplexity's own time for a chunk of the F32 file).
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS, CHUNKS, BAR = 3, 16, 1.15
RECIPE = "0/ffn_norm=fp8_e4m3"


def setup(name):
    return subprocess.check_output([ROOT / "scripts/setup", "--print", name], text=True).strip()


def text_file(folder):
    wikitext = ROOT.parent / "shared/data/wikitext-2-raw.test.txt"
    if wikitext.exists():
        return wikitext
    joined = folder / "sotu.txt"
    joined.write_text("\n".join(p.read_text() for p in sorted(pathlib.Path(setup("corpus")).glob("*.txt"))[:40]))
    return joined


def seconds_per_chunk(model, text, threads):
    """llama-perplexity's time from the first token evaluated to the estimate, a chunk; from its own log's clock."""
    log = subprocess.run([setup("tools") + "/llama-perplexity", "-m", model, "-f", text, "-c", "512", "--chunks", str(CHUNKS), "-fa", "off",
                          "--no-repack", "-ctk", "f32", "-ctv", "f32", "-t", str(threads)], capture_output=True, text=True, check=True)
    lines = (log.stdout + log.stderr).splitlines()

    def clock(phrase):
        line = next(line for line in lines if phrase in line)
        minutes, seconds, milliseconds, _ = re.match(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", line).groups()
        return 60 * int(minutes) + int(seconds) + int(milliseconds) / 1000

    return (clock("Final estimate") - clock("calculating perplexity")) / CHUNKS


def main():
    fqlab, model = ROOT / "build/release/fqlab", setup("model")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, wide = text_file(folder), folder / "f32.gguf"
        subprocess.run([fqlab, "quantize", model, "--recipe", "*=f32", "-o", wide], check=True, capture_output=True)
        chunk_times, ratios = [], []
        for i in range(ROUNDS):
            per_chunk = seconds_per_chunk(wide, text, 2)
            start = time.perf_counter()
            subprocess.run([fqlab, "compare", model, "--recipe", RECIPE, "--corpus", text, "--chunks", str(CHUNKS), "--threads", "2",
                            "--no-dialogue", "--no-speed", "--out", folder / f"out{i}"], check=True, capture_output=True)
            wall = time.perf_counter() - start
            timing = json.loads((folder / f"out{i}/report.json").read_text())["timing"]
            chunk_times.append(per_chunk)
            ratios.append(wall / (timing["passes"] * per_chunk))
            print(f"round {i + 1}: llama-perplexity {per_chunk:.3f} s a chunk; fqlab compare {wall:.1f} s for {timing['passes']} passes"
                  f" = {wall / timing['passes']:.3f} s a pass; ratio {ratios[-1]:.3f}")
        ratio = statistics.median(ratios)
        print(f"median ratio {ratio:.3f} (bar {BAR}; min {min(ratios):.3f}, max {max(ratios):.3f}, {ROUNDS} rounds)")
        return ratio > BAR


sys.exit(main())
