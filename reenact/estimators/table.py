"""Every estimator, once: its name, protocol, loader, packages and weight files. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Protocol = Literal["finder", "identity", "regressor"]
"""A detector with its landmark network, an identity network, or a regressor of face parameters; see `base`."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that estimators need."""

    distribution: str
    purpose: str
    extra: str
    """The extra of this package that brings it."""


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """An estimator. Its name is the same in options, stores, names of metrics and messages."""

    name: str
    protocol: Protocol
    loader: str
    """`module:function` that takes the name and the device."""
    packages: tuple[str, ...] = ()
    """Names by which its packages are imported, see `PACKAGES`."""
    assets: tuple[str, ...] = ()
    """Weight files without which it can't run."""
    aliases: tuple[str, ...] = ()
    """Names of earlier versions, read in specs, stores and files of scores."""
    on_gpu: bool = False
    """True where its networks run on a GPU."""
    in_metrics: bool = True
    """True where names of metrics may name it."""
    finder: str | None = None
    """Finder whose faces its authors read; None for a finder."""
    face_model: str | None = None
    """Face model of a regressor's parameters."""
    fields: tuple[str, ...] = ()
    """Arrays that a regressor gives beyond those of every store."""


PACKAGES: Final = {
    "dlib": Package(
        distribution="dlib-bin", purpose="faces and landmarks offline, for prepare and animate", extra="dlib"
    ),
    "face_recognition_models": Package(distribution="face-recognition-models", purpose="dlib's weights", extra="dlib"),
    "face_alignment": Package(
        distribution="face-alignment", purpose="68 landmarks, more exact than dlib", extra="face-alignment"
    ),
    "insightface": Package(distribution="insightface", purpose="SCRFD, ArcFace, 106 landmarks", extra="insightface"),
    "onnxruntime": Package(distribution="onnxruntime", purpose="InsightFace's networks", extra="insightface"),
    "timm": Package(distribution="timm", purpose="SMIRK's networks", extra="smirk"),
}
"""Name by which a package is imported -> the package."""

_ROOM = "reenact.estimators"
_DLIB = ("dlib", "face_recognition_models")
_INSIGHTFACE = ("insightface", "onnxruntime")
_TEXTURED = ("light", "texture")

ESTIMATORS: Final = (
    Estimator(
        name="face-alignment",
        protocol="finder",
        loader=f"{_ROOM}.face_alignment:load_finder",
        packages=("face_alignment",),
        assets=("s3fd", "fan2d"),
        aliases=("fan",),
        on_gpu=True,
    ),
    Estimator(
        name="face-alignment-3d",
        protocol="finder",
        loader=f"{_ROOM}.face_alignment:load_finder",
        packages=("face_alignment",),
        assets=("s3fd", "fan3d", "fan_depth"),
        on_gpu=True,
        in_metrics=False,
    ),
    Estimator(
        name="insightface",
        protocol="finder",
        loader=f"{_ROOM}.insightface:load_finder",
        packages=_INSIGHTFACE,
        aliases=("scrfd",),
        on_gpu=True,
        in_metrics=False,
    ),
    Estimator(name="mediapipe", protocol="finder", loader=f"{_ROOM}.mediapipe:load_finder", assets=("mediapipe",)),
    Estimator(name="dlib", protocol="finder", loader=f"{_ROOM}.dlib:load_finder", packages=_DLIB),
    Estimator(
        name="arcface-r50",
        protocol="identity",
        loader=f"{_ROOM}.insightface:ArcFace",
        packages=_INSIGHTFACE,
        assets=("buffalo_l",),
        aliases=("arcface",),
        finder="insightface",
    ),
    Estimator(
        name="arcface-r100",
        protocol="identity",
        loader=f"{_ROOM}.insightface:ArcFace",
        packages=_INSIGHTFACE,
        assets=("antelopev2",),
        aliases=("arcface_r100",),
        finder="insightface",
    ),
    Estimator(name="dlib", protocol="identity", loader=f"{_ROOM}.dlib:load_identity", packages=_DLIB, finder="dlib"),
    Estimator(
        name="deep3d",
        protocol="regressor",
        loader=f"{_ROOM}.deep3d:load_regressor",
        assets=("deep3d",),
        on_gpu=True,
        finder="face-alignment",
        face_model="bfm",
        fields=_TEXTURED,
    ),
    Estimator(
        name="deca",
        protocol="regressor",
        loader=f"{_ROOM}.deca:load_regressor",
        assets=("deca",),
        on_gpu=True,
        finder="face-alignment",
        face_model="flame",
        fields=_TEXTURED,
    ),
    Estimator(
        name="emoca",
        protocol="regressor",
        loader=f"{_ROOM}.emoca:load_regressor",
        assets=("emoca",),
        on_gpu=True,
        finder="face-alignment",
        face_model="flame",
        fields=_TEXTURED,
    ),
    Estimator(
        name="smirk",
        protocol="regressor",
        loader=f"{_ROOM}.smirk:load_regressor",
        packages=("timm",),
        assets=("smirk", "mediapipe"),
        on_gpu=True,
        finder="mediapipe",
        face_model="flame",
    ),
    Estimator(
        name="smirk-68",
        protocol="regressor",
        loader=f"{_ROOM}.smirk:load_regressor",
        packages=("timm",),
        assets=("smirk",),
        on_gpu=True,
        in_metrics=False,
        finder="mediapipe",
        face_model="flame",
    ),
    Estimator(
        name="deca+smirk",
        protocol="regressor",
        loader=f"{_ROOM}.smirk:load_regressor",
        packages=("timm",),
        assets=("deca", "smirk", "mediapipe"),
        on_gpu=True,
        in_metrics=False,
        finder="mediapipe",
        face_model="flame",
        fields=_TEXTURED,
    ),
)
"""Every estimator; of a protocol in the order of options and messages."""
_ALIASES: Final = {alias: estimator.name for estimator in ESTIMATORS for alias in estimator.aliases}


def list_estimators(protocol: Protocol) -> dict[str, Estimator]:
    """List the estimators of a protocol by name."""
    return {estimator.name: estimator for estimator in ESTIMATORS if estimator.protocol == protocol}


def current_name(name: str) -> str:
    """Return the name of an estimator by which earlier versions may have called it; other names are unchanged."""
    return _ALIASES.get(name, name)
