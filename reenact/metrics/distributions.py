"""Distances between sets of pictures or clips: the Fréchet distance (FID, FVD) and the kernel distance (KID)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from reenact.metrics.frame_metric import check_alike
from reenact.metrics.metric_names import Reference
from reenact.metrics.scene import Frames, Scene
from reenact.metrics.sets import CLIP_LENGTH
from reenact.metrics.temporal import Place, Runs


def frechet_distance(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """Fréchet distance of two normal distributions (Heusel et al. 2017, eq. 6).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), by symmetric eigendecompositions in float64, negative
    eigenvalues of rounding taken as zero. Agrees with `scipy.linalg.sqrtm` of S1 S2 to rounding.

    Args:
        first: Mean (D,) and covariance (D, D).
        second: The same.
    """
    (mean1, cov1), (mean2, cov2) = (tuple(part.double() for part in pair) for pair in (first, second))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    middle = root @ cov2 @ root
    trace = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp_min(0).sqrt().sum()
    distance: Tensor = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * trace
    return distance


def compute_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) with n - 1 of features (N, D), in float64."""
    values = features.double()
    return values.mean(0), torch.cov(values.T).reshape(values.shape[1], values.shape[1])


def kernel_distance(first: Tensor, second: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of features (N, D) and (M, D) with the kernel (x.y / D + 1)^3.

    Bińkowski et al. 2018, section 4. Of all features at once, where torch-fidelity averages over random subsets.
    """
    x, y = first.double(), second.double()
    size = x.shape[1]
    xx, yy, xy = ((a @ b.T / size + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return within - 2 * xy.mean()


class FrechetDistance(Metric):
    """`fid[network]`: Fréchet distance of the features of generated and of real pictures.

    Sums and products are kept in float64.

    Args:
        label: The metric's full name.
        size: Length of the features.
        reference: Which frames are the real ones.
    """

    full_state_update = False
    higher_is_better = False
    counted: ClassVar[str] = "frames"
    """Unit of the features: frames or clips."""
    generated_count: Tensor
    real_count: Tensor
    real_sum: Tensor

    def __init__(self, label: str, size: int, reference: Reference = "driving") -> None:
        super().__init__()
        self.label = label
        self.reference = reference
        for kind in ("generated", "real"):
            self.add_state(f"{kind}_count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{kind}_sum", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{kind}_products", torch.zeros(size, size, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features (B, D) of generated or of real frames."""
        kind, values = "real" if real else "generated", features.double()
        setattr(self, f"{kind}_count", getattr(self, f"{kind}_count") + len(values))
        setattr(self, f"{kind}_sum", getattr(self, f"{kind}_sum") + values.sum(0))
        setattr(self, f"{kind}_products", getattr(self, f"{kind}_products") + values.T @ values)

    def compute(self) -> Tensor:
        """The distance; NaN for fewer than two of either."""
        if self.generated_count < 2 or self.real_count < 2:
            return torch.full_like(self.real_count, torch.nan)
        return frechet_distance(self._moments("generated"), self._moments("real"))

    def counts(self) -> tuple[int, int]:
        """Generated frames, and none without a value."""
        return int(self.generated_count), 0

    def note(self) -> str:
        """Return the reason why there is no value, or the obstacle to comparing it."""
        counts = int(self.generated_count), int(self.real_count)
        if min(counts) < 2:
            return f"a distance between sets needs two {self.counted} of each, there are {counts[0]} and {counts[1]}"
        size = len(self.real_sum)
        if min(counts) > size:
            return ""
        return f"biased by the number of {self.counted}, {counts[0]} and {counts[1]} for {size} features"

    def _moments(self, kind: str) -> tuple[Tensor, Tensor]:
        count, total, products = (getattr(self, f"{kind}_{part}") for part in ("count", "sum", "products"))
        mean = total / count
        return mean, (products - count * torch.outer(mean, mean)) / (count - 1)


@dataclass(frozen=True)
class Clips:
    """N clips of generated frames, and the real ones of the same frames."""

    generated: Tensor
    """(N, T, 3, H, W) in [-1, 1]."""
    real: Tensor
    """Features of the driving videos."""
    digests: list[bytes]
    """Digests of the real clips."""


class VideoDistance(FrechetDistance):
    """`fvd[network]`: Fréchet distance of the features of clips of 16 frames, cut from videos without overlap.

    Frames come in the order of their videos (`metrics.temporal`); what is left of a video is not used. The covariance
    is divided by n - 1; StyleGAN-V's, by n.
    """

    counted = f"clips of {CLIP_LENGTH} frames in a row"

    def __init__(self, label: str, size: int, reference: Reference = "driving") -> None:
        super().__init__(label, size, reference)
        self._runs: Runs[tuple[Tensor, Tensor, bytes]] = Runs(CLIP_LENGTH, 0)

    def clips(self, scene: Scene, places: Sequence[Place]) -> Clips | None:
        """The clips that end within a scene, or None; the frames behind the last wait for the next scene."""
        reference: Frames = getattr(scene, self.reference)
        check_alike(scene.generated, reference)
        generated_frames, reference_frames = (list(frames.bytes) for frames in (scene.generated, reference))
        runs = self._runs.add(places, list(zip(generated_frames, reference_frames, reference.digests, strict=True)))
        whole = [list(zip(*run, strict=True)) for run in runs if run is not None]
        if not whole:
            return None
        generated, real = (
            torch.stack([torch.stack(list(run[part])) for run in whole]).float() / 127.5 - 1 for part in (0, 1)
        )
        return Clips(generated, real, [b"".join(run[2]) for run in whole])

    def reset(self) -> None:
        """Forget all frames."""
        super().reset()
        self._runs.clear()


class KernelDistance(Metric):
    """`kid[network]`: kernel distance of the features of generated and of real pictures; see `kernel_distance`.

    Args:
        label: The metric's full name.
        reference: Which frames are the real ones.
    """

    full_state_update = False
    higher_is_better = False
    generated: list[Tensor]
    real: list[Tensor]

    def __init__(self, label: str, reference: Reference = "driving") -> None:
        super().__init__()
        self.label = label
        self.reference = reference
        self.add_state("generated", [], dist_reduce_fx="cat")
        self.add_state("real", [], dist_reduce_fx="cat")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features (B, D) of generated or of real frames."""
        (self.real if real else self.generated).append(features)

    def compute(self) -> Tensor:
        """The distance; NaN for fewer than two of either."""
        generated, real = self._sets()
        if min(len(generated), len(real)) < 2:
            return torch.tensor(torch.nan, dtype=torch.float64)
        return kernel_distance(generated, real)

    def counts(self) -> tuple[int, int]:
        """Generated frames, and none without a value."""
        return len(self._sets()[0]), 0

    def note(self) -> str:
        """Return the reason why there is no value."""
        generated, real = map(len, self._sets())
        if min(generated, real) >= 2:
            return ""
        return f"a distance between sets needs two frames of each, there are {generated} and {real}"

    def _sets(self) -> tuple[Tensor, Tensor]:
        """Features (N, D) of generated and (M, D) of real frames: lists, or tensors once processes have met."""
        generated, real = (
            dim_zero_cat(part) if len(part) else torch.zeros(0, 1) for part in (self.generated, self.real)
        )
        return generated, real
