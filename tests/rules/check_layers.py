"""The arrows of src/layers.txt hold: no folder includes what it may not, and foreign headers have one door each."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.M)
DOORS = {  # foreign header pattern -> the only places that may include it
    r"^(llama|common/|jinja/)": ["src/engine/"],
    r"^(ggml|gguf\.h)": ["src/engine/", "src/formats/ggml_door.cc"],
    r"^sqlite3": ["src/study/"],
    r"^CLI/": ["src/cli/"],
    r"^(openssl/|xxhash)": ["src/base/"],
    r"^hwy/": ["src/base/", "src/engine/", "src/formats/", "src/metrics/", "src/recipe/"],
    r"^(Eigen/|boost/)": ["src/stats/"],
}


def layers():
    """folder -> (allowed folders, public headers), in file order."""
    table = {}
    for line in (ROOT / "src/layers.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        folder, rest = line.split(":")
        allowed, headers = rest.split("|")
        for name in allowed.split():
            assert name in table, f"src/layers.txt: {folder} names {name}, which does not stand above it"
        table[folder] = (set(allowed.split()), headers.split())
    return table


def main():
    table = layers()
    owner = {header: folder for folder, (_, headers) in table.items() for header in headers}
    problems = []
    for path in sorted(ROOT.glob("include/fqlab/*.h")):
        if path.name not in owner:
            problems.append(f"{path.name}: no line of src/layers.txt names this public header")
    for path in sorted([*ROOT.glob("include/fqlab/*.h"), *ROOT.glob("src/*/*.h"), *ROOT.glob("src/*/*.cc")]):
        name = path.relative_to(ROOT).as_posix()
        folder = owner.get(path.name) if name.startswith("include/") else path.parent.name
        if folder not in table:
            problems.append(f"{name}: folder {folder} is not in src/layers.txt")
            continue
        for include in INCLUDE.findall(path.read_text()):
            first, _, rest = include.partition("/")
            target = owner.get(rest) if first == "fqlab" else first if first in table else None
            if target and target != folder and target not in table[folder][0]:
                problems.append(f"{name} includes {include}: {folder} may not use {target}")
            for pattern, doors in DOORS.items():
                if re.search(pattern, include) and not any(name.startswith(door) for door in doors):
                    problems.append(f"{name} includes {include}: allowed only in {', '.join(doors)}")
    for folder in (ROOT / "src").iterdir():
        if folder.is_dir() and folder.name not in table and any(folder.iterdir()):
            problems.append(f"src/{folder.name} is not in src/layers.txt")
    print("\n".join(problems) or f"layers: {len(table)} folders, no forbidden arrow")
    return bool(problems)


sys.exit(main())
