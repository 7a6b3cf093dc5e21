from types import SimpleNamespace

from pipeline.evaluation.headline import headline_numbers


def test_they_are_few_and_rounded():
    rows = {
        name: {"psnr_y": 30 + gain, "ssim_y": 0.912345, "psnr_rgb": 1.0, "ssim_rgb": 1.0}
        for name, gain in (("input", 0.00049), ("student", 1.23456), ("student_onnx", 1.2))
    }
    card = SimpleNamespace(parameters=1172, macs_per_pixel=288.0)
    assert headline_numbers({"test": rows, "val": rows}, card) == {
        "test": {
            "input": {"psnr_y": 30.0},
            "student": {"psnr_y": 31.235, "ssim_y": 0.9123, "gain_db": 1.235},
        },
        "val": {"student": {"psnr_y": 31.235}},
        "model": {"parameters": 1172, "macs_per_pixel": 288.0},
    }
