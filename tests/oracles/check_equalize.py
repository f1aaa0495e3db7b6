#!/usr/bin/env python3
"""fqlab equalize on every architecture that llama.cpp's own generator of tiny models writes, with an imatrix of random numbers. Development only.

    python3 tests/oracles/check_equalize.py

fqlab itself compares the logits of both models bit for bit. Here: it ends with a file or with one of the known refusals; every value of the file is
a power of two times the original's, or is the original's; and most architectures have something to equalize.
"""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

import peers
from check_replay_architectures import generate

FEWEST_EQUALIZED = 100
REFUSALS = ("there is nothing to equalize", "does not predict a next token")


def write_imatrix(model, path):
    """Mean squares over eight orders of magnitude, so that every input has something to scale."""
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "")
    writer.kv_data[0].clear()
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["random"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 512)
    for tensor in sorted(model.tensors, key=lambda tensor: tensor.name):
        shape = [int(size) for size in tensor.shape]
        if len(shape) < 2 or not tensor.name.endswith(".weight") or "norm" in tensor.name:
            continue
        matrices = int(np.prod(shape[2:]))
        writer.add_tensor(tensor.name + ".in_sum2", np.exp(3 * random.normal(size=(matrices, shape[0]))).astype(np.float32))
        writer.add_tensor(tensor.name + ".counts", np.ones((matrices, 1), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def other_values(before, after):
    """Tensors with a value that is no power of two times the original's, and how many tensors changed."""
    old = {tensor.name: tensor for tensor in before.tensors}
    wrong, changed = [], 0
    for tensor in after.tensors:
        was, now = old[tensor.name].data, tensor.data
        if np.array_equal(was, now):
            continue
        changed += 1
        mantissas = [np.frexp(np.asarray(values, np.float64))[0] for values in (was, now)]
        if was.dtype != now.dtype or not np.array_equal(*mantissas):
            wrong.append(tensor.name)
    return wrong, changed


def main():
    equalized, problems = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        imatrix, out = folder / "imatrix.gguf", folder / "out.gguf"
        models = generate(2, folder / "models")
        for path in models:
            before = gguf.GGUFReader(path)
            write_imatrix(before, imatrix)
            done = subprocess.run([peers.FQLAB, "equalize", path, "--imatrix", imatrix, "--force", "-o", out], capture_output=True, text=True)
            table = " | ".join(" ".join(line.split()) for line in done.stdout.splitlines()[1:])
            print(f"{path.stem}: {table or done.stderr.strip().splitlines()[-1].replace(name, '')}")
            if done.returncode != 0:
                problems += [] if any(words in done.stderr for words in REFUSALS) else [f"{path.stem}: {done.stderr.strip()}"]
                continue
            wrong, changed = other_values(before, gguf.GGUFReader(out))
            equalized += changed > 0
            problems += [f"{path.stem}: {tensor} has other values" for tensor in wrong]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{equalized} of {len(models)} generated models equalized (bar {FEWEST_EQUALIZED}), {len(problems)} problems")
    return 1 if problems or equalized < FEWEST_EQUALIZED else 0


if __name__ == "__main__":
    sys.exit(main())
