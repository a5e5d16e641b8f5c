"""`reenact convert` of the released MagicPortrait, on files of its form with narrow weights."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from small_autoencoder import save_autoencoder
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from reenact.cli import main
from reenact.models.common.checkpoint import load_method

FILES = {"motion_module": "motion_module-47360.pth"}


def save_text_encoder(folder: Path, width: int) -> None:
    config = CLIPTextConfig(
        vocab_size=26, hidden_size=width, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(folder)


@pytest.fixture
def release(parity, tmp_path, monkeypatch):
    """The six files, a base folder with a tiny text encoder, and a tiny autoencoder."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    tensors = load_file(parity / "magicportrait.safetensors")
    folder = tmp_path / "official"
    folder.mkdir()
    for name in {key.split("/")[1] for key in tensors if key.startswith("state/")}:
        prefix = f"state/{name}/"
        weights = {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}
        torch.save(weights, folder / FILES.get(name, f"{name}.pth"))
    base = tmp_path / "base"
    words = ["<|startoftext|>", "<|endoftext|>", *"aclosepurfn.", *(f"{letter}</w>" for letter in "aclosepurfn.")]
    (base / "tokenizer").mkdir(parents=True)
    (base / "tokenizer" / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (base / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(base / "tokenizer/vocab.json"), str(base / "tokenizer/merges.txt")).save_pretrained(
        base / "tokenizer"
    )
    save_text_encoder(base / "text_encoder", 32)
    save_autoencoder()
    return tmp_path


def test_the_released_files_become_a_checkpoint(release, caplog):
    command = ["convert", str(release / "official"), "--base", str(release / "base"), "--face-model", "head"]
    (release / "unet.yaml").write_text(
        "attention_head_dim: 8\n"
    )  # no weight tells it, and the sizes are no released ones
    assert main([*command, "--config", str(release / "unet.yaml"), "--out", str(release / "ours.ckpt")]) == 0
    assert "left out: 114 weights of guidance_encoder_depth" in caplog.text
    module = load_method(release / "ours.ckpt")
    assert module.network.prompt.shape == (1, 16, 32)
    assert module.image_size == 512


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("base/text_encoder", "lacks the folder text_encoder: give the folder of Stable Diffusion 1.5"),
        ("official/guidance_encoder_depth.pth", "lacks guidance_encoder_depth.pth or"),
    ],
)
def test_missing_parts_are_named(release, capsys, remove, message):
    path = release / remove
    path.rename(path.with_name("elsewhere"))
    command = ["convert", str(release / "official"), "--base", str(release / "base"), "--face-model", "head"]
    assert main([*command, "--out", str(release / "ours.ckpt")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (release / "ours.ckpt").exists()


@pytest.mark.parametrize("version", ["Stable Diffusion 2", "Stable Diffusion XL"])
def test_a_base_folder_of_another_version_is_named(release, capsys, version):
    xl = version.endswith("XL")
    save_text_encoder(release / "base" / ("text_encoder_2" if xl else "text_encoder"), 32 if xl else 1024)
    command = ["convert", str(release / "official"), "--base", str(release / "base"), "--face-model", "head"]
    (release / "unet.yaml").write_text("attention_head_dim: 8\n")
    assert main([*command, "--config", str(release / "unet.yaml"), "--out", str(release / "ours.ckpt")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"is a folder of {version}" in error
    assert "give the folder of Stable Diffusion 1.5" in error
