"""`kdsharp serve`."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.cli.options import EngineName, Model, Precision, Threads
from kdsharp.errors import UserError

__all__ = ["serve"]

_INSTALL = 'kdsharp serve needs an extra: pip install "kdsharp[serve]"'


def serve(
    model: Model = None,
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but this machine's needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(envvar="KDSHARP_TOKEN", help="What callers have to know."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A site whose pages may ask, such as https://example.org; repeatable."),
    ] = None,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    workers: Annotated[
        int, typer.Option(help="Pictures at a time; 0: as many as there are cores.")
    ] = 0,
    queue: Annotated[int, typer.Option(help="Requests that may wait; more get 429.")] = 64,
    per_caller: Annotated[
        int, typer.Option("--per-caller", help="Requests of one address at a time.")
    ] = 32,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", help="Of a request's body.")
    ] = 64_000_000,
    max_megapixels: Annotated[
        float, typer.Option("--max-megapixels", help="Of a picture, and of its enlarged version.")
    ] = 64.0,
    seconds: Annotated[
        float, typer.Option(help="In which a picture is done, waiting included.")
    ] = 30.0,
    slow: Annotated[
        float, typer.Option(help="Seconds for a client to send its request or take the answer.")
    ] = 30.0,
    poll: Annotated[
        float, typer.Option(help="Seconds between looks whether the model folder was replaced.")
    ] = 1.0,
    shadow: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="A second model that answers nobody."),
    ] = None,
    shadow_share: Annotated[
        float, typer.Option("--shadow-share", help="Of the pictures that it sees, 0 to 1.")
    ] = 0.1,
    shadow_log: Annotated[
        Path | None,
        typer.Option("--shadow-log", help="A file for the differences, JSON lines; else stderr."),
    ] = None,
    observe: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder for statistics of the pictures, JSON lines."),
    ] = None,
    observe_pictures: Annotated[
        float,
        typer.Option("--observe-pictures", help="Of the pictures that are kept there, 0 to 1."),
    ] = 0.0,
    trace: Annotated[
        bool, typer.Option("--trace", help="Send spans by OpenTelemetry, as its variables say.")
    ] = False,
) -> None:
    """Sharpen pictures over HTTP, for programs and for the page in a browser.

    Without --model it is models/production or models/export where the pipeline left one, else
    what ships. A model folder that is replaced is taken without a request noticing.

    Example: kdsharp serve & curl --data-binary @photo.jpg localhost:8000/v1/sharpen -o sharp.jpg
    """
    from kdsharp.serve.settings import Settings

    settings = Settings(
        model=model,
        host=host,
        port=port,
        token=token,
        origins=tuple(origin or ()),
        engine=engine,
        precision=precision,
        threads=threads,
        workers=workers,
        queue=queue,
        per_caller=per_caller,
        max_bytes=max_bytes,
        max_megapixels=max_megapixels,
        seconds=seconds,
        slow=slow,
        poll=poll,
        shadow=shadow,
        shadow_share=shadow_share,
        shadow_log=shadow_log,
        observe=observe,
        observe_pictures=observe_pictures,
        trace=trace,
    )
    try:
        from kdsharp.serve.run import serve as run
    except ImportError as error:
        raise UserError(_INSTALL) from error
    run(settings)
