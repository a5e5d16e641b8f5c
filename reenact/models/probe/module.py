"""Training of the probe on the synthetic world's exact landmarks, parameters and identities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
)

from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import rotation_angle
from reenact.faces.vector import ParameterVector, head_rotation
from reenact.models.common.portrait_module import Losses
from reenact.models.common.training import Optimisation, PlainTraining
from reenact.models.probe.damage import reframe_portrait, spoil_images
from reenact.nn.probe import Probe, ProbeReading, resize_to_side


@dataclass(frozen=True, kw_only=True)
class ProbeLosses:
    """Weights of the losses."""

    landmarks: float = 8.0
    """Mean distance of the landmarks, in inter-ocular distances."""
    rotation: float = 3.0
    """Mean angle between the rotations, in radians."""
    shape: float = 0.5
    """Mean smooth-L1 distance of the identity coefficients, in standard deviations."""
    expression: float = 6.0
    """Mean smooth-L1 distance of expression, jaw, eyes and camera, in standard deviations."""
    identity: float = 0.12
    """Cross entropy of the person among all those of the training set, with a margin (CosFace, CVPR 2018)."""


@dataclass(frozen=True, kw_only=True)
class ProbeOptimisation(Optimisation):
    """AdamW, a warm-up, and a cosine to zero at `trainer.max_steps`."""

    lr: float = 2e-3
    weight_decay: float = 0.02
    warmup: int = 300
    identities: int = 6000
    """People of the training set, numbered by the names `person00000` and on."""
    margin: float = 0.2
    """Cosine by which the right person must win."""
    sharpness: float = 24.0
    """Factor on cosines in the softmax."""


class ProbeModule(PlainTraining):
    """A small network that reads landmarks, face parameters and identity of the built-in head.

    Args:
        face_model: Face model of the data's parameters; it must have orthographic cameras.
        losses: Weights of the losses.
        optimisation: Learning rate and schedule.
    """

    method = "probe"
    network: Probe
    optimisation: ProbeOptimisation

    def __init__(
        self,
        face_model: str = "head",
        losses: ProbeLosses | None = None,
        optimisation: ProbeOptimisation | None = None,
    ) -> None:
        losses = losses or ProbeLosses()
        optimisation = optimisation or ProbeOptimisation()
        model = load_face_model(face_model)
        self_layout = ParameterVector(model.num_shape, model.num_expression)
        arguments = {"face_model": face_model, "losses": losses, "optimisation": optimisation}
        super().__init__(Probe(len(self_layout)), optimisation, arguments)
        self.layout = self_layout
        self.losses = losses
        self.people = nn.Parameter(F.normalize(torch.randn(optimisation.identities, 128), dim=1))

    @property
    def needs(self) -> Contents:
        """Landmarks and parameters to learn from."""
        return Contents(params=True, landmarks=True, mirrors=False)

    def on_fit_start(self) -> None:
        """Measure the spread of the coefficients, from batches of the training set."""
        if float(self.network.scale.std()) > 0:  # a resumed run brings it along
            return
        vectors = []
        for number, batch in enumerate(self.trainer.datamodule.train_dataloader()):  # type: ignore[attr-defined]
            params = _join_pair(batch).params
            assert params is not None
            vectors.append(self.layout.of(params))
            if number == 100:
                break
        every = torch.cat(vectors)
        # A coefficient that never moves must not be blown up.
        self.network.mean.copy_(every.mean(0))
        self.network.scale.copy_(every.std(0).clamp_min(0.02))

    def compute_losses(self, batch: PortraitPair) -> Losses:
        """Weigh the errors; both portraits of each pair are samples of their own."""
        portrait = reframe_portrait(_join_pair(batch), zoom=1.2, shift=0.12)
        portrait.image = spoil_images(resize_to_side(portrait.image)).contiguous(memory_format=torch.channels_last)
        errors = self._measure_errors(portrait, self.network(portrait.image))
        self.log_dict({f"train/{name}": error.detach() for name, error in errors.items()})
        return {name: getattr(self.losses, name) * error for name, error in errors.items()}

    def _measure_errors(self, portrait: Portrait, reading: ProbeReading) -> dict[str, Tensor]:
        params = portrait.params
        assert params is not None
        target = (self.layout.of(params) - self.network.mean) / self.network.scale
        prediction = (reading.coefficients - self.network.mean) / self.network.scale
        distances = F.smooth_l1_loss(prediction, target, reduction="none")
        # The chord instead of the angle: its gradient does not blow up near zero.
        chord = torch.linalg.matrix_norm(reading.rotation - head_rotation(params)) / 2**0.5
        return {
            "landmarks": landmark_error(portrait, reading).mean(),
            "rotation": chord.mean(),
            "shape": distances[:, self.layout.shape].mean(),
            "expression": distances[:, self.layout.expression.start :].mean(),
            "identity": self._identity_loss(portrait.identity, reading.embedding),
        }

    def _identity_loss(self, names: list[str], embedding: Tensor) -> Tensor:
        labels = torch.tensor([int(name.removeprefix("person")) for name in names], device=embedding.device)
        cosines = embedding @ F.normalize(self.people, dim=1).T
        margin = self.optimisation.margin * F.one_hot(labels, len(self.people))
        return F.cross_entropy(self.optimisation.sharpness * (cosines - margin), labels)

    def validation_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the errors on held-out people."""
        self._evaluate(batch, f"val/{self.loader_name('val', dataloader_idx)}")

    def test_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Evaluate a batch of a test loader."""
        self._evaluate(batch, f"test/{self.loader_name('test', dataloader_idx)}")

    def _evaluate(self, batch: PortraitPair, stage: str) -> None:
        portrait = _join_pair(batch)
        reading = self.network(portrait.image)
        params = portrait.params
        assert params is not None
        target, prediction = self.layout.of(params), reading.coefficients
        scale = self.network.scale
        errors = {
            "landmarks": landmark_error(portrait, reading).mean(),
            "degrees": rotation_angle(reading.rotation, head_rotation(params)).mean(),
            "expression": ((prediction - target) / scale)[:, self.layout.expression].square().mean(),
        }
        self.log_dict(
            {f"{stage}/{name}": value for name, value in errors.items()},
            batch_size=len(portrait.image),
            add_dataloader_idx=False,
            sync_dist=True,
            prog_bar=True,
        )

    def build_schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """Return the warm-up and the cosine, times the falls at the milestones if there are any."""
        o, steps = self.optimisation, int(self.trainer.estimated_stepping_batches)
        rise = LinearLR(optimizer, 0.02, total_iters=o.warmup)
        cosine = CosineAnnealingLR(optimizer, max(1, steps - o.warmup))
        schedule = SequentialLR(optimizer, [rise, cosine], [o.warmup])
        if not o.milestones:
            return schedule
        return ChainedScheduler([schedule, MultiStepLR(optimizer, o.milestones, o.gamma)])


def landmark_error(portrait: Portrait, reading: ProbeReading) -> Tensor:
    """(B) mean distance of 68 landmarks, in distances between the true outer eye corners."""
    assert portrait.landmarks is not None
    target = portrait.landmarks * (2 / portrait.image.shape[-1]) - 1
    distance = torch.linalg.vector_norm(reading.landmarks - target, dim=-1).mean(-1)
    eyes: Tensor = torch.linalg.vector_norm(target[:, 36] - target[:, 45], dim=-1)
    error: Tensor = distance / eyes.clamp_min(1e-3)
    return error


def _join_pair(batch: PortraitPair) -> Portrait:
    """Source and driving portraits as one batch."""
    return Portrait.cat([batch.source, batch.driving])
