"""The heavy wing: everything that needs torch."""

from kdsharp.errors import UserError

try:
    import torch  # noqa: F401
except ModuleNotFoundError as error:
    raise UserError('training needs torch: pip install "kdsharp[train]"') from error
