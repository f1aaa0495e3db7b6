#!/usr/bin/env python3
"""fqlab's plans against llama-quantize's mixes of the same size, on text that the plans have not seen (make bench-plan).

    bench/plan_vs_stock.py FOLDER [--mixes Q3_K_M,...] [--budgets 10|98.3,118.3,...] [--chunks 64] [--no-imatrix] [--own-words] [--equalized]

The original is ../shared/tools/make_reference.py of SmolLM2. Imatrix and plans come from the odd-numbered State of the Union addresses (--own-words: plans also
from text that the model writes itself, fqlab generate), the judgement from the even-numbered ones and wikitext-2. FOLDER keeps the study and the files, so that a second run goes on where the first ended. For each mix: the stock file,
the plan of at most its bytes, and the plan with an imatrix that has an entry for the tied embedding. Bars: KL lower than stock by at least what the first
attempt reached in the same way (docs/measurements.md, Plans), never more bytes, predicted joint KL within 15 % of the measured one. With --budgets N instead: N sizes evenly between 85 and
145 MB, each against the largest of llama-quantize's mixes that is not larger; bar: never higher. --equalized: plans of `fqlab equalize`'s file instead, with
its imatrix and a study of its own, against the same stock files and judged against the same original.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

# Lower than stock, per cent, on wikitext-2 and the addresses: what the first attempt reached with an imatrix entry for the tied embedding.
FIRST_ATTEMPT = {"Q4_K_M": (48, 48), "Q3_K_M": (65, 60), "Q4_K_S": (54, 54), "Q5_K_M": (13, 10), "Q6_K": (38, 32)}
# The same without that entry.
FIRST_WITHOUT_ENTRY = {"Q4_K_M": (34.8, 35.4), "Q3_K_M": (59.0, 49.3), "Q4_K_S": (35.2, 30.3), "Q5_K_M": (13, 10), "Q6_K": (38, 32)}
FIRST_WITHOUT_IMATRIX = {"Q3_K_M": (66, 66), "Q4_K_M": (34, 34), "Q6_K": (37, 37)}
MIXES = "Q2_K Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL Q4_0 Q4_1 Q4_K_S Q4_K_M Q5_0 Q5_1 Q5_K_S Q5_K_M Q6_K Q8_0".split()
BUDGETS = 85e6, 145e6  # first and last of --budgets
SHARED = pathlib.Path(os.environ.get("FQLAB_SHARED", ROOT.parent / "shared"))


def fqlab(*arguments):
    start = time.perf_counter()
    print("fqlab " + " ".join(map(str, arguments)), file=sys.stderr, flush=True)
    done = subprocess.run([peers.FQLAB, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout, time.perf_counter() - start


def once(path, make):
    """Makes a file unless it is there."""
    if not path.exists():
        make()
    return path


def split_addresses(folder):
    documents = sorted((pathlib.Path(peers.setup("corpus"))).glob("*.txt"))
    for name, first in (("odd", 0), ("even", 1)):
        (folder / name).mkdir(exist_ok=True)
        for document in documents[first::2]:
            link = folder / name / document.name
            if not link.exists():
                link.symlink_to(document)


def plan(folder, model, study, texts, mix, bytes_allowed, name, imatrix):
    out = folder / f"{mix}-{name}.plan"
    options = ["--imatrix", imatrix] if imatrix else []
    corpora = [word for text in texts for word in ("--corpus", text)]
    seconds = 0.0
    if not out.exists():
        text, seconds = fqlab("plan", model, "--budget", f"{bytes_allowed}B", *options, *corpora, "--study", study, "-o", out)
        (folder / f"{out.name}.txt").write_text(text)
    file = once(folder / f"{mix}-{name}.gguf", lambda: fqlab("build", out, "-o", folder / f"{mix}-{name}.gguf"))
    return out, file, seconds


def imatrices(folder, model, name, options):
    """The files by the name of what is planned with them: without an entry for the tied embedding, and (for mixes only) with one."""
    files = {}
    for plan_name, more in ((name, ["--no-tied-embedding"]), (f"{name}-embedding", []))[:1 if options.budgets else 2]:
        file = folder / f"imatrix-{plan_name}.gguf"
        files[plan_name] = once(file, lambda file=file, more=more: fqlab(
            "imatrix", model, "--corpus", folder / "odd", "--chunks", options.imatrix_chunks, *more, "-o", file))
    return files


def stock_file(folder, model, mix, imatrix, suffix):
    out = folder / f"{mix}-stock{suffix}.gguf"
    flags = ["--imatrix", imatrix] if imatrix else []
    return once(out, lambda: peers.run([peers.setup("tools") + "/llama-quantize", *flags, model, out, mix]))


def verified(folder, name, model, stock, files, chunks):
    """The page's numbers; the stock file comes first, so that it is paired with every plan."""
    out = folder / f"{name}-verified"
    if not (out / "report.json").exists():
        against = [word for file in files.values() for word in ("--against", file)]
        fqlab("verify", model, stock, *against, "--corpus", f"wikitext-2={SHARED}/data/wikitext-2-raw.test.txt",
              "--corpus", f"addresses={folder}/even", "--chunks", chunks, "--no-dialogue", "--no-speed", "--out", out)
    return json.loads((out / "report.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--mixes", default=",".join(FIRST_ATTEMPT))
    parser.add_argument("--budgets", default="", help="a number of sizes, or megabytes with a decimal point or a comma")
    parser.add_argument("--chunks", type=int, default=64)
    parser.add_argument("--imatrix-chunks", type=int, default=100)
    parser.add_argument("--no-imatrix", action="store_true", help="plans and stock mixes without an imatrix instead")
    parser.add_argument("--own-words", action="store_true", help="plans from the model's own words too; give each way a FOLDER of its own")
    parser.add_argument("--equalized", action="store_true", help="plans of the equalized model; the stock files stay those of the original")
    options = parser.parse_args()
    if options.equalized and options.no_imatrix:
        parser.error("--equalized needs an imatrix")
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    split_addresses(folder)
    model = once(folder / "original.gguf", lambda: subprocess.run(
        [peers.python(), SHARED / "tools/make_reference.py", peers.setup("model"), folder / "original.gguf"], check=True))
    study = folder / "study.fqlab"
    texts = [folder / "odd"]
    if options.own_words:
        texts.append(once(folder / "own", lambda: fqlab("generate", model, "-o", folder / "own")))
    variants = {"plan": None} if options.no_imatrix else imatrices(folder, model, "plan", options)
    stock_imatrix = variants["plan"]
    planned = model
    if options.equalized:
        planned = once(folder / "equalized.gguf", lambda: fqlab("equalize", model, "--imatrix", stock_imatrix, "-o", folder / "equalized.gguf"))
        study = folder / "study-equalized.fqlab"
        variants = imatrices(folder, planned, "equalized", options)
    table = peers.Table(f"fqlab plan against llama-quantize, {options.chunks} chunks of each text", ["size", "file", "found", "stock", "bar"])
    suffix = "-no-imatrix" if options.no_imatrix else ""
    stock = {mix: stock_file(folder, model, mix, stock_imatrix, suffix)
             for mix in (MIXES if options.budgets else options.mixes.split(","))}
    for mix, bytes_allowed in sizes(options, stock):
        fitting = [mix] if mix in stock else [name for name, file in stock.items() if file.stat().st_size <= bytes_allowed]
        files, plans = {}, {}
        for name, imatrix in variants.items():
            plans[name], files[name], seconds = plan(folder, planned, study, texts, mix, bytes_allowed, name + suffix, imatrix)
            if seconds:
                table.note(mix, f"{name}: planned in", f"{seconds / 60:.1f} min", "", "")
        if not fitting:
            table.note(mix, "no stock mix is so small", "", "", "")
            continue
        other = stock[max(fitting, key=lambda name: stock[name].stat().st_size)]
        judge(table, mix, other, bytes_allowed, files, plans, verified(folder, mix + suffix + ("-equalized" if options.equalized else ""), model, other, files, options.chunks),
              options.no_imatrix)
    return table.finish()


def sizes(options, stock):
    """(name, bytes allowed) of what is to be planned."""
    if not options.budgets:
        return [(mix, file.stat().st_size) for mix, file in stock.items()]
    if options.budgets.isdigit():
        first, last = BUDGETS
        step = (last - first) / max(1, int(options.budgets) - 1)
        budgets = [first + i * step for i in range(int(options.budgets))]
    else:
        budgets = [1e6 * float(word) for word in options.budgets.split(",") if word]
    return [(f"{size / 1e6:.1f}MB", round(size)) for size in budgets]


def header(plan_file, key):
    """A number of a plan's head."""
    for line in plan_file.read_text().splitlines():
        if line.split("=")[0].strip() == key:
            return float(line.split("=")[1].split()[0])
    return None


def judge(table, mix, stock, bytes_allowed, files, plans, report, without_imatrix):
    for name, file in files.items():
        first_attempt = FIRST_WITHOUT_IMATRIX if without_imatrix else FIRST_ATTEMPT if name.endswith("embedding") else FIRST_WITHOUT_ENTRY
        size = file.stat().st_size
        table.add(size <= bytes_allowed, mix, f"{name}: bytes", f"{size:,}", f"{stock.stat().st_size:,} ({stock.name})", f"at most {bytes_allowed:,}")
        predicted, measured = header(plans[name], "predicted_kl"), header(plans[name], "measured_kl")
        if predicted is not None:
            table.add(abs(predicted / measured - 1) <= 0.15, mix, f"{name}: predicted KL on the planning text", f"{predicted:.4f}", f"measured {measured:.4f}", "15 %")
        for text, bar in zip(report["texts"], first_attempt.get(mix, (0, 0))):
            kl = {entry["file"]: entry["kl"]["mean"] for entry in text["files"]}
            pair = next(entry for entry in text["against"] if entry["file"] == file.name)
            lower = [100 * (1 - 1 / ratio) for ratio in (pair["ratio"]["mean"], *pair["ratio"]["interval"])]
            table.add(lower[0] >= bar, mix, f"{name}: KL on {text['name']}, {text['chunks']} chunks", f"{kl[file.name]:.4f}", f"{kl[stock.name]:.4f}",
                      f"lower by {lower[0]:.1f} % [{lower[1]:.1f}, {lower[2]:.1f}], asked {bar} %")


if __name__ == "__main__":
    sys.exit(main())
