#!/usr/bin/env python3
"""What people write who have no fqlab: a copy of a GGUF file in which one tensor is rounded to int4 in groups of 32 (needs PyPI gguf).

    bench/patch_by_hand.py IN.gguf TENSOR OUT.gguf

The reader and writer are those of llama.cpp's own Python package. bench/sweep_vs_by_hand.py times it.
"""
import sys

import gguf
import numpy


def int4_in_groups_of_32(values):
    groups = values.reshape(-1, 32)
    scale = numpy.abs(groups).max(axis=1, keepdims=True) / 7
    scale[scale == 0] = 1
    return (numpy.clip(numpy.rint(groups / scale), -8, 7) * scale).astype(numpy.float32).reshape(values.shape)


def main():
    source, name, target = sys.argv[1:]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name != "general.architecture" and not field.name.startswith("GGUF."):
            kind = field.types[0]
            writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, int4_in_groups_of_32(tensor.data) if tensor.name == name else tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
