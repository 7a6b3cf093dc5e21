import importlib.util

import pytest

from kdsharp.runtime import hardware as choose
from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import load_engine

X86 = "model name\t: A CPU\nflags\t\t: fpu sse2 avx2 {}\n\nprocessor\t: 1\nflags\t\t: x\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Makes this a Linux machine whose /proc/cpuinfo says so."""

    def become(text):
        (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
        monkeypatch.setattr(choose, "_CPUINFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(choose.sys, "platform", "linux")

    return become


def test_flags_are_those_of_the_first_cpu(cpu):
    cpu(X86.format("avx_vnni"))
    assert choose.cpu_flags() == {"fpu", "sse2", "avx2", "avx_vnni"}
    cpu(ARM.format("asimddp"))
    assert choose.cpu_flags() == {"fp", "asimd", "asimddp"}
    cpu("")
    assert choose.cpu_flags() == frozenset()


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_int8_is_taken_where_it_pays(cpu, luma_model, int8_model, flag):
    with_int8, without = read_card(int8_model), read_card(luma_model)
    cpu(X86.format(flag))
    assert choose.best_precision(with_int8, "openvino") == "int8"
    assert choose.best_precision(without, "openvino") == "fp32"
    assert choose.best_precision(with_int8, "onnxruntime") == "fp32"
    cpu(X86.format("avx512f"))
    assert choose.best_precision(with_int8, "openvino") == "fp32"


def test_other_systems_say_nothing(cpu, monkeypatch, tmp_path):
    cpu(X86.format("avx_vnni"))
    monkeypatch.setattr(choose, "_CPUINFO", tmp_path / "none")
    assert not choose.multiplies_int8()
    cpu(X86.format("avx_vnni"))
    monkeypatch.setattr(choose.sys, "platform", "darwin")
    assert not choose.multiplies_int8()


def test_auto_is_what_the_choice_says(cpu, int8_model):
    cpu(X86.format("avx_vnni"))
    engine = load_engine(int8_model, precision="auto")
    installed = importlib.util.find_spec("openvino") is not None
    assert engine.name == ("openvino" if installed else "onnxruntime")
    assert engine.precision == ("int8" if installed else "fp32")
    assert load_engine(int8_model, "onnxruntime", precision="auto").precision == "fp32"
    assert engine.device == "CPU"
