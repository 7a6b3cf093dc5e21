import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from kdsharp.degrade.kernels import KERNELS, disc_blur, gaussian_blur, motion_blur, resize


@pytest.fixture
def image(picture):
    return Image.fromarray(picture)


def levels(image):
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("size", [(26, 18), (21, 15), (53, 37), (80, 50), (13, 9)])
def test_cubic_is_the_sum_over_four_neighbours_by_its_definition(image, size):
    """Keys' kernel with a = -0.75 at the centres of the pixels, the border's repeated."""

    def weight(x, a=-0.75):
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    def matrix(count, last):
        rows = np.zeros((count, last))
        for row in range(count):
            place = (row + 0.5) * last / count - 0.5
            for pixel in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
                rows[row, min(max(pixel, 0), last - 1)] += weight(place - pixel)
        return rows

    down, across = matrix(size[1], image.height), matrix(size[0], image.width)
    exact = np.einsum("ai,bj,ijc->abc", down, across, levels(image))
    found = levels(resize(image, size, "cubic"))
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.5 + 1e-3


def test_cubic_at_half_the_size_weighs_as_opencv_does():
    """Each new pixel lies between two old ones: -3, 19, 19, -3 of 32."""
    row = np.array([0, 0, 100, 200, 50, 10, 0, 0], np.uint8)
    image = Image.fromarray(np.repeat(row[None, :, None], 3, axis=2).repeat(2, axis=0))
    found = np.asarray(resize(image, (4, 2), "cubic"))[0, :, 0]
    middle = [(19 * 100 + 19 * 200 - 3 * 50) / 32, (-3 * 200 + 19 * 50 + 19 * 10) / 32]
    np.testing.assert_array_equal(found, [0, round(middle[0]), round(middle[1]), 0])


def test_area_by_a_whole_number_is_the_mean_rounded_once(image):
    whole = image.crop((0, 0, 52, 36))
    exact = levels(whole).reshape(18, 2, 26, 2, 3).mean((1, 3))
    assert np.abs(levels(resize(whole, (26, 18), "area")) - exact).max() <= 0.5


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(1, 1), (20, 37), (53, 11), (60, 90)])
def test_any_size(image, kernel, size):
    assert resize(image, size, kernel).size == size
    assert resize(image, image.size, kernel) is image


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.2, 3.0])
def test_the_gaussian_is_scipy_s(image, sigma):
    exact = ndimage.gaussian_filter(levels(image), (sigma, sigma, 0), mode="nearest", truncate=4)
    assert np.abs(levels(gaussian_blur(image, sigma)) - exact).max() <= 0.51


@pytest.mark.parametrize(("angle", "axis"), [(0, 1), (90, 0), (180, 1), (270, 0)])
def test_motion_along_an_axis_is_a_box(image, angle, axis):
    exact = ndimage.uniform_filter1d(levels(image), 5, axis=axis, mode="nearest")
    assert np.abs(levels(motion_blur(image, 5, angle)) - exact).max() <= 0.51


def test_motion_goes_the_way_of_its_angle():
    point = np.zeros((21, 21, 3), np.uint8)
    point[10, 10] = 255
    blurred = np.asarray(motion_blur(Image.fromarray(point), 9, 45))[..., 0].astype(int)
    y, x = np.nonzero(blurred)
    assert blurred[7, 13] > 0 and blurred[13, 7] > 0  # up to the right, down to the left
    assert np.abs((y - 10) + (x - 10)).max() == 1
    assert blurred.sum() == pytest.approx(255, abs=10)


def test_a_motion_of_one_pixel_changes_nothing(image):
    assert motion_blur(image, 1, 33).tobytes() == image.tobytes()


def test_a_disc_is_the_mean_over_it():
    dot = np.zeros((21, 21, 3), np.uint8)
    dot[10, 10] = 255
    spread = np.asarray(disc_blur(Image.fromarray(dot), 2.0), int)[..., 0]
    seen = spread[spread > 0]
    assert spread[10, 10] == spread[10, 11] == spread[9, 10] == seen.max()
    assert 0 < spread[10, 12] < seen.max()  # half of that pixel is within
    assert spread[10, 13] == spread[12, 12] == 0
    np.testing.assert_array_equal(spread, spread.T)
    flat = Image.new("RGB", (9, 9), (40, 90, 200))
    np.testing.assert_array_equal(np.asarray(disc_blur(flat, 3.3)), np.asarray(flat))
