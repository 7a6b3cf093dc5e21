"""Fetch the photos that the models that ship learned from: kdsharp/weights/LICENCES.csv.

    python scripts/release_photos.py data/photos      # clones what it needs with git

Each row with a repository names a Git blob, so a photo is exactly the one that was used, and how
many times smaller it is made (Lanczos) where the original is compressed. What is there already is
left alone. Photos without a repository (`lomiri/`) come from a package: docs/release.md tells.
"""

import argparse
import csv
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from kdsharp.files import atomic_file

__all__ = ["fetch", "main"]

LIST = Path(__file__).parents[1] / "kdsharp" / "weights" / "LICENCES.csv"


def main() -> None:
    """Fetch what is missing in the folder."""
    parser = argparse.ArgumentParser("release_photos", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--clones", type=Path, help="a folder of clones, OWNER+NAME/repo, instead of cloning"
    )
    chosen = parser.parse_args()
    with LIST.open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["repository"]]
    missing = [row for row in rows if not (chosen.folder / row["name"]).exists()]
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as work:
        for repository in sorted({row["repository"] for row in missing}):
            clone = _clone(repository, Path(work), chosen.clones)
            wanted = [row for row in missing if row["repository"] == repository]
            print(f"{repository}: {len(wanted)} photos", file=sys.stderr, flush=True)
            for row in wanted:
                fetch(row, clone, chosen.folder)
    shutil.copyfile(LIST, chosen.folder / LIST.name)


def _clone(repository: str, work: Path, clones: Path | None) -> Path:
    if clones is not None:
        return clones / repository.replace("/", "+") / "repo"
    clone = work / repository.replace("/", "+")
    url = f"https://github.com/{repository}"
    subprocess.run(["git", "clone", "--bare", "--filter=blob:none", url, clone], check=True)
    return clone


def fetch(row: Mapping[str, str], clone: Path, folder: Path) -> None:
    """Write the photo of one row below `folder`, from the blob that the row names."""
    command = ["git", "-C", str(clone), "cat-file", "blob", row["blob"]]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    target, factor = folder / row["name"], int(row["shrink"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as temporary:
        if factor == 1:
            temporary.write_bytes(content)
        else:
            _shrunk(content, factor).save(temporary, format="PNG")


def _shrunk(content: bytes, factor: int) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # the list is ours
    with Image.open(io.BytesIO(content)) as opened:
        photo = opened.convert("RGB")
    width, height = photo.width // factor, photo.height // factor
    box = (0, 0, width * factor, height * factor)
    return photo.resize((width, height), Image.Resampling.LANCZOS, box)


if __name__ == "__main__":
    main()
