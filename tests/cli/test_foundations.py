"""Which foundation a command line needs, and the words by which it is trained or found again."""

from pathlib import Path

import pytest
import yaml

from reenact.cli.needed_files import find_needed_files
from reenact.errors import ReenactError
from reenact.methods import Foundation, Method, registry
from reenact.runs.arguments import expand_request
from reenact.runs.foundations import find_missing_foundation, list_foundation_options
from reenact.runs.processes import share_foundation, shared_foundation
from reenact.runs.request import parse_request

FIT = ["--model", "mmfa_vae", "--out", "run"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("model: {init_args: {mmfa: some.ckpt}}\n")
    Path("short.yaml").write_text("trainer: {limit_val_batches: 1}\n")


def missing(command: str, *words: str) -> Foundation | None:
    request = parse_request(command, [*FIT, *words])
    return find_missing_foundation(request, expand_request(request))


def test_a_new_training_lacks_the_foundation_that_nothing_names():
    assert missing("fit") == Foundation(preset="mmfa", option="model.mmfa")
    assert missing("fit", "--model.mmfa", "null") == missing("fit")
    assert missing("fit", "--model.mmfa=some.ckpt") is None
    assert missing("fit", "--model.init_args.mmfa", "some.ckpt") is None
    assert missing("fit", "--config", "own.yaml") is None
    assert missing("fit", "--print_config") is None
    assert missing("fit", "--help-all") is None
    assert missing("fit", "--model", "mmfa") is None
    Path("last.ckpt").touch()
    assert missing("fit", "--ckpt_path", "last.ckpt") is None
    assert missing("test", "--ckpt_path", "last.ckpt") is None


def test_everything_holds_for_a_foundation_but_the_settings_of_the_model():
    words = ["--data.size=32", "--model.network.latent", "4", "--trainer.max_steps", "3", "--seed_everything", "1"]
    words += ["--logger", "csv", "--trainer.logger.init_args.name", "x", "--config", "short.yaml"]
    request = parse_request("fit", [*FIT, *words])
    arguments = expand_request(request)
    foundation = find_missing_foundation(request, arguments)
    assert foundation is not None
    options, logging = list_foundation_options(request, foundation)
    assert options == [
        *("--model", "mmfa", "--data", "synthetic", "--scale", "tiny", "--config", "short.yaml"),
        *("--data.size", "32", "--trainer.max_steps", "3", "--seed_everything", "1"),
    ]
    assert logging == ["--logger", "csv", "--trainer.logger.init_args.name", "x"]


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_checkpoint_is_used_with_the_foundation_of_its_run(command):
    last = Path("run/checkpoints/last.ckpt")
    last.parent.mkdir(parents=True)
    for path in (last, Path("mmfa.ckpt"), Path("other.ckpt")):
        path.touch()
    settings = {"model": {"class_path": "reenact.models.mmfa_vae.MMFAVAEModule", "init_args": {"mmfa": "mmfa.ckpt"}}}
    Path("run/config.yaml").write_text(yaml.safe_dump(settings))
    words = ["--model", "mmfa_vae", "--ckpt_path", str(last)]
    arguments = expand_request(parse_request(command, words))
    assert arguments[arguments.index("--model.mmfa") + 1] == "mmfa.ckpt"
    arguments = expand_request(parse_request(command, [*words, "--model.mmfa", "other.ckpt"]))
    assert arguments.count("--model.mmfa") == 1
    Path("mmfa.ckpt").unlink()
    assert "--model.mmfa" not in expand_request(parse_request(command, words))


def test_the_files_of_all_stages_are_needed():
    assert set(find_needed_files("mmfa", "paper")) <= set(find_needed_files("mmfa_vae", "paper"))


def test_presets_that_stand_on_each_other_are_refused(monkeypatch):
    presets = {"first": "one", "second": "two"}
    stands_on = {"first": Foundation(preset="second", option="weights")}
    method = Method(
        name="ring", summary="", paper="", needs="", presets=presets, class_path="a.B",
        stands_on={**stands_on, "second": Foundation(preset="first", option="weights")},
    )  # fmt: skip
    monkeypatch.setattr(registry, "list_methods", lambda: (method,))
    with pytest.raises(ReenactError, match="the presets first, second stand on each other"):
        registry.find_foundation("first")
    with pytest.raises(ReenactError, match="names a foundation of third, which is none of its presets"):
        Method(name="x", summary="", paper="", needs="", stands_on={"third": stands_on["first"]})
    with pytest.raises(ReenactError, match="names the option 'mmfa' for the foundation of first"):
        Method(
            name="x", summary="", paper="", needs="", presets=presets,
            stands_on={"first": Foundation(preset="second", option="mmfa")},
        )  # fmt: skip


def test_further_processes_are_told_the_foundation():
    with pytest.raises(ReenactError, match=r"--model\.mmfa is missing: train the foundation by a command of its own"):
        shared_foundation("model.mmfa")
    with share_foundation("some.ckpt"):
        assert shared_foundation("model.mmfa") == "some.ckpt"
