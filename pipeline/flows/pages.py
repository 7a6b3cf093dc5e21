"""Whether there are pages of Prefect in which a person could answer."""

import os

from kdsharp.errors import UserError
from pipeline.params import PromotionParams

__all__ = ["require_pages"]


def require_pages(params: PromotionParams) -> None:
    """Raise `UserError` where a person has to approve and no Prefect server stands."""
    if params.approval == "manual" and not os.environ.get("PREFECT_API_URL"):
        raise UserError(
            "promotion.approval is manual, so a person answers in Prefect's pages: make up first"
        )
