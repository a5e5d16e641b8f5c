"""The source carried along the mesh, from which MagicPortrait's latents count at tiny scale."""

import pytest
import strangers
import torch
from zoo import portrait

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.metrics.images import psnr
from reenact.models.magicportrait.carried import carry_source, spread_flow
from reenact.models.magicportrait.config import MagicPortraitConfig
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.sampler import build_scheduler
from reenact.models.magicportrait.toys import build_toy
from reenact.models.magicportrait.training import MagicPortraitLosses

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


def test_a_face_that_does_not_move_stays_as_it_is(head):
    face = portrait(2, 3, "a")
    torch.testing.assert_close(carry_source(head, face.image, face.params, face.params), face.image, atol=1e-4, rtol=0)


def test_the_carried_source_is_nearer_to_the_driving_picture(head):
    frames = strangers.read_portraits(strangers.PEOPLE[0], 0, tuple(range(0, 100, 25)), 0)
    source, driving = frames[:1], frames[1:]
    repeated = source.params.map(lambda value: value.expand(3, *value.shape[1:]))
    carried = carry_source(head, source.image.expand(3, -1, -1, -1), repeated, driving.params)
    gain = psnr(carried, driving.image) - psnr(source.image.expand(3, -1, -1, -1), driving.image)
    assert gain.min() > 1
    assert gain.mean() > 2


def test_the_flow_goes_on_beyond_the_mesh_and_ends():
    covered = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    covered[..., 24:40, 24:40] = True
    flow = torch.tensor([0.3, -0.1])[None, :, None, None] * covered
    spread = spread_flow(flow, covered)
    assert torch.equal(spread[..., 24:40, 24:40], flow[..., 24:40, 24:40])
    row = spread[0, 0, 32]
    assert (row[16:25].diff() >= 0).all()
    assert row[16] < 0.1
    assert row[23] > 0.25
    assert not row[:16].any()


def build_still_toy(temporal):
    """A toy that denoises every picture to latents of 0."""
    network = build_toy(temporal=temporal, carried=True).network.eval()
    last = network.denoiser.unet.conv_out
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    return network


@torch.no_grad()
@pytest.mark.parametrize("temporal", [False, True])
def test_latents_count_from_the_carried_source(head, temporal):
    """One step begins at noise alone, of which a velocity of 0 leaves nothing."""
    network, source, driving = build_still_toy(temporal), portrait(1, 0, "a"), portrait(4, 1, "a")
    state, motion = network.encode(source), network.read(driving)
    repeated = source.params.map(lambda value: value.expand(4, *value.shape[1:]))
    wanted = carry_source(head, source.image.expand(4, -1, -1, -1), repeated, motion).clamp(-1, 1)
    assert (wanted - source.image).abs().max() > 0.05
    played = torch.cat([result.image for result in network.play([(state, motion)])])
    torch.testing.assert_close(played, wanted, atol=1e-4, rtol=0)
    clip = network.perform(state, motion.map(lambda value: value[None])).image[0]
    torch.testing.assert_close(clip, wanted, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_objective_is_the_difference_to_the_carried_source():
    """The picture itself as the target leaves no error where nothing moves and noise is all."""
    torch.manual_seed(0)
    module = build_toy(carried=True).eval()
    module.network = build_still_toy(temporal=False)
    face, last = portrait(2, 3, "a"), torch.full((2,), 999)
    noise = torch.randn(2, 48, 1, 8, 8)
    errors = module.measure_errors(face, face.image[:, None], face.params.split(1), last, noise)
    assert errors.max() < 1e-4
    moved = portrait(2, 4, "a")
    assert module.measure_errors(moved, face.image[:, None], face.params.split(1), last, noise).min() > 1e-2


@torch.no_grad()
def test_the_velocity_leads_to_the_clean_latents():
    """Of a UNet that predicts zeros, the steps from any noise end at zero."""
    denoiser = build_still_toy(temporal=True).denoiser
    alphas = build_scheduler("scaled_linear").alphas_cumprod
    noisy, timesteps = torch.randn(3, 48, 2, 8, 8), torch.tensor([0, 500, 999])
    velocity = denoiser(noisy, timesteps, torch.zeros(1, 1, 8), None, None)
    alpha = alphas[timesteps][:, None, None, None, None]
    clean = alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity
    torch.testing.assert_close(clean, torch.zeros_like(clean), atol=1e-5, rtol=0)


def test_clean_latents_need_one_noise():
    network = build_toy(carried=True).network.config
    with pytest.raises(ReenactError, match=r"losses\.betas linear must be those of"):
        MagicPortraitModule(network=network, losses=MagicPortraitLosses(betas="linear"))


def test_the_autoencoder_of_stable_diffusion_is_refused():
    with pytest.raises(ReenactError, match="carried true is for the autoencoder cosines, not stable_diffusion"):
        MagicPortraitConfig(carried=True)
