"""A user shader for mpv and libplacebo: one file, whose passes are the student's layers.

Each pass writes one texture of four channels. Textures between them are larger than the picture by
the margin that the layers after them need, so that its edges are as the engine has them, and take
turns in two sets, because players keep no more than 32. What the shader hooks is luma as it lies in
the video, in studio range too, as `kdsharp sharpen` reads it; RGB for a student of RGB.
"""

from collections.abc import Sequence
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.export.network import FOUR, Layer, Network, groups
from kdsharp.export.text import number, pixels_of, sums, vector

__all__ = ["MOST_CHANNELS", "shader"]

MOST_CHANNELS = 64
"""A pass binds at most 16 textures, in mpv and in libplacebo."""

_LARGER = 1.2  # an upscaler runs where the output is larger by at least so much

_PIXEL = """\
vec4 pixel(ivec2 p) {
    p = clamp(p, ivec2(0), ivec2(HOOKED_size) - 1);
    return HOOKED_mul * texelFetch(HOOKED_raw, p, 0);
}"""

# Keys' cubic convolution with -0.5; what lies outside is left out, as Pillow does it.
_BICUBIC = """\
float cubic(float d) {
    d = abs(d);
    return d < 1.0 ? (1.5 * d - 2.5) * d * d + 1.0
         : d < 2.0 ? ((2.5 - 0.5 * d) * d - 4.0) * d + 2.0 : 0.0;
}
vec4 pixel(ivec2 p) {
    ivec2 size = ivec2(HOOKED_size);
    p = clamp(p, ivec2(0), size * GRID - 1);
    vec2 place = (vec2(p) + 0.5) / float(GRID) - 0.5;
    ivec2 corner = ivec2(floor(place)) - 1;
    vec4 sum = vec4(0.0);
    float all = 0.0;
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4; x++) {
            ivec2 at = corner + ivec2(x, y);
            if (at.x < 0 || at.y < 0 || at.x >= size.x || at.y >= size.y)
                continue;
            float weight = cubic(place.x - float(at.x)) * cubic(place.y - float(at.y));
            sum += weight * texelFetch(HOOKED_raw, at, 0);
            all += weight;
        }
    }
    return HOOKED_mul * sum / all;
}"""


def shader(network: Network, path: Path, *, upscale: bool, strength: float) -> tuple[str, int]:
    """The shader of `network`, and how many passes it has.

    With `upscale` it takes the small picture and gives one that is `grid` times as large. Raises
    `UserError`, which names `path`, for a student with more channels than a pass can read.
    """
    if network.channels > MOST_CHANNELS:
        raise UserError(
            f"{path}: has {network.channels} channels, and a player's shader reads at most "
            f"{MOST_CHANNELS} in a pass: choose a smaller model"
        )
    passes = [*_folds(network, upscale)]
    for index, layer in enumerate(network.layers):
        passes += _layer(network, index, layer, upscale)
    passes.append(_last(network, upscale, strength))
    return "\n\n".join([_head(network, len(passes), upscale), *passes]) + "\n", len(passes)


def _head(network: Network, passes: int, upscale: bool) -> str:
    card = network.card
    does = f"enlarges {card.scale} times and sharpens" if upscale else "sharpens"
    return "\n".join(
        [
            f"// {card.name}, which {does}: undoes {card.degradation} by {card.scale}.",
            f"// {passes} passes. Made by kdsharp export from the file with SHA-256",
            f"// {card.sha256}",
        ]
    )


def _pass(
    network: Network,
    about: str,
    binds: Sequence[str],
    body: Sequence[str],
    upscale: bool,
    save: str = "",
    margin: int = 0,
) -> str:
    """The lines of one pass; without `save` it writes the picture."""
    grid = network.grid
    lines = [f"//!DESC {network.card.name}: {about}"]
    lines.append("//!HOOK LUMA" if network.planes == 1 else "//!HOOK MAIN")
    lines += [f"//!BIND {name}" for name in binds]
    if save:
        # Sizes are rounded: this is the number of cells, also of a picture that is no multiple.
        cells = "{0}" if upscale else f"{{0}} {grid / 2 - 0.5:g} + {grid} /"
        size = f"{cells} {2 * margin} +" if margin else cells
        lines += [f"//!SAVE {save}", "//!COMPONENTS 4"]
    elif upscale:
        size = f"{{0}} {grid} *"
    else:
        size = ""
    if size:
        lines.append(f"//!WIDTH {size.format('HOOKED.w')}")
        lines.append(f"//!HEIGHT {size.format('HOOKED.h')}")
    if upscale:
        lines.append(f"//!WHEN OUTPUT.w HOOKED.w {_LARGER} * >")
    return "\n".join([*lines, *body])


def _texture(index: int, group: int) -> str:
    """Group `group` of what layer `index` reads."""
    return f"KD_{'AB'[index % 2]}{group}"


def _folds(network: Network, upscale: bool) -> list[str]:
    grid, margin = network.grid, network.margins()[0]
    count = groups(network.planes * grid**2)
    passes = []
    for group in range(count):
        parts = [
            f"pixel(c + ivec2({place[1]}, {place[0]})).{'rgb'[place[2]]}" if place else "0.0"
            for place in pixels_of(group, network.planes, grid)
        ]
        body = [
            f"#define GRID {grid}",
            _BICUBIC if upscale else _PIXEL,
            "vec4 hook() {",
            f"    ivec2 c = (ivec2(gl_FragCoord.xy) - {margin}) * GRID;",
            f"    return vec4({', '.join(parts)});",
            "}",
        ]
        about = f"cells {group + 1} of {count}"
        save = _texture(0, group)
        passes.append(_pass(network, about, ["HOOKED"], body, upscale, save, margin))
    return passes


def _layer(network: Network, index: int, layer: Layer, upscale: bool) -> list[str]:
    binds = [_texture(index, group) for group in range(layer.inputs)]
    fetch = f"texelFetch(KD_{'AB'[index % 2]}{{source}}_raw, p + ivec2({{x}}, {{y}}), 0)"
    last = index == len(network.layers) - 1
    passes = []
    for group in range(layer.outputs):
        body = [
            "vec4 hook() {",
            "    ivec2 p = ivec2(gl_FragCoord.xy);",
            f"    vec4 v, s0 = {vector(layer.start(group))};",
            *(f"    {line}" for line in sums(layer, [group], fetch)),
            f"    return {'s0' if last else 'max(s0, 0.0)'};",
            "}",
        ]
        about = f"layer {index + 1} of {len(network.layers)}, {group + 1} of {layer.outputs}"
        save, margin = _texture(index + 1, group), network.margins()[index + 1]
        passes.append(_pass(network, about, binds, body, upscale, save, margin))
    return passes


def _last(network: Network, upscale: bool, strength: float) -> str:
    index, grid = len(network.layers), network.grid
    names = [_texture(index, group) for group in range(network.layers[-1].outputs)]
    choice = "".join(
        f"    if (channel < {FOUR * (at + 1)}) return texelFetch({name}_raw, c, 0)"
        f"[channel - {FOUR * at}];\n"
        for at, name in enumerate(names)
    )
    body = [
        f"#define GRID {grid}",
        f"#define STRENGTH {number(strength)} // 0.0: unchanged, 1.0: all that it adds; up to 2.0",
        _BICUBIC if upscale else _PIXEL,
        f"float detail(ivec2 c, int channel) {{\n{choice}    return 0.0;\n}}",
        "vec4 hook() {",
        "    ivec2 p = ivec2(gl_FragCoord.xy);",
        "    ivec2 c = p / GRID;",
        "    int at = (p.y - c.y * GRID) * GRID + p.x - c.x * GRID;",
        "    vec4 color = pixel(p);",
    ]
    body += [
        f"    color.{'rgb'[plane]} += STRENGTH * detail(c, at + {plane * grid**2});"
        for plane in range(network.planes)
    ]
    body += ["    return color;", "}"]
    return _pass(network, "picture", ["HOOKED", *names], body, upscale)
