"""Runs that end early, for any reason: the last whole step is saved, and training goes on from it exactly."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client
from pathlib import Path

import pytest
import torch
from torch.utils.data import dataloader

from reenact.callbacks.checkpoint_files import CheckpointFiles
from reenact.callbacks.whole_files import link_file
from reenact.cli import main
from reenact.cli.system_errors import from_system
from reenact.errors import ReenactError

from .standins import Method, Noise

LAST = Path("run") / "checkpoints" / "last.ckpt"


def fit(*words: str) -> int:
    still = ["--pictures.every_n_steps", "0", "--trainer.limit_val_batches", "0", "--trainer.log_every_n_steps", "1"]
    named = [] if "--ckpt_path" in words else ["--model", "standin", "--out", "run"]
    return main(["fit", *named, *still, *words])


def state(path: Path = LAST) -> dict:
    return torch.load(path, weights_only=True)


def weights(path: Path = LAST) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in state(path)["state_dict"].values()])


def before_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[Method], None]) -> None:
    """Do something once in the training step that follows `number` others."""
    step, acted = Method.training_step, []

    def changed(self: Method, *args: object) -> object:
        if self.global_step == number and not acted:
            acted.append(True)
            act(self)
        return step(self, *args)

    monkeypatch.setattr(Method, "training_step", changed)


@pytest.fixture
def whole(place: Path) -> torch.Tensor:
    """Weights of a run of 6 steps that nothing interrupts."""
    assert fit("--trainer.max_steps", "6", "--out", "whole") == 0
    return weights(Path("whole") / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize("end", [("max_steps", "3"), ("max_epochs", "1")], ids=" ".join)
def test_a_run_ends_with_a_checkpoint_of_its_last_step(whole, end):
    unlimited = [] if end[0] == "max_steps" else ["--trainer.max_steps", "-1"]
    assert fit("--checkpoint.every_n_train_steps", "2", *unlimited, f"--trainer.{end[0]}", end[1]) == 0
    assert state()["global_step"] == (3 if end[0] == "max_steps" else 4)
    assert fit("--ckpt_path", str(LAST), "--trainer.max_epochs", "-1", "--trainer.max_steps", "6") == 0
    assert torch.equal(weights(), whole)


def test_a_checkpoint_is_written_once_and_has_two_names(whole, monkeypatch):
    writes, write = [], CheckpointFiles.save_checkpoint

    def record(self: CheckpointFiles, checkpoint: dict, path: str, **options: object) -> None:
        writes.append(Path(path).name)
        write(self, checkpoint, path, **options)

    monkeypatch.setattr(CheckpointFiles, "save_checkpoint", record)
    assert fit("--checkpoint.every_n_train_steps", "2", "--trainer.max_steps", "4") == 0
    step = LAST.with_name("step_0000004.ckpt")
    assert LAST.samefile(step)
    assert writes == ["step_0000002.ckpt", step.name]
    (callback,) = (saved for name, saved in state()["callbacks"].items() if name.startswith("Checkpoints"))
    assert Path(callback["last_model_path"]).samefile(LAST)
    assert fit("--ckpt_path", str(LAST), "--trainer.max_steps", "5") == 0
    assert state()["global_step"] == 5
    assert state(step)["global_step"] == 4
    assert fit("--ckpt_path", str(LAST), "--trainer.max_steps", "6") == 0
    assert torch.equal(weights(), whole)


def test_a_checkpoint_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    first, second = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    first.write_bytes(b"new")
    second.write_bytes(b"old")
    link_file(first, second)
    assert second.read_bytes() == b"new"
    assert not second.samefile(first)


def test_a_run_resumes_from_a_file_that_is_mapped(place, monkeypatch):
    reads, load = [], torch.load

    def record(path: Path, **options: object) -> object:
        reads.append((Path(path).name, options.get("mmap")))
        return load(path, **options)

    assert fit("--trainer.max_steps", "2") == 0
    monkeypatch.setattr(torch, "load", record)
    assert fit("--ckpt_path", str(LAST), "--trainer.max_steps", "3") == 0
    assert len(reads) >= 2  # to check it, and by Lightning
    assert set(reads) == {("last.ckpt", True)}


def test_time_makes_a_checkpoint_due(place, monkeypatch):
    steps = []
    before_step(monkeypatch, 2, lambda _: steps.append(state()["global_step"]))
    assert fit("--checkpoint.every_n_minutes", "1e-9") == 0
    assert steps == [2]


def test_a_clip_that_is_missing_between_two_steps_costs_no_step(whole, monkeypatch, capsys):
    read = Noise.read

    def missing(self: Noise, clip: int, frames: object, window: int = 0) -> object:
        if LAST.parent.parent.is_dir() and missing.reads == 6:  # two pairs a step
            raise ReenactError("clip3 is missing; prepare it again")
        missing.reads += 1
        return read(self, clip, frames, window)

    missing.reads = 0
    with monkeypatch.context() as patch:
        patch.setattr(Noise, "read", missing)
        assert fit("--trainer.max_steps", "6") == 2
    error = capsys.readouterr().err
    assert error.startswith("reenact: error: clip3 is missing; prepare it again")
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in error
    assert state()["global_step"] == 3
    assert fit("--ckpt_path", str(LAST)) == 0
    assert torch.equal(weights(), whole)


def test_a_killed_loading_process_costs_few_steps(whole, monkeypatch, capsys):
    def kill(method: Method) -> None:
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(dataloader._MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.1,))
        before_step(patch, 2, kill)
        assert fit("--trainer.max_steps", "60", "--data.num_workers", "1", "--trainer.num_sanity_val_steps", "0") == 2
    error = capsys.readouterr().err
    assert error.startswith("reenact: error: A loading process was killed")
    assert f"--data.num_workers; go on with: reenact fit --ckpt_path {LAST}" in error
    assert 3 <= state()["global_step"] <= 6  # one in hand, up to two loaded before
    assert fit("--ckpt_path", str(LAST), "--trainer.max_steps", "6") == 0
    assert torch.equal(weights(), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_every_process_of_a_run_costs_no_step(whole, monkeypatch, capsys, number):
    def send(method: Method) -> None:
        for process in (*multiprocessing.active_children(), multiprocessing.current_process()):
            os.kill(process.pid, number)

    monkeypatch.setattr("reenact.callbacks.stop_signals.terminal_descriptors", list)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with monkeypatch.context() as patch:
            before_step(patch, 2, send)
            assert (
                fit("--trainer.max_steps", "6", "--data.num_workers", "2", "--trainer.num_sanity_val_steps", "0") == 130
            )
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capsys.readouterr().err.startswith(f"reenact: interrupted; go on with: reenact fit --ckpt_path {LAST}")
    assert state()["global_step"] == 3
    assert fit("--ckpt_path", str(LAST), "--data.num_workers", "0") == 0
    assert torch.equal(weights(), whole)


def test_sighup_is_ignored_under_nohup_and_never_counts_as_a_second_signal(place, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before_step(monkeypatch, 2, lambda _: os.kill(os.getpid(), signal.SIGHUP))
        assert fit() == 0
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        before_step(monkeypatch, 1, lambda _: [os.kill(os.getpid(), signal.SIGHUP) for _ in range(3)])
        assert fit("--out", "hung_up") == 130
    finally:
        signal.signal(signal.SIGHUP, before)
    assert state(Path("hung_up/checkpoints/last.ckpt"))["global_step"] == 2


@pytest.mark.parametrize("what", ["weights", "optimiser"])
def test_what_is_not_finite_is_never_saved(place, monkeypatch, capsys, what):
    def spoil(method: Method) -> None:
        if what == "weights":
            method.network.layer[0].weight.register_hook(lambda gradient: gradient * torch.nan)
        else:
            parameter = method.network.layer[0].weight
            method.trainer.optimizers[0].state[parameter]["moment"] = torch.tensor(torch.inf)

    before_step(monkeypatch, 3, spoil)
    assert fit("--checkpoint.every_n_train_steps", "2") == 2
    error = capsys.readouterr().err
    assert "not finite at step 4" in error
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in error
    assert sorted(path.name for path in LAST.parent.iterdir()) == ["last.ckpt", "step_0000002.ckpt"]
    assert state()["global_step"] == 2
    assert torch.isfinite(weights()).all()


def limit_files(size: int) -> None:
    """Let no file grow past a number of bytes; it stands for a disk without room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def fit_on_a_full_disk(*words: str) -> int:
    """Train, and lift the limit at once: pytest's own report may be a file."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        return fit(*words)
    finally:
        limit_files(soft)


def test_a_full_disk_keeps_the_last_checkpoint_and_names_it(place, monkeypatch, capsys):
    before_step(monkeypatch, 3, lambda _: limit_files(LAST.stat().st_size - 1))
    assert fit_on_a_full_disk("--checkpoint.every_n_train_steps", "2") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "step_0000004.ckpt cannot be written (File too large); make room" in error
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in error
    assert sorted(path.name for path in LAST.parent.iterdir()) == ["last.ckpt", "step_0000002.ckpt"]
    assert state()["global_step"] == 2


@pytest.mark.parametrize(("name", "room"), [("metrics.csv", 1), ("pictures/train_0000004.png", 60)])
def test_a_file_that_does_not_fit_is_not_half_written(place, monkeypatch, capsys, name, room):
    rows = Path("run/metrics.csv")
    lines = []

    def fill(method: Method) -> None:
        lines.append(rows.read_text())
        limit_files(rows.stat().st_size + room)

    before_step(monkeypatch, 3, fill)
    pictures = "0" if name == "metrics.csv" else "4"
    steps = ["--checkpoint.every_n_train_steps", "3", "--trainer.max_steps", "5"]
    assert fit_on_a_full_disk("--pictures.every_n_steps", pictures, *steps) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert f"run/{name} cannot be written (File too large); make room" in error
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in error
    assert [rows.read_text()] == lines
    assert not list(Path("run").glob("pictures/*"))


def test_a_kill_leaves_at_most_one_part_which_the_next_run_removes(place):
    assert fit("--trainer.max_steps", "2") == 0
    part = LAST.with_name(".last.ckpt.part")
    part.write_bytes(b"half")
    assert fit("--ckpt_path", str(LAST), "--trainer.max_steps", "3") == 0
    assert not part.exists()


def test_a_full_memory_names_what_takes_less_in_order(place, monkeypatch, capsys):
    def refuse(method: Method) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    before_step(monkeypatch, 2, refuse)
    monkeypatch.setattr(Method, "memory_options", ("--model.optimisation.checkpointing true",))
    assert fit("--checkpoint.every_n_train_steps", "1") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert (
        "memory of the device is full; try in this order: --model.optimisation.checkpointing true, --trainer." in error
    )
    assert error.index("--trainer.precision bf16-mixed") < error.index("--data.batch_size")
    assert f"; go on with: reenact fit --ckpt_path {LAST}" in error


def test_a_full_memory_of_the_processor_is_one_too():
    message = (
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    assert str(from_system(RuntimeError(message))).startswith("The memory of the device is full")
    assert from_system(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_too_many_open_files_are_a_sentence(place, monkeypatch, capsys):
    def refuse(method: Method) -> None:
        raise OSError(24, "Too many open files")

    before_step(monkeypatch, 2, refuse)
    assert fit("--checkpoint.every_n_train_steps", "1") == 2
    assert "ulimit -n" in capsys.readouterr().err
    with suppress(FileNotFoundError):
        assert state()["global_step"] == 2


def test_a_batch_from_a_process_that_is_no_more_is_a_sentence():
    with pytest.raises(FileNotFoundError) as caught:
        Client("/nonexistent/socket", family="AF_UNIX")
    sentence = from_system(caught.value)
    assert sentence is not None
    assert str(sentence).startswith("A loading process was killed")
    assert from_system(ConnectionResetError(104, "Connection reset by peer")) is None
