#!/usr/bin/env python3
"""fqlab sweep against the pipeline by hand, one run (make bench-sweep; half an hour on a quiet machine of two cores).

    bench/sweep_vs_by_hand.py [--speed-chunks 4] [--all-chunks 4] [--every 10] [--map-chunks 8] [--adaptive int4:g32,fp8_e4m3,mxfp4]
                              [--truth int4:g32] [--keep FOLDER]

SmolLM2, its 210 matrices, int4:g32. By hand, for every tenth matrix (a third before, between and after the sweeps): write the patched file with the Python package of llama.cpp, as
people without fqlab do (bench/patch_by_hand.py), llama-perplexity --kl-divergence against a prepared base (its own time is not counted).
fqlab: the whole exhaustive sweep, set-up, controls and checks included, over its 210 cells.
Bars: at least 3.5 times faster a cell at the same chunks and scored positions; 5.5 times a scored token with --score all;
at least 95 % of the workers' time inside llama_decode. Beside them, without a bar: the hand with `fqlab quantize` as its writer.
Then the default map (adaptive) of --map-chunks: its time and tokens, and its order against the exhaustive one's in the formats of --truth
(each takes a quarter of an hour): Spearman at least 0.97, at most a quarter of the tokens. --adaptive '' leaves it out, --speed-chunks 0 the rest.
By hand a cell costs a fixed part (writing the file, loading, tokenizing) and a part for each chunk, so the ratio falls with the number of
chunks; the first estimates (3.8 and 6.1) were for four.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

FORMAT = "int4:g32"
SCORED = {"second-half": 255, "all": 479}  # positions of a chunk of 512 tokens


class Hand:
    """The pipeline by hand over every so many matrices, in thirds: before, between and after the sweeps, so that a machine that slows down slows both."""

    def __init__(self, folder, model, text, chunks, every):
        base = folder / "base.kld"
        self.wide, self.patched = peers.quantize(model, "*=f32", folder / "f32.gguf"), folder / "patched.gguf"
        self.perplexity = [peers.setup("tools") + "/llama-perplexity", "-f", text, "-c", 512, "--chunks", chunks, "-t", peers.THREADS,
                           *peers.SAME_KERNELS, "--kl-divergence-base", base]
        peers.run([*self.perplexity, "-m", self.wide])
        self.cells = [(layer, kind) for layer in range(30) for kind in peers.MATRICES][::every]
        self.seconds = dict.fromkeys(("python", "fqlab", "perplexity"), 0.0)

    def measure(self, third):
        for layer, kind in self.cells[third::3]:
            self.seconds["fqlab"] += peers.fqlab("quantize", self.wide, "--recipe", f"{layer}/{kind}={FORMAT}", "-o", self.patched,
                                                 "--threads", peers.THREADS, "--force")[2]
            self.seconds["python"] += peers.run([peers.python(), ROOT / "bench/patch_by_hand.py", self.wide, f"blk.{layer}.{kind}.weight", self.patched])[2]
            self.seconds["perplexity"] += peers.run([*self.perplexity, "-m", self.patched, "--kl-divergence"])[2]

    def a_cell(self, writer):
        """Seconds a cell with files written by "python" or "fqlab"; all thirds must have been measured."""
        return (self.seconds[writer] + self.seconds["perplexity"]) / len(self.cells)


def sweep(study, model, text, formats, chunks, *more):
    """(seconds of the whole command, share of the workers' time inside the engine)."""
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in (peers.FQLAB, "sweep", model, "--formats", formats, "--select", ",".join(peers.MATRICES), "--corpus", text,
                                                  "--chunks", chunks, "--study", study, "--workers", peers.THREADS, *more)],
                          capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(done.stderr[-2000:])
    share = re.search(r"(\d+) % of the workers' time inside the engine", done.stdout + done.stderr)
    return seconds, int(share.group(1)) / 100 if share else 0  # 0: the study had everything


def map_of(study):
    return json.loads(peers.fqlab("show", study, "--json")[0])


def singles(found, form):
    """{group: (rank by KL, chunks)} of the cells where one matrix is changed to a format; its canonical name may be longer."""
    return {cell["group"]: (cell["rank"], len(cell["chunks"])) for cell in found["cells"]
            if cell["format"].startswith(form) and cell["mode"] == "only" and cell["kl"] is not None}


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, index in enumerate(order):
        result[index] = rank
    return result


def spearman(a, b):
    x, y = ranks(a), ranks(b)
    n = len(a)
    return 1 - 6 * sum((p - q) ** 2 for p, q in zip(x, y)) / (n * (n * n - 1))


def measure_speed(table, studies, model, text, hand, options):
    hand.measure(0)
    seconds, share = sweep(studies / "speed.fqlab", model, text, FORMAT, options.speed_chunks, "--exhaustive")
    hand.measure(1)
    if options.all_chunks:
        all_seconds, _ = sweep(studies / "all.fqlab", model, text, FORMAT, options.all_chunks, "--exhaustive", "--score", "all")
    hand.measure(2)
    cell, by_hand, with_fqlab = seconds / 210, hand.a_cell("python"), hand.a_cell("fqlab")
    table.add(by_hand / cell >= 3.5, f"seconds a cell, {options.speed_chunks} chunks, second half", f"{cell:.2f} (in all {seconds:.0f})", f"by hand {by_hand:.2f}", f"{by_hand / cell:.2f} (bar 3.5)")
    table.note("the same, the hand's file written by fqlab", f"{cell:.2f}", f"by hand {with_fqlab:.2f}", f"{with_fqlab / cell:.2f}")
    table.add(share >= 0.95, "workers' time inside the engine", f"{share:.0%}", "", "bar 95 %")
    if not options.all_chunks:
        return
    ours, theirs = (all_seconds / 210 / options.all_chunks / SCORED["all"], by_hand / options.speed_chunks / SCORED["second-half"])
    table.add(theirs / ours >= 5.5, "milliseconds a scored token, --score all", f"{1000 * ours:.2f} (in all {all_seconds:.0f} s)",
              f"by hand {1000 * theirs:.2f}", f"{theirs / ours:.2f} (bar 5.5)")


def measure_maps(table, studies, model, text, hand, options):
    """`hand`: None where the speed was left out."""
    formats = options.adaptive.split(",")
    seconds, _ = sweep(studies / "adaptive.fqlab", model, text, options.adaptive, options.map_chunks)
    beside = f"by hand {210 * len(formats) * hand.a_cell('python') / 3600:.1f} h" if hand else ""
    table.add(seconds <= 720, f"default map of {len(formats)} formats, minutes", f"{seconds / 60:.1f}", beside, "bar 12")
    found_map = map_of(studies / "adaptive.fqlab")
    for form in filter(None, options.truth.split(",")):
        sweep(studies / "exhaustive.fqlab", model, text, form, options.map_chunks, "--exhaustive")
        truth, found = singles(map_of(studies / "exhaustive.fqlab"), form), singles(found_map, form)
        groups = sorted(set(truth) & set(found))
        order = spearman([truth[group][0] for group in groups], [found[group][0] for group in groups])
        tokens = sum(found[group][1] for group in groups) / sum(truth[group][1] for group in groups)
        table.add(order >= 0.97, f"Spearman over {len(groups)} cells of {form}", f"{order:.4f}", "exhaustive", "bar 0.97")
        table.add(tokens <= 0.25, f"chunks evaluated for it, {form}", f"{tokens:.1%}", "exhaustive", "bar 25 %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("speed-chunks", 4), ("all-chunks", 4), ("every", 10), ("map-chunks", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--adaptive", default="int4:g32,fp8_e4m3,mxfp4")
    parser.add_argument("--truth", default=FORMAT)
    parser.add_argument("--keep", type=pathlib.Path, help="keep the studies here; those that are complete are not measured again")
    options = parser.parse_args()
    table = peers.Table(f"A sweep of 210 matrices and by hand, {peers.THREADS} cores", ["what", "found", "beside", "ratio"])
    with tempfile.TemporaryDirectory() as name:
        folder, model = pathlib.Path(name), peers.setup("model")
        studies = options.keep or folder
        text = peers.text_file(folder)
        hand = None
        if options.speed_chunks:
            hand = Hand(folder, model, text, options.speed_chunks, options.every)
            measure_speed(table, studies, model, text, hand, options)
        if options.adaptive:
            measure_maps(table, studies, model, text, hand, options)
    return table.finish()


sys.exit(main())
