#!/usr/bin/env python3
"""fqlab compare against the engine's pure decode time of the tokens of all its passes, alternately in one run (make bench-compare).

Bar: the whole of `fqlab compare` (SmolLM2, 16 chunks of 512, reference arithmetic, set-up, metrics and report included) takes at most
1.15 times what llama_decode alone takes for its passes, each priced by its own file: as stored, or the F32 expansion.
"""
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

ROUNDS, CHUNKS, BAR = 3, 16, 1.15
RECIPE = "0/ffn_norm=fp8_e4m3"


def main():
    model = peers.setup("model")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, wide = peers.text_file(folder), peers.quantize(model, "*=f32", folder / "f32.gguf")
        ratios = []
        for i in range(ROUNDS):
            out, _, _ = peers.run([ROOT / "build/release/bench/bench_engine", model, wide, text, 8, peers.THREADS])
            stored_seconds, wide_seconds = (float(value) for value in out.split())
            start = time.perf_counter()
            report = peers.compare(folder / "report", model, "--recipe", RECIPE, "--corpus", text, "--chunks", CHUNKS, "--no-dialogue",
                                   "--no-speed")
            wall = time.perf_counter() - start
            passes, stored = report["timing"]["passes"], report["as_stored"]["chunks"]
            decode = stored * stored_seconds + (passes - stored) * wide_seconds
            ratios.append(wall / decode)
            print(f"round {i + 1}: llama_decode {wide_seconds:.3f} s a chunk ({stored_seconds:.3f} s as stored), {decode:.1f} s for {passes} passes;"
                  f" fqlab compare {wall:.1f} s; ratio {ratios[-1]:.3f}")
        ratio = statistics.median(ratios)
        print(f"median ratio {ratio:.3f} (bar {BAR}; min {min(ratios):.3f}, max {max(ratios):.3f}, {ROUNDS} rounds)")
        return ratio > BAR


sys.exit(main())
