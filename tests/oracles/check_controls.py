"""The controls say what is known: nothing where nothing changed, round-off as round-off, a true effect as one. Development only.

    python3 tests/oracles/check_controls.py [--quick]

--quick: SmolLM2 only, four chunks at the most and 128 tokens a chunk; the bars that depend on size are then left out.
"""
import pathlib
import re
import sys
import tempfile

import peers

BF16, FP8 = "0/ffn_norm=bf16", "0/ffn_norm=fp8_e4m3"


def floor(report):
    return report["kl"]["noise_floor"]["mean"]


def uncertain_rows(folder):
    """Rows of the summary in report.md about V against C that print an interval or a +/-."""
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    names = ("| Perplexity |", "| KL divergence", "| Same top token |")
    summary = [next(line for line in lines if line.startswith(name)) for name in names]
    return [line for line in summary if re.search(r"\[[-+]?\d|\+/-|±", line)]


class Checks:
    def __init__(self, folder, quick):
        self.folder, self.quick = folder, quick
        self.text = peers.text_file(folder)
        self.table = peers.Table("Controls: what a comparison must say", ["model", "experiment", "arithmetic", "chunks", "statement", "seen"])

    def compare(self, name, model, experiment, arithmetic, chunks):
        how = ["--variant", experiment] if isinstance(experiment, pathlib.Path) else ["--recipe", experiment]
        chunks = min(chunks, 4) if self.quick else chunks
        self.row = (name, experiment.name if isinstance(experiment, pathlib.Path) else experiment, arithmetic, chunks)
        return peers.compare(self.folder / "report", model, *how, "--arithmetic", arithmetic, "--corpus", self.text, "--chunks", chunks,
                             "--ctx", 128 if self.quick else 512, "--no-dialogue", "--no-speed")

    def expect(self, statement, kept, seen):
        self.table.add(kept, *self.row, statement, seen)

    def expect_nothing_differs(self, report, overall):
        kl = report["kl"]
        self.expect("KL exactly 0 everywhere", kl["mean"] == 0 and kl["max"] == 0, f"mean {kl['mean']}, max {kl['max']}")
        self.expect("logits bitwise equal", report["logits_identical"] is True, report["logits_identical"])
        self.expect(f"verdicts {overall}, kl identical", (report["verdicts"]["overall"], report["verdicts"]["kl"]) == (overall, "identical"),
                    f"{report['verdicts']['overall']}, {report['verdicts']['kl']}")
        self.expect("no noise floor is claimed", floor(report) is None and not kl["resolved"], f"{floor(report)}, {kl['resolved']}")
        rows = uncertain_rows(self.folder / "report")
        self.expect("no interval, no +/- where all is equal", not rows, rows[0] if rows else "none")

    def expect_changed(self, report, changed, total):
        found = (report["changes"]["values_changed"], report["changes"]["values_total"])
        self.expect(f"{changed} of {total} values change", found == (changed, total), f"{found[0]} of {found[1]}")

    def smollm2(self, model):
        name = "SmolLM2"
        for arithmetic in ("native", "reference"):
            self.expect_nothing_differs(self.compare(name, model, model, arithmetic, 4), "identical")
            self.expect_nothing_differs(self.compare(name, model, "0/ffn_norm=f32", arithmetic, 4), "vacuous")
        matrix = self.compare(name, model, "0/ffn_up=f32", "native", 4)
        self.expect("KL(C, V) exactly 0", matrix["kl"]["mean"] == 0 and matrix["kl"]["max"] == 0, matrix["kl"]["mean"])
        storage = matrix["storage_effect"]["kl_mean"]
        self.expect("storage effect above 0", (storage or 0) > 0, f"{storage:.2e}")
        empty = self.compare(name, model, BF16, "reference", 4)
        self.expect_changed(empty, 0, 576)
        self.expect("the report says vacuous", empty["changes"]["vacuous"] and empty["verdicts"]["overall"] == "vacuous", empty["verdicts"]["overall"])
        for chunks in (4, 8, 32):
            report = self.compare(name, model, FP8, "reference", chunks)
            mean = report["kl"]["mean"]
            self.expect("resolved, floor below 1e-10", report["kl"]["resolved"] is True and 0 < floor(report) < 1e-10,
                        f"{report['kl']['resolved']}, {floor(report):.1e}")
            if chunks == 8 and not self.quick:
                self.expect("mean KL 0.0008 within a tenth", 0.00072 <= mean <= 0.00088, f"{mean:.6f}")
            if chunks == 4:
                self.expect_changed(report, 540, 576)
                rows = uncertain_rows(self.folder / "report")
                self.expect("an interval in every row otherwise", len(rows) == 3, len(rows))
            if self.quick:
                return

    def gemma(self, model):
        name = "Gemma 3"
        for chunks in (4, 32):
            report = self.compare(name, model, BF16, "native", chunks)
            mean = report["kl"]["mean"]
            if chunks == 4:
                self.expect_changed(report, 14, 640)
            self.expect("KL and floor near 0.006, not resolved", 0.004 <= mean <= 0.008 and 0.004 <= floor(report) <= 0.008
                        and report["kl"]["resolved"] is False, f"{mean:.4f}, {floor(report):.4f}, {report['kl']['resolved']}")
        for chunks in (4, 32):
            report = self.compare(name, model, BF16, "reference", chunks)
            mean, interval = report["kl"]["mean"], report["kl"]["interval"]
            self.expect("KL at most 5e-7, floor below that", 0 < mean <= 5e-7 and 0 < floor(report) < 5e-7,
                        f"{mean:.2e} [{interval[0]:.1e}, {interval[1]:.1e}], {floor(report):.2e}")
        printed = (self.folder / "report/report.md").read_text(encoding="utf-8")
        kl_row = next((line for line in printed.splitlines() if line.startswith("| KL")), "")
        self.expect("printed so that it can be read", bool(re.search(r"[1-9](\.\d+)?\s*(e-|×\s*10|x\s*10|·10)", kl_row)), kl_row[:70])


def main():
    quick = "--quick" in sys.argv[1:]
    if quick:
        peers.skip_where_absent()
    with tempfile.TemporaryDirectory() as name:
        checks, models = Checks(pathlib.Path(name), quick), peers.models()
        checks.smollm2(models["SmolLM2"])
        if not quick:
            checks.gemma(models["Gemma 3"])
        return checks.table.finish()


if __name__ == "__main__":
    sys.exit(main())
