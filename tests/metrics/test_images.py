"""Pixel metrics against scikit-image and against numbers worked out elsewhere."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reenact.metrics.images import HIGHEST, l1, ms_ssim, psnr, ssim


def known_pair() -> tuple[np.ndarray, np.ndarray]:
    """Two 64 x 64 RGB pictures made by formula."""
    i, j, c = np.meshgrid(range(64), range(64), range(3), indexing="ij")
    first = (3 * i + 5 * j + 40 * c) % 256
    second = np.floor(np.clip(0.9 * first + 10 + 7 * ((i * j + c) % 5), 0, 255))
    return first.astype(np.uint8), second.astype(np.uint8)


def tensor(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).float().permute(0, 3, 1, 2) / 127.5 - 1


def test_known_values():
    first, second = known_pair()
    assert (int(first.sum()), int(second.sum())) == (1596672, 1707988)
    assert psnr(tensor(first), tensor(second)).item() == pytest.approx(24.570916, abs=1e-5)
    assert ssim(tensor(first), tensor(second)).item() == pytest.approx(0.721230, abs=1e-5)


@pytest.mark.parametrize("size", [32, 65])
def test_scikit_image_agrees_on_every_picture_of_a_batch(size):
    draw = np.random.default_rng(size)
    first = draw.integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    second = np.clip(first + draw.normal(0, [[[[5]]], [[[20]]], [[[60]]]], first.shape), 0, 255).astype(np.uint8)
    wanted = [peak_signal_noise_ratio(a, b) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(psnr(tensor(*first), tensor(*second)), torch.tensor(wanted), atol=1e-4, rtol=0)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
    wanted = [structural_similarity(a, b, **options) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(ssim(tensor(*first), tensor(*second)), torch.tensor(wanted), atol=1e-5, rtol=0)
    wanted = torch.from_numpy(np.abs(first.astype(float) - second).mean((1, 2, 3)) / 255)
    torch.testing.assert_close(l1(tensor(*first), tensor(*second)), wanted, atol=1e-6, rtol=0)


def test_equal_pictures():
    picture = tensor(known_pair()[0])
    assert psnr(picture, picture).item() == HIGHEST
    assert ssim(picture, picture).item() == pytest.approx(1)
    assert l1(picture, picture).item() == 0


def test_small_pictures_have_no_five_scales():
    assert ms_ssim(torch.zeros(2, 3, 128, 128), torch.zeros(2, 3, 128, 128)).isnan().all()
    big = torch.rand(2, 3, 176, 176) * 2 - 1
    torch.testing.assert_close(ms_ssim(big, big), torch.ones(2, dtype=torch.float64))
