"""Networks that metrics read with, by name: their requirements and what they read. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, cast

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.table import ESTIMATORS, PACKAGES, Estimator
from reenact.install import install_hint
from reenact.nn.probe_file import WEIGHTS

PROBE: Final = "probe"
"""The network that the package ships."""
Finder = Literal["face-alignment", "dlib", "mediapipe", "insightface"]
"""Finder of faces; of `insightface`, SCRFD with its five points."""


@dataclass(frozen=True)
class Network:
    """Requirements of a network."""

    files: tuple[str, ...] = ()
    """Assets."""
    modules: tuple[str, ...] = ()
    """Packages."""
    extra: str = ""
    """The extra that has them."""
    finder: Finder | None = None
    """Finder of the face, the authors' own; None where the network sees whole frames or finds faces itself."""


def _describe_estimator(entry: Estimator) -> Network:
    extra = PACKAGES[entry.packages[0]].extra if entry.packages else ""
    return Network(entry.assets, entry.packages, extra, cast("Finder | None", entry.finder))


_ESTIMATORS: Final = [estimator for estimator in ESTIMATORS if estimator.in_metrics]
_IDENTITY = ("probe", *(entry.name for entry in _ESTIMATORS if entry.protocol == "identity"), "openface")
_LANDMARKS = ("probe", *(entry.name for entry in _ESTIMATORS if entry.protocol == "finder"))
_PARAMETERS = ("probe", *(entry.name for entry in _ESTIMATORS if entry.protocol == "regressor"))
KNOWN: Final = {
    "probe": Network(),
    "alex": Network(("alexnet",), ("lpips",), "metrics"),
    "vgg": Network(("vgg16",), ("lpips",), "metrics"),
    "squeeze": Network(("squeezenet",), ("lpips",), "metrics"),
    "inception": Network(("inception",), ("torch_fidelity",), "metrics"),
    "i3d": Network(("i3d",)),
    "openface": Network(("openface",)),
    **{entry.name: _describe_estimator(entry) for entry in ESTIMATORS},
}
"""Network, or finder of faces -> its requirements."""
NETWORKS = {
    "lpips": ("probe", "alex", "vgg", "squeeze"),
    "fid": ("probe", "inception"),
    "kid": ("probe", "inception"),
    "fvd": ("probe", "i3d"),
    "csim": _IDENTITY,
    "akd": _LANDMARKS,
    "jitter": _LANDMARKS,
}
"""Family of metrics -> networks that it can be measured with."""
FACE_PARTS = {"expression": _PARAMETERS, "identity": _IDENTITY, "rotation": _PARAMETERS, "pose": ("deep3d",)}
"""Part of a face -> networks that read it."""
FINDERS: Final = _LANDMARKS[1:]
"""Finders that can be named behind a comma, `deca,dlib`, in place of a network's own."""


def list_networks(family: str, part: str | None) -> tuple[str, ...]:
    """The networks that a family, or its part, can be measured with."""
    return NETWORKS[family] if family in NETWORKS else FACE_PARTS.get(part or "", ())


def split_spec(spec: str) -> tuple[str, Finder | None]:
    """A network that there is, and the finder of its faces, of `NETWORK` or `NETWORK,FINDER`.

    Raises:
        ReenactError: if the finder is no other than the network's own, or unknown, or the network has none.
    """
    network, _, named = spec.partition(",")
    own_finder = KNOWN[network].finder
    if not named:
        return network, own_finder
    others = [finder for finder in FINDERS if finder != own_finder]
    if own_finder is None or named not in others:
        remedy = f"name one of {', '.join(others)}, or none" if own_finder else f"write {network} alone"
        raise ReenactError(f"{network!r} can't be measured on faces found by {named!r}: {remedy}")
    return network, cast(Finder, named)


def check_network(spec: str | None) -> None:
    """Refuse a network that can't run here; raises `ReenactError` with the way out."""
    if spec is None:
        return
    network, finder = split_spec(spec)
    for name in (network, finder):
        if name is None:
            continue
        requirements = KNOWN[name]
        for module in requirements.modules:
            if find_spec(module) is None:
                raise ReenactError(f"Metrics with {name} need the package {module}: {install_hint(requirements.extra)}")
        for file in requirements.files:
            assets.require_asset(file)
    if network == PROBE and not WEIGHTS.is_file():
        raise ReenactError(f"This copy of the package has no {WEIGHTS.name}; make it with benchmarks/studies/probe.py")


def network_files(spec: str) -> list[Path]:
    """The weight files, or folders of packs, that numbers of a network depend on, for footnotes."""
    network, finder = split_spec(spec)
    if network == PROBE:
        return [WEIGHTS]
    names = dict.fromkeys(file for name in (network, finder) if name for file in KNOWN[name].files)
    return [assets.require_asset(name) for name in names]
