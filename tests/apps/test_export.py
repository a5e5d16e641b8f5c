"""What `reenact export` writes, read without this package and with it."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from reenact.apps.export import export
from reenact.errors import ReenactError
from reenact.faces.registry import load_face_model
from reenact.models.common.checkpoint import load_method, saved_settings
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import PWMConfig


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    module = PWMModule("head", PWMConfig("displacement", [4, 4, 4]), DiscriminatorConfig([4]))
    checkpoint = {"state_dict": module.state_dict(), "global_step": 7, "optimizer_states": [{}]}
    module.on_save_checkpoint(checkpoint)
    path = tmp_path_factory.mktemp("export") / "method.ckpt"
    torch.save(checkpoint, path)
    return path


def test_an_export_is_plain_weights_and_settings_and_reads_as_the_checkpoint(saved, tmp_path):
    out = export(saved, tmp_path / "deep" / "shared")
    assert sorted(path.name for path in (tmp_path / "deep").rglob("*")) == [
        "config.json",
        "shared",
        "weights.safetensors",
    ]
    assert len({(out / name).stat().st_mode for name in ("weights.safetensors", "config.json")}) == 1
    weights = load_file(out / "weights.safetensors")
    wanted = torch.load(saved, weights_only=True)["state_dict"]
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[name], value) for name, value in wanted.items())
    about = json.loads((out / "config.json").read_text())
    assert about["global_step"] == 7
    assert about["reenact"]["method"] == "pwm"
    assert about["reenact"]["arguments"]["network"]["widths"] == [4, 4, 4]
    both = [load_method(path) for path in (saved, out)]
    first, second = (module.state_dict() for module in both)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert both[1].network.face_model.name == load_face_model("head").name
    settings = saved_settings(out)["model"]
    assert settings["class_path"] == "reenact.models.pwm.PWMModule"
    assert "face_model" not in settings["init_args"]


def test_what_can_t_be_exported_leaves_nothing(saved, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "bad.ckpt").write_bytes(b"no")
    for path, out, sentence in (
        (saved, tmp_path / "file", "exists"),
        (saved, tmp_path / "file" / "below", "can't be written"),
        (tmp_path / "bad.ckpt", tmp_path / "out", "is not a checkpoint"),
        (tmp_path / "none.ckpt", tmp_path / "out", "There is no checkpoint"),
    ):
        with pytest.raises(ReenactError, match=sentence):
            export(path, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.ckpt", "file"]


DAMAGE = {
    "lacks config.json": lambda out: (out / "config.json").unlink(),
    "lacks weights.safetensors": lambda out: (out / "weights.safetensors").unlink(),
    "shared is damaged": lambda out: (out / "weights.safetensors").write_bytes(b"\xff" * 20),
    "shared is damaged .*JSON|shared is damaged .*Expecting": lambda out: (out / "config.json").write_text("{"),
    "holds no settings": lambda out: (out / "config.json").write_text("[]"),
    "was not written by reenact": lambda out: (out / "config.json").write_text("{}"),
    "does not fit pwm": lambda out: save_file({"x": torch.zeros(1)}, out / "weights.safetensors"),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_damaged_exports_are_refused(saved, tmp_path, message):
    out = export(saved, tmp_path / "shared")
    DAMAGE[message](out)
    with pytest.raises(ReenactError, match=message):
        load_method(out)
