"""Official FOMM files: the fixture's weights in the released format, and files that are not."""

import pytest
import torch
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.checkpoint import load_method
from reenact.models.convert import convert
from reenact.nn.resample import AntiAliasDown


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "fomm.safetensors")


def official(tensors, *, keyed: bool) -> dict:
    """What `torch.save` of the released trainer writes."""

    def state(name):
        prefix = f"state/{name}/"
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    return {
        "generator": state("generator"),
        "kp_detector": state("kp_detector"),
        "discriminator": state("discriminator_adv" if keyed else "discriminator"),
        "optimizer_generator": {"state": {}, "param_groups": []},
        "epoch": 99,
    }


@torch.no_grad()
@pytest.mark.parametrize("keyed", [False, True], ids=["vox", "vox-adv"])
def test_a_converted_file_gives_the_official_output(tensors, tmp_path, keyed):
    torch.save(official(tensors, keyed=keyed), tmp_path / "vox-cpk.pth.tar")
    module = load_method(convert(tmp_path / "vox-cpk.pth.tar", tmp_path / "fomm.ckpt"))
    assert module.shows_keypoints == keyed
    source, driving = (Portrait(2 * tensors[f"input/{name}"] - 1) for name in ("source", "driving"))
    result = module(source, driving)
    wanted = 2 * tensors["output/generator/prediction"] - 1
    torch.testing.assert_close(result.image, wanted, atol=2e-4, rtol=0)


def test_files_of_old_torch_and_without_discriminator_are_read(tensors, tmp_path):
    file = official(tensors, keyed=False)
    del file["discriminator"]
    for part in ("generator", "kp_detector"):
        file[part] = {key: value for key, value in file[part].items() if "num_batches" not in key}
    torch.save(file, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    load_method(convert(tmp_path / "old.pth.tar", tmp_path / "fomm.ckpt"))


def test_other_files_are_refused(tensors, tmp_path):
    whole = official(tensors, keyed=False)
    changes = {
        "no official checkpoint that is known": lambda file: file.pop("kp_detector"),
        "lacks 'kp.weight'": lambda file: file["kp_detector"].pop("kp.weight"),
        "does not fit fomm": lambda file: file["generator"].pop("final.weight"),
    }
    for message, change in changes.items():
        file = {key: dict(value) if isinstance(value, dict) else value for key, value in whole.items()}
        change(file)
        torch.save(file, tmp_path / "bad.pth.tar")
        with pytest.raises(ReenactError, match=message):
            convert(tmp_path / "bad.pth.tar", tmp_path / "fomm.ckpt")
    assert not (tmp_path / "fomm.ckpt").exists()


def test_detector_and_dense_motion_have_reductions_of_their_own(tensors, tmp_path):
    file = official(tensors, keyed=False)
    two = AntiAliasDown(2).kernel
    file["kp_detector"]["down.weight"] = torch.outer(two, two).expand(3, 1, -1, -1)
    torch.save(file, tmp_path / "mixed.pth.tar")
    config = load_method(convert(tmp_path / "mixed.pth.tar", tmp_path / "fomm.ckpt")).network.config
    assert (config.reduction, config.reduction_of_motion) == (2, 4)
    file["kp_detector"]["down.weight"] = torch.zeros(3, 1, 11, 11)
    torch.save(file, tmp_path / "odd.pth.tar")
    with pytest.raises(ReenactError, match=r"down\.weight of 5, 13, 29 pixels"):
        convert(tmp_path / "odd.pth.tar", tmp_path / "odd.ckpt")
