"""Pictures of the attention of MagicPortrait's guidance encoders."""

import pytest
import torch
from zoo import portrait

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.models.magicportrait.config import GuidanceConfig
from reenact.models.magicportrait.guidance_encoder import GuidanceEncoder, GuidanceEncoders, draw_shares
from reenact.models.magicportrait.toys import build_toy

pytestmark = pytest.mark.filterwarnings("ignore")
WIDTH = 8


def build_encoder(heads):
    torch.manual_seed(0)
    encoder = GuidanceEncoder(GuidanceConfig(widths=[4, 8, WIDTH], heads=heads, groups=4), 4)
    attention = encoder.mixture.transformer_blocks[0].attn1
    attention.to_q.weight.data *= 20  # an attention that is far from even
    return encoder, attention


@torch.no_grad()
def test_shares_are_the_weights_with_which_places_are_read():
    """With values that are the tokens themselves, the attention's mean result is the tokens' mean by the shares."""
    encoder, attention = build_encoder(heads=1)
    for layer in (attention.to_v, attention.to_out[0]):
        layer.weight.copy_(torch.eye(WIDTH))
    attention.to_out[0].bias.zero_()
    seen = {}
    attention.register_forward_hook(
        lambda _, inputs, options, output: seen.update(tokens=inputs[0], results=output), with_kwargs=True
    )
    shares = encoder.measure_attention(torch.rand(2, 3, 32, 32))
    assert shares.shape == (2, 8, 8)
    mean = torch.einsum("nl,nlc->nc", shares.flatten(1), seen["tokens"])
    torch.testing.assert_close(mean, seen["results"].mean(1))
    assert (mean - seen["tokens"].mean(1)).abs().max() > 0.01


@torch.no_grad()
def test_an_even_attention_is_drawn_evenly():
    encoder, attention = build_encoder(heads=2)
    attention.to_k.weight.zero_()
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(encoder.measure_attention(image), torch.full((1, 8, 8), 1 / 64))
    assert torch.allclose(draw_shares(encoder.measure_attention(image), image), torch.ones(()))


@torch.no_grad()
def test_results_show_the_attention_of_each_map_beside_it():
    network = build_toy().eval().network
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "a")
    pictures = network(source, driving).pictures()
    assert list(pictures) == [
        "depth", "normal", "render", "depth_attention", "normal_attention", "render_attention", "result",
    ]  # fmt: skip
    assert all(picture.shape == (2, 3, 32, 32) for picture in pictures.values())
    assert pictures["depth_attention"].min() >= -1
    clip = network(source, driving.split(2)).pictures()
    assert clip["depth_attention"].shape == (1, 2, 3, 32, 32)
    torch.testing.assert_close(clip["depth_attention"][0], pictures["depth_attention"])


def test_encoders_without_self_attention_draw_none():
    encoders = GuidanceEncoders(GuidanceConfig(widths=[4, 8, 8], attention=False), 4)
    assert encoders.draw_attention({kind: torch.rand(1, 3, 16, 16) for kind in encoders.encoders}) == {}
