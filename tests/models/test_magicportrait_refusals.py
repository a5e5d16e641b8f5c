"""Bad input of MagicPortrait at the command line: one sentence, and nothing is written."""

from dataclasses import asdict, replace
from importlib.util import find_spec

import pytest
import yaml
from zoo import portrait, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from small_autoencoder import build_latent_toy, save_autoencoder

from reenact.cli import main
from reenact.media.pictures import write_image
from reenact.methods import registry
from reenact.models.magicportrait.config import GuidanceConfig, UNetConfig
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.toys import build_toy

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder that must be refused and write nothing; gives the sentence."""
    monkeypatch.chdir(tmp_path)

    def list_files():
        return sorted(tmp_path.rglob("*"))

    def run(*words):
        before = list_files()
        assert main([str(word) for word in words]) == 2
        assert list_files() == before
        lines = capsys.readouterr().err.strip().splitlines()
        return lines[-1].removeprefix("reenact: error: ")

    return run


def save(module, path):
    run = trainer(path.parent / "unused")
    run.strategy.connect(module)
    run.save_checkpoint(path)
    return path


def write_pictures(folder):
    image = ((portrait(1, 0, "a").image[0].permute(1, 2, 0) + 1) * 127).byte().numpy()
    for name in ("portrait.png", "driving.png"):
        write_image(folder / name, image)
    return ["--source", folder / "portrait.png", "--driving", folder / "driving.png", "-o", folder / "out.png"]


def list_sizes(module, folder):
    """Options of `fit` by which a preset has a toy's sizes."""
    path = folder / "sizes.yaml"
    content = {"network": asdict(module.network.config), "optimisation": {"lr": 1e-3, "milestones": []}}
    path.write_text(yaml.safe_dump({"model": {"init_args": content}}))
    return ["-c", path, "--data.size", 32, "--data.identities", 2, "--trainer.max_steps", 1]


@pytest.mark.parametrize("preset", ["magicportrait_image", "magicportrait_fast"])
def test_the_missing_diffusers_is_named_with_its_extra(refuse, monkeypatch, tmp_path, preset):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "diffusers" else find_spec(name))
    sentence = refuse("fit", "--model", preset, *list_sizes(build_toy(), tmp_path))
    assert sentence.startswith("The method magicportrait needs the package diffusers, which is not installed: pip ")
    assert "'reenact-zoo[diffusion]'" in sentence


def test_a_checkpoint_without_diffusers_names_the_extra(refuse, monkeypatch, tmp_path):
    checkpoint, files = save(build_toy(), tmp_path / "toy.ckpt"), write_pictures(tmp_path)
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "diffusers" else find_spec(name))
    assert "needs the package diffusers" in refuse("animate", "--checkpoint", checkpoint, *files)


def test_clips_shorter_than_the_window_are_refused(refuse, tmp_path):
    options = ["--model", "magicportrait", "--weights", save(build_toy(), tmp_path / "toy.ckpt")]
    options += list_sizes(build_toy(temporal=True), tmp_path)
    sentence = refuse("fit", *options, "--data.frames_per_clip", 3, "--out", tmp_path / "run")
    assert sentence.startswith("No clip has the 4 frames that training needs; prepare longer clips, or let the")
    assert sentence.endswith("--data.frames_per_clip 4")


def test_a_moving_source_is_refused(refuse, tmp_path):
    checkpoint, files = save(build_toy(), tmp_path / "toy.ckpt"), write_pictures(tmp_path)
    (tmp_path / "source.mp4").write_bytes(b"never read")
    files[1] = tmp_path / "source.mp4"
    files[-1] = tmp_path / "out.mp4"
    sentence = refuse("animate", "--checkpoint", checkpoint, *files, "--audio", "none")
    assert "source.mp4 is a video, and magicportrait animates pictures alone: give a picture of the face" in sentence


def test_weights_of_other_widths_are_refused(refuse, tmp_path):
    toy = build_toy()
    network = replace(
        toy.network.config,
        unet=UNetConfig(channels=[8, 8], layers=1, heads=2, groups=4, latent=48, prompt_width=8),
        guidance=GuidanceConfig(widths=[4, 8, 8], heads=2, groups=4),
    )
    other = MagicPortraitModule("head", network, toy.losses, toy.optimisation)
    options = ["--model", "magicportrait", "--weights", save(other, tmp_path / "narrow.ckpt")]
    sentence = refuse("fit", *options, *list_sizes(build_toy(temporal=True), tmp_path), "--out", tmp_path / "run")
    assert "narrow.ckpt does not fit magicportrait with these settings" in sentence
    assert "weights differ in network.appearance.unet.conv_in.bias" in sentence


@pytest.fixture
def autoencoder(tmp_path, monkeypatch):
    """Saves an untrained autoencoder of Stable Diffusion's form as the asset."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))

    return save_autoencoder


def test_another_autoencoder_than_the_training_s_is_refused(refuse, autoencoder, tmp_path):
    autoencoder(seed=0)
    module = build_latent_toy()
    checkpoint, files = save(module, tmp_path / "toy.ckpt"), write_pictures(tmp_path)
    autoencoder(seed=1)
    sentence = refuse("animate", "--checkpoint", checkpoint, *files)
    assert "toy.ckpt was trained with another network autoencoder (sha256 " in sentence
    assert "get the file that it was trained with, or train again" in sentence
