"""Every tracked file whose first line names an interpreter may be executed: the Makefile and the docs run it by its name."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])


def main():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name] or [path for path in ROOT.rglob("*") if path.is_file()]
    programs = [path for path in files if path.is_file() and path.open("rb").read(2) == b"#!"]
    problems = [f"{path.relative_to(ROOT)}: begins with #! but is not executable (chmod +x)" for path in programs if not os.access(path, os.X_OK)]
    print("\n".join(problems) or f"programs: {len(programs)}, all executable")
    return bool(problems) or not programs


sys.exit(main())
