"""No source file is longer than 700 lines, tables (*.inc, *_table.*) excepted."""
import pathlib
import sys

ROOT = pathlib.Path(sys.argv[1])
LIMIT = 700
FOLDERS = ("src", "include", "tests", "bench", "examples", "scripts", "cmake")
ENDINGS = {".cc", ".h", ".py", ".mjs", ".cmake", ".sh", ""}


def main():
    sizes = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in ENDINGS and not path.stem.endswith("_table") and "node_modules" not in path.parts:
                sizes[path.relative_to(ROOT).as_posix()] = len(path.read_text(encoding="utf-8").splitlines())
    long = [f"{name}: {lines} lines, {LIMIT} are the most" for name, lines in sizes.items() if lines > LIMIT]
    median = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    print("\n".join(long) or f"sizes: {len(sizes)} files, median {median} lines, longest {max(sizes.values(), default=0)}")
    return bool(long) or not sizes


sys.exit(main())
