import numpy as np

from benchmarks.scale import make_photo, predicted
from pipeline.data.check import perceptual_hash


def test_no_two_photos_look_alike():
    photos = [make_photo(seed, 120) for seed in range(12)]
    assert {photo.size for photo in photos} == {(160, 120)}
    hashes = [perceptual_hash(photo) for photo in photos]
    apart = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > 8
    assert np.array_equal(np.asarray(make_photo(3, 120)), np.asarray(photos[3]))


def test_the_prediction_is_a_line_where_nothing_is_capped():
    assert predicted({100: 20.0, 300: 40.0}, 1000, capped=False) == 110
    assert predicted({100: 20.0, 300: 40.0}, 1000, capped=True) == 40
    assert predicted({100: 20.0}, 1000, capped=False) == 20
