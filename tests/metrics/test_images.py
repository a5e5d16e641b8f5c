"""Pixel metrics against scikit-image and against numbers worked out elsewhere."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reenact.metrics import images
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
    assert ms_ssim(torch.zeros(2, 3, 175, 200), torch.zeros(2, 3, 175, 200)).isnan().all()
    big = torch.rand(2, 3, 176, 191) * 2 - 1
    torch.testing.assert_close(ms_ssim(big, big), torch.ones(2, dtype=torch.float64))


def test_ms_ssim_by_scikit_image_and_hand():
    """Contrast and structure are SSIM over luminance, both of scikit-image's Gaussian means."""
    draw = np.random.default_rng(0)
    pair = [np.clip(gaussian_filter(draw.normal(0.5, 3, (176, 176)), 2) + draw.normal(0, 0.05, (176, 176)), 0, 1)]
    pair.append(np.clip(pair[0] * 0.8 + 0.1 + draw.normal(0, 0.05, (176, 176)), 0, 1))
    pair = [np.round(part * 255) / 255 for part in pair]
    shown = [torch.from_numpy(part).expand(1, 3, -1, -1) * 2 - 1 for part in pair]
    wanted = 1.0
    for number, exponent in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        _, whole = structural_similarity(*pair, full=True, **options)
        m1, m2 = (gaussian_filter(part, 1.5, truncate=3.5) for part in pair)
        level = (2 * m1 * m2 + 0.01**2) / (m1**2 + m2**2 + 0.01**2)
        places = whole if number == 4 else whole / level
        wanted *= places[5:-5, 5:-5].mean() ** exponent
        side = len(pair[0]) // 2
        pair = [part[: 2 * side, : 2 * side].reshape(side, 2, side, 2).mean((1, 3)) for part in pair]
    assert 0.3 < wanted < 0.98
    assert ms_ssim(*shown).item() == pytest.approx(wanted, rel=1e-6)


def test_the_way_of_other_devices_gives_the_same():
    maps = torch.rand(2, 3, 40, 33, dtype=torch.float64)
    window = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    rows, columns = (images._window_matrix(side, torch.from_numpy(window / window.sum())) for side in (40, 33))
    torch.testing.assert_close(images._blur_maps(maps), rows.T @ (maps @ columns), rtol=1e-12, atol=1e-12)
