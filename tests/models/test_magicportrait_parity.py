"""MagicPortrait against tensors of its official code; tolerance 1e-4."""

import json
from itertools import chain

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.models.magicportrait.config import GuidanceConfig, Sampling, UNetConfig
from reenact.models.magicportrait.denoiser import Denoiser, FrameNorm
from reenact.models.magicportrait.guidance_encoder import GuidanceEncoders
from reenact.models.magicportrait.official import (
    read_guidance_config,
    read_unet_config,
    rename_guidance,
    rename_motion,
    rename_release,
)
from reenact.models.magicportrait.reference import AppearanceNet, find_self_attentions
from reenact.models.magicportrait.sampler import build_scheduler, combine_predictions, sample_latents
from reenact.models.magicportrait.training import weigh_velocities
from reenact.models.magicportrait.windows import list_windows

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = UNetConfig(channels=[32, 32, 64, 64], prompt_width=32)
KINDS = ("depth", "normal", "render")
TIMESTEP = torch.tensor([499])


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "magicportrait.safetensors")


@pytest.fixture(scope="module")
def description(parity):
    return json.loads((parity / "magicportrait.json").read_text())


@pytest.fixture(scope="module")
def official(tensors):
    """The contents of the official files, float32."""
    names = {key.split("/")[1] for key in tensors if key.startswith("state/")}
    return {
        name: {key.split("/")[2]: value.float() for key, value in tensors.items() if key.startswith(f"state/{name}/")}
        for name in names
    }


@pytest.fixture(scope="module")
def appearance(official):
    network = AppearanceNet(CONFIG)
    network.unet.load_state_dict(official["reference_unet"])
    return network.eval()


@pytest.fixture(scope="module")
def image_denoiser(official):
    network = Denoiser(CONFIG, temporal=False)
    network.unet.load_state_dict(official["denoising_unet"])
    return network.eval()


@pytest.fixture(scope="module")
def denoiser(official):
    network = Denoiser(CONFIG, temporal=True)
    weights = official["denoising_unet"] | rename_motion(official["motion_module"])
    missing, unexpected = network.unet.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.endswith("pos_embed.pe") for name in missing)
    return network.eval()


@pytest.fixture(scope="module")
def encoders(official):
    network = GuidanceEncoders(GuidanceConfig(widths=[16, 32, 32, 32]), 32)
    for kind in KINDS:
        network.encoders[kind].load_state_dict(rename_guidance(official[f"guidance_encoder_{kind}"]))
    return network.eval()


@pytest.fixture(scope="module")
def prompt(tensors):
    return tensors["input/text_embeds"]


@pytest.fixture(scope="module")
def guidance(tensors, encoders):
    maps = {kind: tensors[f"input/guidance_{kind}"].permute(0, 3, 1, 2) / 255 for kind in KINDS}
    with torch.no_grad():
        return encoders(maps).transpose(0, 1)[None], encoders.encoders["depth"](maps["depth"]).transpose(0, 1)[None]


@pytest.fixture(scope="module")
def bank(tensors, appearance, prompt):
    with torch.no_grad():
        return appearance(tensors["input/ref_latents"], prompt)


def close(value, wanted, tolerance=1e-4):
    torch.testing.assert_close(value, wanted, atol=tolerance, rtol=0)


def half(bank):
    return tuple(tokens.half() for tokens in bank)


def test_guidance_is_the_official_one(tensors, guidance):
    close(guidance[0], tensors["output/guidance/sum"], 1e-5)
    close(guidance[1], tensors["output/guidance/depth"], 1e-5)


def test_the_bank_is_the_official_one(tensors, appearance, denoiser, image_denoiser, bank):
    names = sorted(key.removeprefix("output/bank/") for key in tensors if key.startswith("output/bank/"))
    assert len(bank) == 16
    for tokens, name in zip(bank, names, strict=True):
        close(tokens, tensors[f"output/bank/{name}"])
    for unet in (appearance.unet, denoiser.unet, image_denoiser.unet):
        paths = {id(module): path for path, module in unet.named_modules()}
        assert [paths[id(module)].removesuffix(".attn1") for module in find_self_attentions(unet)] == names


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "guided", "precision"),
    [
        ("plain_no_guidance", False, None),
        ("plain_no_reference_hooks", True, None),
        ("cond_bank_fp32", True, "float32"),
        ("cond_bank_fp16", True, "float16"),
    ],
)
def test_velocities_are_the_official_ones(tensors, denoiser, prompt, guidance, bank, name, guided, precision):
    banks = {None: None, "float32": bank, "float16": half(bank)}
    features = guidance[0] if guided else None
    velocity = denoiser(tensors["input/noisy_latents"], TIMESTEP, prompt, features, banks[precision])
    close(velocity, tensors[f"output/pred/{name}"])


@torch.no_grad()
def test_classifier_free_guidance_is_the_official_one(tensors, denoiser, prompt, guidance, bank):
    latents = tensors["input/noisy_latents"]
    plain, full = (denoiser(latents, TIMESTEP, prompt, guidance[0], entry) for entry in (None, bank))
    close(torch.cat([plain, full]), tensors["output/pred/cfg_batch_bank_fp32"])
    close(combine_predictions(plain, full, 3.5), tensors["output/pred/cfg_combined_3.5_bank_fp32"])
    rounded = denoiser(latents, TIMESTEP, prompt, guidance[0], half(bank))
    close(combine_predictions(plain, rounded, 3.5), tensors["output/pred/cfg_combined_3.5_bank_fp16"])


@torch.no_grad()
def test_a_denoiser_without_time_is_the_official_first_stage(tensors, image_denoiser, prompt, guidance, bank):
    first = slice(0, 1)
    velocity = image_denoiser(
        tensors["input/noisy_latents"][:, :, first], TIMESTEP, prompt, guidance[0][:, :, first], bank
    )
    close(velocity, tensors["output/pred/stage1_frame0_bank_fp32"])


@torch.no_grad()
def test_motion_modules_normalise_each_frame(tensors, denoiser, prompt):
    """diffusers' own normalise over all frames, which is off by 0.17 and more here."""
    norms = [module for module in denoiser.modules() if isinstance(module, FrameNorm)]
    assert len(norms) == 21
    for norm in norms:
        norm.__class__ = torch.nn.GroupNorm
    velocity = denoiser(tensors["input/noisy_latents"], TIMESTEP, prompt, None, None)
    for norm in norms:
        norm.__class__ = FrameNorm
    assert (velocity - tensors["output/pred/plain_no_guidance"]).abs().max() > 0.1


def test_schedules_are_the_official_ones(tensors, description):
    sampling, training = build_scheduler("linear"), build_scheduler("scaled_linear")
    close(sampling.alphas_cumprod, tensors["output/sched/alphas_cumprod_infer_linear_zsnr"], 1e-6)
    close(training.alphas_cumprod, tensors["output/sched/alphas_cumprod_train_scaled_linear_zsnr"], 1e-6)
    sampling.set_timesteps(20)
    assert sampling.timesteps.tolist() == description["timesteps_20"]
    for timestep in (999, 499, 49):
        step = sampling.step(tensors["input/sched_v"], timestep, tensors["input/sched_sample"], return_dict=False)[0]
        close(step, tensors[f"output/sched/step20_t{timestep}"], 1e-6)
    start, noise, timesteps = tensors["input/train_x0"], tensors["input/train_noise"], torch.tensor([0, 499, 999])
    close(training.add_noise(start, noise, timesteps), tensors["output/train/noisy"], 1e-6)
    close(training.get_velocity(start, noise, timesteps), tensors["output/train/velocity"], 1e-6)
    close(weigh_velocities(training.alphas_cumprod, timesteps, 5.0), tensors["output/train/min_snr5_weight"], 1e-6)


def test_windows_are_the_official_ones(description):
    for count, windows in description["context_windows"]["windows"].items():
        assert list_windows(int(count), 12, 1, wrap=True) == windows
    assert len(list_windows(100, 12, 1, wrap=True)) == description["context_windows"]["count_for_100_frames"]


@pytest.mark.parametrize(("count", "overlap"), [(12, 1), (13, 1), (23, 1), (24, 0), (30, 4), (31, 11)])
def test_windows_without_wrapping_end_with_the_video(count, overlap):
    windows = list_windows(count, 12, overlap, wrap=False)
    assert all(window == list(range(window[0], window[0] + 12)) for window in windows)
    assert windows[-1][-1] == count - 1
    assert set(chain(*windows)) == set(range(count))
    assert len({tuple(window) for window in windows}) == len(windows)


@pytest.mark.slow
@torch.no_grad()
def test_long_videos_are_the_official_ones(tensors, appearance, denoiser, prompt):
    bank = half(appearance(tensors["input/long_ref_latents"], prompt))
    features = tensors["input/long_guidance_feature_sum"]

    def predict(latents, timestep, frames):
        velocities = (denoiser(latents, timestep, prompt, features[:, :, frames], entry) for entry in (None, bank))
        return combine_predictions(*velocities, 3.5)

    latents = sample_latents(predict, tensors["input/long_init_latents"], Sampling(steps=2))
    close(latents, tensors["output/long/final_latents"])


def test_the_released_files_fill_our_networks(official, appearance, denoiser, encoders):
    assert read_unet_config(official["denoising_unet"], 8) == CONFIG
    assert read_guidance_config(official["guidance_encoder_depth"], 8) == GuidanceConfig(widths=[16, 32, 32, 32])
    state, report = rename_release(official)
    for name, network in (("appearance", appearance), ("denoiser", denoiser), ("guidance", encoders)):
        held = {key: value for key, value in network.state_dict().items() if not key.endswith("pos_embed.pe")}
        named = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
        assert held.keys() == named.keys()
        assert all(torch.equal(value, named[key]) for key, value in held.items())
    assert report == [
        "left out: 42 weights of motion_module, fixed codes of the frames' places",
        *(
            f"left out: 114 weights of guidance_encoder_{kind}, attentions that the released code never runs"
            for kind in KINDS
        ),
    ]


def test_whole_unets_are_cut_to_what_is_read(official):
    whole = {**official, "reference_unet": official["reference_unet"] | {"conv_out.bias": torch.zeros(4)}}
    timed = {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": torch.zeros(32)}
    whole["denoising_unet"] = official["denoising_unet"] | timed
    del whole["motion_module"]
    state, report = rename_release(whole)
    assert "appearance.unet.conv_out.bias" not in state
    assert not any("motion_modules" in name for name in state)
    assert report[:2] == [
        "left out: 1 weights of reference_unet, layers whose results the released code does not read",
        "left out: 1 weights of denoising_unet, motion modules that motion_module has",
    ]
