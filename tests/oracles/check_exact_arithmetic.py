"""What `0/ffn_norm=bf16` does to Gemma 3 270M in float64, with llama.cpp's GELU table and without it. Development only.

    python3 tests/oracles/check_exact_arithmetic.py [--chunks N]

llama.cpp's float32 GELU rounds its argument and its value to 16 bits (ggml_vec_geglu_f32); fqlab's reference arithmetic computes it in full
precision, unless --gelu engine is given. This is the same model in numpy float64, read from the same file and sharing no code with llama.cpp:
tokenizer, graph, weights (gguf.quants). It runs with two GELUs: the exact tanh formula, and that formula through ggml's table. Proved for both:
 - the model is the same: the perplexities are fqlab's, to what the noise floor F leaves open (float32 round-off is such noise: two runs of N
   positions at a KL of F apart have mean log likelihoods some sqrt(2 F / N) apart; the bar is four times that);
 - fqlab's KL of the change is the float64 one, to 2 sqrt(KL F) + F: for small differences KL is half a mean square, and a root of a mean
   square moves by at most that of the noise.
The +/- 1 ulp rows (a change that means nothing) show what each arithmetic makes of round-off.
--chunks: of wikitext-2, 4 unless given.
Needs: gguf, ml_dtypes, numpy; 4 GB of memory. About six minutes for four chunks.
"""
import argparse
import heapq
import math
import pathlib
import sys
import tempfile

import gguf
import ml_dtypes
import numpy as np
from gguf.quants import dequantize

import peers

CHANGED, RECIPE = "blk.0.ffn_norm.weight", "0/ffn_norm=bf16"
N_CTX, FIRST, COUNT = 512, 256, 255  # positions 256 .. 510 are scored, each on the token after it
SEEDS = {"table": (1, 2, 3), "exact": (1,)}
SLAB = 2048  # rows of the output matrix at a time


# --- tokens -----------------------------------------------------------------------------------------------------------
class Tokenizer:
    """llama.cpp's SPM tokenizer: user-defined tokens first, the longest first; then the pair with the highest score is merged."""

    def __init__(self, value):
        self.tokens = value("tokenizer.ggml.tokens")
        self.scores, types = value("tokenizer.ggml.scores"), value("tokenizer.ggml.token_type")
        assert value("tokenizer.ggml.model") == "llama" and value("tokenizer.ggml.add_bos_token")
        assert not value("tokenizer.ggml.add_space_prefix")
        self.bos, self.ids = value("tokenizer.ggml.bos_token_id"), {token: i for i, token in enumerate(self.tokens)}
        special = {gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED}
        self.special = sorted((i for i, kind in enumerate(types) if kind in special), key=lambda i: -len(self.tokens[i].encode()))

    def encode(self, text):
        fragments = [text]  # text, or the id of a token
        for i in self.special:
            if self.tokens[i] and self.tokens[i] in text:
                fragments = [part for fragment in fragments for part in self.split(fragment, i)]
        return [i for fragment in fragments for i in ([fragment] if isinstance(fragment, int) else self.merge(fragment))]

    def split(self, fragment, i):
        if isinstance(fragment, int):
            return [fragment]
        pieces = [part for piece in fragment.split(self.tokens[i]) for part in (piece, i)][:-1]
        return [piece for piece in pieces if piece != ""]

    def merge(self, text):
        symbols = list(text.replace(" ", "\u2581"))
        before, after = list(range(-1, len(symbols) - 1)), [*range(1, len(symbols)), -1]
        queue = []

        def offer(left, right):
            token = self.ids.get(symbols[left] + symbols[right]) if left >= 0 and right >= 0 else None
            if token is not None:
                heapq.heappush(queue, (-self.scores[token], left, right, symbols[left] + symbols[right]))

        for right in range(1, len(symbols)):
            offer(right - 1, right)
        while queue:
            _, left, right, merged = heapq.heappop(queue)
            if not symbols[left] or not symbols[right] or symbols[left] + symbols[right] != merged:
                continue
            symbols[left], symbols[right], after[left] = merged, "", after[right]
            if after[right] >= 0:
                before[after[right]] = left
            offer(before[left], left)
            offer(left, after[left])
        for symbol in filter(None, symbols):
            token = self.ids.get(symbol)
            yield from [token] if token is not None else (self.ids[f"<0x{byte:02X}>"] for byte in symbol.encode())


def chunks_of(tokenizer, text, count):
    """[count, N_CTX] ids. Only the start of the text is encoded: merges do not reach far."""
    start = text[:count * N_CTX * 8].removesuffix("\n")
    ids = [tokenizer.bos, *tokenizer.encode(start)]
    assert len(ids) > count * N_CTX + 256, "more of the text must be encoded"
    chunks = np.array(ids[:count * N_CTX]).reshape(count, N_CTX)
    chunks[:, 0] = tokenizer.bos
    return chunks


# --- the model --------------------------------------------------------------------------------------------------------
def exact_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))


def gelu_table():
    """ggml_table_gelu_f16: the formula in float32 at every 16-bit float, rounded to one."""
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        y = np.float32(0.5) * x * (1 + np.tanh(np.float32(math.sqrt(2 / math.pi)) * x * (1 + np.float32(0.044715) * x * x)))
        return y.astype(np.float16).astype(float)


GELU_TABLE = gelu_table()


def table_gelu(x):
    with np.errstate(over="ignore"):
        looked_up = GELU_TABLE[x.astype(np.float32).astype(np.float16).view(np.uint16)]
    return np.where(x <= -10, 0, np.where(x >= 10, x, looked_up))


class Gemma:
    """src/models/gemma3.cpp. Norm weights in the file have 1 added already."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)

        def value(key, otherwise=None):
            return reader.fields[key].contents() if key in reader.fields else otherwise

        assert value("general.architecture") == "gemma3" and value("gemma3.final_logit_softcapping") is None
        assert not any(key.startswith("gemma3.rope.scaling") for key in reader.fields)
        self.tokenizer = Tokenizer(value)
        self.layers, self.width = value("gemma3.block_count"), value("gemma3.embedding_length")
        self.heads, self.kv_heads = value("gemma3.attention.head_count"), value("gemma3.attention.head_count_kv")
        self.head_size, self.window = value("gemma3.attention.key_length"), value("gemma3.attention.sliding_window")
        self.epsilon = value("gemma3.attention.layer_norm_rms_epsilon")
        self.base, self.window_base = value("gemma3.rope.freq_base"), value("gemma3.rope.freq_base_swa", 10000.0)
        self.pattern = value("gemma3.attention.sliding_window_pattern", 6)
        assert isinstance(self.pattern, int) and self.layers != 62, "a list, and the scale of the 27B model, are not read here"
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        assert "output.weight" not in self.tensors
        self.weights = {name: self.rows(name) for name in self.tensors if not name.startswith("token_embd")}

    def rows(self, name, which=slice(None)):
        tensor = self.tensors[name]
        return dequantize(tensor.data[which], tensor.tensor_type).astype(float)

    def norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * weight

    def rotate(self, x, base):
        """RoPE of [position, head, value], pairs half a head apart."""
        half = self.head_size // 2
        angle = np.arange(len(x))[:, None] * base ** (-np.arange(half) / half)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    def attention(self, x, weight, windowed):
        base = self.window_base if windowed else self.base
        n = len(x)
        q, k, v = (np.reshape(x @ weight(f"attn_{kind}").T, (n, -1, self.head_size)) for kind in "qkv")
        q = self.rotate(self.norm(q, weight("attn_q_norm")), base) / math.sqrt(self.head_size)
        k = self.rotate(self.norm(k, weight("attn_k_norm")), base)
        distance = np.arange(n)[:, None] - np.arange(n)
        hidden = (distance < 0) | (windowed & (distance >= self.window))
        out = np.empty_like(q)
        for head in range(self.heads):
            shared = head // (self.heads // self.kv_heads)
            scores = np.where(hidden, -np.inf, q[:, head] @ k[:, shared].T)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, head] = p @ v[:, shared] / p.sum(-1, keepdims=True)
        return out.reshape(n, -1) @ weight("attn_output").T

    def hidden(self, chunk, gelu, changed):
        """What the output matrix is applied to, at the scored positions of one chunk. `changed`: other values of CHANGED."""
        x = self.rows("token_embd.weight", chunk) * math.sqrt(self.width)
        for layer in range(self.layers):
            def weight(kind):
                name = f"blk.{layer}.{kind}.weight"
                return changed if name == CHANGED else self.weights[name]

            windowed = layer % self.pattern < self.pattern - 1
            x = x + self.norm(self.attention(self.norm(x, weight("attn_norm")), weight, windowed), weight("post_attention_norm"))
            y = self.norm(x, weight("ffn_norm"))
            y = (gelu(y @ weight("ffn_gate").T) * (y @ weight("ffn_up").T)) @ weight("ffn_down").T
            x = x + self.norm(y, weight("post_ffw_norm"))
        return self.norm(x[FIRST:FIRST + COUNT], self.weights["output_norm.weight"])

    def score(self, hidden, pairs, targets):
        """({run: nll per position}, {(a, b): KL(a || b) per position}); `hidden`: run -> [position, width].

        The sums are over exp(logit) as it is: Gemma's logits are far from float64's limit. With d = b - a and means under a's softmax,
        KL = log(1 + E[d] + E[exp(d) - 1 - d]) - E[d], which keeps its digits where d is small; that logarithm is log sum exp(b) - log sum exp(a)."""
        total = {a: np.zeros(COUNT) for a, _ in pairs}
        target = {run: np.zeros(COUNT) for run in hidden}
        linear, rest = {pair: np.zeros(COUNT) for pair in pairs}, {pair: np.zeros(COUNT) for pair in pairs}
        for start in range(0, len(self.tokenizer.tokens), SLAB):
            matrix = self.rows("token_embd.weight", slice(start, start + SLAB)).T
            here = np.nonzero((targets >= start) & (targets < start + matrix.shape[1]))[0]
            logits = {run: x @ matrix for run, x in hidden.items()}
            weights = {a: np.exp(logits[a]) for a in total}
            for a in total:
                assert np.abs(logits[a]).max() < 500
                total[a] += weights[a].sum(-1)
            for run in hidden:
                target[run][here] = logits[run][here, targets[here] - start]
            for a, b in pairs:
                d = logits[b] - logits[a]
                linear[a, b] += np.einsum("pv,pv->p", weights[a], d)
                rest[a, b] += np.einsum("pv,pv->p", weights[a], np.expm1(d) - d)
        nll, kl = {a: np.log(total[a]) - target[a] for a in total}, {}
        for a, b in pairs:
            mean = linear[a, b] / total[a]
            growth = np.log1p(mean + rest[a, b] / total[a])
            kl[a, b] = growth - mean
            nll.setdefault(b, np.log(total[a]) + growth - target[b])
        return nll, kl


def one_ulp(values, seed):
    """Every value moved to a neighbour in float32, up or down."""
    towards = np.random.default_rng(seed).choice([-np.inf, np.inf], values.shape).astype(np.float32)
    return np.nextafter(values, towards)


# --- the table --------------------------------------------------------------------------------------------------------
def per_chunk(values):
    return " ".join(f"{value:.2e}" for value in values)


def measure(model, chunks, gelus):
    """({run: perplexity}, {(a, b): KL of each chunk}) where a run is (GELU, weights)."""
    original = model.rows(CHANGED).astype(np.float32)
    weights = {"original": original, "bf16": original.astype(ml_dtypes.bfloat16).astype(np.float32)}
    weights |= {f"ulp {seed}": one_ulp(original, seed) for seed in SEEDS["table"]}
    assert (weights["bf16"] != original).sum() == 14 and original.size == 640
    changes = {gelu: ["bf16", *(f"ulp {seed}" for seed in SEEDS[gelu])] for gelu in gelus}
    pairs = [((gelu, "original"), (gelu, change)) for gelu in gelus for change in changes[gelu]]
    if len(gelus) == 2:
        pairs.append((("exact", "original"), ("table", "original")))
    nll, kl = {}, {}
    for index, chunk in enumerate(chunks):
        print(f"  chunk {index + 1} of {len(chunks)}", file=sys.stderr, flush=True)
        hidden = {(gelu, change): model.hidden(chunk, function, weights[change].astype(float))
                  for gelu, function in gelus.items() for change in ["original", *changes[gelu]]}
        positions, divergences = model.score(hidden, pairs, chunk[FIRST + 1:FIRST + 1 + COUNT])
        for run, values in positions.items():
            nll.setdefault(run, []).append(values.mean())
        for pair, values in divergences.items():
            kl.setdefault(pair, []).append(values.mean())
    return {run: math.exp(np.mean(values)) for run, values in nll.items()}, {pair: np.array(values) for pair, values in kl.items()}


def compared(folder, path, text, chunks, gelu):
    return peers.compare(folder / gelu, path, "--recipe", RECIPE, "--arithmetic", "reference", "--gelu", {"table": "engine"}.get(gelu, gelu),
                         "--corpus", text, "--chunks", chunks, "--ctx", N_CTX, "--no-dialogue", "--no-speed")


def check(table, gelu, perplexity, kl, report):
    """Rows of one GELU: here, and by fqlab."""
    floor, mean = report["kl"]["noise_floor"]["mean"], report["kl"]["mean"]
    bar = 4 * math.sqrt(2 * floor / report["settings"]["scored_positions"])
    for side, change in (("original", "original"), ("variant", "bf16")):
        ours, theirs = perplexity[gelu, change], report["perplexity"][side]
        error = abs(ours - theirs) / theirs
        table.add(error <= bar, f"perplexity, {change}", gelu, f"{ours:.7f}", f"{theirs:.7f}", f"{error:.1e} of {bar:.1e}", "")
    found = kl[(gelu, "original"), (gelu, "bf16")]
    error, bar = abs(found.mean() - mean), 2 * math.sqrt(mean * floor) + floor
    table.add(error <= bar, f"KL, {RECIPE}", gelu, f"{found.mean():.4e}", f"{mean:.4e}", f"{error:.1e} of {bar:.1e}", per_chunk(found))
    table.note("  of fqlab", gelu, "", "", "", per_chunk(chunk["kl_mean"] for chunk in report["per_chunk"]))
    for seed in SEEDS[gelu]:
        noise = kl[(gelu, "original"), (gelu, f"ulp {seed}")]
        table.note(f"KL, +/- 1 ulp, seed {seed}", gelu, f"{noise.mean():.3e}", f"{floor:.3e}", "", per_chunk(noise))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=4)
    options = parser.parse_args()
    if options.chunks < 4:
        parser.error("an interval needs four chunks")
    path = peers.models().get("Gemma 3")
    if path is None:
        sys.exit(f"absent: {peers.setup('gemma')}; run scripts/setup --test-data")
    table = peers.Table(f"Exact arithmetic: Gemma 3, {RECIPE}, {options.chunks} chunks of {N_CTX}, in float64",
                        ["what", "GELU", "here", "fqlab", "error", "per chunk"])
    gelus = {"table": table_gelu, "exact": exact_gelu}
    with tempfile.TemporaryDirectory() as name:
        text = peers.text_file(name)
        model = Gemma(path)
        chunks = chunks_of(model.tokenizer, text.read_text(encoding="utf-8"), options.chunks)
        perplexity, kl = measure(model, chunks, gelus)
        for gelu in gelus:
            check(table, gelu, perplexity, kl, compared(pathlib.Path(name), path, text, options.chunks, gelu))
    found = kl[("exact", "original"), ("table", "original")]
    table.note("KL, exact || table, nothing changed", "both", f"{found.mean():.3e}", "", "", per_chunk(found))
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
