"""A disk that fills up during a sweep: a clear message, nothing measured is lost, and the same command goes on when there is room.

    python3 tests/oracles/check_full_disk.py [--quick]

The study lies on a file system in memory that is too small, in a mount namespace of its own; skipped where the system allows none.
The resumed numbers must be those of an undisturbed run.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

from check_kill import FQLAB, MODEL, SKIPPED, numbers, rows

SMALL, LARGE = "2m", "20m"  # a study writes ahead about 20 kB a result
SCRIPT = f"""
mount -t tmpfs -o size={SMALL} none "$DISK" || exit {SKIPPED}
"$@" --study "$DISK/a.fqlab" 2>"$OUT/full"; echo $? >"$OUT/code"
mount -o remount,size={LARGE} "$DISK"
cp "$DISK"/a.fqlab* "$OUT/" && "$@" --study "$DISK/a.fqlab" 2>"$OUT/resumed" && cp "$DISK/a.fqlab" "$OUT/end.fqlab"
"""


def main():
    if not MODEL.exists() or not FQLAB.exists():
        print(f"skipped: absent: {MODEL if FQLAB.exists() else FQLAB}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "disk").mkdir()
        (folder / "text.txt").write_text("".join(f"Once upon a time there were {i * i} little birds in a big tree. " for i in range(60)))
        sweep = [FQLAB, "sweep", MODEL, "--formats", "int4:g32,fp8_e4m3", "--corpus", folder / "text.txt", "--ctx", "128", "--chunks", "4", "--exhaustive"]
        ran = subprocess.run(["unshare", *(["-m"] if os.geteuid() == 0 else ["-r", "-m"]), "sh", "-c", SCRIPT, "sh", *sweep],
                             env={**os.environ, "DISK": str(folder / "disk"), "OUT": str(folder)}, capture_output=True, text=True)
        if not (folder / "code").exists():
            print(f"skipped: absent: permission to mount ({ran.stderr.strip().splitlines()[-1:]})")
            return SKIPPED
        said = (folder / "full").read_text()
        last = said.strip().splitlines()[-1]
        assert (folder / "code").read_text().strip() == "1", said
        assert last.startswith("error: the study cannot be written: the disk is full"), said
        assert "run the same command again" in last, said
        kept = set(numbers(folder / "a.fqlab"))
        assert rows(folder / "a.fqlab", "PRAGMA integrity_check") == [("ok",)]
        assert ran.returncode == 0, ran.stderr + (folder / "resumed").read_text()
        subprocess.run([*sweep, "--study", folder / "undisturbed.fqlab"], check=True, capture_output=True)
        expected = numbers(folder / "undisturbed.fqlab")
        assert 0 < len(kept) < len(expected), f"the disk of {SMALL} held {len(kept)} of {len(expected)} results: choose another size"
        assert kept <= set(expected) and numbers(folder / "end.fqlab") == expected
    print(f"full disk: one message, {len(kept)} of {len(expected)} results kept, the resumed numbers are the undisturbed ones")
    return 0


sys.exit(main())
