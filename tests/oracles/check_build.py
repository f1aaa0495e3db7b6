"""`fqlab build` against stock llama-quantize: the same tensor bytes from the exported --tensor-type-file, and the types of the stock mixes.

    python3 tests/oracles/check_build.py [--quick] [build/release/tests/mix_oracle]

Needs: gguf, numpy. Models: the F16 reference that ../shared/tools/make_reference.py makes of SmolLM2 (its F32 expansion where that is absent), and
Gemma's F32 expansion. Plans are made up at random; every other tensor gets another type.
"""
import json
import pathlib
import random
import sys
import tempfile

import gguf
import peers

QUICK = "--quick" in sys.argv
ORACLE = next((argument for argument in sys.argv[1:] if not argument.startswith("--")), peers.ROOT / "build/release/tests/mix_oracle")
QUANTIZE, IMATRIX = (pathlib.Path(peers.setup("tools")) / name for name in ("llama-quantize", "llama-imatrix"))
SMALL_BLOCKS = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"]
LARGE_BLOCKS = ["q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_xs"]
MIXES = {"SmolLM2": ["Q2_K", "Q3_K_M", "Q4_0", "Q4_0+imatrix", "Q4_K_S", "Q4_K_M", "Q5_K_M+imatrix", "Q6_K", "IQ3_XXS+imatrix", "IQ4_XS+imatrix", "Q8_0"],
         "Gemma 3": ["Q3_K_S", "Q4_K_M", "IQ4_NL+imatrix", "Q2_K"]}
QUICK_MIXES = {"SmolLM2": ["Q4_0+imatrix", "Q4_K_M"], "Gemma 3": []}
# Metadata in which the two files are to differ: fqlab names the imatrix without its folder, and the type of most values.
OURS = {"quantize.imatrix.file", "quantize.imatrix.dataset", "general.file_type", "fqlab.version", "fqlab.plan", "fqlab.source.sha256"}


def tensors(path):
    """Name -> (type, bytes)."""
    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}


def types(path):
    return {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}


def metadata(path):
    return {key: field.contents() for key, field in gguf.GGUFReader(path).fields.items() if not key.startswith("GGUF.") and key not in OURS}


def source_of(name, model, folder):
    """What is quantized: 16 or 32 bits."""
    script = peers.shared("tools/make_reference.py")
    if name == "SmolLM2" and script.exists():
        peers.run([sys.executable, script, model, folder / "source.gguf"])
        return folder / "source.gguf"
    return peers.quantize(model, "*=f32", folder / "source.gguf")


def imatrix_of(source, folder):
    peers.run([IMATRIX, "-m", source, "-f", peers.text_file(folder), "-o", folder / "some.imatrix.gguf", "-c", 512, "--chunks", 2, "-t", peers.THREADS])
    return folder / "some.imatrix.gguf"


def made_up_plan(source, quantizable, imatrix, path):
    rng = random.Random(8)
    columns = {tensor.name: int(tensor.shape[0]) for tensor in gguf.GGUFReader(source).tensors}
    lines = [f"model = {source}", f"imatrix = {imatrix}" if imatrix else "", "[tensors]"]
    for name in quantizable:
        fitting = SMALL_BLOCKS + (LARGE_BLOCKS if columns[name] % 256 == 0 else [])
        if imatrix and columns[name] % 256 == 0 and name.startswith("blk.1."):
            fitting = ["iq3_xxs"]  # only with an imatrix
        lines.append(f"{name} = {rng.choice(fitting)}")
    path.write_text("\n".join(lines) + "\n")


def check_plan(table, name, source, quantizable, imatrix, folder):
    plan, ours, stock, pins = (folder / file for file in ("made-up.plan", "ours.gguf", "stock.gguf", "types.txt"))
    made_up_plan(source, quantizable, imatrix, plan)
    peers.fqlab("build", plan, "-o", ours, "--threads", peers.THREADS, "--force")
    peers.fqlab("build", plan, "--export", "tensor-types", "-o", pins, "--force")
    peers.run([QUANTIZE, *(["--imatrix", imatrix] if imatrix else []), "--tensor-type-file", pins, source, stock, "Q8_0", peers.THREADS])
    one, other = tensors(ours), tensors(stock)
    different = [tensor for tensor in one.keys() | other.keys() if one.get(tensor) != other.get(tensor)]
    kinds = {kind for kind, _ in one.values()}
    table.add(not different, name, "plan" + (" with imatrix" if imatrix else ""),
              f"{len(one)} tensors of {len(kinds)} types, {len(different)} differ {different[:3] if different else ''}".strip())
    a, b = metadata(ours), metadata(stock)
    keys = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    table.add(not keys, name, "metadata", f"{len(b)} keys, different: {', '.join(keys) or 'none'}")


def check_mix(table, name, source, mix, ours, imatrix, folder):
    stock = folder / "stock.gguf"
    plain = mix.removesuffix("+imatrix")
    peers.run([QUANTIZE, *(["--imatrix", imatrix] if mix != plain else []), source, stock, plain, peers.THREADS])
    wrong = [tensor for tensor, kind in types(stock).items() if tensor in ours and ours[tensor].upper() != kind]
    table.add(not wrong, name, mix, f"{len(ours)} tensors, {len(wrong)} of another type {wrong[:3] if wrong else ''}".strip())


def check_alignment(table, folder):
    """A file with 64-byte alignment, which llama-quantize breaks."""
    model = peers.shared("data/stories260k-f32.gguf")
    if not model.exists():
        return
    reader, aligned = gguf.GGUFReader(model), folder / "aligned.gguf"
    writer = gguf.GGUFWriter(aligned, "llama")
    writer.add_custom_alignment(64)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            writer.add_key_value(key, field.contents(), field.types[0], field.types[1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        write()
    results = []
    for source in (model, aligned):
        quantizable = mixes_of(source, ["Q4_0"])["Q4_0"]
        plan = folder / "stories.plan"
        plan.write_text("\n".join([f"model = {source}", "[tensors]", *(f"{name} = {kind}" for name, kind in quantizable.items())]))
        peers.fqlab("build", plan, "-o", folder / "stories.gguf", "--force")
        results.append(tensors(folder / "stories.gguf"))
    table.add(results[0] == results[1], "stories260k", "alignment 64", f"{len(results[0])} tensors as with alignment 32")


def mixes_of(source, mixes):
    return json.loads(peers.run([ORACLE, source, *mixes])[0])


def main():
    table = peers.Table("fqlab build against stock llama-quantize", ["model", "what", "result"])
    for name, model in peers.models().items():
        if QUICK and name != "SmolLM2":
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            source = source_of(name, model, folder)
            imatrix = imatrix_of(source, folder)
            mixes = (QUICK_MIXES if QUICK else MIXES)[name]
            ours = mixes_of(source, ["Q8_0", *mixes])
            for used in (None, imatrix):
                check_plan(table, name, source, ours["Q8_0"], used, folder)
            for mix in mixes:
                check_mix(table, name, source, mix, ours[mix], imatrix, folder)
    with tempfile.TemporaryDirectory() as temporary:
        check_alignment(table, pathlib.Path(temporary))
    return table.finish()


sys.exit(main())
