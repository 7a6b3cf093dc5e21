from pathlib import Path

from kdsharp.runtime.catalog import SHIPPED


def test_a_shader_for_players(kdsharp):
    made = kdsharp("export", "--to", "glsl", "--model", "nano-x2", "-o", "nano.glsl")
    size = Path("nano.glsl").stat().st_size
    line = f"Wrote nano.glsl: kdsharp-nano-x2 as glsl, 11 passes, {size / 1000:.0f} KB\n"
    assert made == (0, line, "")


def test_a_size_and_upscale_choose_the_model(kdsharp):
    command = ("export", "--to", "wgsl", "--model", "nano", "--upscale", "3", "-o", "up.js", "-q")
    assert kdsharp(*command) == (0, "", "")
    assert '"kdsharp-nano-x3"' in Path("up.js").read_text()


def test_the_default_is_the_model_of_the_environment(kdsharp, monkeypatch):
    monkeypatch.setenv("KDSHARP_MODEL", str(SHIPPED / "small-x2"))
    code, out, _ = kdsharp("export", "--to", "onnx-nhwc", "-o", "deep/model.onnx")
    assert (code, out.split(",")[0]) == (0, "Wrote deep/model.onnx: kdsharp-small-x2 as onnx-nhwc")


def test_mistakes_are_one_line(kdsharp):
    for options, message in (
        (("--to", "hlsl", "-o", "x"), "target 'hlsl' is unknown: choose glsl, webgl2"),
        (("--to", "glsl"), "Missing option '-o' / '--out'"),
        (("--to", "glsl", "-o", "x"), "not a student's file, which is all that can be exported"),
        (("--to", "glsl", "--model", "large-x3", "-o", "x"), "choose a smaller model"),
        (("--to", "glsl", "--model", "nano-x2", "--upscale", "3", "-o", "x"), "undoes scale 2"),
    ):
        code, out, err = kdsharp("export", *options)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
    assert list(Path().iterdir()) == []
