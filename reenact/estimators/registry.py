"""Estimators by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from reenact import assets
from reenact.estimators.base import Detector, LandmarkDetector, ParameterRegressor

LandmarkChoice = Literal["auto", "face-alignment", "dlib"]
RegressorChoice = Literal["deca", "emoca", "smirk", "smirk-68", "deca+smirk"]
REGRESSORS: dict[RegressorChoice, str] = dict.fromkeys(get_args(RegressorChoice), "flame")
"""Regressor -> face model that its parameters belong to."""


@dataclass(frozen=True)
class FaceFinder:
    """A detector and the landmark detector that was made for its boxes."""

    detector: Detector
    landmarks: LandmarkDetector

    @property
    def name(self) -> str:
        """The library behind both."""
        return self.landmarks.name


def resolve_landmarks(choice: LandmarkChoice) -> Literal["face-alignment", "dlib"]:
    """Which library `auto` means here: face-alignment where its weights are present, else dlib."""
    if choice != "auto":
        return choice
    present = assets.locate("fan2d") and assets.locate("s3fd")
    return "face-alignment" if present else "dlib"


def load_face_finder(choice: LandmarkChoice = "auto", device: str = "cpu") -> FaceFinder:
    """The estimators of a library.

    Args:
        choice: Which; `auto` as `resolve_landmarks` says.
        device: Where networks run; dlib runs on the CPU alone.

    Raises:
        ReenactError: if the library or its weights are missing.
    """
    if resolve_landmarks(choice) == "dlib":
        from reenact.estimators.dlib import DlibDetector, DlibLandmarks

        return FaceFinder(DlibDetector(), DlibLandmarks())
    from reenact.estimators.face_alignment import FaceAlignmentEstimator

    estimator = FaceAlignmentEstimator(device)
    return FaceFinder(estimator, estimator)


def load_regressor(choice: RegressorChoice, device: str = "cpu") -> ParameterRegressor:
    """A network that estimates face parameters.

    Args:
        choice: Which.
        device: Where it runs.

    Raises:
        ReenactError: if a library or the weights are missing, or the weights are damaged.
    """
    if choice == "deca":
        from reenact.estimators.deca import Deca

        return Deca(device)
    if choice == "emoca":
        from reenact.estimators.emoca import Emoca

        return Emoca(device)
    from reenact.estimators.smirk import DecaSmirk, Smirk

    return DecaSmirk(device) if choice == "deca+smirk" else Smirk(device, mesh=choice == "smirk")
