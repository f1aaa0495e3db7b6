#!/usr/bin/env python3
"""`fqlab sweep --top 10` on a map that was really measured: does it find the ten largest, for a third of the tokens?

    check_race.py [--study FILE] [--seeds 20]

The truth is every matrix of SmolLM2 in int4:g32 on 16 chunks of wikitext-2 (20 minutes on two quiet cores; --study keeps it). A race is
simulated on it by the product's own allocation (race_oracle), the chunks in an order of its own for each seed. Bars: in at least 19 of 20
seeds every returned cell has at least 0.95 of the true tenth's KL; never more than a third of the tokens of 8 chunks everywhere.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import peers

FORMAT, TOP, CHUNKS = "int4:g32", 10, 16
ORACLE = peers.FQLAB.parent / "tests/race_oracle"


def measured_map(study, folder):
    """The cells' KL by chunk, and what a chunk of each costs: the layers from its own on, and the head."""
    peers.fqlab("sweep", peers.setup("model"), "--formats", FORMAT, "--select", ",".join(peers.MATRICES), "--corpus", peers.text_file(folder), "--chunks", CHUNKS,
                "--exhaustive", "--study", study, "--workers", peers.THREADS)
    found = json.loads(peers.fqlab("show", study, "--json")[0])
    layer = {group["name"]: group["layer"] for group in found["groups"]}
    cells = [cell for cell in found["cells"] if cell["mode"] == "only"]
    layers = 1 + max(layer[cell["group"]] for cell in cells)
    return {"kl": [[chunk["kl"] for chunk in cell["chunks"]] for cell in cells], "cost": [layers - layer[cell["group"]] + layers / 5 for cell in cells]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        truth = measured_map(options.study or folder / "race.fqlab", folder)
    done = subprocess.run([ORACLE, str(TOP), str(options.seeds)], input=json.dumps(truth), capture_output=True, text=True, check=True)
    races = json.loads(done.stdout)
    won = sum(weakest >= 0.95 for weakest in races["weakest"])
    table = peers.Table(f"Racing for the {TOP} largest of {len(truth['kl'])} cells, {options.seeds} orders of {CHUNKS} chunks", ["what", "found", "bar"])
    table.add(won >= 0.95 * options.seeds, "races in which every winner has 0.95 of the true tenth's KL", f"{won} of {options.seeds}", "95 %")
    table.note("weakest winner of all races, of the true tenth", f"{min(races['weakest']):.3f}", "")
    table.add(max(races["share_of_tokens"]) <= 1 / 3, "most tokens of a race, of 8 chunks everywhere", f"{max(races['share_of_tokens']):.1%}", "33.3 %")
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
