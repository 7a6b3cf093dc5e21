"""Look for passwords, tokens and keys in the files of the checkout, with detect-secrets.

    python scripts/secret_scan.py            # exit code 1: found some that the baseline lacks
    python scripts/secret_scan.py FILE ...   # in these alone
    detect-secrets scan --baseline .secrets.baseline    # take what is there into the baseline

`.secrets.baseline` has the choice of detectors, and hashes of the made-up passwords of tests and
docs. The detector of random hexadecimal digits is off: model cards and lock files are full of
SHA-256. A secret in them has to look like one in another way.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["BASELINE", "find_secrets", "main", "tracked_files"]

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / ".secrets.baseline"

_DATA = {
    ".avif",
    ".gif",
    ".jpg",
    ".mp4",
    ".npy",
    ".onnx",
    ".png",
    ".safetensors",
    ".webp",
    ".woff2",
}


def tracked_files(root: Path = ROOT) -> list[Path]:
    """The files that git knows below `root` or has not been told to ignore, but for pixels."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    paths = [root / name for name in listed.decode(errors="surrogateescape").split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in _DATA]


def find_secrets(files: Iterable[Path], root: Path = ROOT, baseline: Path = BASELINE) -> list[str]:
    """A line for each secret in `files` that `baseline` lacks: where, and of what kind.

    What was found is not printed: the log of a build is read by many.
    """
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    kept = json.loads(baseline.read_text(encoding="utf-8"))
    accepted = {
        (name, secret["type"], secret["hashed_secret"])
        for name, secrets in kept["results"].items()
        for secret in secrets
    }
    lines = []
    with transient_settings({key: kept[key] for key in ("plugins_used", "filters_used")}):
        for path in files:
            name = path.relative_to(root).as_posix()
            lines += [
                f"{name}:{secret.line_number}: {secret.type}"
                for secret in scan_file(str(path))
                if (name, secret.type, secret.secret_hash) not in accepted
            ]
    return sorted(lines)


def main(words: list[str] | None = None) -> int:
    """Print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="instead of all that git knows")
    chosen = parser.parse_args(words)
    if importlib.util.find_spec("detect_secrets") is None:
        print("secrets: detect-secrets is missing: run make setup", file=sys.stderr)
        return 2
    if chosen.files:
        files = [path.resolve() for path in chosen.files]
    elif (ROOT / ".git").exists():
        files = [path for path in tracked_files() if path != BASELINE]
    else:
        print("secrets: not a git checkout: name the files", file=sys.stderr)
        return 2
    lines = find_secrets(files)
    print("\n".join(lines) or f"secrets: none in {len(files)} files")
    if lines:
        print(
            "secrets: take them out and make new ones, for git keeps the old; if they are made up, "
            "detect-secrets scan --baseline .secrets.baseline accepts them",
            file=sys.stderr,
        )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
