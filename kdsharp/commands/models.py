"""`kdsharp models`."""

import typer

__all__ = ["models"]


def models() -> None:
    """List the models that ship: what they undo, cost and gain.

    A name goes to --model. The gain is that of each model's own page, in weights/NAME/README.md of
    the package.

    Example: kdsharp sharpen photo.jpg -o sharp.jpg --model nano-x2
    """
    from kdsharp.model import model_table

    typer.echo("\n".join(model_table()))
