"""Settings of a trained method that people change where they use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from pytorch_lightning import Trainer

from reenact.errors import ReenactError
from reenact.models.common.checkpoint import load_method
from reenact.models.common.settings import change_settings, list_settings, parse_settings
from reenact.models.pwm import PWMModule
from reenact.models.pwm.network import PWMConfig


@dataclass
class Sampling:
    steps: int = 20
    scale: float | None = 3.5
    rule: Literal["wrap", "cut"] = "wrap"
    joint: bool = True
    widths: list[int] = field(default_factory=list)
    note: str = ""


@dataclass
class Config:
    sampling: Sampling = field(default_factory=Sampling)


HINTS = {"face_model": str, "network": Config | None}


def test_fields_of_the_configurations_are_settings_and_other_arguments_are_not():
    names = ["steps", "scale", "rule", "joint", "widths", "note"]
    assert list(list_settings(HINTS)) == [f"network.sampling.{name}" for name in names]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "10", 10),
        ("scale", "2", 2.0),
        ("scale", "1e-3", 0.001),
        ("scale", "null", None),
        ("rule", "cut", "cut"),
        ("joint", "false", False),
        ("widths", "[8, 16]", [8, 16]),
        ("note", "10", "10"),
    ],
)
def test_values_are_of_the_field_s_type(name, text, value):
    recorded = {"face_model": "head", "network": {"sampling": {"steps": 5}}}
    changed = change_settings(HINTS, recorded, {f"network.sampling.{name}": text})
    assert changed["network"]["sampling"] == {"steps": 5, name: value}
    assert type(changed["network"]["sampling"][name]) is type(value)
    assert recorded == {"face_model": "head", "network": {"sampling": {"steps": 5}}}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("network.sampling.step=1", "--set network.sampling.step: .* did you mean network.sampling.steps"),
        ("face_model=bfm", "--set face_model: the method has no such setting"),
        ("network.sampling=3", "--set network.sampling: the method has no such setting"),
        (
            "network.sampling.steps=many",
            "--set network.sampling.steps=many: .*integer.*; give .* type, int",
        ),
        ("network.sampling.rule=join", "--set network.sampling.rule=join: .*'wrap' or 'cut'"),
        ("network.sampling.joint=2", "--set network.sampling.joint=2: .*boolean"),
        ("network.sampling.steps", "--set network.sampling.steps: write NAME=VALUE"),
        ("=3", "--set =3: write NAME=VALUE"),
    ],
)
def test_unknown_names_and_wrong_types_get_one_sentence(item, message):
    with pytest.raises(ReenactError, match=message):
        change_settings(HINTS, {}, parse_settings([item]))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    module = PWMModule("head", PWMConfig(widths=[8, 8, 8, 8, 8, 8], code_channels=4))
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    path = tmp_path_factory.mktemp("settings") / "tiny.ckpt"
    trainer.save_checkpoint(path)
    return path


def test_a_checkpoint_is_loaded_with_other_settings(checkpoint):
    plain = load_method(checkpoint)
    changed = load_method(checkpoint, settings={"network.displacement_gain": "0.5"})
    assert (plain.network.config.displacement_gain, changed.network.config.displacement_gain) == (1.0, 0.5)
    assert changed.arguments["network"]["displacement_gain"] == 0.5
    for name, value in plain.state_dict().items():
        assert torch.equal(changed.state_dict()[name], value), name


@pytest.mark.parametrize("name", ["losses.gan", "optimisation.generator_lr"])
def test_settings_that_training_alone_reads_are_refused(checkpoint, name):
    with pytest.raises(ReenactError, match=rf"--set {name}: training alone reads .* train with --model\.{name}"):
        load_method(checkpoint, settings={name: "0.5"})


def test_settings_that_the_weights_do_not_fit_are_refused(checkpoint):
    with pytest.raises(ReenactError, match=r"tiny\.ckpt with --set network\.code_channels does not fit pwm"):
        load_method(checkpoint, settings={"network.code_channels": "8"})
