"""Official releases of several files, and of a base folder, through `reenact convert`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reenact.cli import main
from reenact.faces.portrait import Portrait
from reenact.models.common.checkpoint import load_method

MIX = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.0]])
COMMAND = ["convert", "official", "--out", "ours.ckpt"]


@pytest.fixture
def release(install):
    """The method's package, its release in `official` and the other project's in `base`."""
    install("joined_files")
    for folder in ("official/parts", "base/net"):
        Path(folder).mkdir(parents=True)
    save_file({"weight": MIX}, "official/parts/colours.safetensors")
    torch.save({"weight": torch.tensor([2.0])}, "official/gain.pth")
    save_file({"mean": torch.tensor([0.25])}, "base/net/level.safetensors")


def test_a_folder_and_its_base_become_a_checkpoint_that_performs(release):
    assert main([*COMMAND, "--base", "base"]) == 0
    module = load_method("ours.ckpt")
    assert (module.method, module.image_size) == ("joined_files", 64)
    images = torch.rand(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    source, driving = map(Portrait, images)
    with torch.no_grad():
        image = module.network(source, driving).image
    mixed = torch.stack((source.image[:, 1], source.image[:, 2], source.image[:, 0] / 2), 1)
    torch.testing.assert_close(image, mixed + 2 * (driving.image.mean((2, 3), keepdim=True) - 0.25))


def test_a_file_of_pytorch_is_read_before_its_safetensors_twin(release):
    torch.save({"weight": 2 * MIX}, "official/parts/colours.pth")
    assert main([*COMMAND, "--base", "base"]) == 0
    assert torch.equal(load_method("ours.ckpt").network.mix.weight, 2 * MIX)


def remove_part() -> None:
    Path("official/gain.pth").unlink()


def remove_all_parts() -> None:
    remove_part()
    Path("official/parts/colours.safetensors").unlink()


def cut_part() -> None:
    Path("official/parts/colours.safetensors").write_bytes(b"cut")


def change_part() -> None:
    torch.save({"other": torch.zeros(1)}, "official/gain.pth")


def empty_part() -> None:
    save_file({"other": torch.zeros(1)}, "official/parts/colours.safetensors")


def empty_base() -> None:
    Path("base/net/level.safetensors").unlink()


def keep_all() -> None:
    """Change nothing."""


BASE = ["--base", "base"]
REFUSALS = [
    (remove_part, BASE, "official lacks gain.pth of Joined Files: put all its files into one folder"),
    (
        remove_all_parts,
        BASE,
        "a folder of Joined Files with parts/colours.pth or parts/colours.safetensors, gain.pth",
    ),
    (cut_part, BASE, "colours.safetensors is damaged"),
    (change_part, BASE, "official has the files of Joined Files with other content"),
    (empty_part, BASE, "official is no official checkpoint of Joined Files: it lacks 'weight'"),
    (keep_all, [], "which stands on Mean Brightness 1.5: give --base its folder"),
    (keep_all, ["--base", "absent"], "--base absent is no folder: give the folder of Mean Brightness 1.5"),
    (empty_base, BASE, "base lacks net/level.safetensors of Mean Brightness 1.5"),
]


@pytest.mark.parametrize(("change", "options", "message"), REFUSALS)
def test_other_folders_are_refused_in_one_sentence(release, capsys, change, options, message):
    change()
    assert main([*COMMAND, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not Path("ours.ckpt").exists()


def test_a_base_is_refused_where_it_is_not_read(release, capsys):
    torch.save({"generator": {"up_layers.x1_out.weight": torch.zeros(1)}, "discriminator": {}}, "PWM_both.pth")
    assert main(["convert", "PWM_both.pth", "--out", "ours.ckpt", *BASE]) == 2
    assert "--base base is not read, since PWM_both.pth is of PWM (PWM_*.pth): leave --base out" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_folder_is_refused_with_all_that_is_looked_for(release, capsys):
    Path("empty").mkdir()
    assert main(["convert", "empty", "--out", "ours.ckpt"]) == 2
    error = capsys.readouterr().err
    assert "empty holds no official files that are known here" in error
    assert "the file of PWM (PWM_*.pth)" in error
    assert "a folder of Joined Files" in error
