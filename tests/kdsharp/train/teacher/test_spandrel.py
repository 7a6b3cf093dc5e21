import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.metrics import compare
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.config import TeacherConfig
from kdsharp.train.engine import torch_engine
from kdsharp.train.loop.weights import read_about
from kdsharp.train.student.distill import cache_teacher_outputs
from kdsharp.train.teacher.network import find_teacher, load_teacher
from kdsharp.train.teacher.small import small_picture
from tests.kdsharp.train.networks import TINY
from tests.kdsharp.train.teacher.foreign import Wrapped, compact, config_of, write

spandrel = pytest.importorskip("spandrel", reason="needs the extra spandrel")

from kdsharp.train.teacher.spandrel import open_teacher, save_teacher  # noqa: E402


@pytest.fixture
def opened(tmp_path):
    return open_teacher(config_of(write(tmp_path / "net.pth", compact().state_dict())))


def enlarged(scale=2):
    small = Image.fromarray(data.chelsea()[50:98, 100:164])
    size = (64 * scale, 48 * scale)
    return np.asarray(small), np.asarray(small.resize(size, Image.Resampling.BICUBIC))


def planes(pixels):
    return torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_answers_with_what_the_network_makes_of_the_small_picture(tmp_path, scale):
    network = compact(scale, gain=0.5)
    teacher = open_teacher(config_of(write(tmp_path / "net.pth", network.state_dict())))
    small, large = enlarged(scale)
    with torch.no_grad():
        expected = network(planes(small)).clamp(0, 1)
    difference = (teacher(planes(large)) - expected).abs()
    assert difference.max() < 0.03
    assert difference.mean() < 0.0005
    assert (teacher.scale, teacher.grid, teacher.planes) == (scale, scale, 3)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 16), (33, 50)])
def test_it_takes_any_size(opened, size):
    output, features = opened.with_features(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert features.shape == (2, 0, size[0] // 2, size[1] // 2)
    assert opened.features == 0


def test_size_requirements_are_met_by_padding(tmp_path):
    from spandrel.architectures.SAFMN import SAFMN

    torch.manual_seed(0)
    network = SAFMN(dim=8, n_blocks=1, ffn_scale=2.0, upscaling_factor=2)
    teacher = open_teacher(config_of(write(tmp_path / "net.pth", network.state_dict())))
    assert teacher.grid == 16
    assert teacher(torch.rand(1, 3, 22, 34)).shape == (1, 3, 22, 34)


def test_one_that_restores_gets_the_full_picture(tmp_path):
    from spandrel.architectures.DnCNN import DnCNN

    torch.manual_seed(0)
    network = DnCNN(in_nc=1, out_nc=1, nc=8, nb=8, act_mode="R").eval()
    path = write(tmp_path / "grey.pth", network.state_dict())
    with pytest.raises(UserError, match=r"teacher\.color is rgb: set it to luma"):
        open_teacher(config_of(path))
    teacher = open_teacher(config_of(path, "luma"))
    assert (teacher.scale, teacher.grid, teacher.planes) == (1, 1, 1)
    x = torch.rand(2, 1, 21, 30)
    with torch.no_grad():
        torch.testing.assert_close(teacher(x), network(x).clamp(0, 1))


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_it_is_saved_and_loaded(tmp_path, name):
    path = write(tmp_path / name, compact().state_dict())
    teacher = open_teacher(config_of(path, weights_licence="CC0"))
    saved = tmp_path / "teacher.safetensors"
    save_teacher(saved, teacher, {"val_psnr_y": 30.0})
    loaded, x = find_teacher(saved), torch.rand(1, 3, 20, 30)
    assert loaded.foreign
    assert loaded.config == teacher.config
    assert torch.equal(loaded(x), teacher(x))
    about = read_about(saved)
    assert about["arch"] == "spandrel"
    assert about["architecture"].startswith("RealESRGAN Compact")
    assert about["spandrel"] == spandrel.__version__
    assert (about["weights"], about["weights_sha256"]) == (name, sha256_file(path))
    assert (about["weights_licence"], about["val_psnr_y"]) == ("CC0", 30.0)
    assert f"{name}, licence CC0" in loaded.about
    first = saved.read_bytes()
    save_teacher(saved, teacher, {"val_psnr_y": 30.0})
    assert saved.read_bytes() == first


def test_weights_may_be_wrapped(tmp_path):
    """As BasicSR and Lightning write them: under a key, with a prefix, with other things beside."""
    state = {f"module.{name}": tensor for name, tensor in compact().state_dict().items()}
    path = write(tmp_path / "net.pth", {"params_ema": state, "iteration": 7})
    x = torch.rand(1, 3, 12, 12)
    plain = open_teacher(config_of(write(tmp_path / "plain.pth", compact().state_dict())))
    assert torch.equal(open_teacher(config_of(path))(x), plain(x))


def test_it_runs_as_an_engine_in_tiles(opened):
    _, large = enlarged()
    engine = torch_engine(opened)
    assert (engine.card.color, engine.card.grid) == ("rgb", 2)
    assert engine.card.receptive_radius == 32
    assert engine.card.parameters == sum(p.numel() for p in compact().parameters())
    # Two convolutions of 8 channels between 3 and 12 planes, at half size.
    assert engine.card.macs_per_pixel == 9 * (3 * 8 + 2 * 8 * 8 + 8 * 12) / 4
    answer = Sharpener(engine=engine).array(np.tile(large, (8, 6, 1)))
    assert answer.shape == (768, 768, 3)
    alone = (opened(planes(np.tile(large, (8, 6, 1))))[0] * 255).round().permute(1, 2, 0).numpy()
    assert compare(answer, alone.astype(np.uint8), border=2)["psnr_rgb"] > 60


def test_a_luma_student_gets_its_luma(opened, tmp_path):
    low_NHWC = np.stack([enlarged()[1][:64, :64]] * 3)
    config = dataclasses.replace(TINY, color="luma")
    answers, features = cache_teacher_outputs(opened, low_NHWC, config, tmp_path / "cache")
    assert answers.array_NHWC.shape == (3, 64, 64, 1)
    assert features is None
    with pytest.raises(UserError, match="feature_weight is above 0, but its teacher shows no"):
        wanted = dataclasses.replace(config, feature_weight=0.1)
        cache_teacher_outputs(opened, low_NHWC, wanted, tmp_path / "other")


def test_its_small_picture_is_of_8_bits():
    _, large = enlarged()
    levels = small_picture(planes(large), 2) * 255
    assert (levels - levels.round()).abs().max() < 1e-3


def test_what_cannot_be_a_teacher_is_one_line(tmp_path):
    state = compact().state_dict()
    path = write(tmp_path / "net.pth", state)
    with pytest.raises(UserError, match=r"SHA-256 of .*net.pth begins with"):
        open_teacher(config_of(path, weights_sha256="0000"))
    with pytest.raises(UserError, match="is not a file"):
        open_teacher(dataclasses.replace(config_of(path), weights=str(tmp_path / "no.pth")))
    with pytest.raises(UserError, match=r"teacher\.color is luma: set it to rgb"):
        open_teacher(config_of(path, "luma"))
    other = write(tmp_path / "other.pth", {"weight": torch.ones(3)})
    with pytest.raises(UserError, match=r"other.pth: holds no network that spandrel knows"):
        open_teacher(config_of(other))
    half = write(tmp_path / "half.pth", {**state, "body.0.weight": torch.ones(8, 3, 5, 5)})
    with pytest.raises(UserError, match=r"half.pth: spandrel cannot build its network"):
        open_teacher(config_of(half))
    code = tmp_path / "code.pth"
    torch.save(Wrapped(), code)
    with pytest.raises(UserError, match="that could run code"):
        open_teacher(config_of(code))
    listed = write(tmp_path / "list.pth", [torch.ones(3)])
    with pytest.raises(UserError, match="holds no weights by their names"):
        open_teacher(config_of(listed))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"weights": None}, "weights names no file"),
        ({"pretrained": True}, "there is no encoder"),
        ({"weights_sha256": "f37072fd"}, "that of torchvision's ResNet18: write the first digits"),
    ],
)
def test_its_parameters_are_checked(changes, why):
    given = {"arch": "spandrel", "weights": "net.pth", "weights_sha256": "12", "color": "rgb"}
    with pytest.raises(ValueError, match=why):
        TeacherConfig(**given | changes)


def test_without_spandrel_one_line_names_the_extra(tmp_path, opened):
    saved = tmp_path / "teacher.safetensors"
    save_teacher(saved, opened, {})
    code = (
        "import sys; sys.modules['spandrel'] = None\n"
        "from kdsharp.errors import run\n"
        "from kdsharp.train.teacher.network import load_teacher\n"
        f"sys.exit(run(lambda: load_teacher({str(saved)!r}), program='test'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == (
        'test: error: teacher.arch spandrel needs an extra: pip install "kdsharp[spandrel]"'
    )
    assert load_teacher(saved).foreign
