"""No tracked file names a folder of somebody's machine or the host of a package registry: both belong to the user's set-up."""
import pathlib
import re
import sys

from tracked import tracked_files

ROOT = pathlib.Path(sys.argv[1])
# Put together from pieces so that this file passes its own rule.
FOLDERS = "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"])
HOSTS = [r"registry\.npm" + "js", "npm" + r"js\.(com|org)", r"registry\.yarn" + "pkg", r"\bpypi" + r"\.org", "python" + r"hosted\.org",
         r"\bdeb" + r"\.debian\.", r"security\.debian" + r"\.org", r"archive\.ubuntu" + r"\.com", r"\bcrates" + r"\.io"]
RULES = {
    "an absolute path of a machine": re.compile(rf"(?<![\w.\-/$}}~])/({FOLDERS})(?![\w-])"),
    "the host name of a registry": re.compile("|".join(HOSTS), re.I),
}


def main():
    problems, read = [], 0
    for path in tracked_files(ROOT):
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or deleted but not yet committed
        read += 1
        for number, line in enumerate(text.splitlines(), 1):
            for what, pattern in RULES.items():
                if match := pattern.search(line):
                    problems.append(f"{path.relative_to(ROOT)}:{number}: {what}: {match.group(0)}")
    print("\n".join(problems) or f"paths: {read} files, none names a machine's folder or a registry's host")
    return bool(problems) or read == 0


sys.exit(main())
