"""Many metrics over one loader: each network looks once at each frame, each frame leaves a row, each metric a value."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics import catalogue, readers
from reenact.metrics.catalogue import Metric
from reenact.metrics.distributions import FrechetDistance, KernelDistance, VideoDistance
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.frame_set import FrameKey
from reenact.metrics.memory import Memory
from reenact.metrics.metric_names import parse_metric
from reenact.metrics.perceptual import LayerDistance
from reenact.metrics.scene import Frames, Scene
from reenact.metrics.temporal import Place, TemporalMetric

AT_ONCE = 16
"""Frames that are read together; the layers of LPIPS take 32 MB a frame of 256 pixels."""

Row = dict[str, str | int | float]
"""Facts of one generated frame: identities, clips, frame numbers, and its scores."""


@dataclass(frozen=True)
class Score:
    """The value of a metric over a loader."""

    label: str
    value: float
    """NaN where it can't be computed."""
    frames: int
    """Frames that have a value, or that make up the set."""
    note: str = ""
    """Reason why there is no value, or a remark about omitted frames."""


@dataclass(kw_only=True)
class Suite:
    """Metrics over the frames of one loader.

    Args:
        names: The metrics, as `metric_names.parse_metric` reads them.
        same_identity: Whether driving frames are the wanted results; without, metrics that need those are left out.
        device: Where sums are kept.
        keeps_features: Keep the features of every frame, from which distances between sets of some frames are computed.
    """

    names: Sequence[str]
    same_identity: bool
    device: torch.device | str = "cpu"
    keeps_features: bool = False
    metrics: dict[str, Metric] = field(init=False)
    """Metrics that are measured, by name."""
    rows: list[Row] = field(init=False, default_factory=list)
    """One a frame: who, which clip and frame, and the number of each metric that gives one."""
    keys: list[FrameKey] = field(init=False, default_factory=list)
    """One a frame: the pictures that it was made from and held against."""
    features: dict[str, list[Tensor]] = field(init=False, default_factory=dict)
    """`NETWORK.generated`, `NETWORK.driving`, ... -> features (B, D) float32 of the frames of each scene, if kept."""
    _memory: Memory = field(init=False, default_factory=Memory)
    _possible: dict[str, Metric] = field(init=False)
    """Metrics that this loader allows, by name."""

    def __post_init__(self) -> None:
        metrics = {name: catalogue.build_metric(name) for name in self.names}
        self._possible = {
            name: metric.to(self.device)
            for name, metric in metrics.items()
            if self.same_identity or metric.reference != "target"
        }
        self.metrics = self._possible

    def update(self, scene: Scene, pair: PortraitPair) -> None:
        """Add the frames of a scene; `pair` names them."""
        if scene.same_identity != self.same_identity:
            raise ReenactError("self- and cross-reenactment are scored apart; give each a suite of its own")
        names = _row_names(pair)
        for start in range(0, len(names), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            part = scene if len(names) <= AT_ONCE else scene.part(rows)
            part.source.memory = part.driving.memory = self._memory
            self._update(part, names[rows])

    def _update(self, scene: Scene, names: list[Row]) -> None:
        places = [_video_of(name) for name in names]
        columns: dict[str, list[float]] = {}
        # Layers, which no memory keeps, are read first: the smaller pieces of the same pass come with them.
        for name, metric in sorted(self.metrics.items(), key=lambda entry: not isinstance(entry[1], LayerDistance)):
            if isinstance(metric, TemporalMetric):
                values, whole = metric.of_places(scene, places)
                metric.update(values[whole])
                columns[name] = values.tolist()
            elif isinstance(metric, FrameMetric):
                values = metric.of(scene)
                metric.update(values)
                columns[name] = values.tolist()
            else:
                self._add_features(name, metric, scene, places)
        for row, facts in enumerate(names):
            self.rows.append({**facts, **{name: columns[name][row] for name in self.metrics if name in columns}})
        self.keys += _frame_keys(scene, names)

    def _add_features(
        self, name: str, metric: FrechetDistance | KernelDistance, scene: Scene, places: list[Place]
    ) -> None:
        network = parse_metric(name).network or ""
        if not isinstance(metric, VideoDistance):
            reader = readers.feature_reader(network)
            for frames in ("generated", metric.reference):
                features = getattr(scene, frames).read(reader)
                metric.update(features, real=frames != "generated")
                self._keep_features(f"{network}.{frames}", features)
            return
        clips = metric.clips(scene, places)
        if clips is None:
            return
        reader = readers.clip_reader(network)
        with torch.no_grad():
            metric.update(reader(clips.generated), real=False)
            for clip, digest in zip(clips.real, clips.digests, strict=True):
                if not self._memory.knows(reader, digest):
                    self._memory.keep(reader, [digest], reader(clip[None]))
        metric.update(self._memory.recall(reader, clips.digests, clips.real.device), real=True)

    def _keep_features(self, name: str, features: Tensor) -> None:
        """Keep the features of a scene, once for all metrics of a network."""
        if self.keeps_features:
            parts = self.features.setdefault(name, [])
            # The rows of a scene are added when all of its metrics have been measured.
            if sum(map(len, parts)) == len(self.rows):
                parts.append(features.float().cpu())

    def scores(self) -> list[Score]:
        """The values so far, over all processes."""
        return [self._score(name, metric) for name, metric in self.metrics.items()]

    def reset(self, names: Sequence[str] | None = None) -> None:
        """Forget all frames; what was read in the real ones is kept for the next time.

        Args:
            names: Of its metrics those to measure from now on; all by default.
        """
        self.rows.clear()
        self.keys.clear()
        self.features.clear()
        self._memory.turn()
        for metric in self.metrics.values():
            metric.reset()
        chosen = self._possible if names is None else names
        self.metrics = {name: metric for name, metric in self._possible.items() if name in chosen}

    def _score(self, name: str, metric: Metric) -> Score:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The ``compute`` method")  # none was added: the note says why
            value = float(metric.compute())
        with metric.sync_context():  # counts of all processes
            return Score(name, value, metric.counts()[0], metric.note())


def scene_of(image: Tensor, pair: PortraitPair) -> Scene:
    """Build the scene of a batch's results; clips (B, T, 3, H, W) become frames.

    Args:
        image: (B, 3, H, W) or (B, T, 3, H, W) in [-1, 1].
        pair: The batch.
    """
    driving, source, mask = pair.driving.image, pair.source.image, pair.driving.mask
    if image.ndim == 5:
        source = source[:, None].expand(-1, image.shape[1], -1, -1, -1)
    generated, target, source_frames = (
        part.flatten(0, -4) if part.ndim == 5 else part for part in (image, driving, source)
    )
    return Scene(
        generated=Frames(generated, "the generated frames"),
        source=Frames(source_frames, "the source frames"),
        driving=Frames(target, "the driving frames", None if mask is None else mask.flatten(0, -4)),
        same_identity=pair.same_identity,
    )


def _video_of(name: Row) -> Place:
    """Return the video of a frame: the driving clip's, for one source."""
    video = tuple(value for column, value in name.items() if column != "driving_frame")
    return Place(video, int(name["driving_frame"]))


def _frame_keys(scene: Scene, names: Sequence[Row]) -> list[FrameKey]:
    height, width = scene.generated.given.shape[-2:]
    digests = zip(scene.source.digests, scene.driving.digests, strict=True)
    return [
        FrameKey(
            source=(str(name["source_clip"]), int(name["source_frame"])),
            driving=(str(name["driving_clip"]), int(name["driving_frame"])),
            width=width,
            height=height,
            source_pixels=source.hex() if name["source_clip"] else "",
            driving_pixels=driving.hex(),
        )
        for name, (source, driving) in zip(names, digests, strict=True)
    ]


def _row_names(pair: PortraitPair) -> list[Row]:
    """Return the facts of each frame of a batch, in the order of `scene_of`."""
    driving: Portrait = pair.driving
    clips = driving.image.ndim == 5
    steps = driving.image.shape[1] if clips else 1
    numbers = [-1] * (len(driving.clip) * steps) if driving.frame is None else driving.frame.flatten().tolist()
    return [
        {
            "source_identity": pair.source.identity[row],
            "source_clip": pair.source.clip[row],
            "source_frame": -1 if pair.source.frame is None else int(pair.source.frame[row]),
            "driving_identity": driving.identity[row],
            "driving_clip": driving.clip[row],
            "driving_frame": numbers[row * steps + step],
        }
        for row in range(len(driving.clip))
        for step in range(steps)
    ]
