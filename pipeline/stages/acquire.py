"""Stage `acquire`: photos into data/raw/train, val and test, disjoint by content."""

from pipeline.data.collect import collect, open_source
from pipeline.params import Params
from pipeline.stages.run import run_stage

__all__ = ["main"]


def main(params: Params) -> None:
    """Bring the photos of `data.source` to data/raw."""
    collect(open_source(params.data), params.data)


if __name__ == "__main__":
    run_stage(main)
