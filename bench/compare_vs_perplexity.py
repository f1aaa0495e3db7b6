#!/usr/bin/env python3
"""fqlab compare against llama-perplexity, alternately in one run (make bench-compare).

Bar: the whole of `fqlab compare` (SmolLM2, 16 chunks of 512, reference arithmetic, set-up included) takes at most 1.15 times
(number of scored passes, controls and checks included) x (llama-perplexity's own time for a chunk of the F32 file).
Beside it, the same with each pass weighed by llama-perplexity's time for the file that the pass evaluates: the passes of the original
as stored run kernels (Q4_1 here) that are slower than float32's.
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
    model = peers.setup("model")  # Q4_1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, wide = peers.text_file(folder), peers.quantize(model, "*=f32", folder / "f32.gguf")
        ratios, weighed = [], []
        for i in range(ROUNDS):
            _, seconds = peers.llama_perplexity(wide, text, 512, CHUNKS)
            per_chunk = seconds / CHUNKS
            stored_per_chunk = peers.llama_perplexity(model, text, 512, CHUNKS)[1] / CHUNKS
            start = time.perf_counter()
            report = peers.compare(folder / "report", model, "--recipe", RECIPE, "--corpus", text, "--chunks", CHUNKS, "--no-dialogue",
                                   "--no-speed")
            wall = time.perf_counter() - start
            passes, stored = report["timing"]["passes"], report["as_stored"]["chunks"]
            ratios.append(wall / (passes * per_chunk))
            weighed.append(wall / ((passes - stored) * per_chunk + stored * stored_per_chunk))
            print(f"round {i + 1}: llama-perplexity {per_chunk:.3f} s a chunk ({stored_per_chunk:.3f} s as stored); fqlab compare {wall:.1f} s"
                  f" for {passes} passes ({stored} as stored) = {wall / passes:.3f} s a pass; ratio {ratios[-1]:.3f}, weighed {weighed[-1]:.3f}")
        ratio = statistics.median(ratios)
        print(f"median ratio {ratio:.3f} (bar {BAR}; min {min(ratios):.3f}, max {max(ratios):.3f}, {ROUNDS} rounds); weighed {statistics.median(weighed):.3f}")
        return ratio > BAR


sys.exit(main())
