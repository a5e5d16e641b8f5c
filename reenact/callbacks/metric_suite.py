"""The metric suite in validation and test: values to the loggers, rows and extreme frames to the run folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytorch_lightning as pl
import torch
from torch.distributed import all_gather_object

from reenact.callbacks.costs import write_costs
from reenact.callbacks.extremes import Extremes
from reenact.callbacks.pictures import draw_grid, loader_name, log_picture, picture_columns, send_rows
from reenact.callbacks.score_files import write_features, write_rows, write_scores
from reenact.callbacks.score_text import score_text
from reenact.callbacks.whole_files import write_picture
from reenact.errors import ReenactError
from reenact.faces.model import FaceModel
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.frame_set import frame_set
from reenact.metrics.metric_names import COST, check_metrics
from reenact.metrics.pose_difference import measure_pose_differences
from reenact.metrics.suite import Row, Score, Suite, scene_of
from reenact.metrics.temporal import TemporalMetric
from reenact.models.common.base import Reenactment
from reenact.models.common.module import ReenactmentModule

LOG = logging.getLogger("reenact")
ON_THE_BAR = 2
"""Metrics that the progress bar shows; more would fill the screen."""
Loader = Literal["self", "cross"]
T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """A metric with where and how often it is measured."""

    name: str
    """Name of the metric in `docs/metrics.md`."""
    loaders: tuple[Loader, ...] = ("self", "cross")
    """On which loaders; metrics that need the wanted picture run on `self` alone."""
    every_n_steps: int = 0
    """Training steps from one validation that measures it to the next; 0 for every validation. Tests always do."""


class MetricSuite(pl.Callback):
    """Scores held-out frames with many metrics; each network looks once at each frame.

    Metrics that need the wanted picture run on `self` alone, all others on `self` and `cross`. Files in the run folder,
    each `<stage>_<loader>..._<step>`: in `scores/` the values as JSON and one row a frame as Parquet, in `pictures/`
    the worst and the best frames by the first metric that gives single frames a number.

    Args:
        names: The metrics: names, or choices of a name, loaders and steps.
        keep: Worst and best frames to keep as pictures; 0 for none.
        for_figures: Also write what curves over differences of pose are computed from: these differences as columns of
            the frames, and in tests the features of every frame, `scores/test_<loader>_<step>.safetensors`.
        costs: Also measure in tests what a frame costs, `scores/test_cost_<step>.json`.
    """

    def __init__(
        self, names: list[str | Choice] | None = None, keep: int = 4, for_figures: bool = False, costs: bool = False
    ) -> None:
        chosen: list[str | Choice] = ["psnr", "l1"] if names is None else names
        self.choices = [Choice(entry) if isinstance(entry, str) else entry for entry in chosen]
        self.keep = keep
        self.for_figures = for_figures
        self.costs = costs
        self._first_batch: PortraitPair | None = None
        self._face_model: FaceModel | None = None
        self._due: list[Choice] = []
        self._suites: dict[tuple[str, str], Suite] = {}
        self._extremes: dict[tuple[str, str], Extremes] = {}
        self._measured_at: dict[Choice, int] = {}
        self._finished: dict[str, tuple[int, list[Score]]] = {}
        """Loader -> frames and values of the last validation or test, on the first process."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse unknown metrics and missing weights before anything runs; raises `ReenactError`."""
        check_metrics(self.list_names())

    def list_names(self) -> list[str]:
        """List the names of the chosen metrics; raises `ReenactError` if the option is no list of them."""
        for choice in self.choices:
            if choice.name[:1] in ("[", "{"):  # a list or choice that is none is taken for a name
                raise ReenactError(
                    f"--metrics.names: {choice.name} is no list of metrics, each a name or"
                    " {name: fid[inception], loaders: [cross], every_n_steps: 5000}"
                )
        return [choice.name for choice in self.choices]

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start over with the metrics that are due, keeping what was read in the real frames."""
        # Before the first step running statistics are not those of the layers: frames may overflow, and mean nothing.
        step = trainer.global_step
        chosen = [] if trainer.sanity_checking else self.choices
        self._start([c for c in chosen if step - self._measured_at.get(c, -c.every_n_steps) >= c.every_n_steps])
        self._measured_at.update(dict.fromkeys(self._due, step))

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start over with all metrics."""
        self._start(self.choices)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's union; the module returns a Reenactment
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score a batch."""
        if isinstance(pl_module, ReenactmentModule):
            loader = loader_name(trainer.val_dataloaders, dataloader_idx)
            self._score("val", loader, outputs, batch, _face_model_name(trainer))

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - as above
        batch: PortraitPair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score a batch."""
        if isinstance(pl_module, ReenactmentModule):
            loader = loader_name(trainer.test_dataloaders, dataloader_idx)
            self._first_batch = self._first_batch or batch
            self._score("test", loader, outputs, batch, _face_model_name(trainer))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the values, write the files."""
        self._finish("val", trainer, pl_module)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the values, write the files."""
        self._finish("test", trainer, pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure costs if that is set, and print the values of all loaders as one table."""
        if self.costs and trainer.is_global_zero and self._first_batch is not None:
            path = Path(trainer.default_root_dir) / "scores" / f"test_{COST}_{trainer.global_step:07d}.json"
            self._finished[COST] = write_costs(pl_module, self._first_batch, path)
        self._print()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the values of all loaders as one table, unless the validation is one of a training."""
        if trainer.state.fn == "validate":
            self._print()

    def _print(self) -> None:
        if self._finished:
            frames = {loader: count for loader, (count, _) in self._finished.items()}
            LOG.info(score_text({loader: scores for loader, (_, scores) in self._finished.items()}, frames))

    def _start(self, due: list[Choice]) -> None:
        self._due = due
        self._finished.clear()
        for suite in self._suites.values():
            suite.reset(_metric_names(due, suite.same_identity))
        self._extremes.clear()

    def _score(self, stage: str, loader: str, result: Reenactment, batch: PortraitPair, face_model: str) -> None:
        due = _metric_names(self._due, batch.same_identity)
        if not due:
            return
        key = stage, loader
        scene = scene_of(result.image, batch)
        if key not in self._suites:
            names = _metric_names(self.choices, scene.same_identity)
            self._suites[key] = Suite(
                names=names,
                same_identity=scene.same_identity,
                device=result.image.device,
                keeps_features=self.for_figures and stage == "test",
            )
            self._suites[key].reset(due)
        suite = self._suites[key]
        suite.update(scene, batch)
        if self.for_figures and batch.source.params is not None and batch.driving.params is not None:
            self._add_pose_differences(suite.rows[-len(scene.generated) :], batch, face_model)
        first = _first_frame_metric(suite)
        if self.keep and first:
            numbers = [float(row[first]) for row in suite.rows[-len(scene.generated) :]]
            columns = picture_columns(batch, result, every_frame=True)
            self._extremes.setdefault(key, Extremes(self.keep)).add(numbers, columns)

    def _add_pose_differences(self, rows: Sequence[Row], batch: PortraitPair, face_model: str) -> None:
        """Add the differences of pose to the rows of a batch with face parameters."""
        if self._face_model is None:
            self._face_model = load_face_model(face_model).to(batch.source.image.device)
        for name, values in measure_pose_differences(self._face_model, batch).items():
            for row, value in zip(rows, values.tolist(), strict=True):
                row[name] = value

    def _finish(self, stage: str, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for (which, loader), suite in self._suites.items():
            if which != stage or not suite.rows:
                continue
            scores = suite.scores()
            for score in scores:
                if not math.isnan(score.value):
                    on_bar = score.label in [choice.name for choice in self.choices[:ON_THE_BAR]]
                    pl_module.log(f"{stage}/{loader}/{score.label}", score.value, prog_bar=on_bar)
            rows = [row for part in _of_all_processes(suite.rows, trainer) for row in part]
            keys = [key for part in _of_all_processes(suite.keys, trainer) for key in part]
            features = _of_all_processes({name: torch.cat(parts) for name, parts in suite.features.items()}, trainer)
            extremes = Extremes(self.keep)
            for part in _of_all_processes(self._extremes.get((which, loader), extremes), trainer):
                extremes.merge(part)
            if not trainer.is_global_zero:
                continue
            folder = Path(trainer.default_root_dir) / "scores"
            name = f"{stage}_{loader}_{trainer.global_step:07d}"
            write_rows(rows, folder / f"{name}.parquet")
            if suite.features:
                write_features(features, folder / f"{name}.safetensors")
            about, frames = {"step": trainer.global_step}, {loader: frame_set(keys)}
            write_scores({loader: scores}, folder / f"{name}.json", about, frames)
            self._finished[loader] = len(rows), scores
            send_rows(trainer, f"scores/{stage}_{loader}", [asdict(score) for score in scores])
            if stage == "test":
                send_rows(trainer, f"frames/{stage}_{loader}", rows)
            self._draw(f"{stage}_{loader}", suite, extremes, trainer)

    def _draw(self, name: str, suite: Suite, extremes: Extremes, trainer: pl.Trainer) -> None:
        first = _first_frame_metric(suite)
        if first is None or not extremes.lowest:
            return
        kinds = ("best", "worst") if suite.metrics[first].higher_is_better else ("worst", "best")
        folder = Path(trainer.default_root_dir) / "pictures"
        for kind, frames in zip(kinds, (extremes.highest, extremes.lowest), strict=True):
            joined = {key: torch.cat([pictures[key] for _, pictures in frames]) for key in frames[0][1]}
            picture = draw_grid(joined, self.keep)
            write_picture(picture, folder / f"{name}_{kind}_{trainer.global_step:07d}.png")
            log_picture(trainer, f"pictures/{name}_{kind}", picture)


def _face_model_name(trainer: pl.Trainer) -> str:
    """The face model of the data; empty for bare loaders."""
    return getattr(getattr(trainer, "datamodule", None), "face_model", "")


def _metric_names(choices: Sequence[Choice], same_identity: bool) -> list[str]:
    """The metrics that are measured on a loader."""
    loader = "self" if same_identity else "cross"
    return [choice.name for choice in choices if loader in choice.loaders]


def _first_frame_metric(suite: Suite) -> str | None:
    """The first metric that gives single frames a number."""
    single = (
        name for name, m in suite.metrics.items() if isinstance(m, FrameMetric) and not isinstance(m, TemporalMetric)
    )
    return next(single, None)


def _of_all_processes(mine: T, trainer: pl.Trainer) -> list[T]:
    parts = [mine] * trainer.world_size
    if trainer.world_size > 1:
        all_gather_object(parts, mine)
    return parts
