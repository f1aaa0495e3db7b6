#!/usr/bin/env python3
"""Replay on every architecture that llama.cpp's own generator of tiny models writes (tests/test-llama-archs). Development only.

    python3 tests/oracles/check_replay_architectures.py REPLAY_ORACLE [--write]

Compiles the generator from the fetched source, outside the repository: as it is (most models have 2 layers), and with 4 in place of its
2 layers; a model is taken with 4 layers where the generator manages it. Each file is one process of REPLAY_ORACLE (the engine may
abort): the capture against a plain evaluation of the file, and at every cut the original's logits and those of a model whose cut layer
is changed, bit for bit, on 96 tokens in two calls of the engine (the generator's sliding window is 32);
and in one call, that a model which evaluated the original before forgets it.
The table in docs/replay.md must say the same; --write puts it there. At least 20 architectures must be exact at every cut.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import peers

DOCUMENT = peers.ROOT / "docs/replay.md"
BEGIN, END = "<!-- table: tests/oracles/check_replay_architectures.py --write -->", "<!-- end of the table -->"
FEWEST_EXACT = 20
LIBRARIES = ["llama-common", "llama-common-base", "cpp-httplib", "llama", "ggml", "ggml-cpu", "ggml-base"]


def generator(layers):
    """The compiled generator, kept in the cache beside the engine it belongs to."""
    source, engine = pathlib.Path(peers.setup("source")), pathlib.Path(peers.setup("engine"))
    folder = pathlib.Path(peers.setup("cache")) / "oracles" / f"generator-{engine.name}"
    program = folder / f"layers-{layers}"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    text = (source / "tests/test-llama-archs.cpp").read_text(encoding="utf-8").replace('"../src/', '"')
    default = "uint32_t n_layer = 2;"
    assert text.count(default) == 1, "the generator's number of layers is not where it was"
    copy = folder / f"layers-{layers}.cpp"
    copy.write_text(text.replace(default, f"uint32_t n_layer = {layers};"), encoding="utf-8")
    includes = [f"-I{source / name}" for name in ("include", "src", "common", "ggml/include")]
    archives = [engine / f"lib/lib{name}.a" for name in LIBRARIES]
    unfinished = folder / f"layers-{layers}.{os.getpid()}"
    peers.run(["g++", "-std=c++17", "-O1", *includes, copy, "-o", unfinished, *archives, "-fopenmp", "-lpthread", "-ldl", "-lm"])
    unfinished.rename(program)
    return program


def generate(layers, folder, only=None):
    """Files below `folder`; an architecture that the generator cannot make ends it, with what it made before."""
    folder.mkdir(exist_ok=True)
    arguments = ["-a", f"^{only}$"] if only else []
    subprocess.run([generator(layers), "-s", "1", "-o", folder, *arguments], capture_output=True, timeout=300)
    return sorted(folder.glob("*.gguf"))


def look_at(oracle, path):
    done = subprocess.run([oracle, path], capture_output=True, text=True, timeout=120, errors="replace")
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no message"])
        return {"error": f"the engine died: {next((line for line in words if 'ASSERT' in line or 'abort' in line.lower()), words[-1])[:120]}"}
    return json.loads(done.stdout)


def judge(found):
    """(exact at every cut, cuts, what to say about it)"""
    if "error" in found:
        return False, "", f"whole model: {re.sub(r' [(]/[^)]*[)]', '', found['error'])}"  # without the temporary path
    cuts = found["cuts"]
    causes = {cut["problem"] for cut in cuts if cut["problem"]}
    causes |= {"a changed layer gives other bits" for cut in cuts if not cut["problem"] and not cut["exact"]}
    causes |= {"the change of a layer shows nowhere" for cut in cuts if not cut["problem"] and not cut["changes"]}
    if not found["forgets"]:
        causes.add("a changed weight is not read")
    if not found["whole"]:
        causes.add("the captured pass differs from a plain one")
    good = [cut for cut in cuts if not cut["problem"] and cut["exact"] and cut["changes"]]
    note = f"whole model: {'; '.join(sorted(causes))}" if causes else " ".join(f"{100 * cut['spared']:.0f}" for cut in cuts)
    return not causes and bool(cuts), f"{len(good)} of {len(cuts)}", note


def table(oracle, folder):
    rows, exact = [], set()
    for path in generate(2, folder / "2"):
        architecture = path.stem.rsplit("-", 1)[0]
        deeper = [other for other in generate(4, folder / "4", architecture) if other.name == path.name]
        found = look_at(oracle, (deeper or [path])[0])
        for old in (folder / "4").glob("*.gguf"):
            old.unlink()
        good, cuts, note = judge(found)
        if good:
            exact.add(architecture)
        rows.append((path.stem, cuts, note, good))
        print(f"{path.stem}: {cuts} {note}", file=sys.stderr)
    models = sum(row[3] for row in rows)
    lines = [f"{models} of {len(rows)} models ({len(exact)} architectures) are exact at every cut.", "",
             "| model | exact cuts | % of the matrix work spared by each cut, or the cause |", "|---|---|---|"]
    lines += [f"| {name} | {cuts} | {note} |" for name, cuts, note, _ in sorted(rows, key=lambda row: (row[3], row[0]))]
    return "\n".join(lines), len(exact), len(rows)


def main():
    oracle = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        text, exact, models = table(oracle, pathlib.Path(folder))
    document = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = document.partition(BEGIN)
    old, _, after = rest.partition(END)
    if "--write" in sys.argv:
        DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
        old = text
    same = old.strip() == text.strip()
    if not same:
        print(text)
        print("docs/replay.md says something else; --write puts this table there", file=sys.stderr)
    print(f"{exact} architectures exact at every cut (bar {FEWEST_EXACT}) of {models} models, the table is {'the same' if same else 'another'}")
    return 0 if same and exact >= FEWEST_EXACT else 1


if __name__ == "__main__":
    sys.exit(main())
