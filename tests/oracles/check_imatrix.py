"""`fqlab imatrix` gives llama-imatrix's numbers on the same tokens, to 1e-5 relative per entry. Development only.

    python3 tests/oracles/check_imatrix.py

Compared: every sum and every count, on several chunk counts and lengths, of both models and of two small ones made here. llama-imatrix
evaluates one chunk a batch (-b), so that the sums are added in the same order. Its default is four chunks a batch, whose tokens it mixes: that
moves its own float32 sums of N squares by more than the bar. The last row of each model shows by how much; its bar is what two orders of
summation may differ by, 2 N roundings of 2^-24.
 - experts: the smallest test model with four experts in every layer (the products that choose matrices);
 - untied: SmolLM2 with a copy of its embedding as output.weight, of which llama-imatrix --process-output collects what it never does of a
   tied embedding: the check of our entry for token_embd.weight.
llama-quantize must read the file, and write with it what it writes with llama-imatrix's, byte for byte. Needs: gguf, numpy.
"""
import os
import pathlib
import sys
import tempfile

import gguf
import numpy

import peers

BAR = 1e-5
SUMS, COUNTS = ".in_sum2", ".counts"
EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"


def entries(path):
    """Weight name -> (sums, counts) as float32 matrices."""
    tensors = {tensor.name: numpy.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}
    names = [name.removesuffix(SUMS) for name in tensors if name.endswith(SUMS)]
    assert len(tensors) == 2 * len(names)
    return {name: (tensors[name + SUMS], tensors[name + COUNTS]) for name in names}


def fqlab_imatrix(folder, model, text, n_ctx, chunks, *more):
    output = folder / "ours.gguf"
    peers.fqlab("imatrix", model, "--corpus", text, "--ctx", n_ctx, "--chunks", chunks, "--threads", peers.THREADS, "-o", output, "--force",
                *more)
    return output


def llama_imatrix(folder, model, text, n_ctx, chunks, n_batch, *more):
    output = folder / "theirs.gguf"
    peers.run([peers.setup("tools") + "/llama-imatrix", "-m", model, "-f", text, "-c", n_ctx, "-b", n_batch, "--chunks", chunks,
               "-t", peers.THREADS, "--no-ppl", "-o", output, *peers.SAME_KERNELS, *more])
    return output


def compare(table, name, n_ctx, chunks, n_batch, ours, theirs):
    """One row; `ours` and `theirs` as entries() gives them."""
    assert list(ours) == list(theirs), sorted(set(ours) ^ set(theirs))
    largest, different, numbers = 0.0, 0, 0
    for weight, (sums, counts) in ours.items():
        expected, expected_counts = theirs[weight]
        assert sums.shape == expected.shape and numpy.array_equal(counts, expected_counts), weight
        error = numpy.abs(sums.astype(float) - expected) / numpy.maximum(expected.astype(float), 1e-300)
        largest, different, numbers = max(largest, error.max()), different + (sums != expected).sum(), numbers + sums.size
    bar = BAR if n_batch <= n_ctx else 2 * n_ctx * chunks * 2.0**-24
    table.add(largest <= bar, name, n_ctx, chunks, n_batch, len(ours), numbers, different, f"{largest:.1e} of {bar:.0e}")


def without(found, weight):
    return {name: entry for name, entry in found.items() if name != weight}


def check_model(table, folder, name, model, text, cases):
    for n_ctx, chunks, n_batch in cases:
        ours = entries(fqlab_imatrix(folder, model, text, n_ctx, chunks))
        assert EMBEDDING in ours, "the models of this check have tied embeddings"
        compare(table, name, n_ctx, chunks, n_batch, without(ours, EMBEDDING),
                entries(llama_imatrix(folder, model, text, n_ctx, chunks, n_batch)))


def copy_model(source, output, change, more=()):
    """Writes a model with other tensors: change(tensor) gives (name, values, type) of those that stand in its place."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(output, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        writer.add_key_value(key, field.contents(), field.types[0], field.types[1] if len(field.types) > 1 else None)
    for key, value in more:
        writer.add_uint32(key, value)
    for tensor in reader.tensors:
        for name, values, kind in change(tensor):
            writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return output


def with_output(tensor):
    yield tensor.name, tensor.data, tensor.tensor_type
    if tensor.name == EMBEDDING:
        yield OUTPUT, tensor.data, tensor.tensor_type


def with_experts(tensor, experts=4):
    kind = tensor.name.split(".")[2] if tensor.name.startswith("blk.") else ""
    if kind not in ("ffn_gate", "ffn_up", "ffn_down"):
        yield tensor.name, tensor.data, tensor.tensor_type
        return
    random = numpy.random.default_rng(list(tensor.name.encode()))
    scales = random.uniform(0.5, 1.5, (experts, 1, 1)).astype(numpy.float32)
    yield tensor.name.replace(kind, kind + "_exps"), tensor.data[None] * scales, tensor.tensor_type
    if kind == "ffn_gate":
        yield tensor.name.replace(kind, "ffn_gate_inp"), random.standard_normal((experts, tensor.data.shape[1]), numpy.float32), tensor.tensor_type


def check_experts(table, folder, text):
    small = pathlib.Path(os.environ.get("FQLAB_SHARED", peers.ROOT.parent / "shared")) / "data/stories260k-f32.gguf"
    if not small.exists():
        return table.note("experts", "absent: stories260k-f32.gguf", *[""] * 6)
    model = copy_model(small, folder / "experts.gguf", with_experts, [("llama.expert_count", 4), ("llama.expert_used_count", 2)])
    for output in ([], ["--process-output"]):
        compare(table, " ".join(["experts", *output]), 128, 4, 128, entries(fqlab_imatrix(folder, model, text, 128, 4, *output)),
                entries(llama_imatrix(folder, model, text, 128, 4, 128, *output)))


def check_embedding(table, folder, model, text):
    untied = copy_model(model, folder / "untied.gguf", with_output)
    ours = entries(fqlab_imatrix(folder, model, text, 512, 2))
    theirs = entries(llama_imatrix(folder, untied, text, 512, 2, 512, "--process-output"))
    compare(table, "untied", 512, 2, 512, {"output": ours[EMBEDDING]}, {"output": theirs[OUTPUT]})


def check_quantizer(table, folder, model, text):
    """llama-quantize with our file and with llama-imatrix's."""
    written = {}
    imatrices = {"embedding": fqlab_imatrix(folder, model, text, 512, 2).rename(folder / "embedding.gguf"),
                 "ours": fqlab_imatrix(folder, model, text, 512, 2, "--no-tied-embedding"),
                 "theirs": llama_imatrix(folder, model, text, 512, 2, 512)}
    for name, imatrix in imatrices.items():
        output = folder / f"{name}-quantized.gguf"
        peers.run([peers.setup("tools") + "/llama-quantize", "--allow-requantize", "--token-embedding-type", "q4_0", "--imatrix", imatrix,
                   model, output, "Q4_0", peers.THREADS])
        written[name] = {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(output).tensors}
    changed = [name for name, data in written["theirs"].items() if data != written["embedding"][name]]
    same = written["ours"] == written["theirs"]
    table.add(same and changed == [EMBEDDING], "llama-quantize Q4_0", 512, 2, "", len(written["ours"]), "",
              "0" if same else "some", f"with the tied entry {', '.join(changed)} differs")


def main():
    table = peers.Table(f"Importance matrices: fqlab against llama-imatrix {' '.join(peers.SAME_KERNELS)} (bar {BAR:g} relative, every entry; other orders of summation: see the docstring)",
                        ["model", "n_ctx", "chunks", "-b", "matrices", "numbers", "other bits", "largest error"])
    models = peers.models()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text = peers.text_file(folder)
        check_experts(table, folder, text)
        check_model(table, folder, "SmolLM2", models["SmolLM2"], text, [(512, 8, 512), (256, 5, 256), (1024, 2, 1024), (512, 8, 2048)])
        check_embedding(table, folder, models["SmolLM2"], text)
        check_quantizer(table, folder, models["SmolLM2"], text)
        if "Gemma 3" in models:
            check_model(table, folder, "Gemma 3", models["Gemma 3"], text, [(512, 4, 512), (256, 5, 256), (512, 4, 2048)])
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
