#!/usr/bin/env python3
"""The default `fqlab compare`, dialogue and speed included, against the same by hand with llama.cpp's tools (make bench-compare).

    bench/compare_by_hand.py [--rounds 2] [--chunks 16] [--blocks 5]

By hand, on both files: llama-perplexity (the original writes the base of the KL divergence, the variant reads it), llama-bench with as
many repetitions as fqlab measures, llama-completion for the three prompts. Making the files is not counted for the hand.
Bar: fqlab's wall-clock time, less what the hand does not do, is at most the hand's. What the hand does not do is listed apart:
passes for noise floor, matched control, checks and the file as stored, priced at llama-perplexity's time for a chunk of the F32 file, and
the A/A third of the speed blocks, priced at what llama-bench took for the original: the hand's prices, so that a slow fqlab gains nothing.
Load times, cold ones too, and writing the report stay on fqlab's side.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

RECIPE = "0/ffn_norm=fp8_e4m3"
TOKENS = 64


def by_hand(folder, files, text, chunks, blocks):
    """(seconds by tool, seconds a chunk). `files`: original and variant, as stored and as F32 expansions."""
    seconds, per_chunk = {}, None
    base, perplexity = folder / "base.kld", peers.setup("tools") + "/llama-perplexity"
    for what, file, more in (("llama-perplexity, original", files["original, F32"], []),
                             ("llama-perplexity, variant", files["variant, F32"], ["--kl-divergence"])):
        arguments = [perplexity, "-m", file, "-f", text, "-c", 512, "--chunks", chunks, "-t", peers.THREADS, *peers.SAME_KERNELS]
        out, log, seconds[what] = peers.run([*arguments, "--kl-divergence-base", base, *more])
        if not more:
            per_chunk = (peers.clock(out + log, "Final estimate") - peers.clock(out + log, "calculating perplexity")) / chunks
    base.unlink()
    for side in ("original", "variant"):
        seconds[f"llama-bench, {side}"] = peers.llama_bench(files[side], repetitions=2 * blocks)[1]
        seconds[f"llama-completion, {side}"] = sum(
            peers.llama_completion(files[f"{side}, F32"], prompt, True, TOKENS)[1] for prompt in peers.PROMPTS[:3])
    return seconds, per_chunk


def by_fqlab(folder, model, text, chunks, blocks):
    """(wall-clock seconds, passes that the hand does not do)."""
    start = time.perf_counter()
    report = peers.compare(folder / "report", model, "--recipe", RECIPE, "--corpus", text, "--chunks", chunks, "--predict", TOKENS,
                           "--speed-blocks", blocks)
    wall = time.perf_counter() - start
    assert report["settings"]["arithmetic"] == "reference", "the hand's files are F32 expansions"
    return wall, report["timing"]["passes"] - 2 * chunks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rounds", 2), ("chunks", 16), ("blocks", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    hands, ours, ratios = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder, model = pathlib.Path(name), peers.setup("model")
        text = peers.text_file(folder)
        files = {"original": model, "variant": peers.quantize(model, RECIPE, folder / "variant.gguf"),
                 "original, F32": peers.quantize(model, "*=f32", folder / "original-f32.gguf"),
                 "variant, F32": peers.quantize(model, "*=f32;" + RECIPE, folder / "variant-f32.gguf")}
        for number in range(options.rounds):
            hand, per_chunk = by_hand(folder, files, text, options.chunks, options.blocks)
            wall, extra = by_fqlab(folder, model, text, options.chunks, options.blocks)
            apart = {f"{extra} passes of controls, checks and the file as stored": extra * per_chunk,
                     "A/A third of the speed blocks": hand["llama-bench, original"]}
            hands.append(hand)
            ours.append((wall, apart))
            ratios.append((wall - sum(apart.values())) / sum(hands[-1].values()))
            print(f"round {number + 1}: by hand {sum(hands[-1].values()):.1f} s, fqlab {wall:.1f} s, of it apart {sum(apart.values()):.1f} s, ratio {ratios[-1]:.3f}",
                  file=sys.stderr)
    table = peers.Table(f"The default comparison by hand and by fqlab, {options.chunks} chunks, {peers.THREADS} threads, median of {options.rounds} rounds",
                        ["what", "seconds"])
    for tool in hands[0]:
        table.note(tool, f"{statistics.median(hand[tool] for hand in hands):.1f}")
    table.note("by hand, together", f"{statistics.median(sum(hand.values()) for hand in hands):.1f}")
    table.note("fqlab compare, together", f"{statistics.median(wall for wall, _ in ours):.1f}")
    for what in ours[0][1]:
        table.note(f"  apart: {what}", f"{statistics.median(apart[what] for _, apart in ours):.1f}")
    table.add(statistics.median(ratios) <= 1, "fqlab without these, over by hand (at most 1)", f"{statistics.median(ratios):.3f}")
    return table.finish()


sys.exit(main())
