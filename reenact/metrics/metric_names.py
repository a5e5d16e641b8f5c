"""Names of metrics: `psnr`, `csim[arcface-r50]`, `aed.expression[deep3d].l2`, `fid[inception]@source`, ... No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from reenact.errors import ReenactError, suggest_names
from reenact.estimators.table import current_name
from reenact.metrics.networks import NETWORKS, check_network, list_networks, split_spec

Reference = Literal["target", "source", "driving"]
"""Reference of generated frames: the target (in self-reenactment alone), the source, the driving frame."""
Norm = Literal["l1", "sum", "l2", "l2sq", "rmse", "degrees"]
"""Mean or sum of absolute differences, Euclidean distance or its square, root of the mean square, or the mean absolute
difference in degrees."""
FOREGROUND = "foreground"
"""Part of the names of metrics that are measured on the person alone."""
PIXELS: dict[str, Reference] = {
    **dict.fromkeys(("l1", "psnr", "ssim", "ms_ssim", "flicker"), "target"),
    "flicker.excess": "driving",
    "psnr.foreground": "target",
    "ssim.foreground": "target",
}
"""Metrics without a network -> their references."""
PARTS = {
    "aed": ("expression", "identity"),
    "apd": ("rotation", "pose"),
    "e_rmse": ("expression",),
    "p_rmse": ("rotation", "pose"),
}
"""Parts of a face that a distance can compare."""
VARIANTS = {"jitter": ("excess",), "lpips": (FOREGROUND,)}
"""Parts of the names of families that have variants."""
ASSUMED: dict[str, Reference] = {"csim": "source", "lpips": "target"}
"""Reference of a family whose name states none; of the others it is the driving frame."""

COST = "cost"
"""Place of the costs of a frame among the loaders: `self`, `cross`."""
COST_METRICS = ("seconds", "gmacs")
"""Costs of a frame: seconds, and thousand millions of multiplications with their additions."""

_FORM = re.compile(
    r"(?P<family>[a-z0-9_]+?)(\.(?P<part>[a-z]+))?(\[(?P<network>[a-z0-9_,-]+)\])?(\.(?P<norm>[a-z0-9]+))?"
    r"(@(?P<reference>target|source|driving))?"
)


@dataclass(frozen=True, kw_only=True)
class Name:
    """A metric's name, taken apart."""

    family: str
    part: str | None
    network: str | None
    """The network, and behind a comma the finder of its faces where that is not its own."""
    norm: str | None
    reference: Reference | None


def current_metric(text: str) -> str:
    """Rewrite a metric's name with the names that its networks have today: `csim[arcface]` -> `csim[arcface-r50]`."""
    return re.sub(r"(?<=\[)[^\]]*(?=\])", lambda match: ",".join(map(current_name, match[0].split(","))), text)


def parse_metric(text: str) -> Name:
    """Take a name apart.

    Raises:
        ReenactError: if it has another form or names what there is not; the message has what is known.
    """
    match = _FORM.fullmatch(current_metric(text))
    name = Name(**match.groupdict()) if match else None  # type: ignore[arg-type]  # the pattern names references
    families = [*PIXELS, *NETWORKS, *PARTS]
    if name is None or name.family not in families:
        raise ReenactError(f"There is no metric {text!r}; {suggest_names(name.family if name else text, families)}")
    if name.family in PIXELS:
        if text not in PIXELS:
            variants = [pixels for pixels in PIXELS if pixels.partition(".")[0] == name.family]
            raise ReenactError(f"There is no metric {text!r}; write {' or '.join(variants)}")
        return name
    _check_parts(text, name)
    networks = list_networks(name.family, name.part)
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
        if (name.norm is not None) if rmse else (name.norm not in _allowed_norms(name)):
            allowed = "no norm" if rmse else f"a norm: .{', .'.join(_allowed_norms(name))}"
            raise ReenactError(f"The metric {text!r} takes {allowed}")
        return
    parts = VARIANTS.get(name.family, ())
    fixed = name.family in ("lpips", "jitter", "fvd") and name.reference is not None
    if name.norm or (name.part and name.part not in parts) or fixed:
        raise ReenactError(f"There is no metric {text!r}: {name.family} has no such variant; docs/metrics.md lists all")


def _check_finder(text: str, name: Name) -> None:
    assert name.network is not None
    if "," not in name.network:
        return
    if name.family in ("akd", "jitter"):
        raise ReenactError(f"The landmarks of {text!r} are the finder's own; name one network")
    split_spec(name.network)


def _allowed_norms(name: Name) -> list[str]:
    """Degrees are for angles alone."""
    return [norm for norm in get_args(Norm) if norm != "rmse" and (norm != "degrees" or name.part == "rotation")]


def find_reference(name: Name) -> Reference:
    """Return the reference of a metric: the one that its name states, or its family's."""
    if name.family in PIXELS:
        return PIXELS[name.family if name.part is None else f"{name.family}.{name.part}"]
    if name.reference is not None:
        return name.reference
    return "source" if name.part == "identity" else ASSUMED.get(name.family, "driving")


def list_foreground(names: Sequence[str]) -> list[str]:
    """The metrics of some names that are measured on the person and need masks of it."""
    return [text for text in names if parse_metric(text).part == FOREGROUND]


def check_metrics(names: Sequence[str]) -> None:
    """Refuse unknown metrics and missing weights before anything runs; raises `ReenactError`."""
    for text in names:
        check_network(parse_metric(text).network)
