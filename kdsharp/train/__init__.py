"""The heavy wing: everything that needs torch."""

from importlib.util import find_spec

from kdsharp.errors import UserError

# Looked for, not imported: reading a training's parameters must not cost torch's start-up.
if find_spec("torch") is None:
    raise UserError('training needs torch: pip install "kdsharp[train]"')
