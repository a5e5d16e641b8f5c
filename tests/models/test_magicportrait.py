"""MagicPortrait's videos and training; its tensors are held in test_magicportrait_parity.py."""

from copy import deepcopy
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from zoo import portrait, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.methods import Foundation
from reenact.methods.registry import find_foundation
from reenact.metrics.images import psnr
from reenact.models.common.base import Transfer
from reenact.models.magicportrait.autoencoder import CosineTransform
from reenact.models.magicportrait.config import GuidanceConfig, MagicPortraitConfig, Sampling, UNetConfig
from reenact.models.magicportrait.method import METHOD
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.network import MagicPortrait
from reenact.models.magicportrait.sampler import draw_noise, mix_noise, sample_latents
from reenact.models.magicportrait.toys import build_toy
from reenact.nn.whole_batch import BatchDraws
from reenact.runs import presets

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


@pytest.fixture(scope="module")
def video():
    torch.manual_seed(0)
    module = build_toy(temporal=True).eval()
    module.network.requires_grad_(False)
    return module.network


def set_sampling(network, **changes):
    """The same network with other settings of its sampler."""
    network.config = replace(network.config, sampling=replace(network.config.sampling, **changes))
    return network


@torch.no_grad()
def test_the_source_keeps_its_place_shape_and_light(video):
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    driving.params.camera[:, 0] *= 0.7
    state = video.encode(source)
    motion = video.retarget(state, video.read(driving), video.transfer)
    assert torch.equal(motion.camera, source.params.camera.expand(3, -1))
    assert torch.equal(motion.shape, source.params.shape.expand(3, -1))
    assert torch.equal(motion.expression, driving.params.expression)
    unaligned = video.retarget(state, video.read(driving), Transfer(parts=(*video.transfer.parts, "shape")))
    assert torch.equal(unaligned.shape, driving.params.shape)


def play(network, source, driving, size=3):
    state, motion = network.encode(source), network.read(driving)
    pieces = ((state, motion[at : at + size]) for at in range(0, len(driving.image), size))
    return torch.cat([result.image for result in network.play(pieces)])


@torch.no_grad()
def test_a_video_is_the_same_in_any_batches_and_runs(video):
    set_sampling(video, steps=2, overlap=1, guidance=3.5)
    source, driving = portrait(1, 0, "a"), portrait(6, 1, "a")
    whole = play(video, source, driving)
    torch.testing.assert_close(play(video, source, driving, size=6), whole, atol=1e-5, rtol=0)
    assert whole.shape == (6, 3, 32, 32)


@torch.no_grad()
def test_twenty_steps_from_a_seed_are_the_same_to_the_bit(video):
    set_sampling(video, steps=20, guidance=1.0)
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "a")
    assert torch.equal(play(video, source, driving), play(video, source, driving))


@torch.no_grad()
def test_frames_of_a_window_know_each_other_and_windows_without_overlap_do_not(video):
    set_sampling(video, steps=2, overlap=0, guidance=1.0)
    source, driving = portrait(1, 0, "a"), portrait(8, 1, "a")
    whole = play(video, source, driving)
    other = portrait(8, 7, "a")
    changed = type(driving).cat([driving[:7], other[7:]])
    again = play(video, source, changed)
    assert torch.equal(again[:4], whole[:4])
    assert all((again[frame] - whole[frame]).abs().max() > 1e-4 for frame in range(4, 8))


@torch.no_grad()
@pytest.mark.parametrize("wrap", [False, True])
def test_a_window_alone_is_that_of_a_longer_video(video, wrap):
    source, driving = portrait(1, 0, "a"), portrait(8, 1, "a")
    state = video.encode(source)
    clip = video.read(driving).map(lambda value: value[None])
    features = video.guide(state, clip).features
    noise = draw_noise(5, range(8), (48, 8, 8))
    sampling = Sampling(steps=3, window=4, overlap=0, wrap=wrap)

    def sample(frames):
        def predict(noisy, timestep, chosen):
            numbers = [frames[place] for place in chosen]
            return video.denoiser(noisy, timestep, video.prompt, features[:, :, numbers], state.bank)

        return sample_latents(predict, noise[:, :, frames], sampling)

    assert torch.equal(sample(range(8))[:, :, 4:], sample(range(4, 8)))


@pytest.mark.parametrize(("frequencies", "floor"), [((4, 4), 99.0), ((4, 2), 40.0), ((2, 1), 25.0)])
def test_low_frequencies_hold_a_smooth_picture(frequencies, floor):
    image = portrait(2, 0, "a").image
    transform = CosineTransform(4, frequencies, 0.7)
    latents = transform.encode(image)
    assert latents.shape == (2, frequencies[0] ** 2 + 2 * frequencies[1] ** 2, 8, 8)
    restored = transform.decode(latents)
    assert psnr(restored, image).min() > floor
    torch.testing.assert_close(transform.encode(restored), latents, atol=1e-5, rtol=0)


def test_noise_is_a_frames_own():
    assert torch.equal(draw_noise(1, range(24), (2, 3, 3))[:, :, 5:7], draw_noise(1, [5, 6], (2, 3, 3)))
    assert not torch.equal(draw_noise(1, [0], (2, 3, 3)), draw_noise(2, [0], (2, 3, 3)))


def test_shared_noise_has_the_same_power_and_its_share_in_common():
    noise = draw_noise(1, range(3), (24, 32, 32), shared=0.6)[0].flatten(2).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(noise), 0.6 + 0.4 * torch.eye(3), atol=0.03, rtol=0)
    assert torch.equal(draw_noise(1, range(9), (3, 4, 4), shared=0.6)[:, :, 5:7], draw_noise(1, [5, 6], (3, 4, 4), 0.6))
    whole = draw_noise(1, range(3), (3, 4, 4), shared=1.0)
    assert torch.equal(whole, whole[:, :, :1].expand_as(whole))
    assert torch.equal(mix_noise(whole, whole[:, :, :1], 0.0), whole)


@torch.no_grad()
def test_frames_of_the_same_motion_and_noise_are_the_same(video):
    source = portrait(1, 0, "a")
    still = type(source).cat([source] * 4)
    for shared, same in ((0.0, False), (1.0, True)):
        set_sampling(video, steps=2, overlap=0, guidance=1.0, shared_noise=shared)
        spread = (play(video, source, still) - play(video, source, still)[:1]).abs().max()
        assert (spread < 0.2) == same, (shared, spread)
    set_sampling(video, shared_noise=0.0)


def test_training_noise_is_shared_as_the_sampler_s(video, monkeypatch):
    module = build_toy(temporal=True)
    set_sampling(module.network, shared_noise=1.0)
    drawn = []

    def keep(source, images, params, timesteps, noise, **_):
        drawn.append(noise)
        return torch.zeros(len(images))

    monkeypatch.setattr(module, "measure_errors", keep)
    monkeypatch.setattr(type(module), "random", lambda module: BatchDraws(torch.Generator().manual_seed(0), 0, 1))
    pair = next(iter(Clips().train_dataloader()))
    module.compute_losses(pair)
    module.check_velocities(pair)
    assert all(torch.equal(noise, noise[:, :, :1].expand_as(noise)) for noise in drawn)
    assert len(drawn) == 6


@torch.no_grad()
def test_without_temperature_all_noise_is_the_same(video):
    source, driving = portrait(1, 0, "a"), portrait(4, 1, "a")
    results = []
    for temperature, seed in ((0.0, 1), (0.0, 2), (0.5, 1), (0.5, 2)):
        set_sampling(video, steps=2, overlap=0, guidance=1.0, temperature=temperature, seed=seed)
        results.append(play(video, source, driving))
    assert torch.equal(results[0], results[1])
    assert (results[2] - results[3]).abs().max() > 0.01
    assert (results[0] - results[2]).abs().max() > 0.01
    set_sampling(video, temperature=1.0, seed=42)


@torch.no_grad()
def test_progress_ends_with_the_work(video):
    set_sampling(video, steps=2, overlap=0, guidance=1.0)
    fractions = []
    state = video.encode(portrait(1, 0, "a"))
    list(video.play([(state, video.read(portrait(8, 1, "a")))], fractions.append))
    assert fractions == [0.25, 0.5, 0.75, 1.0]


class Clips(pl.LightningDataModule):
    def train_dataloader(self):
        draw = portrait(8, 1, "a").split(4)
        pair = PortraitPair(portrait(2, 0, "a"), draw)
        return torch.utils.data.DataLoader([pair], batch_size=None)


def test_the_second_stage_trains_its_motion_modules_alone(tmp_path):
    torch.manual_seed(0)
    module = build_toy(temporal=True)
    assert module.reaches_all
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(module, Clips())
    changed = {name for name, value in module.state_dict().items() if not torch.equal(before[name], value)}
    assert changed
    assert all(".motion_modules." in name for name in changed)
    assert len(changed) == sum(parameter.requires_grad for parameter in module.parameters())


def test_the_second_stage_starts_as_the_first():
    image, video = build_toy(), build_toy(temporal=True)
    fresh = set(video.state_dict()) - set(image.state_dict())
    assert not set(image.state_dict()) - set(video.state_dict())
    assert all(name.startswith(MagicPortraitModule.may_start_fresh) for name in fresh)


TINY = {"unet": UNetConfig(channels=[8, 8], layers=1, heads=2, groups=4, latent=48, prompt_width=4)}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Sampling(overlap=12), "overlap=12 must be from 0 to less than the window of 12 frames"),
        (lambda: Sampling(shared_noise=1.5), "shared_noise=1.5 must be from 0 to 1"),
        (lambda: Sampling(temperature=1.5), "temperature=1.5 must be from 0 to 1"),
        (lambda: Sampling(steps=0), "steps=0 must be from 1 to 1000"),
        (lambda: GuidanceConfig(maps=[]), "must name one map or several"),
        (lambda: MagicPortraitConfig(autoencoder="cosines"), "must be 192, the channels of the autoencoder cosines"),
        (
            lambda: MagicPortraitConfig(autoencoder="cosines", frequencies=[9, 4]),
            r"frequencies \[9, 4\] must be two numbers, of brightness and of colours, from 1 to 8",
        ),
        (
            lambda: MagicPortraitConfig(sampling=Sampling(window=33)),
            "must be at most --model.network.unet.motion_length",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(build, message):
    with pytest.raises(ReenactError, match=message):
        build()


def test_pictures_of_other_sizes_are_refused(video):
    with pytest.raises(ReenactError, match="square images whose sides are multiples of 8, not 36x36"):
        video.check_size(torch.zeros(1, 3, 36, 36))


def test_a_map_for_ablation_takes_the_place_of_the_others(head):
    config = MagicPortraitConfig(
        temporal=False, autoencoder="cosines", frequencies=[4, 4], prompt_tokens=1,
        guidance=GuidanceConfig(maps=["landmarks"], widths=[4, 8, 8], attention=False), fusion="add", **TINY,
    )  # fmt: skip
    config = replace(config, sampling=Sampling(steps=1))
    network = MagicPortrait(config, head).eval()
    assert not network.needs.texture
    source = portrait(1, 0, "a")
    with torch.no_grad():
        result = network(source, source)
    assert list(result.pictures()) == ["landmarks", "result"]
    assert torch.isfinite(result.image).all()


MAPS = {
    "magicportrait_landmarks": ["landmarks"],
    "magicportrait_landmarks_depth_normal": ["landmarks", "depth", "normal"],
    "magicportrait_depth_normal": ["depth", "normal"],
    "magicportrait_rendering": ["render"],
}
"""Guidance of the rows of the paper's Table III."""


def read_settings(preset):
    """The arguments of a preset's module."""
    return deepcopy(presets.load_preset(presets.find_preset("model", preset))["model"]["init_args"])


ENCODERS = {"magicportrait_clip": {"encoder": "clip"}, "magicportrait_conv": {"attention": False}}
"""The same of Table IV."""


@pytest.mark.parametrize("preset", [*MAPS, *ENCODERS])
def test_an_ablation_is_the_method_with_other_guidance_in_both_stages(preset):
    settings, full = read_settings(preset), read_settings("magicportrait")
    guidance = settings["network"].pop("guidance")
    assert settings == full
    assert guidance == ({"maps": MAPS[preset]} if preset in MAPS else ENCODERS[preset])
    foundation = find_foundation(preset)
    assert foundation == Foundation(preset=f"{preset}_image", option="weights")
    first = read_settings(foundation.preset)
    assert first["network"].pop("guidance") == guidance
    assert first == read_settings("magicportrait_image")


def test_paper_scale_gives_each_first_stage_its_batch_and_distance():
    for name in METHOD.presets.keys() - {"magicportrait_fast"}:
        contents = [presets.load_preset(path) for path in presets.scale_files("paper", "magicportrait", name)]
        steps = [content["trainer"]["max_steps"] for content in contents if "trainer" in content][-1]
        data = {key: value for content in contents for key, value in content["data"]["init_args"].items()}
        assert data["size"] == 512
        assert (steps, data["batch_size"]) == ((45000, 32) if name.endswith("_image") else (50000, 2))
