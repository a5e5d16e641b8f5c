"""Runs of the stand-in through the command line: what the run folder holds, resuming, settings, loggers."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from reenact.callbacks.pictures import LABEL_HEIGHT
from reenact.cli import main

from .standins import Method

QUICK = ["--trainer.val_check_interval", "4", "--trainer.log_every_n_steps", "1", "--pictures.every_n_steps", "2"]


def fit(*words: str) -> int:
    return main(["fit", *QUICK, *words])


def only_run(place: Path) -> Path:
    (run,) = (place / "runs" / "standin").iterdir()
    return run


def steps(run: Path) -> list[int]:
    with (run / "metrics.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]


def state(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_a_run_leaves_its_folder_and_says_where(place, capsys):
    assert fit("--model", "standin") == 0
    run = only_run(place)
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names >= {"config.yaml", "log.txt", "metrics.csv", "checkpoints/last.ckpt"}
    assert {name for name in names if name.startswith("pictures/")} == {
        "pictures/train_0000002.png",
        "pictures/train_0000004.png",
        "pictures/val_self_0000004.png",
        "pictures/val_cross_0000004.png",
        "pictures/val_self_best_0000004.png",
        "pictures/val_self_worst_0000004.png",
    }
    assert {"scores/val_self_0000004.parquet", "scores/val_cross_0000004.parquet"} <= names
    out = capsys.readouterr().out
    assert "fit: standin on synthetic, scale tiny" in out
    assert "step 4/4  train/loss " in out
    assert f"run folder: runs/standin/{run.name}\n" in out
    assert "step 4/4" in (run / "log.txt").read_text()
    assert steps(run) == [0, 1, 2, 3]


def test_options_win_over_presets_and_the_data_name_the_face_model(place):
    assert fit("--model", "standin", "--model.widths.channels", "5", "--out", "run") == 0
    config = yaml.safe_load((place / "run" / "config.yaml").read_text())
    assert config["model"]["init_args"] == {"lr": 0.5, "widths": {"channels": 5, "kernels": [1]}}
    arguments = state(place / "run" / "checkpoints" / "last.ckpt")["reenact"]["arguments"]
    assert arguments["face_model"] == "noise-face"


def test_a_resumed_run_goes_on_in_its_folder(place):
    assert fit("--model", "standin") == 0
    run = only_run(place)
    assert main(["fit", "--ckpt_path", "last", "--trainer.max_steps", "6"]) == 0
    assert only_run(place) == run
    assert steps(run) == [0, 1, 2, 3, 4, 5]
    assert state(run / "checkpoints" / "last.ckpt")["global_step"] == 6


def test_the_settings_of_a_run_make_the_same_run_again(place):
    assert fit("--model", "standin", "--out", "first") == 0
    assert main(["fit", "-c", "first/config.yaml", "--out", "second"]) == 0
    first, second = (state(place / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("first", "second"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    configs = [yaml.safe_load((place / name / "config.yaml").read_text()) for name in ("first", "second")]
    assert {**configs[0], "out": ""} == {**configs[1], "out": ""}
    assert main(["fit", "--ckpt_path", "first/checkpoints/last.ckpt", "--trainer.max_steps", "5"]) == 0
    assert main(["fit", "-c", "first/config.yaml", "--out", "third"]) == 0
    assert steps(place / "third") == [0, 1, 2, 3, 4]


def test_checkpoints_are_tested_and_predicted_from_with_the_settings_of_their_run(place, capsys):
    assert fit("--model", "standin") == 0
    checkpoint = str(only_run(place) / "checkpoints" / "last.ckpt")
    assert main(["test", "--ckpt_path", checkpoint, "--data.size", "16", "--out", "tested"]) == 0
    assert "test/self/psnr" in (place / "tested" / "metrics.csv").read_text()
    assert Image.open(place / "tested" / "pictures" / "test_self_0000000.png").height == 2 * 16 + LABEL_HEIGHT
    assert main(["predict", "--ckpt_path", checkpoint, "--out", "predicted"]) == 0
    predicted = sorted(path.relative_to(place) for path in (place / "predicted" / "predictions").rglob("*.png"))
    assert len(predicted) == 4
    assert {path.parts[2] for path in predicted} == {"self", "cross"}
    assert main(["validate", "--ckpt_path", checkpoint, "--out", "validated"]) == 0


def test_a_new_run_starts_from_the_weights_of_another_alone(place, capsys):
    assert fit("--model", "standin", "--model.widths.channels", "5", "--out", "first") == 0
    last = "first/checkpoints/last.ckpt"
    assert main(["export", last, "--out", "shared"]) == 0
    for weights in (last, "shared"):
        out = f"from_{Path(weights).stem}"
        still = ["--model.lr", "0", "--trainer.max_steps", "2"]
        named = ["--model", "standin", "--model.widths.channels", "5"] if weights == "shared" else []
        assert main(["fit", "--weights", weights, *named, *still, "--out", out]) == 0
        first, second = state(place / last), state(place / out / "checkpoints" / "last.ckpt")
        assert second["global_step"] == 2
        assert all(torch.equal(first["state_dict"][key], value) for key, value in second["state_dict"].items())
    assert main(["fit", "--ckpt_path", "from_last/checkpoints/last.ckpt", "--trainer.max_steps", "3"]) == 0
    assert main(["test", "--ckpt_path", "shared", *named, "--out", "tested"]) == 0
    capsys.readouterr()
    for words, sentence in (
        (["fit", "--weights", "shared", "--ckpt_path", last], "--weights and --ckpt_path: give one"),
        (["test", "--weights", "shared"], "--weights is for reenact fit"),
        (["fit", "--weights", "none.ckpt"], "--weights none.ckpt: no such file"),
        (["fit", "--weights", "shared", "--model", "standin", "--out", "x"], "shared does not fit pwm"),
        (["fit", "--ckpt_path", "shared", *named, "--out", "x"], "shared holds weights alone"),
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"reenact: error: {sentence}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hook", ["training_step", "validation_step"])
def test_an_interrupted_run_is_saved_and_goes_on(place, monkeypatch, capsys, hook, number):
    assert fit("--model", "standin", "--trainer.max_steps", "6", "--out", "whole") == 0
    step = getattr(Method, hook)

    def interrupted(self: Method, *args: object) -> object:
        if self.global_step == (2 if hook == "training_step" else 4):
            os.kill(os.getpid(), number)
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Method, hook, interrupted)
        assert fit("--model", "standin", "--trainer.max_steps", "6") == 130
    run = only_run(place)
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(
            f"reenact: interrupted; go on with: reenact fit --ckpt_path runs/standin/{run.name}/checkpoints/last.ckpt"
        )
    )
    assert main(["fit", "--ckpt_path", "last"]) == 0
    assert steps(run) == [0, 1, 2, 3, 4, 5]
    ends = [state(folder / "checkpoints" / "last.ckpt") for folder in (run, place / "whole")]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 6
    if hook == "validation_step":  # at the end of an epoch; within one, the loader starts the epoch's samples again
        assert all(torch.equal(ends[0]["state_dict"][key], value) for key, value in ends[1]["state_dict"].items())


def test_a_second_interrupt_stops_at_once_and_saves_nothing(place, monkeypatch, capsys):
    def interrupted(self: Method, batch: object, batch_idx: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    monkeypatch.setattr(Method, "training_step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert fit("--model", "standin") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "reenact: interrupted; nothing was saved yet"
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_saved_between_the_batches_of_a_step(place, monkeypatch):
    step = Method.training_step

    def interrupted(self: Method, batch: object, batch_idx: int) -> object:
        if batch_idx == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Method, "training_step", interrupted)
    assert fit("--model", "standin", "--trainer.accumulate_grad_batches", "2", "--out", "run") == 130
    loops = state(place / "run" / "checkpoints" / "last.ckpt")["loops"]["fit_loop"]
    assert loops["epoch_loop.batch_progress"]["total"]["processed"] == 2


def test_loading_processes_leave_ctrl_c_to_the_run(place, monkeypatch, capfd):
    def interrupted(self: Method, batch: object, batch_idx: int) -> None:
        for process in (*multiprocessing.active_children(), multiprocessing.current_process()):
            os.kill(process.pid, signal.SIGINT)

    monkeypatch.setattr(Method, "training_step", interrupted)
    assert fit("--model", "standin", "--data.num_workers", "2", "--trainer.num_sanity_val_steps", "0") == 130
    assert capfd.readouterr().out.count("finishing this step") == 1


def test_a_checkpoint_that_cannot_go_on_is_refused_before_anything_runs(place, capsys):
    assert fit("--model", "standin", "--out", "run") == 0
    last = "run/checkpoints/last.ckpt"
    (place / "damaged.ckpt").write_bytes((place / last).read_bytes()[:1000])
    for words, sentence in (
        (["fit", "--model", "standin", "--ckpt_path", "damaged.ckpt"], "damaged.ckpt is not a checkpoint"),
        (["fit", "--ckpt_path", last, "--model.widths.channels", "9"], f"{last} does not fit pwm with these settings"),
        (["test", "--ckpt_path", last, "--model.widths.channels", "9", "--out", "b"], f"{last} does not fit pwm"),
    ):
        capsys.readouterr()
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"reenact: error: {sentence}")
    assert sorted(path.name for path in place.iterdir()) == ["damaged.ckpt", "run", "runs"]
    assert [path.name for path in (place / "runs").iterdir()] == ["elsewhere.jsonl"]


def test_what_a_callback_refuses_when_it_is_set_up_leaves_nothing(place, capsys):
    assert main(["fit", "--model", "standin", "--metrics.names", "[pnsr]", "--out", "run"]) == 2
    assert capsys.readouterr().err == "reenact: error: There is no metric 'pnsr'; did you mean psnr?\n"
    assert not (place / "run").exists()


def test_no_logger_and_no_pictures_on_request(place):
    assert main(["fit", "--model", "standin", "--logger", "none", "--pictures.every_n_steps", "0", "--out", "run"]) == 0
    assert not (place / "run" / "metrics.csv").exists()
    assert not list((place / "run").glob("pictures/train*"))


def test_tensorboard_writes_into_the_run_folder(place):
    assert fit("--model", "standin", "--logger", "tensorboard", "--out", "run") == 0
    assert list((place / "run" / "tensorboard").glob("events.out.tfevents.*"))
    assert (place / "run" / "metrics.csv").is_file()


@pytest.mark.slow
def test_wandb_without_a_key_keeps_the_run_offline_and_says_so(place, monkeypatch, capsys):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(place / "none"))
    assert fit("--model", "standin", "--logger", "wandb", "--out", "run") == 0
    assert "kept offline" in capsys.readouterr().out
    assert list((place / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_every_option_is_listed_with_those_of_the_model(place, capsys):
    assert main(["fit", "--model", "standin", "--data", "noise", "--help-all"]) == 0
    page = capsys.readouterr().out
    for option in ("--model.lr ", "--model.widths.channels ", "--data.batch_size ", "--trainer.max_steps "):
        assert option in page
    assert "Channels of the only layer." in page
    assert "--model.face_model" not in page


def test_a_run_reads_no_sources_for_descriptions_of_options(place, monkeypatch):
    def fail(component, **options):
        pytest.fail(f"the parser read the source of {component}")

    monkeypatch.setattr("docstring_parser.parse_from_object", fail)
    assert main(["fit", "--model", "standin", "--out", "run", "--trainer.max_steps", "1"]) == 0


def test_the_settings_are_printed_on_request_and_nothing_runs(place, capsys):
    assert main(["fit", "--model", "standin", "--trainer.max_steps", "7", "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["trainer"]["max_steps"] == 7
    assert not (place / "runs").exists()


@pytest.mark.parametrize("name", ["1e5", "96604e42", "2e-3", "-1_0E+2", "12", "null x", "2026-11-30"])
def test_text_that_looks_like_a_number_comes_back_from_the_settings(place, capsys, name):
    assert main(["fit", "--model", "standin", f"--trainer.profiler={name}", "--print_config"]) == 0
    (place / "settings.yaml").write_text(capsys.readouterr().out)
    assert main(["fit", "-c", "settings.yaml", "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["trainer"]["profiler"] == name


def test_a_grid_shows_inputs_result_and_error(place):
    assert fit("--model", "standin", "--out", "run") == 0
    picture = np.asarray(Image.open(place / "run" / "pictures" / "val_self_0000004.png"))
    cross = np.asarray(Image.open(place / "run" / "pictures" / "val_cross_0000004.png"))
    assert picture.shape == (2 * 8 + LABEL_HEIGHT, 4 * 8, 3)
    assert cross.shape == (2 * 8 + LABEL_HEIGHT, 3 * 8, 3), "no error where the driving image is not the wanted one"
    driving, result, error = (picture[LABEL_HEIGHT:, 8 * i : 8 * i + 8].astype(int) for i in (1, 2, 3))
    off = np.abs(error - np.minimum(2 * np.abs(driving - result), 255))
    assert off.mean() < 4, "the watermark moves levels by a few"
    assert off.max() < 20
