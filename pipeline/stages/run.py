"""What every stage module does around its own work."""

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from kdsharp.errors import KdsharpError, TransientError, describe, exit_code, run
from kdsharp.files import sweep_folder
from pipeline.params import Params, load_params
from pipeline.parent import end_with_parent
from pipeline.paths import CHECKPOINTS, ERROR_FILE, RAW, REPORTS, TEACHER

__all__ = ["run_stage"]


def run_stage(main: Callable[[Params], None]) -> None:
    """Run a stage with the checked params.yaml; exit with 0, or one line and 1 or 2."""
    if "DVC_STAGE" in os.environ:  # started by DVC, and not by hand
        end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    def guarded() -> None:
        try:
            params = load_params()
            for folder in _written():
                sweep_folder(folder)
            main(params)
        except BaseException as error:
            _report(error)
            raise

    sys.exit(run(guarded, program="pipeline"))


def _written() -> list[Path]:
    """Where stages write single files: what a killed one left there is nobody's, and goes."""
    below = [path for top in (REPORTS, CHECKPOINTS) for path in top.glob("*") if path.is_dir()]
    return [Path(), RAW.parent, TEACHER.parent, REPORTS, CHECKPOINTS, *below]


def _report(error: BaseException) -> None:
    path = os.environ.get(ERROR_FILE)
    if path and not isinstance(error, SystemExit) and not _is_echo(Path(path), error):
        record = {
            "message": describe(error),
            "exit_code": exit_code(error),
            "transient": isinstance(error, TransientError),
        }
        Path(path).write_text(json.dumps(record), encoding="utf-8")


def _is_echo(path: Path, error: BaseException) -> bool:
    """Whether another process of this training has told why already: the rest lose the thread."""
    told = path.is_file() and path.stat().st_size > 0
    return told and not isinstance(error, KdsharpError | KeyboardInterrupt)
