"""The base of metrics that give each frame a number."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from reenact.errors import ReenactError
from reenact.metrics.metric_names import Reference
from reenact.metrics.scene import Frames, Scene


class FrameMetric(Metric):
    """The mean over frames of a number per frame; frames without one are counted and left out.

    Sums are kept in float64 and added over processes, so that the mean is over frames whatever the batches were.
    """

    full_state_update = False
    absent: ClassVar[str] = ""
    """Reason why a frame may have no number."""
    label: str
    """The metric's full name, with network and variant."""
    reference: Reference
    """Reference that frames are compared with."""
    total: Tensor
    count: Tensor
    missing: Tensor

    def __init__(self, label: str, reference: Reference) -> None:
        super().__init__()
        self.label = label
        self.reference = reference
        for name in ("total", "count", "missing"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) numbers of B frames; NaN where there is none, such as where no face is found."""

    def of(self, scene: Scene) -> Tensor:
        """(B,) numbers of a scene, against the metric's reference."""
        reference: Frames = getattr(scene, self.reference)
        check_alike(scene.generated, reference)
        return self.values(scene.generated, reference)

    def update(self, values: Tensor) -> None:
        """Add the numbers (B,) that `of` gave."""
        valid = values.double()[~values.isnan()]
        self.total += valid.sum()
        self.count += len(valid)
        self.missing += len(values) - len(valid)

    def compute(self) -> Tensor:
        """The mean over frames that have a number; NaN where none has."""
        return self.total / self.count

    def counts(self) -> tuple[int, int]:
        """Frames with a value, and frames without."""
        return int(self.count), int(self.missing)

    def note(self) -> str:
        """Return the reason why there is no value, or the number of frames without one."""
        valid, missing = self.counts()
        if not missing:
            return "" if valid else self.none()
        return f"{missing} of {valid + missing} frames have no value: {self.absent}"

    def none(self) -> str:
        """Return the reason why no frame counts."""
        return "there is no frame"


def check_alike(generated: Frames, reference: Frames) -> None:
    """Refuse frames of another number or size; raises `ReenactError`."""
    if generated.given.shape != reference.given.shape:
        a, b = ("{} of {} x {}".format(len(f), *reversed(f.given.shape[-2:])) for f in (generated, reference))
        raise ReenactError(f"{generated.name} ({a} px) and {reference.name} ({b} px) differ in number or size")
