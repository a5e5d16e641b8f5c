"""Metrics by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from reenact.errors import ReenactError
from reenact.metrics import foreground, images, readers, temporal
from reenact.metrics.distributions import FrechetDistance, KernelDistance, VideoDistance
from reenact.metrics.faces import AKD, CSIM, FaceDistance
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.metric_names import FOREGROUND, PARTS, PIXELS, Reference, find_reference, parse_metric
from reenact.metrics.networks import NETWORKS, PROBE
from reenact.metrics.perceptual import LPIPS, LayerDistance

Metric = FrameMetric | FrechetDistance | KernelDistance

PIXEL_METRICS: dict[str, Callable[[], FrameMetric]] = {
    "l1": images.L1,
    "psnr": images.PSNR,
    "ssim": images.SSIM,
    "ms_ssim": images.MSSSIM,
    "flicker": temporal.Flicker,
    "flicker.excess": temporal.FlickerExcess,
    "psnr.foreground": foreground.ForegroundPSNR,
    "ssim.foreground": foreground.ForegroundSSIM,
}
"""Metrics without a network; `metric_names.PIXELS` has their names."""


def add_frame_metric(name: str, reference: Reference, build: Callable[[], FrameMetric]) -> None:
    """Add a metric of your own; from then on every list of metrics in this process may name it.

    Args:
        name: its name, of small letters, digits and `_`.
        reference: the frames that generated frames are compared with.
        build: its class, or a function that builds it.

    Raises:
        ReenactError: if the name is taken, or has other characters.
    """
    if not re.fullmatch("[a-z0-9_]+", name):
        raise ReenactError(f"The metric {name!r} can't be named in lists: use small letters, digits and _")
    if name in {*PIXELS, *NETWORKS, *PARTS}:
        raise ReenactError(f"The metric {name} exists already; give yours another name")
    PIXELS[name] = reference
    PIXEL_METRICS[name] = build


def build_metric(text: str) -> Metric:
    """The metric of a name.

    Raises:
        ReenactError: if there is none of that name.
    """
    name = parse_metric(text)
    if name.family in PIXELS:
        return PIXEL_METRICS[text]()
    assert name.network is not None
    reference = find_reference(name)
    if name.family == "lpips":
        return _build_perceptual(name.network, of_person=name.part == FOREGROUND)
    if name.family in ("akd", "jitter"):
        points = readers.landmark_reader(name.network)
        return AKD(points, reference) if name.family == "akd" else temporal.Jitter(points, name.part == "excess")
    if name.family == "csim":
        return CSIM(readers.face_reader(name.network), reference)
    if name.family == "kid":
        return KernelDistance(text, reference)
    if name.family == "fid":
        return FrechetDistance(text, readers.feature_size(name.network), reference)
    if name.family == "fvd":
        return VideoDistance(text, readers.clip_feature_size(name.network), reference)
    norm = "rmse" if name.family.endswith("rmse") else name.norm
    return FaceDistance(
        name.family, _cast_any(name.part), readers.face_reader(name.network), _cast_any(norm), reference
    )


def _build_perceptual(network: str, *, of_person: bool) -> FrameMetric:
    if network == PROBE:
        reader = readers.layer_reader(network)
        return foreground.ForegroundLayerDistance(reader) if of_person else LayerDistance(reader)
    return foreground.ForegroundLPIPS(_cast_any(network)) if of_person else LPIPS(_cast_any(network))


def _cast_any(value: object) -> Any:  # noqa: ANN401  # `parse_metric` checked it against the literals
    return value
