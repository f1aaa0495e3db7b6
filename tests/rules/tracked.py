"""What the rules look at."""
import subprocess


def tracked_files(root):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    if listed.returncode == 0 and listed.stdout:
        return [root / name for name in listed.stdout.decode().split("\0") if name]
    skipped = {".git", "build", "out"}  # an unpacked archive instead of a checkout
    return [p for p in root.rglob("*") if p.is_file() and not skipped & set(p.relative_to(root).parts[:1])]
