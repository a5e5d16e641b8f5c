"""Metrics of the person alone: against those of the whole picture, by hand, and with the background painted over."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from metrics.made_networks import write_backbone
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics.catalogue import build_metric
from reenact.metrics.foreground import average_over_person
from reenact.metrics.scene import Frames
from reenact.metrics.suite import Suite, scene_of

NAMES = ("psnr.foreground", "ssim.foreground", "lpips.foreground[probe]", "lpips.foreground[squeeze]")
SIDE = 64


def picture(seed: int, count: int = 2) -> torch.Tensor:
    """Noise (B, 3, H, W) of 256 levels in [-1, 1]."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=draw) / 127.5 - 1


def disc(count: int = 2) -> torch.Tensor:
    """Masks (B, 1, H, W) of a disc whose edge covers pixels in part."""
    centre = torch.arange(SIDE) + 0.5 - SIDE / 2
    distance = (centre[:, None] ** 2 + centre**2).sqrt()
    return (20.5 - distance).clamp(0, 1).expand(count, 1, -1, -1)


@pytest.fixture
def build(home, probe):
    """Builds metrics whose networks have random weights."""
    write_backbone(home, "squeeze")
    return build_metric


@pytest.mark.parametrize("name", NAMES)
def test_a_person_who_fills_the_picture_has_the_metric_of_the_picture(build, name):
    generated, target = picture(0), picture(1)
    everything = build(name.replace(".foreground", "")).values(Frames(generated), Frames(target))
    person = build(name).values(Frames(generated), Frames(target, mask=torch.ones_like(disc())))
    torch.testing.assert_close(person, everything, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_background_has_no_say_and_the_person_has(build, name):
    generated, target, mask = picture(0), picture(1), disc()
    metric = build(name)
    values = metric.values(Frames(generated), Frames(target, mask=mask))
    repainted = torch.where(mask < 0.5, picture(2), generated)
    assert torch.equal(metric.values(Frames(repainted), Frames(target, mask=mask)), values)
    redrawn = torch.where(mask < 0.5, generated, picture(2))
    assert not torch.isclose(metric.values(Frames(redrawn), Frames(target, mask=mask)), values, rtol=1e-4).any()
    best = metric.values(Frames(target), Frames(target, mask=mask))
    assert (best > values).all() if metric.higher_is_better else (best < values).all()


def test_numbers_by_hand():
    generated, target, mask = picture(0, 1), picture(1, 1), disc(1)
    inside = (mask >= 0.5)[0, 0].numpy()
    first, second = (np.round((image[0].permute(1, 2, 0).numpy() + 1) * 127.5) for image in (generated, target))
    error = ((first - second)[inside] ** 2).mean()
    value = build_metric("psnr.foreground").values(Frames(generated), Frames(target, mask=mask))
    assert value.item() == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    composite = np.where(inside[..., None], first, second)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2, "full": True}
    _, places = structural_similarity(composite, second, data_range=255, **options)
    value = build_metric("ssim.foreground").values(Frames(generated), Frames(target, mask=mask))
    assert value.item() == pytest.approx(places[inside].mean(), abs=1e-5)


def test_coarse_places_count_by_the_share_of_the_person():
    person = torch.zeros(1, 1, 4, 4)
    person[..., :3] = 1
    values = torch.tensor([[[1.0, 5.0], [1.0, 5.0]]])
    assert average_over_person(values, person).item() == pytest.approx((1 + 5 / 2) / 1.5)


def test_frames_without_a_person_are_counted_and_left_out():
    generated, target, mask = picture(0), picture(1), disc().clone()
    mask[1] = 0
    pair = PortraitPair(
        Portrait(generated, identity=["a", "a"], clip=["a#0", "a#0"]),
        Portrait(target, mask=mask, identity=["a", "a"], clip=["a#1", "a#1"]),
    )
    suite = Suite(names=["psnr.foreground"], same_identity=True)
    suite.update(scene_of(generated, pair), pair)
    (score,) = suite.scores()
    metric = build_metric("psnr.foreground")
    assert score.value == metric.values(Frames(generated[:1]), Frames(target[:1], mask=mask[:1])).item()
    assert (score.frames, score.note) == (1, "1 of 2 frames have no value: the mask has no pixel of the person")


def test_clips_bring_a_mask_for_each_frame():
    clip, mask = picture(1, 6).unflatten(0, (2, 3)), disc(6).unflatten(0, (2, 3))
    pair = PortraitPair(
        Portrait(picture(0), identity=["a", "b"], clip=["a#0", "b#0"]),
        Portrait(clip, mask=mask, identity=["a", "b"], clip=["a#1", "b#1"]),
    )
    scene = scene_of(clip, pair)
    assert scene.part(slice(2, 5)).target.mask.shape == (3, 1, SIDE, SIDE)


def test_targets_without_masks_are_refused():
    with pytest.raises(ReenactError, match=r"psnr\.foreground is measured on the person, and the target have no masks"):
        build_metric("psnr.foreground").values(Frames(picture(0)), Frames(picture(1), "the target"))
