"""Official FOMM files: the fixture's weights in the released format, and files that are not."""

import json

import pytest
import torch
import yaml
from safetensors.torch import load_file

from reenact.cli import main
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.models.common.checkpoint import load_method
from reenact.models.common.convert import convert
from reenact.models.fomm.module import FOMMModule
from reenact.models.fomm.network import FOMMConfig
from reenact.nn.resample import AntiAliasDown


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "fomm.safetensors")


@pytest.fixture(scope="module")
def settings(parity):
    """The official configuration of the fixture's network."""
    content = json.loads((parity / "fomm.json").read_text())["config"]
    return {"model_params": content, "dataset_params": {"frame_shape": [64, 64, 3]}}


@pytest.fixture
def config(settings, tmp_path):
    """Its file."""
    path = tmp_path / "vox-64.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


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
def test_a_converted_file_gives_the_official_output(tensors, tmp_path, config, keyed):
    torch.save(official(tensors, keyed=keyed), tmp_path / "vox-cpk.pth.tar")
    module = load_method(convert(tmp_path / "vox-cpk.pth.tar", tmp_path / "fomm.ckpt", config=config))
    assert module.discriminator.sees_keypoints == keyed
    source, driving = (Portrait(2 * tensors[f"input/{name}"] - 1) for name in ("source", "driving"))
    result = module(source, driving)
    wanted = 2 * tensors["output/generator/prediction"] - 1
    torch.testing.assert_close(result.image, wanted, atol=2e-4, rtol=0)


def test_files_of_old_torch_and_without_discriminator_are_read(tensors, tmp_path, config):
    file = official(tensors, keyed=False)
    del file["discriminator"]
    for part in ("generator", "kp_detector"):
        file[part] = {key: value for key, value in file[part].items() if "num_batches" not in key}
    torch.save(file, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    load_method(convert(tmp_path / "old.pth.tar", tmp_path / "fomm.ckpt", config=config))


def test_other_files_are_refused(tensors, tmp_path, config):
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
            convert(tmp_path / "bad.pth.tar", tmp_path / "fomm.ckpt", config=config)
    assert not (tmp_path / "fomm.ckpt").exists()


def test_detector_and_dense_motion_have_reductions_of_their_own(tensors, settings, tmp_path, config):
    file = official(tensors, keyed=False)
    two = AntiAliasDown(2).kernel
    file["kp_detector"]["down.weight"] = torch.outer(two, two).expand(3, 1, -1, -1)
    torch.save(file, tmp_path / "mixed.pth.tar")
    with pytest.raises(ReenactError, match=r"kp_detector_params\.scale_factor is 0\.25 there and 0\.5 in the weights"):
        convert(tmp_path / "mixed.pth.tar", tmp_path / "fomm.ckpt", config=config)
    settings = json.loads(json.dumps(settings))
    settings["model_params"]["kp_detector_params"]["scale_factor"] = 0.5
    config.write_text(yaml.safe_dump(settings))
    network = load_method(convert(tmp_path / "mixed.pth.tar", tmp_path / "fomm.ckpt", config=config)).network
    assert (network.config.reduction, network.config.reduction_of_motion) == (2, 4)
    for kernel, message in (
        (torch.zeros(3, 1, 11, 11), r"down\.weight of 5, 13, 29 pixels"),
        (torch.full((3, 1, 5, 5), 0.04), "low-pass of a reduction by 2"),
    ):
        file["kp_detector"]["down.weight"] = kernel
        torch.save(file, tmp_path / "odd.pth.tar")
        with pytest.raises(ReenactError, match=message):
            convert(tmp_path / "odd.pth.tar", tmp_path / "odd.ckpt")


@torch.no_grad()
def test_the_padding_of_the_heads_is_read_from_the_configuration(tensors, settings, tmp_path, config):
    torch.save(official(tensors, keyed=False), tmp_path / "padded.pth.tar")
    settings = json.loads(json.dumps(settings))
    settings["model_params"]["kp_detector_params"]["pad"] = 3
    config.write_text(yaml.safe_dump(settings))
    module = load_method(convert(tmp_path / "padded.pth.tar", tmp_path / "padded.ckpt", config=config))
    assert module.network.config.detector_padding == 3
    assert module.image_size == 64
    source = tensors["input/source"]
    features = tensors["output/kp_detector/feature_source"]
    heads = {name: tensors[f"state/kp_detector/{name}"] for name in ("kp.weight", "kp.bias")}
    heat = torch.softmax(torch.conv2d(features, *heads.values(), padding=3).flatten(2) / 0.1, 2).view(2, 4, 16, 16)
    axis = torch.linspace(-1, 1, 16)
    points = torch.stack(((heat.sum(2) * axis).sum(2), (heat.sum(3) * axis).sum(2)), dim=2)
    read = module.network.read(Portrait(2 * source - 1)).value
    torch.testing.assert_close(read, points, atol=1e-4, rtol=0)
    assert not torch.allclose(read, tensors["output/kp_detector/source_value"], atol=1e-3)


def test_a_file_of_other_sizes_than_released_asks_for_its_configuration(tensors, tmp_path):
    torch.save(official(tensors, keyed=False), tmp_path / "own.pth.tar")
    with pytest.raises(ReenactError, match=r"other sizes .*kp_detector_params\.temperature .*\.pad .*give --config"):
        convert(tmp_path / "own.pth.tar", tmp_path / "own.ckpt")
    assert not (tmp_path / "own.ckpt").exists()


def test_a_file_of_the_released_sizes_takes_the_released_settings(tmp_path, caplog):
    state = FOMMModule(FOMMConfig(detector_largest=64, motion_largest=64, largest=64)).network
    file = {"kp_detector": dict(state.detector.state_dict()), "generator": dict(state.generator.state_dict())}
    for part, name in (("kp_detector", "down.weight"), ("generator", "dense_motion_network.down.weight")):
        four = AntiAliasDown(4).kernel
        file[part][name] = torch.outer(four, four).expand(3, 1, -1, -1)
    torch.save(file, tmp_path / "vox-cpk.pth.tar")
    assert main(["convert", str(tmp_path / "vox-cpk.pth.tar"), "--out", str(tmp_path / "vox.ckpt")]) == 0
    (said,) = caplog.messages
    for words in ("assumed", "temperature 0.1", "kp_detector_params.pad 0", "kp_variance 0.01", "[256, 256, 3]"):
        assert words in said
    assert load_method(tmp_path / "vox.ckpt").network.config.detector_padding == 0


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("model_params", "kp_detector_params", "temperature"), 0.2, "temperature 0.2, which is not supported"),
        (("model_params", "kp_detector_params", "pad"), -1, "pad -1, which is not supported"),
        (("model_params", "kp_detector_params", "pad"), 10**9, "which is not supported"),
        (("model_params", "kp_detector_params", "pad"), {"a": []}, "pad a dict, which is not supported"),
        (("model_params", "generator_params", "dense_motion_params"), {"kp_variance": 0.02}, "kp_variance 0.02"),
        (("model_params", "common_params", "num_kp"), 10, "num_kp is 10 there and 4 in the weights"),
        (("dataset_params", "frame_shape"), [64, 128, 3], "frame_shape"),
        (("dataset_params", "frame_shape"), 64, "frame_shape"),
    ],
)
def test_settings_that_are_not_supported_are_refused(tensors, settings, tmp_path, config, place, value, message):
    content = json.loads(json.dumps(settings))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    config.write_text(yaml.safe_dump(content))
    torch.save(official(tensors, keyed=False), tmp_path / "own.pth.tar")
    with pytest.raises(ReenactError, match=message):
        convert(tmp_path / "own.pth.tar", tmp_path / "own.ckpt", config=config)
    assert not (tmp_path / "own.ckpt").exists()


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "a: b: c", "\x00", "? [1]: 2", "day: 2020-13-45"])
def test_configurations_that_are_none_are_refused(tensors, tmp_path, text):
    torch.save(official(tensors, keyed=False), tmp_path / "own.pth.tar")
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ReenactError, match=r"bad\.yaml|settings"):
        convert(tmp_path / "own.pth.tar", tmp_path / "own.ckpt", config=tmp_path / "bad.yaml")
    with pytest.raises(ReenactError, match=r"absent\.yaml can't be read"):
        convert(tmp_path / "own.pth.tar", tmp_path / "own.ckpt", config=tmp_path / "absent.yaml")
