#!/usr/bin/env python3
"""fqlab's speeds against llama-bench's, on one file, alternately in one run (make bench-speed).

    bench/speed_vs_llama_bench.py [--rounds 5] [--aa 20] [--half 5] [--blocks 5] [--model FILE]

Three bars, each left out with 0:
--rounds N  N times in turn: llama-bench (-p 512 -n 64), `fqlab compare` with speed. Each run gives one median; the 95 % t intervals of
            the mean log speed of both tools must overlap, for the prompt and for generation.
--aa N      N comparisons of two files of the same layout to the byte, types and kernels (one norm rounded to one format or another, with
            names of the same length): `different` at most twice for each of load, prompt and generation. The model itself will not do as
            one of the two: its metadata are shorter, its tensors lie at other offsets, and it generates 4 % slower every time.
--half N    N comparisons of the F32 expansion with an F16 file of half its bytes, which llama-quantize makes: generation, which reads
            every weight for every token, must be `different` and faster every time; load and prompt are shown.
Needs a quiet machine.
"""
import argparse
import math
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

# Two-sided 95 % points of Student's t for 1, 2 ... degrees of freedom.
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093]
SAME_SPEED = "0/ffn_norm=fp8_e4m3"  # the tensor is stored as F32 before and after: same bytes to read, same kernels
TWIN = "0/ffn_norm=fp8_e5m2"
TEXT_CHUNK = ["--ctx", 32, "--chunks", 1]  # the quality part of the comparison, kept small


def interval(values):
    """Median-based speeds of several rounds -> (mean, low, high), by Student's t on logarithms."""
    logs = [math.log(value) for value in values]
    mean = statistics.fmean(logs)
    half = STUDENT[min(len(logs) - 2, len(STUDENT) - 1)] * statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.inf
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def measure(folder, model, variant, text, blocks):
    return peers.compare(folder / "report", model, "--variant", variant, "--arithmetic", "native", "--corpus", text, *TEXT_CHUNK,
                         "--no-dialogue", "--speed-blocks", blocks)


def against_llama_bench(table, folder, model, same, text, rounds, blocks):
    ours, theirs = {"pp": [], "tg": []}, {"pp": [], "tg": []}
    for number in range(rounds):
        bench, _ = peers.llama_bench(model, repetitions=2 * blocks)
        speed = measure(folder, model, same, text, blocks)["speed"]
        for test, key in (("pp", "prompt_tps"), ("tg", "generation_tps")):
            ours[test].append(speed[key]["original"])
            theirs[test].append(statistics.median(bench[test]))
        print(f"round {number + 1}: llama-bench {theirs['pp'][-1]:.1f} / {theirs['tg'][-1]:.1f}, fqlab {ours['pp'][-1]:.1f} / {ours['tg'][-1]:.1f} tokens/s",
              file=sys.stderr)
    for test, name in (("pp", "prompt of 512"), ("tg", "generation of 64")):
        a, b = interval(ours[test]), interval(theirs[test])
        ratio = interval([x / y for x, y in zip(ours[test], theirs[test])])
        table.add(a[1] <= b[2] and b[1] <= a[2], f"{name}, tokens/s, {rounds} rounds", f"fqlab {a[0]:.1f} [{a[1]:.1f}, {a[2]:.1f}]",
                  f"llama-bench {b[0]:.1f} [{b[1]:.1f}, {b[2]:.1f}]", f"ratio {ratio[0]:.3f} [{ratio[1]:.3f}, {ratio[2]:.3f}]")


def same_speed(table, folder, model, same, text, repeats, blocks):
    verdicts = {"load": [], "prompt": [], "generation": []}
    for number in range(repeats):
        report = measure(folder, model, same, text, blocks)
        for key, found in verdicts.items():
            found.append(report["verdicts"][key])
        print(f"A/A {number + 1}: " + ", ".join(f"{key} {found[-1]}" for key, found in verdicts.items()), file=sys.stderr)
    for key, found in verdicts.items():
        counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in sorted(set(found)))
        table.add(found.count("different") <= 2, f"A/A, {key}, {repeats} times", counts, "at most 2 different", "")


def half_the_bytes(table, folder, model, text, repeats, blocks):
    wide, half = folder / "f32.gguf", folder / "f16.gguf"
    peers.quantize(model, "*=f32", wide)
    peers.run([peers.setup("tools") + "/llama-quantize", wide, half, "F16"])
    share = half.stat().st_size / wide.stat().st_size
    found = {"load": [], "prompt": [], "generation": []}
    for number in range(repeats):
        report = measure(folder, wide, half, text, blocks)
        for key, name in (("load", "load_ms"), ("prompt", "prompt_tps"), ("generation", "generation_tps")):
            found[key].append((report["verdicts"][key], report["speed"][name]["ratio"]))
        print(f"half {number + 1}: " + ", ".join(f"{key} {values[-1][0]} {values[-1][1]:.2f}" for key, values in found.items()), file=sys.stderr)
    for key, values in found.items():
        ratios = [ratio for _, ratio in values]
        different = sum(verdict == "different" for verdict, _ in values)
        cells = (f"{share:.2f} of the bytes, {key}, {repeats} times", f"{different} different", f"{repeats} different",
                 f"ratio {min(ratios):.2f} .. {max(ratios):.2f}")
        if key == "generation":
            table.add(different == repeats and min(ratios) > 1, *cells)
        else:
            table.note(cells[0], cells[1], "shown only", cells[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rounds", 5), ("aa", 20), ("half", 5), ("blocks", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", type=pathlib.Path, default=None)
    options = parser.parse_args()
    table = peers.Table(f"Speed: {peers.THREADS} threads, {options.blocks} blocks", ["what", "seen", "beside", "remark"])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, model = peers.text_file(folder), options.model or pathlib.Path(peers.setup("model"))
        same = peers.quantize(model, SAME_SPEED, folder / "same.gguf")
        if options.rounds:
            against_llama_bench(table, folder, model, same, text, options.rounds, options.blocks)
        if options.aa:
            same_speed(table, folder, peers.quantize(model, TWIN, folder / "twin.gguf"), same, text, options.aa, options.blocks)
        if options.half:
            half_the_bytes(table, folder, model, text, options.half, options.blocks)
    return table.finish()


sys.exit(main())
