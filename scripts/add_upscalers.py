"""Add the files that enlarge and sharpen in one step to model folders, from their student's files.

    python scripts/add_upscalers.py                          # those that ship, where they fit
    python scripts/add_upscalers.py models/export            # others

Nothing is trained, and the student's own files stay as they are. The models that ship get a file
where the folder stays below 300 KB with it, others get both.
"""

import argparse
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from kdsharp.errors import run
from kdsharp.files import atomic_dir
from kdsharp.runtime.card import CARD, read_card
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.engine import ENGINES
from kdsharp.train.export.add_upscalers import add_upscalers, can_upscale

__all__ = ["main"]

_TOLERANCE = 1e-4  # of a range of 1, as export.tolerance
_LARGEST = 300_000


def main() -> None:
    """Add them, and print a line for each folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="*", help="those that ship by default")
    given = parser.parse_args().folders
    engines = [name for name in ENGINES if find_spec(name)]
    for folder in given or sorted(path.parent for path in SHIPPED.glob(f"*/{CARD}")):
        if not can_upscale(read_card(folder)):
            print(f"{folder.name}: does not undo plain enlarging")
            continue
        with atomic_dir(folder) as made:
            shutil.copytree(folder, made, dirs_exist_ok=True)
            card = add_upscalers(made, engines, _TOLERANCE, None if given else _LARGEST)
        files = [part.file for part in (card.upscaler, card.upscaler_int8) if part]
        print(f"{folder.name}: {', '.join(files) or 'would be too large with them'}")


if __name__ == "__main__":
    sys.exit(run(main))
