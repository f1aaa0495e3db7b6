#!/usr/bin/env python3
"""How cells get their chunks, on maps that were really measured: `fqlab sweep --top 10`, and the default map.

    check_allocation.py [--study FILE] [--seeds 20]

The truth is every matrix of SmolLM2 in int4:g32 on 16 chunks of wikitext-2 (35 minutes on two quiet cores; --study keeps it, and other
formats of which it holds all cells on 8 chunks are taken too). Sweeps are simulated on it by the product's own allocation
(allocation_oracle).
Races: the chunks in an order of its own for each seed; in at least 19 of 20 every returned cell has at least 0.95 of the true tenth's KL;
never more than a third of the tokens of 8 chunks everywhere. Default maps of 8 chunks: the cells in an order of its own for each seed, so
that others are pilots; in at least 19 of 20 Spearman 0.97 against all chunks; never more than a quarter of the tokens.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import peers

FORMAT, TOP, CHUNKS, MAP_CHUNKS = "int4:g32", 10, 16, 8
ORACLE = peers.FQLAB.parent / "tests/allocation_oracle"


def measured_maps(study, folder):
    """{format: [the cells' KL by chunk, and what a chunk of each costs]}: the layers from its own on, and the head."""
    peers.fqlab("sweep", peers.setup("model"), "--formats", FORMAT, "--select", ",".join(peers.MATRICES), "--corpus", peers.text_file(folder), "--chunks", CHUNKS,
                "--exhaustive", "--study", study, "--workers", peers.THREADS)
    found = json.loads(peers.fqlab("show", study, "--json")[0])
    layer = {group["name"]: group["layer"] for group in found["groups"]}
    layers = 1 + max(number for number in layer.values() if number is not None)
    maps = {}
    for form in found["formats"]:
        cells = [cell for cell in found["cells"] if cell["mode"] == "only" and cell["format"] == form and cell["kl"]]
        if min(len(cell["chunks"]) for cell in cells) < MAP_CHUNKS:
            continue
        maps[form] = {"kl": [[chunk["kl"] for chunk in cell["chunks"]] for cell in cells],
                      "cost": [layers - layer[cell["group"]] + layers / 5 for cell in cells]}
    return maps


def simulate(mode, maps):
    done = subprocess.run([ORACLE, *(str(word) for word in mode)], input=json.dumps(maps), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check_races(table, truth, seeds):
    races = simulate(["race", TOP, seeds], truth)
    won = sum(weakest >= 0.95 for weakest in races["weakest"])
    table.add(won >= 0.95 * seeds, "races in which every winner has 0.95 of the true tenth's KL", f"{won} of {seeds}", "95 %")
    table.note("weakest winner of all races, of the true tenth", f"{min(races['weakest']):.3f}", "")
    table.add(max(races["share_of_tokens"]) <= 1 / 3, "most tokens of a race, of 8 chunks everywhere", f"{max(races['share_of_tokens']):.1%}", "33.3 %")


def check_maps(table, maps, seeds):
    first = [{**truth, "kl": [kl[:MAP_CHUNKS] for kl in truth["kl"]]} for truth in maps.values()]
    for form, found in zip(maps, simulate(["map", seeds], first)):
        near = sum(order >= 0.97 for order in found["spearman"])
        table.add(near >= 0.95 * seeds, f"{form}: maps with Spearman 0.97 against all chunks", f"{near} of {seeds}", "95 %")
        table.note(f"{form}: mean and least Spearman", f"{statistics.mean(found['spearman']):.4f}, {min(found['spearman']):.4f}", "")
        table.add(max(found["share_of_tokens"]) <= 0.25, f"{form}: most tokens of a map, and on average",
                  f"{max(found['share_of_tokens']):.1%}, {statistics.mean(found['share_of_tokens']):.1%}", "25 %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        maps = measured_maps(options.study or folder / "truth.fqlab", folder)
    truth = next(maps[form] for form in maps if form.startswith(FORMAT))
    table = peers.Table(f"Races for the {TOP} largest of {len(truth['kl'])} cells on {CHUNKS} chunks, maps of {MAP_CHUNKS}; {options.seeds} each", ["what", "found", "bar"])
    check_races(table, truth, options.seeds)
    check_maps(table, maps, options.seeds)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
