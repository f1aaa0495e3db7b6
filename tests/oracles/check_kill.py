"""kill -9 at random moments of a sweep loses nothing: the study stays sound, and the resumed numbers are the undisturbed ones.

    python3 tests/oracles/check_kill.py [--quick | KILLS]

A small study (stories260k, every matrix and norm in two formats) is swept again and again under the same command. At a random moment
of each run the parent or one of its children dies by SIGKILL. After each death `PRAGMA integrity_check` must say ok and nothing that
was measured may be gone; when a study is complete its numbers must be those of an undisturbed run, byte for byte, and a new one
begins. Then: two sweeps on one study file at once. 200 kills by default; --quick: 8.
"""
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FQLAB = pathlib.Path(os.environ.get("FQLAB_PROGRAM", ROOT / "build/release/fqlab"))
MODEL = pathlib.Path(os.environ.get("FQLAB_SHARED", ROOT.parent / "shared")) / "data/stories260k-f32.gguf"
SKIPPED = 77
NUMBERS = """SELECT key, t.value_count, t.changed, t.relative_mse, chunk, positions, kl, kl_max, nll_original, nll_variant, nll_difference,
  delta_p, delta_p_squared, same_top, original_right, variant_right, right_to_wrong, wrong_to_right, logits_identical
  FROM result JOIN trial t ON t.id = result.trial ORDER BY key, chunk"""


def start(folder, study):
    return subprocess.Popen([FQLAB, "sweep", MODEL, "--formats", "int4:g32,fp8_e4m3", "--corpus", folder / "text.txt", "--ctx", "128",
                             "--chunks", "4", "--workers", "2", "--study", study], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, cwd=folder)


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def rows(study, sql):
    database = sqlite3.connect(study)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def numbers(study):
    """Every number of the study: floats as their exact hexadecimal digits."""
    return [" ".join(value.hex() if isinstance(value, float) else str(value) for value in row) for row in rows(study, NUMBERS)]


def has_tables(study):
    return study.exists() and rows(study, "SELECT count(*) FROM sqlite_schema WHERE name = 'result'") == [(1,)]


def is_complete(study):
    return has_tables(study) and rows(study, "SELECT count(*) FROM sweep WHERE finished <> ''") == [(1,)]


def kill_once(folder, study, rng, duration):
    """One run that somebody dies in; what was hit, or None where it was over before."""
    process = start(folder, study)
    time.sleep(rng.uniform(0, duration))
    target, name = process.pid, "parent"
    if rng.random() < 0.5 and (family := children(process.pid)):
        target, name = rng.choice(family), "child"
    if process.poll() is not None:
        name = None
    else:
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            name = None
    said = process.communicate()[1]
    if name is None and process.returncode != 0:
        raise SystemExit(f"a run that nobody disturbed failed: {said}")
    return name


def check_kills(folder, rng, wanted, expected, duration):
    hits = {"parent": 0, "child": 0}
    studies = 0
    study = folder / "0.fqlab"
    before = set()
    while sum(hits.values()) < wanted or not is_complete(study):
        name = kill_once(folder, study, rng, duration)
        if name:
            hits[name] += 1
        if not study.exists():
            continue  # it died before it had one
        assert rows(study, "PRAGMA integrity_check") == [("ok",)], f"after {hits}: the study is damaged"
        now = set(numbers(study)) if has_tables(study) else set()
        assert before <= now, f"after {hits}: {len(before - now)} results are gone"
        before = now
        if is_complete(study):
            assert rows(study, "SELECT count(*) FROM failure") == [(0,)], f"after {hits}: a trial counts as failed"
            assert numbers(study) == expected, f"study {studies}, after {hits}: other numbers than an undisturbed run's"
            studies += 1
            study = folder / f"{studies}.fqlab"
            before = set()
            if sum(hits.values()) >= wanted:
                break
    return hits, studies


def check_two_at_once(folder, expected):
    study = folder / "two.fqlab"
    both = [start(folder, study) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert all(process.returncode == 0 for process in both), said
    runs = [int(line.split(" cells, ")[1].split(" run")[0].replace(",", "")) for text in said for line in text.splitlines() if " cells, " in line]
    assert numbers(study) == expected, "two sweeps at once: other numbers"
    assert sum(runs) == len(expected), f"two sweeps at once ran {runs} of {len(expected)}"
    return runs


def main():
    if not MODEL.exists() or not FQLAB.exists():
        print(f"skipped: absent: {MODEL if FQLAB.exists() else FQLAB}")
        return SKIPPED
    wanted = {"": 200, "--quick": 8}.get(given := "".join(sys.argv[1:])) or int(given)
    rng = random.Random(20261123)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "text.txt").write_text("".join(f"Once upon a time there were {i * i} little birds in a big tree. " for i in range(60)))
        undisturbed = folder / "undisturbed.fqlab"
        began = time.monotonic()
        process = start(folder, undisturbed)
        said = process.communicate()[1]
        duration = time.monotonic() - began
        assert process.returncode == 0, said
        expected = numbers(undisturbed)
        hits, studies = check_kills(folder, rng, wanted, expected, duration)
        runs = check_two_at_once(folder, expected)
    print(f"kill -9: {hits['parent']} times the parent, {hits['child']} times a child, over {studies} studies of {len(expected)} results; "
          f"integrity ok each time, numbers byte-identical; two sweeps at once ran {runs[0]} + {runs[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
