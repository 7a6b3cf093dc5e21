import numpy as np
import torch

from kdsharp.train.loop.loss import affinity_loss, spatial_affinity


def test_it_is_the_cosine_of_each_two_places():
    features = torch.randn(2, 5, 3, 4, generator=torch.manual_seed(0))
    affinity = spatial_affinity(features)
    assert affinity.shape == (2, 12, 12)
    flat = features.numpy().reshape(2, 5, 12)
    for picture, one, other in [(0, 0, 0), (0, 3, 7), (1, 11, 2)]:
        a, b = flat[picture, :, one], flat[picture, :, other]
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        np.testing.assert_allclose(affinity[picture, one, other], cosine, atol=1e-6)


def test_neither_the_number_of_channels_nor_their_scale_matters():
    features = torch.randn(1, 4, 3, 3, generator=torch.manual_seed(1))
    wider = 7 * torch.cat([features, features], 1)
    assert affinity_loss(features, wider) < 1e-6
    assert affinity_loss(features, features.flip(-1)) > 0.01


def test_empty_places_resemble_nothing():
    assert spatial_affinity(torch.zeros(1, 4, 2, 2)).abs().max() == 0
