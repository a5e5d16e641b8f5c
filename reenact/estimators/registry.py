"""Estimators by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, get_args

from reenact import assets
from reenact.errors import ReenactError
from reenact.estimators.base import Detector, IdentityEmbedder, LandmarkDetector, ParameterRegressor
from reenact.estimators.face_search import FaceSearch
from reenact.estimators.table import Estimator, list_estimators

LandmarkLibrary = Literal["face-alignment", "face-alignment-3d", "insightface", "mediapipe", "dlib"]
LandmarkChoice = Literal["auto", "face-alignment", "face-alignment-3d", "insightface", "mediapipe", "dlib"]
IdentityNetwork = Literal["arcface-r50", "arcface-r100", "dlib"]
IdentityChoice = Literal["auto", "arcface-r50", "arcface-r100", "dlib"]
RegressorChoice = Literal["deep3d", "deca", "emoca", "smirk", "smirk-68", "deca+smirk"]


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
    detector, landmarks, least_face = _load(list_estimators("finder")[library], device)
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
    embedder: IdentityEmbedder = _load(list_estimators("identity")[resolve_identity(choice)], device)
    return embedder


def regressor_name(choice: RegressorChoice) -> str:
    """The name of the regressor that `load_regressor` gives, found without loading it.

    Raises:
        ReenactError: if a file of it is missing.
    """
    first, *_ = [assets.require_asset(name) for name in find_regressor_entry(choice).assets]
    return first.stem.lower() if choice == "emoca" else choice


def load_regressor(choice: RegressorChoice, device: str = "cpu") -> ParameterRegressor:
    """A network that estimates face parameters.

    Args:
        choice: Which.
        device: Where it runs.

    Raises:
        ReenactError: if a library or the weights are missing, or the weights are damaged.
    """
    regressor: ParameterRegressor = _load(find_regressor_entry(choice), device)
    return regressor


def find_regressor_entry(choice: RegressorChoice) -> Estimator:
    """The entry of a regressor in the table of estimators."""
    return list_estimators("regressor")[choice]


def regressor_face_model(choice: RegressorChoice) -> str:
    """Name of the face model that the parameters of a regressor belong to."""
    return str(find_regressor_entry(choice).face_model)


def find_regressor(name: str, device: str = "cpu") -> ParameterRegressor:
    """The network of which a store or checkpoint recorded the name.

    Raises:
        ReenactError: as `load_regressor`, or if another model is in its place.
    """
    choice: RegressorChoice = next((candidate for candidate in get_args(RegressorChoice) if candidate == name), "emoca")
    if regressor_name(choice) != name:  # EMOCA's models go by the names of their files
        raise ReenactError(f"{assets.require_asset(choice)} is not {name}: put that model in its place")
    return load_regressor(choice, device)


def _is_present(module: str, *files: str) -> bool:
    """Return True if a package and all of these assets are on this machine."""
    return find_spec(module) is not None and all(assets.locate_asset(name) for name in files)


def _load(estimator: Estimator, device: str) -> Any:  # noqa: ANN401  # its protocol is the caller's
    module, _, function = estimator.loader.partition(":")
    return getattr(import_module(module), function)(estimator.name, device)
