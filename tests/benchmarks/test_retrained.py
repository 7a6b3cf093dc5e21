"""Peers from the files of others: the graphs compute what these networks are said to compute."""

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from benchmarks.common.method import Sample
from benchmarks.front.retrained.forms import FORMS, read_network
from benchmarks.front.retrained.graph import check_parity, network_graph
from benchmarks.front.retrained.methods import retrained_methods
from benchmarks.front.retrained.ranges import equalised, find_ranges
from kdsharp.errors import KdsharpError, UserError
from kdsharp.runtime.hardware import multiplies_int8

ENGINES = ["onnxruntime"]
ECBSR, ETDS, ESPCN = "ECBSR-M4C16", "ETDS-T", "ESPCN, retrained"
WIDE = 4


def conv(outputs, inputs, side):
    return torch.randn(outputs, inputs, side, side) * 0.4 / (inputs * side**2) ** 0.5


def weights(name):
    """A small network of the form, as its file has it."""
    torch.manual_seed(2)
    layers = {
        ECBSR: [("backbone.0.0", WIDE, 3, 3), ("backbone.1.0", WIDE, WIDE, 3),
                ("backbone.2.0", 12, WIDE, 3)],
        ETDS: [("conv_first", WIDE, 3, 3), ("backbone_convs.0", WIDE, WIDE, 3),
               ("conv_last", 12, WIDE, 3), ("conv_clip", 12, 12, 1)],
        ESPCN: [("conv1", WIDE, 3, 5), ("conv2", WIDE, WIDE, 3), ("conv3", 12, WIDE, 3)],
    }[name]  # fmt: skip
    found = {}
    for layer, outputs, inputs, side in layers:
        found[f"{layer}.weight"] = conv(outputs, inputs, side)
        found[f"{layer}.bias"] = torch.rand(outputs) * 0.2
    if name == ECBSR:
        found |= {f"backbone.{at}.1.weight": torch.rand(WIDE) - 0.3 for at in range(2)}
    return found


def reference(name, found, x):
    """What its authors' code computes, written down a second time."""

    def layer(at, value):
        weight = found[f"{at}.weight"]
        return functional.conv2d(value, weight, found[f"{at}.bias"], padding=weight.shape[2] // 2)

    y = x
    if name == ECBSR:
        for at in range(2):
            y = functional.prelu(layer(f"backbone.{at}.0", y), found[f"backbone.{at}.1.weight"])
        y = layer("backbone.2.0", y) + torch.cat([x[:, [c]] for c in (0, 1, 2) for _ in "four"], 1)
        return functional.pixel_shuffle(y, 2)
    if name == ETDS:
        for at in ("conv_first", "backbone_convs.0", "conv_last", "conv_clip"):
            y = functional.relu(layer(at, y))
        return functional.pixel_shuffle(y, 2)
    y = torch.tanh(layer("conv2", torch.tanh(layer("conv1", y))))
    return torch.sigmoid(functional.pixel_shuffle(layer("conv3", y), 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("peers")
    for name in (ECBSR, ETDS, ESPCN):
        torch.save(weights(name), made / FORMS[name].file)
    return made


@pytest.fixture
def photo():
    small = np.random.default_rng(3).integers(0, 256, (9, 14, 3), np.uint8)
    large = small.repeat(2, 0).repeat(2, 1)
    return Sample("noise", large, large, small)


@pytest.fixture(scope="module")
def listed(folder, tmp_path_factory):
    methods, notes = retrained_methods(folder, 2, ENGINES, tmp_path_factory.mktemp("graphs"))
    return {(m.name, m.precision): m for m in methods}, notes


def wanted(name, photo):
    x_NCHW = torch.from_numpy(photo.small.transpose(2, 0, 1)[None].copy()).double() / 255
    found = {key: value.double() for key, value in weights(name).items()}
    made = reference(name, found, x_NCHW)[0].permute(1, 2, 0).numpy()
    return np.clip(np.rint(made * 255), 0, 255).astype(int)


@pytest.mark.parametrize("name", [ECBSR, ETDS, ESPCN])
def test_fp32_gives_the_pixels_that_torch_does(listed, photo, name):
    found = listed[0][name, "fp32"].load()(photo)
    assert (found.dtype, found.shape) == (np.uint8, photo.truth.shape)
    off = np.abs(found - wanted(name, photo))
    assert off.max() <= 1  # float32 puts what is near a half on the other side
    assert (off > 0).mean() < 0.01
    assert found.std() > 1  # or a constant would do


@pytest.mark.parametrize("name", [ECBSR, ETDS, ESPCN])
@pytest.mark.skipif(not multiplies_int8(), reason="this CPU adds products of int8 in 16 bits")
def test_int8_follows_at_a_few_grey_levels(listed, photo, name):
    found = listed[0][name, "int8"].load()(photo)
    assert (found.dtype, found.shape) == (np.uint8, photo.truth.shape)
    real = wanted(name, photo)
    assert np.abs(found - real).mean() < 0.1 * real.std()


@pytest.mark.parametrize("name", [ECBSR, ETDS, ESPCN])
def test_int8_rounds_before_each_convolution_and_multiplies_whole_numbers(folder, name):
    network = read_network(folder / FORMS[name].file, FORMS[name])
    graph = network_graph(network, [(-1, 2)] * len(network.layers)).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("QuantizeLinear") == kinds.count("Conv") == len(network.layers)
    whole = [c for c in graph.initializer if c.data_type == onnx.TensorProto.INT8 and c.dims[1:]]
    assert [tuple(c.dims) for c in whole] == [layer.weight.shape for layer in network.layers]


def test_each_takes_the_small_picture_and_counts_what_it_does(listed):
    methods, notes = listed
    assert notes == ["ECBSR-M4C32: ECBSR_M4C32_x2.pth is not in that folder."]
    for (_, precision), method in methods.items():
        made = method.prepare(1, 7, 10)()
        assert (made.shape, made.dtype.itemsize) == ((1, 3, 8, 10), 1 if precision == "int8" else 4)
    ecbsr = methods[ECBSR, "fp32"]
    assert ecbsr.parameters == sum(value.numel() for value in weights(ECBSR).values())
    assert ecbsr.macs_per_pixel == (WIDE * 3 + WIDE * WIDE + 12 * WIDE) * 9 / 4


def test_without_a_folder_or_at_another_scale_there_are_none(folder, tmp_path):
    methods, (note,) = retrained_methods(None, 2, ENGINES, tmp_path)
    assert methods == []
    assert "(`--peers`)" in note
    assert retrained_methods(folder, 3, ENGINES, tmp_path) == ([], [])


def test_channels_are_brought_to_one_range_and_the_network_stays(folder, photo):
    network = read_network(folder / FORMS[ECBSR].file, FORMS[ECBSR])
    even = equalised(network, [photo.small])
    assert unevenness(network, photo) > 1.2
    assert unevenness(even, photo) < 1.01
    check_parity(even, lambda x: reference(ECBSR, weights(ECBSR), torch.tensor(x)).numpy(), 1e-5)


def unevenness(network, photo):
    """How much wider the widest channel behind the first layer is than the narrowest."""
    first = network.layers[0]
    x_NCHW = torch.from_numpy(photo.small.transpose(2, 0, 1)[None].copy()).float() / 255
    values = functional.conv2d(x_NCHW, torch.tensor(first.weight), torch.tensor(first.bias), 1, 1)
    values = functional.prelu(values, torch.tensor(first.slopes)).transpose(0, 1).flatten(1)
    widths = values.amax(1).clamp(min=0) - values.amin(1).clamp(max=0)
    return widths.max() / widths.min()


def test_ranges_reach_from_the_least_to_the_largest_value(folder, photo):
    network = read_network(folder / FORMS[ESPCN].file, FORMS[ESPCN])
    first, second, last = find_ranges(network, [photo.small, 255 - photo.small])
    assert all(-1 <= low < 0 < high <= 1 for low, high in (first, second))
    x_NCHW = torch.from_numpy(photo.small.transpose(2, 0, 1)[None].copy()).float() / 255
    made = reference(ESPCN, weights(ESPCN), x_NCHW).logit()
    assert last[0] <= made.min() + 1e-4
    assert last[1] >= made.max() - 1e-4


def test_a_graph_that_differs_is_seen(folder):
    form = FORMS[ESPCN]
    network = read_network(folder / form.file, form)
    with pytest.raises(KdsharpError, match="differs from torch"):
        check_parity(network, lambda x: x.repeat(2, 2).repeat(2, 3), 1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("conv2.bias"), "conv2.bias is missing"),
        (lambda found: found.update(more=torch.ones(3)), "are not those of this network"),
        (lambda found: found.update({"conv3.weight": conv(27, WIDE, 3)}), "are not those"),
        (lambda found: found.update(epoch=3), "does not hold weights by their names"),
    ],
)
def test_another_network_is_refused(tmp_path, change, said):
    found, path = weights(ESPCN), tmp_path / FORMS[ESPCN].file
    change(found)
    torch.save(found, path)
    with pytest.raises(UserError, match=said) as error:
        retrained_methods(tmp_path, 2, ENGINES, tmp_path)
    assert str(path) in str(error.value)


class Evil:
    def __reduce__(self):
        return (open, ("/nonexistent/never", "w"))


@pytest.mark.parametrize("content", [b"", b"no weights", Evil()])
def test_a_damaged_or_harmful_file_is_one_clear_line(tmp_path, content):
    path = tmp_path / FORMS[ESPCN].file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"conv1.weight": content}, path)
    with pytest.raises(UserError, match="is not a file of weights alone") as error:
        read_network(path, FORMS[ESPCN])
    assert "\n" not in str(error.value)
