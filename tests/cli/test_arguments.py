"""Bare names, defaults and the order in which settings win."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from reenact.errors import ReenactError
from reenact.runs import presets
from reenact.runs.arguments import default_scale, expand_request
from reenact.runs.request import parse_request
from reenact.runs.saved_run import load_settings

from .conftest import save
from .standins import Method


def files(words: list[str]) -> list[str]:
    """The preset files of an expanded command line, as kind/name."""
    paths = [Path(value) for option, value in pairwise(words) if option == "--config"]
    return [f"{path.parent.name}/{path.name}".removeprefix("/") for path in paths]


def test_presets_come_in_a_fixed_order_whatever_the_order_of_the_options(place):
    orders = (
        "--model standin --data noise --scale tiny --logger csv --trainer.max_steps 3",
        "--trainer.max_steps 3 --logger=csv --scale tiny --data=noise --model standin",
    )
    for order in orders:
        words = expand_request(parse_request("fit", order.split()))
        assert files(words) == [
            "trainer/default.yaml",
            "model/standin.yaml",
            "data/noise.yaml",
            "scale/tiny.yaml",
            "logger/csv.yaml",
        ]
        assert words.index("--trainer.max_steps") > words.index(str(presets.find_preset("logger", "csv")))


def test_without_data_and_scale_the_synthetic_world_at_tiny_scale(place):
    assert files(expand_request(parse_request("fit", ["--model", "standin"])))[1:] == [
        "model/standin.yaml",
        "data/synthetic.yaml",
        "scale/tiny.yaml",
    ]


def test_other_data_are_trained_on_at_the_scale_of_the_paper(place):
    assert default_scale("clips") == "paper"
    assert "scale/paper.yaml" in files(expand_request(parse_request("fit", ["--model", "standin", "--data", "noise"])))


def test_a_method_has_its_own_overlay_after_that_of_the_scale(place):
    own = presets.presets_folder() / "scale" / "tiny" / "pwm.yaml"
    own.parent.mkdir()
    own.write_text("model: {}\n")
    words = expand_request(parse_request("fit", ["--model", "reenact.models.pwm.PWMModule", "--scale", "tiny"]))
    assert files(words)[-2:] == ["scale/tiny.yaml", "tiny/pwm.yaml"]


def test_a_model_preset_has_its_own_overlay_after_that_of_its_method(place):
    (presets.presets_folder() / "model" / "ablated.yaml").write_text(
        "# A\nmodel: {class_path: reenact.models.pwm.PWMModule}\n"
    )
    folder = presets.presets_folder() / "scale" / "tiny"
    folder.mkdir()
    for name in ("ablated", "pwm"):
        (folder / f"{name}.yaml").write_text("model: {}\n")
    words = expand_request(parse_request("fit", ["--model", "ablated", "--scale", "tiny"]))
    assert files(words)[-3:] == ["scale/tiny.yaml", "tiny/pwm.yaml", "tiny/ablated.yaml"]


def test_a_file_that_changes_a_setting_comes_after_the_presets_and_whole_settings_before(place):
    (place / "tweak.yaml").write_text("trainer: {max_steps: 1}\n")
    (place / "whole.yaml").write_text("model: {class_path: torch.B}\ndata: {class_path: torch.D}\n")
    words = expand_request(parse_request("fit", ["-c", "tweak.yaml", "--data", "noise", "--config=whole.yaml"]))
    assert [Path(name).name for name in files(words)] == [
        "default.yaml",
        "whole.yaml",
        "noise.yaml",
        "tweak.yaml",
    ]


@pytest.mark.parametrize(
    ("command", "words", "parts"),
    [
        ("fit", "--model standn", ["--model standn", "did you mean standin?"]),
        ("fit", "--model zzz", ["--model zzz", "known: needy, standin"]),
        ("fit", "--model standin --data nois", ["--data nois", "noise"]),
        ("fit", "--model standin --scale papre", ["--scale papre", "paper"]),
        ("fit", "--model standin --logger wandbb", ["--logger wandbb", "wandb"]),
        ("fit", "", ["--model is missing", "standin"]),
        ("fit", "--modle standin", ["--modle: no such option; did you mean --model?"]),
        ("fit", "--model", ["--model: a value is missing", "standin"]),
        ("fit", "--model --data noise", ["--model: a value is missing"]),
        ("fit", "--model standin -c none.yaml", ["none.yaml", "cannot be read"]),
        ("fit", "--model standin --ckpt_path last", ["--ckpt_path last", "reenact fit"]),
        ("fit", "--ckpt_path some.ckpt", ["--ckpt_path some.ckpt", "no such file"]),
        ("test", "--model standin", ["--ckpt_path is missing"]),
        ("fit", "--model standin --trainer.default_root_dir x", ["--trainer.default_root_dir", "--out"]),
        ("fit", "--model standin --model.init_args.face_model flame", ["face_model", "the data says"]),
        ("fit", "--model standin --data.clip_length 4", ["--data.clip_length", "the method says how long"]),
    ],
)
def test_what_the_presets_can_tell_is_refused_with_the_way_out(place, command, words, parts):
    with pytest.raises(ReenactError) as error:
        expand_request(parse_request(command, words.split()))
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [", "not a YAML file"),
        ("- 1", "not a configuration"),
        ("\x00", "not a YAML file"),
        ("model: standin", "model must hold settings such as class_path, not 'standin'"),
        ("model:", "model must hold settings"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(place, text, part):
    (place / "bad.yaml").write_text(text)
    with pytest.raises(ReenactError, match=rf"bad\.yaml: {part}"):
        expand_request(parse_request("fit", ["--model", "standin", "-c", "bad.yaml"]))


def test_the_newest_checkpoint_is_the_last_and_brings_the_settings_of_its_run(place):
    for age, name in ((2, "old"), (1, "new")):
        run = place / "runs" / "standin" / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "config.yaml").write_text(f"data: {{}}\nout: runs/standin/{name}\n")
        save(run / "checkpoints" / "last.ckpt", Method())
        os.utime(run / "checkpoints" / "last.ckpt", (1000 - age, 1000 - age))
    request = parse_request("fit", ["--ckpt_path", "last"])
    expand_request(request)
    assert request.resumes
    assert request.title == "standin"
    assert str(request.out) == "runs/standin/new"


def test_a_run_of_an_earlier_version_goes_on_without_its_clip_length(tmp_path):
    data = {"class_path": "reenact.data.datamodules.Synthetic", "init_args": {"clip_length": 1, "size": 64}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    assert load_settings(tmp_path, ())["data"]["init_args"] == {"size": 64}
