"""Metrics by name: `psnr`, `csim[arcface]`, `aed.expression[deep3d].l2`, `fid[inception]@source`, ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from reenact.errors import ReenactError, suggest
from reenact.metrics import images, readers
from reenact.metrics.distributions import FrechetDistance, KernelDistance
from reenact.metrics.faces import AKD, CSIM, FaceDistance, Norm
from reenact.metrics.frame_metric import FrameMetric, Reference
from reenact.metrics.perceptual import LayerDistance

Metric = FrameMetric | FrechetDistance | KernelDistance

PIXELS: dict[str, Callable[[], FrameMetric]] = {
    "l1": images.L1,
    "psnr": images.PSNR,
    "ssim": images.SSIM,
    "ms_ssim": images.MSSSIM,
}
PARTS = {
    "aed": ("expression", "identity"),
    "apd": ("rotation", "pose"),
    "e_rmse": ("expression",),
    "p_rmse": ("rotation", "pose"),
}
"""What a distance of faces can compare."""

_FORM = re.compile(
    r"(?P<family>[a-z0-9_]+?)(\.(?P<part>[a-z]+))?(\[(?P<network>[a-z0-9_,]+)\])?(\.(?P<norm>[a-z0-9]+))?"
    r"(@(?P<reference>target|source|driving))?"
)


@dataclass(frozen=True)
class Name:
    """A metric's name, taken apart."""

    family: str
    part: str | None
    network: str | None
    norm: str | None
    reference: Reference | None


def parse(text: str) -> Name:
    """Take a name apart.

    Raises:
        ReenactError: if it has another form or names what there is not; the message has what is known.
    """
    match = _FORM.fullmatch(text)
    name = Name(**match.groupdict()) if match else None  # type: ignore[arg-type]  # the pattern names references
    if name is None or name.family not in (*PIXELS, *readers.NETWORKS, *PARTS):
        known = [*PIXELS, *readers.NETWORKS, *PARTS]
        raise ReenactError(f"There is no metric {text!r}; {suggest(name.family if name else text, known)}")
    networks = readers.networks(name.family, name.part)
    if name.family in PIXELS:
        if name.part or name.network or name.norm:
            raise ReenactError(f"The metric {name.family} has no variants, so {text!r} is none")
    elif name.network not in networks:
        raise ReenactError(f"The metric {text!r} needs the network it is measured with: one of {', '.join(networks)}")
    if name.family in PARTS:
        if name.part not in PARTS[name.family]:
            raise ReenactError(f"The metric {text!r} must say what it compares: {' or '.join(PARTS[name.family])}")
        rmse = name.family.endswith("rmse")
        if (name.norm is not None) if rmse else (name.norm not in get_args(Norm)):
            allowed = "no norm" if rmse else f"a norm: .{', .'.join(get_args(Norm))}"
            raise ReenactError(f"The metric {text!r} takes {allowed}")
    return name


def make(text: str) -> Metric:
    """The metric of a name.

    Raises:
        ReenactError: if there is none of that name, or its network's weights are missing.
    """
    name = parse(text)
    if name.family in PIXELS:
        return PIXELS[name.family]()
    assert name.network is not None
    if name.family == "lpips":
        return LayerDistance(readers.layers(name.network))
    if name.family == "csim":
        return CSIM(readers.faces(name.network), name.reference or "source")
    if name.family == "akd":
        return AKD(readers.faces(name.network), name.reference or "driving")
    if name.family == "fid":
        return FrechetDistance(text, readers.feature_size(name.network), name.reference or "driving")
    if name.family == "kid":
        return KernelDistance(text, name.reference or "driving")
    reference: Reference = name.reference or ("source" if name.part == "identity" else "driving")
    norm: Norm = "rmse" if name.family.endswith("rmse") else name.norm  # type: ignore[assignment]  # parse checked it
    return FaceDistance(name.family, name.part, readers.faces(name.network), norm, reference)  # type: ignore[arg-type]


def check(names: Sequence[str]) -> None:
    """Refuse unknown metrics and missing weights before anything runs; raises `ReenactError`."""
    for text in names:
        readers.check(parse(text).network)
