"""Runs fqlab and llama.cpp's own tools on the same files, for the checks of tests/oracles and the benchmarks of bench/.

FQLAB_PROGRAM replaces build/release/fqlab, FQLAB_THREADS the two threads, FQLAB_SHARED the folder ../shared.
"""
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FQLAB = pathlib.Path(os.environ.get("FQLAB_PROGRAM", ROOT / "build/release/fqlab"))
THREADS = int(os.environ.get("FQLAB_THREADS", "2"))
# The flags that give llama.cpp's tools the kernels fqlab measures with (docs/measurements.md says where they matter).
SAME_KERNELS = ["-fa", "off", "--no-repack", "-ctk", "f32", "-ctv", "f32"]
MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]  # the kinds of SmolLM2's 210
PROMPTS = ["What is 2+2?", "Hello, can you introduce yourself?", "Write a short story about a robot.",
           "Name three colours of the rainbow.", "Why is the sky blue?"]


@functools.cache
def setup(name):
    return subprocess.check_output([ROOT / "scripts/setup", "--print", name], text=True).strip()


@functools.cache
def python():
    """The interpreter that has the packages of requirements.txt."""
    return subprocess.check_output([ROOT / "scripts/oracle-python"], text=True).strip()


def models():
    """Name -> file, of those that are in the cache."""
    files = {"SmolLM2": pathlib.Path(setup("model")), "Gemma 3": pathlib.Path(setup("gemma"))}
    return {name: path for name, path in files.items() if path.exists()}


def skip_where_absent():
    """For `make test`: ends the script with ctest's code for a skipped test where the program, a tool or the model is absent."""
    needed = [FQLAB, pathlib.Path(setup("tools")) / "llama-perplexity", pathlib.Path(setup("tools")) / "llama-completion", pathlib.Path(setup("model"))]
    for path in needed:
        if not path.exists():
            print(f"skipped: absent: {path}")
            sys.exit(77)


def shared(name):
    """A file of ../shared, which may be absent."""
    return pathlib.Path(os.environ.get("FQLAB_SHARED", ROOT.parent / "shared")) / name


def text_file(folder):
    """wikitext-2 where ../shared has it, else the fetched addresses joined into one file below `folder`."""
    wikitext = shared("data/wikitext-2-raw.test.txt")
    if wikitext.exists():
        return wikitext
    joined = pathlib.Path(folder) / "sotu.txt"
    if not joined.exists():
        documents = sorted(pathlib.Path(setup("corpus")).glob("*.txt"))[:40]
        joined.write_text("\n".join(document.read_text(encoding="utf-8") for document in documents), encoding="utf-8")
    return joined


def run(arguments, codes=(0,)):
    """(stdout, stderr, seconds) of a command; its last words and the script's end where it fails."""
    start = time.perf_counter()
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    if done.returncode not in codes:
        sys.exit(f"exit code {done.returncode} of: {' '.join(map(str, arguments))}\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout, done.stderr, seconds


def fqlab(*arguments):
    return run([FQLAB, *arguments])


def quantize(model, recipe, output):
    fqlab("quantize", model, "--recipe", recipe, "-o", output, "--threads", THREADS)
    return output


def compare(folder, model, *arguments):
    """report.json of `fqlab compare`; its report.md lies beside it in `folder`."""
    fqlab("compare", model, *arguments, "--threads", THREADS, "--out", folder, "--force")
    return json.loads((pathlib.Path(folder) / "report.json").read_text(encoding="utf-8"))


def llama_perplexity(model, text, n_ctx, chunks, threads=THREADS):
    """(perplexity after 1, 2 ... chunks as printed, with four decimals; seconds from the first chunk to the last)."""
    out, err, _ = run([setup("tools") + "/llama-perplexity", "-m", model, "-f", text, "-c", n_ctx, "--chunks", chunks, "-t", threads,
                       *SAME_KERNELS])
    estimates = [float(value) for _, value in re.findall(r"\[(\d+)\](\d+\.\d{4})", out + err)]
    assert len(estimates) == chunks, f"llama-perplexity printed {len(estimates)} estimates for {chunks} chunks"
    return estimates, clock(out + err, "Final estimate") - clock(out + err, "calculating perplexity")


def clock(log, phrase):
    """Seconds at which llama.cpp's log has `phrase`."""
    # The estimates go to the other stream without line ends, so the time may stand in the middle of a line.
    minutes, seconds, milliseconds = re.search(r"(\d+)\.(\d\d)\.(\d{3})\.\d{3} I [^\d]*" + phrase, log).groups()
    return 60 * int(minutes) + int(seconds) + int(milliseconds) / 1000


def llama_completion(model, prompt, chat_template, tokens, threads=THREADS, flags=SAME_KERNELS):
    """(the greedy answer, seconds). `chat_template`: one turn through the file's own template; else the raw prompt."""
    mode = ["-cnv", "-st", "--jinja"] if chat_template else ["-no-cnv"]
    out, _, seconds = run([setup("tools") + "/llama-completion", "-m", model, "-p", prompt, *mode, "--temp", "0", "--samplers", "temperature",
                           "-n", tokens, "-c", "512", "-t", threads, "--no-display-prompt", "--no-warmup", *flags])
    assert out.endswith("\n\n"), "llama-completion ends its answer with two line ends"
    return out[:-2].removesuffix(" [end of text]\n"), seconds


def llama_bench(model, repetitions, threads=THREADS, prompt=512, generated=64):
    """({"pp": [tokens/s ...], "tg": [...]}, seconds): one value a repetition, llama.cpp's defaults otherwise."""
    out, _, seconds = run([setup("tools") + "/llama-bench", "-m", model, "-p", prompt, "-n", generated, "-r", repetitions, "-t", threads,
                           "-o", "json"])
    tests = json.loads(out)
    samples = {"pp" if test["n_prompt"] > 0 else "tg": test["samples_ts"] for test in tests}
    assert set(samples) == {"pp", "tg"} and all(len(values) == repetitions for values in samples.values())
    return samples, seconds


class Table:
    """Rows of what was compared; remembers whether every bar was kept."""

    def __init__(self, title, columns):
        self.title, self.columns, self.rows, self.missed = title, columns, [], 0

    def add(self, kept, *cells):
        self.rows.append([*map(str, cells), "kept" if kept else "MISSED"])
        self.missed += not kept
        print("  " + "  ".join(self.rows[-1]), file=sys.stderr, flush=True)

    def note(self, *cells):
        """A row without a bar."""
        self.rows.append([*map(str, cells), "-"])

    def finish(self):
        """Prints the table; the script's exit code."""
        table = [[*self.columns, "bar"], *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        print(f"\n{self.title}")
        for row in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        judged = sum(row[-1] != "-" for row in self.rows)
        print(f"{judged - self.missed} of {judged} bars kept")
        return 1 if self.missed or judged == 0 else 0
