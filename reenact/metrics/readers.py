"""The networks that metrics read with, by name; each is loaded once, when it first looks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from torch import Tensor

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.registry import IdentityNetwork, RegressorChoice
from reenact.install import install_hint
from reenact.metrics import face_readers, openface, probe_reader, sets
from reenact.metrics.face_readers import Finder
from reenact.metrics.faces import FaceReading
from reenact.metrics.scene import Reader
from reenact.nn.probe import WEIGHTS


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


KNOWN: Final = {
    "probe": Network(),
    "alex": Network(("alexnet",), ("lpips",), "metrics"),
    "vgg": Network(("vgg16",), ("lpips",), "metrics"),
    "squeeze": Network(("squeezenet",), ("lpips",), "metrics"),
    "inception": Network(("inception",), ("torch_fidelity",), "metrics"),
    "i3d": Network(("i3d",)),
    "openface": Network(("openface",)),
    "arcface": Network(("buffalo_l",), ("insightface", "onnxruntime"), "insightface", "scrfd"),
    "arcface_r100": Network(("antelopev2",), ("insightface", "onnxruntime"), "insightface", "scrfd"),
    "deep3d": Network(("deep3d",), finder="fan"),
    "deca": Network(("deca",), finder="fan"),
    "emoca": Network(("emoca",), finder="fan"),
    "smirk": Network(("smirk",), ("timm",), "smirk", "mediapipe"),
    "fan": Network(("s3fd", "fan2d"), ("face_alignment",), "face-alignment"),
    "mediapipe": Network(("mediapipe",)),
    "dlib": Network((), ("dlib", "face_recognition_models"), "dlib", "dlib"),
    "scrfd": Network(),
}
"""Network, or finder of faces -> what it takes."""
_RECOGNISERS: Final[dict[str, IdentityNetwork]] = {
    "arcface": "arcface-r50",
    "arcface_r100": "arcface-r100",
    "dlib": "dlib",
}
_IDENTITY = ("probe", "arcface", "arcface_r100", "dlib", "openface")
_LANDMARKS = ("probe", "fan", "dlib", "mediapipe")
_PARAMETERS = ("probe", "deep3d", "deca", "emoca", "smirk")
NETWORKS = {
    "lpips": ("probe", "alex", "vgg", "squeeze"),
    "fid": ("probe", "inception"),
    "kid": ("probe", "inception"),
    "fvd": ("i3d",),
    "csim": _IDENTITY,
    "akd": _LANDMARKS,
    "jitter": _LANDMARKS,
}
"""Family of metrics -> networks that it can be measured with."""
FACE_PARTS = {"expression": _PARAMETERS, "identity": _IDENTITY, "rotation": _PARAMETERS, "pose": ("deep3d",)}
"""Part of a face -> networks that read it."""
FINDERS: Final = ("fan", "dlib", "mediapipe")
"""Finders that can be named behind a comma, `deca,dlib`, in place of a network's own."""


def networks(family: str, part: str | None) -> tuple[str, ...]:
    """The networks that a family, or its part, can be measured with."""
    return NETWORKS[family] if family in NETWORKS else FACE_PARTS.get(part or "", ())


def split(spec: str) -> tuple[str, Finder | None]:
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


@cache
def landmarks(spec: str) -> Reader[FaceReading]:
    """The reader of landmarks of a network or library."""
    return probe_reader.faces() if spec == probe_reader.NAME else face_readers.landmarks(cast(Finder, spec))


@cache
def faces(spec: str) -> Reader[FaceReading]:
    """The reader of identity, expression and pose of a network, and of another finder where one is named."""
    network, finder = split(spec)
    if network == probe_reader.NAME:
        return probe_reader.faces()
    if network == "openface":
        return openface.openface()
    assert finder is not None
    if network in _RECOGNISERS:
        return face_readers.identity(spec, _RECOGNISERS[network], finder)
    return face_readers.parameters(spec, cast(RegressorChoice, network), finder)


def layers(network: str) -> Reader[list[Tensor]]:
    """The reader of layers for LPIPS-like distances."""
    assert network == probe_reader.NAME
    return probe_reader.layers()


def features(network: str) -> Reader[Tensor]:
    """The reader of features (B, D) of pictures, or of clips, for distances between sets."""
    if network == probe_reader.NAME:
        return probe_reader.features()
    if network == "inception":
        return sets.inception()
    return sets.i3d()


def feature_size(network: str) -> int:
    """Length of those features."""
    return {"probe": 352, "inception": sets.INCEPTION_SIZE, "i3d": sets.I3D_SIZE}[network]


def check(spec: str | None) -> None:
    """Refuse a network that can't run here; raises `ReenactError` with the way out."""
    if spec is None:
        return
    network, finder = split(spec)
    for name in (network, finder):
        if name is None:
            continue
        requirements = KNOWN[name]
        for module in requirements.modules:
            if find_spec(module) is None:
                raise ReenactError(f"Metrics with {name} need the package {module}: {install_hint(requirements.extra)}")
        for file in requirements.files:
            assets.require(file)
    if network == probe_reader.NAME and not WEIGHTS.is_file():
        raise ReenactError(f"This copy of the package has no {WEIGHTS.name}; make it with benchmarks/probe.py")


def files(spec: str) -> list[Path]:
    """The weight files, or folders of packs, that numbers of a network depend on, for footnotes."""
    network, finder = split(spec)
    if network == probe_reader.NAME:
        return [WEIGHTS]
    names = dict.fromkeys(file for name in (network, finder) if name for file in KNOWN[name].files)
    return [assets.require(name) for name in names]
