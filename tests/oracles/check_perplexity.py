"""fqlab's perplexity is llama-perplexity's: same file, same text, same kernels, to 1e-5 relative. Development only.

    python3 tests/oracles/check_perplexity.py [--quick]

llama-perplexity prints four decimals, which is a rounding of at most 4e-6 relative for perplexities above 12; it prints an estimate
after every chunk, so one run of N chunks compares N chunk counts. Compared: the file as stored (native arithmetic), its F32 expansion
(llama-perplexity runs the file that `fqlab quantize --recipe '*=f32'` writes; fqlab that file as stored, in reference arithmetic where the
model has no GELU, and the quantized file with the engine's own kernels throughout: docs/decisions/0010 and 0015), and the file of `fqlab quantize --recipe 0/ffn_norm=fp8_e4m3`, which
llama-perplexity must find as perplexed as `fqlab compare` did.
--quick: two chunks of 128 tokens of SmolLM2, for `make test`.
"""
import math
import pathlib
import sys
import tempfile

import peers

BAR = 1e-5
IDENTITY, CHANGE = "0/ffn_norm=f32", "0/ffn_norm=fp8_e4m3"
# What the two models gave on a 2-core AVX-512 machine; another instruction set may change the last digits. Not a bar.
SEEN = {("SmolLM2", 512, "stored", 8): 24.6533, ("SmolLM2", 512, "F32", 8): 24.4974, ("SmolLM2", 256, "stored", 5): 32.1646,
        ("Gemma 3", 512, "stored", 4): 15.2171, ("Gemma 3", 512, "F32", 4): 15.2346}


def running_perplexity(report, side):
    """Perplexity of the first 1, 2 ... chunks; every chunk has the same number of scored positions."""
    total, estimates = 0.0, []
    for count, chunk in enumerate(report["per_chunk"], 1):
        total += chunk["nll_" + side]
        estimates.append(math.exp(total / count))
    assert math.isclose(estimates[-1], report["perplexity"][side], rel_tol=1e-12)
    return estimates


def compare_runs(table, name, n_ctx, what, ours, theirs):
    errors = [abs(a - b) / b for a, b in zip(ours, theirs, strict=True)]
    seen = SEEN.get((name, n_ctx, what, len(ours)))
    table.add(max(errors) <= BAR, name, n_ctx, what, len(ours), f"{ours[-1]:.6f}", f"{theirs[-1]:.4f}", f"{max(errors):.1e}", seen or "")


def compare_stored(table, name, n_ctx, what, chunks, report, theirs):
    ours = report["as_stored"]["perplexity"]
    error = abs(ours - theirs[-1]) / theirs[-1]
    table.add(error <= BAR, name, n_ctx, what, chunks, f"{ours:.6f}", f"{theirs[-1]:.4f}", f"{error:.1e}", "")


def check_model(table, folder, name, model, text, n_ctx, chunks):
    wide, changed = folder / f"{name}-f32.gguf", folder / f"{name}-changed.gguf"
    if not wide.exists():
        peers.quantize(model, "*=f32", wide)
        peers.quantize(model, CHANGE, changed)
    common = ["--corpus", text, "--ctx", n_ctx, "--chunks", chunks, "--stored-chunks", chunks, "--no-dialogue", "--no-speed"]
    native = peers.compare(folder / "native", model, "--recipe", CHANGE, "--arithmetic", "native", *common)
    reference = peers.compare(folder / "reference", model, "--recipe", IDENTITY, "--arithmetic", "reference", "--gelu", "engine", *common)
    expanded = peers.compare(folder / "expanded", wide, "--recipe", IDENTITY, "--arithmetic", "reference", *common)
    stored, _ = peers.llama_perplexity(model, text, n_ctx, chunks)
    # 0/ffn_norm is F32 in the file already, so the original of the native run is the file as stored.
    compare_runs(table, name, n_ctx, "stored", running_perplexity(native, "original"), stored)
    compare_stored(table, name, n_ctx, "as_stored.perplexity", chunks, reference, stored)
    wide_peer, _ = peers.llama_perplexity(wide, text, n_ctx, chunks)
    compare_runs(table, name, n_ctx, "F32", running_perplexity(reference, "original"), wide_peer)
    if expanded["settings"]["gelu"] is None:  # else it differs by what the 16-bit table does
        compare_runs(table, name, n_ctx, "F32, fast attention", running_perplexity(expanded, "original"), wide_peer)
    compare_stored(table, name, n_ctx, "F32 file, as_stored.perplexity", chunks, expanded, wide_peer)
    compare_runs(table, name, n_ctx, CHANGE, running_perplexity(native, "variant"), peers.llama_perplexity(changed, text, n_ctx, chunks)[0])


def main():
    quick = "--quick" in sys.argv[1:]
    if quick:
        peers.skip_where_absent()
    cases = [("SmolLM2", 128, 2)] if quick else [("SmolLM2", 512, 8), ("SmolLM2", 256, 5), ("Gemma 3", 512, 4), ("Gemma 3", 256, 5)]
    table = peers.Table(f"Perplexity: fqlab against llama-perplexity {' '.join(peers.SAME_KERNELS)} (bar {BAR:g} relative, at every chunk count)",
                        ["model", "n_ctx", "file", "chunks", "fqlab", "llama-perplexity", "largest error", "seen elsewhere"])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, models = peers.text_file(folder), peers.models()
        print(f"text: {text.name}", file=sys.stderr)
        for model, n_ctx, chunks in cases:
            check_model(table, folder, model, models[model], text, n_ctx, chunks)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
