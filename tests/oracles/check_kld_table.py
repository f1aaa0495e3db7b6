#!/usr/bin/env python3
"""fqlab's KLD table against llama-perplexity's own, SmolLM2 Q4_1 (the variant, Q) against its F32 expansion (base).

Both read the same chunks with the same flags (-fa off --no-repack, KV cache f32). llama-perplexity keeps the base's log-probabilities
in 16 bits: steps of at most 16/65535 = 0.00024 nats, floored at the largest logit minus 16. So:
  nll(base)   of a target below the floor is too small, else off by at most half a step;
  KLD         each term is off by p * half a step, and tokens with ln p <= -16 are left out of the sum;
  log ratio   of the base against itself is not 0: it is the floor's effect, printed here as "self".
What must hold: KLD mean and upper percentiles within one step or 1 % (the floor), the log ratio within 1e-5 after "self" is taken off,
same top within 0.1 % (ties in 16 bits), PPL(Q), which does not pass through the file, within the six digits printed.

Development only. Usage: check_kld_table.py [CHUNKS]   (default 4; needs make, the tools and the model of scripts/setup)
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STEP = 16 / 65535
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def setup(name):
    return subprocess.check_output([ROOT / "scripts/setup", "--print", name], text=True).strip()


def perplexity(model, base, text, chunks, measure):
    command = [setup("tools") + "/llama-perplexity", "-m", model, "--kl-divergence-base", base, "-c", "512", "--chunks", str(chunks),
               "-fa", "off", "--no-repack", "-ctk", "f32", "-ctv", "f32", "-t", "2", "-f", text]
    return subprocess.run(command + (["--kl-divergence"] if measure else []), capture_output=True, text=True, check=True).stdout


def rows(log):
    """{"Mean KLD": 0.0123, ...}; per cent become fractions."""
    found = {}
    for line in log.splitlines():
        match = re.match(r"\s*([A-Z0-9].*?)\s*:\s+(-?\d+\.\d+)(?: ±\s+\d+\.\d+)?\s*(%?)\s*$", line)
        if match:
            found[" ".join(match[1].split())] = float(match[2]) / (100 if match[3] else 1)
    return found


def ours(table):
    kld = dict(zip(["Maximum", "99.9%", "99.0%", "95.0%", "90.0%", "Median", "10.0%", "5.0%", "1.0%", "0.1%", "Minimum"], table["kld_quantiles"]))
    delta = dict(zip(["Maximum", "99.9%", "99.0%", "95.0%", "90.0%", "75.0%", "Median", "25.0%", "10.0%", "5.0%", "1.0%", "0.1%", "Minimum"],
                     table["delta_p_quantiles"]))
    return {"Mean PPL(Q)": table["ppl_q"]["mean"], "Mean PPL(base)": table["ppl_base"]["mean"],
            "Mean ln(PPL(Q)/PPL(base))": table["log_ratio"]["mean"], "Mean KLD": table["kld"]["mean"],
            **{f"{level} KLD": value for level, value in kld.items()}, "Mean Δp": table["delta_p"]["mean"],
            **{f"{level} Δp": value for level, value in delta.items()}, "RMS Δp": table["rms_delta_p"]["mean"],
            "Same top p": table["same_top_p"]["mean"]}


def within(name, mine, theirs):
    if "PPL(Q)/PPL" in name:
        return abs(mine - theirs) <= 1e-5
    if name == "Mean PPL(Q)":
        return abs(mine - theirs) <= 1e-4 * mine  # llama-perplexity's float32 exponentials
    if name == "Mean PPL(base)":
        return True  # the floor's effect; judged by the log ratio, where "self" takes it off
    if "KLD" in name:
        return abs(mine - theirs) <= max(STEP, 0.01 * abs(mine))
    if name == "Same top p":
        return abs(mine - theirs) <= 1e-3
    return abs(mine - theirs) <= 5e-4  # delta p: half a step times p, and the three digits printed


def main():
    chunks = sys.argv[1] if len(sys.argv) > 1 else "4"
    fqlab, model = ROOT / "build/release/fqlab", setup("model")
    text = pathlib.Path(os.environ.get("FQLAB_SHARED", ROOT.parent / "shared")) / "data/wikitext-2-raw.test.txt"
    if not text.exists():
        sys.exit("skipped: needs wikitext-2 in ../shared/data")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wide, base = folder / "f32.gguf", folder / "base.kld"
        subprocess.run([fqlab, "quantize", model, "--recipe", "*=f32", "-o", wide], check=True, capture_output=True)
        perplexity(wide, base, text, chunks, measure=False)
        itself, theirs = rows(perplexity(wide, base, text, chunks, measure=True)), rows(perplexity(model, base, text, chunks, measure=True))
        subprocess.run([fqlab, "compare", wide, "--variant", model, "--arithmetic", "native", "--corpus", text, "--chunks", chunks, "--threads", "2",
                        "--no-dialogue", "--no-speed", "--out", folder / "out"], check=True, capture_output=True)
        mine = ours(json.loads((folder / "out/report.json").read_text())["kld_table"])
    self_ratio, self_kld = itself["Mean ln(PPL(Q)/PPL(base))"], itself["Mean KLD"]
    print(f"the base against itself by llama-perplexity: log ratio {self_ratio:.6f}, mean KLD {self_kld:.6f}, minimum {itself['Minimum KLD']:.6f};"
          " fqlab: exactly 0")
    theirs["Mean ln(PPL(Q)/PPL(base)) - self"] = theirs["Mean ln(PPL(Q)/PPL(base))"] - self_ratio
    mine["Mean ln(PPL(Q)/PPL(base)) - self"] = mine.pop("Mean ln(PPL(Q)/PPL(base))")
    failed = False
    print(f"{'row':36} {'fqlab':>12} {'llama':>12} {'difference':>12}")
    for row, value in mine.items():
        good = within(row, value, theirs[row])
        failed = failed or not good
        print(f"{row:36} {value:12.6f} {theirs[row]:12.6f} {value - theirs[row]:+12.6f} {'' if good else 'BEYOND'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
