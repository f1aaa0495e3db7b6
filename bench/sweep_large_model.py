#!/usr/bin/env python3
"""A sweep of a model of 1.1 billion parameters stays within 24 GB, and more workers do not mean more copies of the weights.

    $(scripts/oracle-python) bench/sweep_large_model.py [--chunks 1] [--keep FOLDER]

Writes a file of TinyLlama's shape (22 layers, 2048 wide, 32 heads over 4, 5632 in the feed-forward) with random F16 weights and SmolLM2's
vocabulary (needs PyPI's gguf and numpy), then sweeps its kinds with one worker and with two. Memory: proportional set sizes (shared pages
count once) of the command and its children, summed, sampled twice a second.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import gguf
import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
import peers  # noqa: E402

LAYERS, WIDTH, HIDDEN, HEADS, KV_HEADS = 22, 2048, 5632, 32, 4
LIMIT = 24e9


def write_model(path, vocabulary_of):
    """A llama file with random weights; the tokenizer is that of another file."""
    source = gguf.GGUFReader(vocabulary_of)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random weights of TinyLlama's shape")
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    for name, field in source.fields.items():
        if name.startswith("tokenizer.") and name != "tokenizer.chat_template":
            kind = field.types[0]
            writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    random = numpy.random.default_rng(1)
    tokens = len(source.fields["tokenizer.ggml.tokens"].data)

    def add(name, rows, columns, scale):
        writer.add_tensor(name, (scale * random.standard_normal((rows, columns), dtype=numpy.float32)).astype(numpy.float16))

    add("token_embd.weight", tokens, WIDTH, 0.02)
    add("output.weight", tokens, WIDTH, 0.02)
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, dtype=numpy.float32))
    for layer in range(LAYERS):
        for kind, rows, columns in (("attn_q", WIDTH, WIDTH), ("attn_k", WIDTH // HEADS * KV_HEADS, WIDTH), ("attn_v", WIDTH // HEADS * KV_HEADS, WIDTH),
                                    ("attn_output", WIDTH, WIDTH), ("ffn_gate", HIDDEN, WIDTH), ("ffn_up", HIDDEN, WIDTH), ("ffn_down", WIDTH, HIDDEN)):
            add(f"blk.{layer}.{kind}.weight", rows, columns, columns ** -0.5)
        for kind in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{kind}.weight", numpy.ones(WIDTH, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def family(pid):
    """The process and its descendants."""
    pids = [pid]
    for parent in pids:
        try:
            pids += [int(child) for child in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        except OSError:
            pass
    return pids


def proportional_bytes(pid):
    total = 0
    for each in family(pid):
        try:
            line = next(line for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
            total += 1024 * int(line.split()[1])
        except (OSError, StopIteration):
            pass
    return total


def sweep(model, text, study, chunks, workers):
    """(seconds, largest sum of proportional set sizes in bytes)."""
    start, peak = time.perf_counter(), 0
    command = [peers.FQLAB, "sweep", model, "--formats", "int4:g32", "--group", "kind", "--corpus", text, "--chunks", chunks, "--exhaustive",
               "--workers", workers, "--study", study, "--limit-memory", "24GB"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, proportional_bytes(process.pid))
            time.sleep(0.5)
        if process.returncode != 0:
            sys.exit(process.stderr.read()[-2000:])
    return time.perf_counter() - start, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="keep the model here, and use it where it is")
    options = parser.parse_args()
    table = peers.Table("A sweep over the kinds of 1.1 billion parameters", ["workers", "minutes", "peak memory"])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = (options.keep or folder) / "random-1.1b-f16.gguf"
        if not model.exists():
            write_model(model, peers.setup("model"))
        peaks = {}
        for workers in (1, 2):
            seconds, peaks[workers] = sweep(model, peers.text_file(folder), folder / f"{workers}.fqlab", options.chunks, workers)
            table.add(peaks[workers] <= LIMIT, workers, f"{seconds / 60:.1f}", f"{peaks[workers] / 1e9:.2f} GB")
        weights = 4 * (2 * 49152 * WIDTH + LAYERS * (2 * WIDTH * WIDTH + 2 * WIDTH * WIDTH // HEADS * KV_HEADS + 3 * WIDTH * HIDDEN))
        table.add(peaks[2] - peaks[1] < weights / 2, "2 less 1", "", f"{(peaks[2] - peaks[1]) / 1e9:.2f} GB (the weights have {weights / 1e9:.2f} GB)")
    return table.finish()


sys.exit(main())
