"""One row of a table: train it where it has no checkpoint, score it where it has no scores, or say why not."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from reenact.benchmark import data, inputs
from reenact.benchmark.figure_spec import has_curves
from reenact.benchmark.job import Result, Settings, has_costs, in_zoo, metric_names
from reenact.benchmark.outside import from_outside
from reenact.benchmark.sheets import render_grids
from reenact.benchmark.spec import Row, Table
from reenact.benchmark.training import DONE, Training, matches_fingerprint, write_fingerprint
from reenact.benchmark.work import Outcome
from reenact.callbacks.score_files import read_scores, write_scores
from reenact.errors import ReenactError
from reenact.methods.registry import find_foundation, find_method_of_preset
from reenact.metrics.frame_set import FrameSet
from reenact.models.common.checkpoint import saved_settings
from reenact.paths import hash_file
from reenact.runs import presets
from reenact.runs.arguments import default_scale

LOG = logging.getLogger("reenact")


def run_row(row: Row, settings: Settings) -> Result:
    """Bring a row up to date.

    Raises:
        KeyboardInterrupt: when interrupted; what was done stays, and the next call goes on.
    """
    folder = settings.row_folder(row)
    if not in_zoo(row):
        return from_outside(row, settings)
    missing_stores = data.missing_stores(settings.table, row, settings.root)
    if missing_stores:
        return Result(
            row=row,
            scores={},
            problem=f"no store at {', '.join(map(str, missing_stores))}; make it with `reenact prepare`",
        )
    try:
        return _run_row(row, folder, settings)
    except ReenactError as error:
        return Result(row=row, scores={}, problem=str(error), failed=True)


def read_finished_row(row: Row, settings: Settings) -> Result:
    """Return what a row's folder holds, without running anything."""
    folder = settings.row_folder(row)
    if not (folder / "scores.json").is_file():
        return Result(row=row, scores={}, problem="not run")
    if not (in_zoo(row) and (folder / DONE).is_file()):
        return from_outside(row, settings)
    try:
        file = read_scores(folder / "scores.json")
    except ReenactError as error:
        return Result(row=row, scores={}, problem=str(error))
    return Result(row=row, scores=file.scores, weights=str(file.about.get("weights", "")))


def _run_row(row: Row, folder: Path, settings: Settings) -> Result:
    checkpoint = settings.checkpoints.get(row.id) or row.checkpoint
    if checkpoint is not None and not checkpoint.is_file():
        raise ReenactError(f"The row {row.id} names the checkpoint {checkpoint}, which is no file; give another")
    weights = "" if checkpoint is None else f"given checkpoint {checkpoint.name}"
    if checkpoint is None:
        trained = _train_row(row, settings)
        if isinstance(trained, Result):
            return trained
        checkpoint, weights = trained
    result = _score_row(row, folder, settings, checkpoint, weights)
    if result.scores:
        render_grids(row, settings, _build_test_arguments(row, settings), checkpoint)
    return result


def _train_row(row: Row, settings: Settings) -> tuple[Path, str] | Result:
    """A row's checkpoint, trained to its end, and its description; or why there is none."""
    table = settings.table
    store = data.store_path(table.train, row, settings.root)
    trainings = _plan_trainings(row, settings, store)
    for preset, training in trainings.items():
        if training.is_finished:
            continue
        if not settings.train:
            return Result(row=row, scores={}, problem="no checkpoint, and --no-train was given")
        label = row.id if preset == row.model else f"{row.id}, its foundation {preset}"
        name = row.id if preset == row.model else f"{row.id}.{preset}"
        LOG.info("%s: %s", label, "training goes on" if training.is_begun else "training")
        log = _log_path(settings, f"{name}.fit.txt")
        logging = settings.logging(f"{name} fit")
        outcome = training.complete(partial(_start_fit, settings, logging, log))
        if not outcome.done:
            return Result(row=row, scores={}, problem=outcome.problem, failed=True)
    instead = "; the built-in head stands for its face model" if row.store and store is None else ""
    foundations = "".join(f", on a trained {preset}" for preset in list(trainings)[-2::-1])
    text = f"trained here on {data.describe_store(store)}, scale {settings.scale}{instead}{foundations}"
    return trainings[str(row.model)].checkpoint, text


def _plan_trainings(row: Row, settings: Settings, store: Path | None) -> dict[str, Training]:
    """Return the trainings of a row in their order: those of its foundations, then its own, by their presets."""
    assert row.model is not None
    foundation = find_foundation(row.model)
    earlier: dict[str, Training] = {}
    options: list[str] = []
    arguments = _build_arguments(row, settings, settings.table.train, store)
    made_from = inputs.training_inputs(arguments, store)
    if foundation is not None and foundation.option not in row.overrides:
        overrides = {key: value for key, value in row.overrides.items() if not key.startswith("model.")}
        earlier = _plan_trainings(replace(row, model=foundation.preset, overrides=overrides), settings, store)
        training = earlier[foundation.preset]
        options = [f"--{foundation.option}", str(training.checkpoint)]
        made_from |= {"foundation": inputs.hash_inputs(training.inputs)}
    run = settings.out / "models" / f"{_row_method(row)}-{inputs.hash_inputs(made_from)}"
    return {**earlier, row.model: Training(arguments=arguments, inputs=made_from, run=run, foundation=options)}


def _start_fit(settings: Settings, logging: list[str], log: Path, options: Sequence[str]) -> Outcome:
    return settings.run([*options, *logging], log)


def _score_row(row: Row, folder: Path, settings: Settings, checkpoint: Path, weights: str) -> Result:
    """A row's scores, from its folder where nothing that they depend on has changed."""
    table = settings.table
    store = data.store_path(table.test, row, settings.root)
    sources, pairs = data.portrait_store(table, settings.root), settings.pairs
    arguments = _build_test_arguments(row, settings)
    if pairs is not None:
        arguments += ["--data.pairs", str(pairs)]
    if has_curves(table.figures):
        arguments += ["--metrics.for_figures", "true"]
    if has_costs(settings):
        arguments += ["--metrics.costs", "true"]
    names = metric_names(settings)
    made_from = inputs.scoring_inputs(arguments, store, sources, pairs, checkpoint, names)
    if matches_fingerprint(folder / DONE, made_from):
        return read_finished_row(row, settings)
    if not names:
        return Result(row=row, scores={}, problem="no metric of this table can be measured here")
    LOG.info("%s: scoring", row.id)
    run = folder / "test"
    for old in (folder / DONE, folder / "scores.json", *folder.glob("features_*.safetensors")):
        old.unlink(missing_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    arguments += ["--metrics.names", json.dumps(names), "--ckpt_path", str(checkpoint), "--out", str(run)]
    log = _log_path(settings, f"{row.id}.test.txt")
    outcome = settings.run(["test", *arguments, *settings.logging(f"{row.id} test")], log)
    if not outcome.done:
        return Result(row=row, scores={}, problem=outcome.problem, failed=True)
    weights = f"{weights}{_perceptual_network(checkpoint)}; sha256 {hash_file(checkpoint)[:12]}"
    _gather_scores(run, folder, {"weights": weights})
    write_fingerprint(folder / DONE, made_from)
    return read_finished_row(row, settings)


def _perceptual_network(checkpoint: Path) -> str:
    """The network of the perceptual loss that a method was trained with, which its numbers depend on."""
    losses = saved_settings(checkpoint)["model"]["init_args"].get("losses") or {}
    kind = losses.get("perceptual", "")
    return f", perceptual loss {kind}" if kind else ""


def _gather_scores(run: Path, folder: Path, about: dict[str, Any]) -> None:
    """Bring what a test left into the form that `reenact evaluate` writes."""
    together = {}
    frames: dict[str, FrameSet] = {}
    for path in sorted((run / "scores").glob("test_*.json")):
        file = read_scores(path)
        frames |= file.frames
        for loader, of in file.scores.items():
            together[loader] = list(of.values())
            if path.with_suffix(".parquet").is_file():  # costs have no frames
                shutil.copyfile(path.with_suffix(".parquet"), folder / f"frames_{loader}.parquet")
            features = path.with_suffix(".safetensors")
            if features.is_file():
                features.replace(folder / f"features_{loader}.safetensors")
    (folder / "pictures").mkdir(exist_ok=True)
    for loader in together:
        for picture in sorted((run / "pictures").glob(f"test_{loader}_[0-9]*.png")):
            shutil.copyfile(picture, folder / "pictures" / f"{loader}.png")
    write_scores(together, folder / "scores.json", about, frames)


def _build_arguments(row: Row, settings: Settings, name: str, store: Path | None) -> list[str]:
    """Return the arguments that `fit` and `test` of a row have in common."""
    assert row.model is not None
    arguments = ["--model", row.model, "--data", name, "--scale", settings.scale, "--data.size", str(settings.size)]
    method = find_method_of_preset(row.model)
    if method is not None and method.size_option:
        arguments += [f"--{method.size_option}", str(settings.size)]
    arguments += [] if store is None else ["--data.root", str(store)]
    table = settings.table
    seed = {"data.seed": table.seed} if table.seed else {}
    options = {**seed, **table.overrides, **row.overrides}
    return arguments + [word for key, value in options.items() for word in (f"--{key}", _format_value(value))]


def _build_test_arguments(row: Row, settings: Settings) -> list[str]:
    """Return the arguments of each `test` of a row, without pairs and checkpoint."""
    sources = data.portrait_store(settings.table, settings.root)
    store = data.store_path(settings.table.test, row, settings.root)
    arguments = _build_arguments(row, settings, settings.table.test, store)
    return arguments + ([] if sources is None else ["--data.sources", str(sources)])


def _row_method(row: Row) -> str:
    """The method of a row's preset: presets of the same content share one training."""
    assert row.model is not None
    class_path = presets.load_preset(presets.find_preset("model", row.model))["model"]["class_path"]
    return presets.method_of(class_path) or row.model


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _log_path(settings: Settings, name: str) -> Path:
    folder = settings.folder / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def chosen_scale(table: Table, scale: str | None) -> str:
    """The scale asked for, the table's own, or what its data are run at."""
    return scale or table.scale or default_scale(table.test)
