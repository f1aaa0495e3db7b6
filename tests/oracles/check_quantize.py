"""`fqlab quantize` against an independent oracle: PyPI's gguf reads the files, ml_dtypes rounds. Development only.

    python3 tests/oracles/check_quantize.py build/release/fqlab MODEL.gguf

Needs: gguf, ml_dtypes, numpy. Untouched tensors must be byte-identical, changed ones equal bit for bit.
"""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import ml_dtypes
import numpy

FORMATS = {"bf16": ml_dtypes.bfloat16, "fp8_e4m3": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2, "f16": numpy.float16}
# ml_dtypes turns what is too large into NaN or infinity; fqlab's 8-bit formats saturate by default.
LARGEST = {"fp8_e4m3": 448.0, "fp8_e5m2": 57344.0}
SELECTIONS = {"0/ffn_norm": lambda name: name == "blk.0.ffn_norm.weight", "*": lambda name: True,
              "1/attn_*": lambda name: name.startswith("blk.1.attn_")}


def rounded(values, format_name):
    if format_name in LARGEST:
        values = numpy.clip(values, -LARGEST[format_name], LARGEST[format_name])
    return values.astype(FORMATS[format_name]).astype(numpy.float32)


def check(program, model, selector, format_name, folder):
    """Number of tensors that are wrong."""
    output = folder / "out.gguf"
    subprocess.run([program, "quantize", model, "--recipe", f"{selector}={format_name}", "-o", output, "--force"], check=True, capture_output=True)
    before, after = gguf.GGUFReader(model), gguf.GGUFReader(output)
    assert [t.name for t in before.tensors] == [t.name for t in after.tensors]
    wrong = changed = 0
    for old, new in zip(before.tensors, after.tensors):
        if SELECTIONS[selector](old.name):
            assert new.tensor_type == gguf.GGMLQuantizationType.F32, new.name
            values = gguf.dequantize(old.data, old.tensor_type).astype(numpy.float32)
            expected = rounded(values, format_name).reshape(-1)
            same = (new.data.reshape(-1).view(numpy.uint32) == expected.view(numpy.uint32)).all()
            changed += 1
        else:
            same = old.tensor_type == new.tensor_type and old.data.tobytes() == new.data.tobytes()
        if not same:
            wrong += 1
            print(f"  wrong: {new.name}")
    assert changed > 0, selector
    print(f"{selector}={format_name}: {changed} changed, {len(before.tensors) - changed} untouched, {wrong} wrong")
    return wrong


def main():
    program, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        wrong = sum(check(program, model, selector, format_name, pathlib.Path(folder))
                    for selector in SELECTIONS for format_name in FORMATS)
    return wrong != 0


sys.exit(main())
