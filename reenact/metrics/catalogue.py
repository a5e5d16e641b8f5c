"""Metrics by name: `psnr`, `csim[arcface]`, `aed.expression[deep3d].l2`, `fid[inception]@source`, ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from reenact.errors import ReenactError, suggest
from reenact.metrics import images, readers, temporal
from reenact.metrics.distributions import FrechetDistance, KernelDistance, VideoDistance
from reenact.metrics.faces import AKD, CSIM, FaceDistance, Norm
from reenact.metrics.frame_metric import FrameMetric, Reference
from reenact.metrics.perceptual import LPIPS, LayerDistance

Metric = FrameMetric | FrechetDistance | KernelDistance

PIXELS: dict[str, Callable[[], FrameMetric]] = {
    "l1": images.L1,
    "psnr": images.PSNR,
    "ssim": images.SSIM,
    "ms_ssim": images.MSSSIM,
    "flicker": temporal.Flicker,
    "flicker.excess": temporal.FlickerExcess,
}
"""Metrics without a network."""
PARTS = {
    "aed": ("expression", "identity"),
    "apd": ("rotation", "pose"),
    "e_rmse": ("expression",),
    "p_rmse": ("rotation", "pose"),
}
"""Parts of a face that a distance can compare."""
ASSUMED: dict[str, Reference] = {"csim": "source", "akd": "driving", "fid": "driving", "kid": "driving"}
"""Reference of a family whose name states none."""

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
    """The network, and behind a comma the finder of its faces where that is not its own."""
    norm: str | None
    reference: Reference | None


def parse(text: str) -> Name:
    """Take a name apart.

    Raises:
        ReenactError: if it has another form or names what there is not; the message has what is known.
    """
    match = _FORM.fullmatch(text)
    name = Name(**match.groupdict()) if match else None  # type: ignore[arg-type]  # the pattern names references
    families = [*PIXELS, *readers.NETWORKS, *PARTS]
    if name is None or name.family not in families:
        raise ReenactError(f"There is no metric {text!r}; {suggest(name.family if name else text, families)}")
    if name.family in PIXELS:
        if text not in PIXELS:
            variants = [families for families in PIXELS if families.partition(".")[0] == name.family]
            raise ReenactError(f"There is no metric {text!r}; write {' or '.join(variants)}")
        return name
    _check_parts(text, name)
    networks = readers.networks(name.family, name.part)
    network = (name.network or "").partition(",")[0]
    if network not in networks:
        raise ReenactError(f"The metric {text!r} needs the network it is measured with: one of {', '.join(networks)}")
    _check_finder(text, name)
    return name


def _check_parts(text: str, name: Name) -> None:
    if name.family in PARTS:
        if name.part not in PARTS[name.family]:
            raise ReenactError(f"The metric {text!r} must say what it compares: {' or '.join(PARTS[name.family])}")
        rmse = name.family.endswith("rmse")
        if (name.norm is not None) if rmse else (name.norm not in _norms(name)):
            allowed = "no norm" if rmse else f"a norm: .{', .'.join(_norms(name))}"
            raise ReenactError(f"The metric {text!r} takes {allowed}")
        return
    parts = ("excess",) if name.family == "jitter" else ()
    fixed = name.family in ("lpips", "jitter", "fvd") and name.reference is not None
    if name.norm or (name.part and name.part not in parts) or fixed:
        raise ReenactError(f"There is no metric {text!r}: {name.family} has no such variant; docs/metrics.md lists all")


def _check_finder(text: str, name: Name) -> None:
    assert name.network is not None
    if "," not in name.network:
        return
    if name.family in ("akd", "jitter"):
        raise ReenactError(f"The landmarks of {text!r} are the finder's own; name one network")
    readers.split(name.network)


def _norms(name: Name) -> list[str]:
    """Degrees are for angles alone."""
    return [norm for norm in get_args(Norm) if norm != "rmse" and (norm != "degrees" or name.part == "rotation")]


def make(text: str) -> Metric:
    """The metric of a name.

    Raises:
        ReenactError: if there is none of that name.
    """
    name = parse(text)
    if name.family in PIXELS:
        return PIXELS[text]()
    assert name.network is not None
    reference = name.reference or ASSUMED.get(name.family, "driving")
    if name.family == "lpips":
        probe = name.network == "probe"
        return LayerDistance(readers.layers(name.network)) if probe else LPIPS(_any(name.network))
    if name.family in ("akd", "jitter"):
        points = readers.landmarks(name.network)
        return AKD(points, reference) if name.family == "akd" else temporal.Jitter(points, name.part == "excess")
    if name.family == "csim":
        return CSIM(readers.faces(name.network), reference)
    if name.family == "kid":
        return KernelDistance(text, reference)
    if name.family in ("fid", "fvd"):
        kind = FrechetDistance if name.family == "fid" else VideoDistance
        return kind(text, readers.feature_size(name.network), reference)
    if name.part == "identity":
        reference = name.reference or "source"
    norm = "rmse" if name.family.endswith("rmse") else name.norm
    return FaceDistance(name.family, _any(name.part), readers.faces(name.network), _any(norm), reference)


def check(names: Sequence[str]) -> None:
    """Refuse unknown metrics and missing weights before anything runs; raises `ReenactError`."""
    for text in names:
        readers.check(parse(text).network)


def _any(value: object) -> Any:  # noqa: ANN401  # `parse` checked it against the literals
    return value
