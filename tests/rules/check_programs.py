"""Every tracked file whose first line names an interpreter may be executed: the Makefile and the docs run it by its name."""
import os
import pathlib
import sys

from tracked import tracked_files

ROOT = pathlib.Path(sys.argv[1])


def main():
    programs = [path for path in tracked_files(ROOT) if path.is_file() and path.open("rb").read(2) == b"#!"]
    problems = [f"{path.relative_to(ROOT)}: begins with #! but is not executable (chmod +x)" for path in programs if not os.access(path, os.X_OK)]
    print("\n".join(problems) or f"programs: {len(programs)}, all executable")
    return bool(problems) or not programs


sys.exit(main())
