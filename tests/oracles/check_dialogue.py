"""fqlab's greedy answers are llama-completion's: same file, same template, temperature 0, 64 tokens, five prompts. Development only.

    python3 tests/oracles/check_dialogue.py [--quick]

Compared as text, byte for byte: both print the pieces of the same vocabulary, so a token that differs shows unless two tokens have
the same letters. SmolLM2 runs through its own chat template, Gemma 3 (base) has none and gets the raw prompt; each file as stored
(native arithmetic) and as its F32 expansion (reference arithmetic; llama-completion runs the expanded file).
--quick: two prompts of SmolLM2 as stored, 16 tokens.
"""
import pathlib
import sys
import tempfile

import peers

IDENTITY = "0/ffn_norm=f32"  # changes nothing: the original's answers are what is compared


def first_difference(a, b):
    if a == b:
        return ""
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"at {at}: {a[at:at + 20]!r} / {b[at:at + 20]!r}"


def check(table, folder, name, model, peer_model, arithmetic, prompts, tokens, text):
    prompt_file = folder / "prompts.txt"
    prompt_file.write_text("\n".join(prompts) + "\n", encoding="utf-8")
    report = peers.compare(folder / "report", model, "--recipe", IDENTITY, "--arithmetic", arithmetic, "--corpus", text, "--ctx", 32,
                           "--chunks", 1, "--prompts", prompt_file, "--predict", tokens, "--no-speed")
    for prompt, answer in zip(prompts, report["dialogue"], strict=True):
        assert answer["prompt"] == prompt
        theirs, _ = peers.llama_completion(peer_model, prompt, answer["chat_template"], tokens)
        ours = answer["original"]
        table.add(ours == theirs and answer["identical"] and ours.strip() != "", name, arithmetic, "template" if answer["chat_template"] else "raw prompt",
                  prompt, f"{len(ours)} characters", first_difference(ours, theirs) or "same")
        if prompt == prompts[0]:
            table.add(answer["chat_template"] == (name == "SmolLM2"), name, arithmetic, "has a template", "", answer["chat_template"], "")


def main():
    quick = "--quick" in sys.argv[1:]
    if quick:
        peers.skip_where_absent()
    prompts, tokens = (peers.PROMPTS[:2], 16) if quick else (peers.PROMPTS, 64)
    table = peers.Table(f"Greedy answers of {tokens} tokens: fqlab against llama-completion --temp 0 {' '.join(peers.SAME_KERNELS)}",
                        ["model", "arithmetic", "prompt by", "prompt", "answer", "difference (fqlab / llama-completion)"])
    with tempfile.TemporaryDirectory() as folder_name:
        folder = pathlib.Path(folder_name)
        text = peers.text_file(folder)
        for name, model in peers.models().items():
            if quick and name != "SmolLM2":
                continue
            check(table, folder, name, model, model, "native", prompts, tokens, text)
            if not quick:
                wide = peers.quantize(model, "*=f32", folder / f"{name}.gguf")
                check(table, folder, name, model, wide, "reference", prompts, tokens, text)
                wide.unlink()
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
