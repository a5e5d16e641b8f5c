"""Estimators by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import Detector, IdentityEmbedder, LandmarkDetector, ParameterRegressor
from reenact.estimators.face_search import FaceSearch

LandmarkLibrary = Literal["face-alignment", "face-alignment-3d", "insightface", "mediapipe", "dlib"]
LandmarkChoice = Literal["auto", "face-alignment", "face-alignment-3d", "insightface", "mediapipe", "dlib"]
IdentityNetwork = Literal["arcface-r50", "arcface-r100", "dlib"]
IdentityChoice = Literal["auto", "arcface-r50", "arcface-r100", "dlib"]
RegressorChoice = Literal["deep3d", "deca", "emoca", "smirk", "smirk-68", "deca+smirk"]
REGRESSORS: dict[RegressorChoice, str] = {**dict.fromkeys(get_args(RegressorChoice), "flame"), "deep3d": "bfm"}
"""Regressor -> face model that its parameters belong to."""
REGRESSOR_FILES: dict[RegressorChoice, tuple[str, ...]] = {
    "deep3d": ("deep3d",),
    "deca": ("deca",),
    "emoca": ("emoca",),
    "smirk": ("smirk", "mediapipe"),
    "smirk-68": ("smirk",),
    "deca+smirk": ("deca", "smirk", "mediapipe"),
}
"""Regressor -> assets without which it can't run."""


@dataclass(frozen=True)
class FaceFinder:
    """A detector and the landmark detector that was made for its boxes."""

    detector: Detector
    landmarks: LandmarkDetector

    @property
    def name(self) -> str:
        """The library behind both."""
        return self.landmarks.name


def resolve_landmarks(choice: LandmarkChoice) -> LandmarkLibrary:
    """Resolve `auto` to the first of face-alignment and MediaPipe that is present, else dlib."""
    if choice != "auto":
        return choice
    if _is_present("face_alignment", "s3fd", "fan2d"):
        return "face-alignment"
    return "mediapipe" if assets.locate_asset("mediapipe") else "dlib"


def load_face_finder(choice: LandmarkChoice = "auto", device: str = "cpu") -> FaceFinder:
    """The estimators of a library.

    Args:
        choice: Which; `auto` as `resolve_landmarks` says.
        device: Where networks run; dlib and MediaPipe run on the CPU alone.

    Raises:
        ReenactError: if the library or its weights are missing.
    """
    library = resolve_landmarks(choice)
    if library == "dlib":
        from reenact.estimators import dlib

        return _search_faces(dlib.DlibDetector(), dlib.DlibLandmarks(), dlib.LEAST_FACE)
    if library == "mediapipe":
        from reenact.estimators import mediapipe

        reader = mediapipe.MediaPipeEstimator()
        return _search_faces(reader, reader, mediapipe.LEAST_FACE)
    if library == "insightface":
        from reenact.estimators import insightface

        networks = insightface.InsightFaceEstimator(device)
        return _search_faces(networks, networks, insightface.LEAST_FACE)
    from reenact.estimators import face_alignment

    three_d = library == "face-alignment-3d"
    estimator = face_alignment.FaceAlignment3D(device) if three_d else face_alignment.FaceAlignmentEstimator(device)
    return _search_faces(estimator, estimator, face_alignment.LEAST_FACE)


def _search_faces(detector: Detector, landmarks: LandmarkDetector, least_face: float) -> FaceFinder:
    return FaceFinder(FaceSearch(detector, landmarks, least_face), landmarks)


def resolve_identity(choice: IdentityChoice) -> IdentityNetwork:
    """Resolve `auto` to the first ArcFace that is present, else dlib's network."""
    if choice != "auto":
        return choice
    if _is_present("insightface", "buffalo_l"):
        return "arcface-r50"
    return "arcface-r100" if _is_present("insightface", "antelopev2") else "dlib"


def load_identity(choice: IdentityChoice = "auto", device: str = "cpu") -> IdentityEmbedder:
    """A network that tells people apart; what was chosen is its `name`.

    Args:
        choice: Which; `auto` as `resolve_identity` says.
        device: Where it runs; dlib runs on the CPU alone.

    Raises:
        ReenactError: if the library or the weights are missing.
    """
    network = resolve_identity(choice)
    if network == "dlib":
        from reenact.estimators.dlib import DlibIdentity

        return DlibIdentity()
    from reenact.estimators.insightface import ArcFace

    return ArcFace(network, device)


def regressor_name(choice: RegressorChoice) -> str:
    """The name of the regressor that `load_regressor` gives, found without loading it.

    Raises:
        ReenactError: if a file of it is missing.
    """
    first, *_ = [assets.require_asset(name) for name in REGRESSOR_FILES[choice]]
    return first.stem.lower() if choice == "emoca" else choice


def load_regressor(choice: RegressorChoice, device: str = "cpu") -> ParameterRegressor:
    """A network that estimates face parameters.

    Args:
        choice: Which.
        device: Where it runs.

    Raises:
        ReenactError: if a library or the weights are missing, or the weights are damaged.
    """
    if choice == "deep3d":
        from reenact.estimators.deep3d import Deep3D

        return Deep3D(device)
    if choice == "deca":
        from reenact.estimators.deca import Deca

        return Deca(device)
    if choice == "emoca":
        from reenact.estimators.emoca import Emoca

        return Emoca(device)
    from reenact.estimators.smirk import DecaSmirk, Smirk

    return DecaSmirk(device) if choice == "deca+smirk" else Smirk(device, mesh=choice == "smirk")


def find_regressor(name: str, device: str = "cpu") -> ParameterRegressor:
    """The network of which a store or checkpoint recorded the name.

    Raises:
        ReenactError: as `load_regressor`, or if another model is in its place.
    """
    choice: RegressorChoice = next((candidate for candidate in REGRESSORS if candidate == name), "emoca")
    if regressor_name(choice) != name:  # EMOCA's models go by the names of their files
        raise ReenactError(f"{assets.require_asset(choice)} is not {name}: put that model in its place")
    return load_regressor(choice, device)


def _is_present(module: str, *files: str) -> bool:
    """Return True if a package and all of these assets are on this machine."""
    return find_spec(module) is not None and all(assets.locate_asset(name) for name in files)
