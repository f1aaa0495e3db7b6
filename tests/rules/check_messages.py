"""Every reason and warning that study/ gives has a sentence in the report's catalogue (which has both languages)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
catalogue = "".join(p.read_text() for p in sorted((ROOT / "src/report").glob("catalogue*.inc")))
problems, found = [], 0
for path in sorted((ROOT / "src/study").glob("*.cc")):
    text = path.read_text()
    for kind, pattern in {
        "warning": r'warnings\.push_back\("([a-z_0-9]+)"\)',
        "reason": r'notes\.push_back\(\{"[a-z_.]+", "([a-z_0-9]+)"\}\)|note\([^;]*?"[a-z_.]+",[^;]*?"([a-z_0-9]+)"\);|\? "([a-z_]+)"\n',
    }.items():
        for match in re.finditer(pattern, text):
            name = next(group for group in match.groups() if group)
            found += 1
            if f'{{"{kind}.{name}",' not in catalogue:
                problems.append(f"{path.name}: no sentence for {kind} '{name}' in src/report/catalogue*.inc")
print("\n".join(problems) or f"messages: {found} reasons and warnings, all in the catalogue")
sys.exit(bool(problems) or found == 0)
