"""CLIP's image encoder in the place of MagicPortrait's guidance encoders."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny
from zoo import portrait, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig, CLIPVisionModel

from reenact.assets import cache_dir
from reenact.errors import ReenactError
from reenact.models.common.checkpoint import load_method
from reenact.models.magicportrait.clip_encoder import CLIP_MEAN, CLIP_STD, ClipEncoder, load_clip
from reenact.models.magicportrait.config import GuidanceConfig
from reenact.models.magicportrait.guidance_encoder import GuidanceEncoders
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.toys import build_toy
from reenact.nn.frozen import Frozen, hash_weights

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = {"widths": [4, 8, 8], "heads": 2, "groups": 4}


def save_clip(width=1024, seed=0):
    """A folder of the asset's form with one narrow layer, text encoder and all."""
    torch.manual_seed(seed)
    text = CLIPTextConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    vision = CLIPVisionConfig(
        hidden_size=width, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=16, patch_size=4
    )
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    CLIPModel(config).save_pretrained(cache_dir() / "clip-vit-large-patch14")


@pytest.fixture
def asset(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    save_clip()


def build_clip_toy():
    """The toy of the first stage, guided by the asset."""
    toy = build_toy()
    network = replace(toy.network.config, guidance=GuidanceConfig(encoder="clip", **SIZES))
    return MagicPortraitModule("head", network, toy.losses, toy.optimisation)


def test_the_encoder_projects_the_patches_of_the_normalised_picture():
    torch.manual_seed(0)
    encoder = ClipEncoder(GuidanceConfig(encoder="small_clip", **SIZES), 6)
    assert not encoder(torch.rand(1, 3, 64, 64)).any()
    torch.nn.init.normal_(encoder.conv_out.weight)
    image = torch.rand(2, 3, 64, 64)
    normalised = (image - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    tokens = encoder.vision(pixel_values=normalised).last_hidden_state
    assert tokens.shape == (2, 257, 8)
    weight = encoder.conv_out.weight[:, :, 0, 0]
    for row, column in ((0, 0), (3, 7), (15, 15)):
        expected = tokens[:, 1 + 16 * row + column] @ weight.T
        torch.testing.assert_close(encoder(image)[:, :, row, column], expected, atol=1e-5, rtol=1e-5)


def test_pictures_of_any_size_give_features_of_the_size_of_the_latents():
    encoders = GuidanceEncoders(GuidanceConfig(encoder="small_clip", **SIZES), 6)
    maps = {kind: torch.rand(2, 3, 32, 32) for kind in ("depth", "normal", "render")}
    assert encoders(maps).shape == (2, 6, 8, 8)


def test_the_small_network_is_trained_and_its_own_for_each_map():
    encoders = GuidanceEncoders(GuidanceConfig(encoder="small_clip", **SIZES), 6)
    assert encoders.clip is None
    assert all(parameter.requires_grad for parameter in encoders.parameters())
    depth, normal = (encoders.encoders[kind].vision for kind in ("depth", "normal"))
    assert depth is not normal
    assert isinstance(depth, CLIPVisionModel)


def test_the_asset_is_frozen_shared_and_outside_of_the_checkpoint(asset):
    module = build_clip_toy()
    clip = module.network.guidance.clip
    assert module.assets("use") == ("clip-vit-large-patch14",)
    assert module.frozen_parts() == {"clip": clip}
    assert clip.digest == hash_weights(load_clip().state_dict())
    assert not any("vision" in name for name in module.state_dict())
    maps = {kind: torch.rand(1, 3, 32, 32) for kind in ("depth", "normal", "render")}
    for encoder in module.network.guidance.encoders.values():
        torch.nn.init.normal_(encoder.conv_out.weight)
    module.network.guidance(maps).sum().backward()
    assert all(parameter.grad is None for parameter in clip.load().parameters())
    assert all(encoder.conv_out.weight.grad is not None for encoder in module.network.guidance.encoders.values())


def test_guidance_by_the_asset_reaches_the_result(asset):
    torch.manual_seed(0)
    module = build_clip_toy().eval()
    source, others = portrait(1, 0, "a"), portrait(2, 1, "a")
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1 and not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
        first, second = (module(source, others[place : place + 1]).image for place in range(2))
    assert (first - second).abs().max() > 1e-3


def test_a_checkpoint_with_another_network_is_refused(asset, tmp_path):
    path, run = tmp_path / "clip.ckpt", trainer(tmp_path)
    run.strategy.connect(build_clip_toy())
    run.save_checkpoint(path)
    assert load_method(path).network.guidance.clip is not None
    save_clip(seed=1)
    with pytest.raises(ReenactError, match=r"clip\.ckpt was trained with another network clip"):
        load_method(path)


def test_a_network_of_other_sizes_or_none_is_named(asset, tmp_path):
    save_clip(width=8)
    with pytest.raises(ReenactError, match=r"does not hold clip-vit-large-patch14: .* have 8 channels of 1024"):
        load_clip()
    (tmp_path / "clip-vit-large-patch14" / "model.safetensors").unlink()
    with pytest.raises(ReenactError, match="reenact weights get clip-vit-large-patch14"):
        Frozen(load_clip).load()


@pytest.mark.parametrize("preset", ["magicportrait_clip", "magicportrait_clip_image"])
def test_the_tiny_preset_needs_no_file(preset):
    module = tiny(preset)
    assert module.assets("fit") == ()
    assert module.network.config.guidance.encoder == "small_clip"
