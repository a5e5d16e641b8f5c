"""Settings of a run of `prepare`, the keys of the results, and the tools of a worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reenact.data.store.reader import Store, StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.estimators.base import Detector, ParameterRegressor
from reenact.estimators.registry import (
    FaceFinder,
    LandmarkLibrary,
    RegressorChoice,
    find_regressor_entry,
    load_face_finder,
    load_regressor,
)
from reenact.faces.model import FaceModel
from reenact.faces.registry import is_same_model, load_face_model
from reenact.methods.choices import CropChoice
from reenact.tracking.face_clip import OnMissing

if TYPE_CHECKING:
    from reenact.estimators.selfie import PersonFinder

ParameterChoice = Literal["fit", RegressorChoice]

APPEARANCE: tuple[str, ...] = ("light", "texture")
"""Arrays of a fit that measures them in the pictures too."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that decide the content of a prepared clip."""

    face_model: str
    """Full name of the face model."""
    landmarks: LandmarkLibrary
    """Library of the landmarks."""
    crop: CropChoice
    size: int
    """Side of the stored frames in pixels."""
    on_missing: OnMissing = "hold"
    face_index: int | None = None
    """Number of the face; by default the main one, see `FaceTracker`."""
    parameters: ParameterChoice = "fit"
    regressor: str | None = None
    """Name of the network that estimates the parameters; None where they are fitted."""
    fps: Fraction | None = None
    """Frames per second to resample to; each file's own by default."""
    detector: LandmarkLibrary | None = None
    """Library that detects faces; by default the one of the landmarks."""
    max_error: float = 0.1
    """Landmark error, as a fraction of the inter-ocular distance, above which landmarks can't be right: between a frame
    and its turned copies, and between the landmarks and the face parameters."""
    appearance: bool = False
    """True where texture and light are measured in the pictures, one of each a clip."""
    masks: bool = False
    """True where the mask of the person is stored with each frame."""
    version: int = 2
    """Raised when `prepare` changes what it writes."""

    @property
    def recipe(self) -> dict[str, str]:
        """Return the settings that the store records."""
        # Fields of their own in the description of a store.
        separate_fields = ("face_model", "size", "appearance", "masks")
        values = {name: str(value) for name, value in asdict(self).items() if name not in separate_fields}
        if self.regressor is None:
            del values["regressor"]
        return values


@dataclass(frozen=True, kw_only=True)
class Job:
    """Job of a run, the same for every clip; it crosses process and machine borders."""

    out: Path
    """The store's folder, on a disk that all workers see."""
    settings: Settings
    face_model: str
    """The face model as it was asked for, such as the path of a file."""
    device: str = "cpu"
    """Device of the networks of `gpu` stages: `cpu`, `cuda`, `cuda:1`."""
    retry: bool = False
    """Try quarantined clips again; their rows stay until there are new ones."""


class Tools:
    """Tools that a process loads once, each at its first use.

    Args:
        job: What for.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    @cached_property
    def writer(self) -> StoreWriter:
        """Open the writer of the store; raises `ReenactError` if the folder is something else or cannot be written."""
        return StoreWriter(self._job.out, store_info(self._job.settings))

    @cached_property
    def finder(self) -> FaceFinder:
        """Landmarks and the detector that was made for them; raises `ReenactError` if weights are missing."""
        return load_face_finder(self._job.settings.landmarks, self._job.device)

    @cached_property
    def detector(self) -> Detector:
        """Load the face detector; raises `ReenactError` as the library's loader does."""
        choice = self._job.settings.detector
        return self.finder.detector if choice is None else load_face_finder(choice, self._job.device).detector

    @cached_property
    def face_model(self) -> FaceModel:
        """The face model; raises `ReenactError` if its file is missing or another one than at the start of the run."""
        model = load_face_model(self._job.face_model)
        if not is_same_model(self._job.settings.face_model, model.name):
            raise ReenactError(
                f"{self._job.face_model} is {model.name} here, but {self._job.settings.face_model} where the run "
                "began; give all machines the same file"
            )
        return model

    @cached_property
    def regressor(self) -> ParameterRegressor | None:
        """The network that estimates parameters, None where they are fitted; raises `ReenactError` as face model."""
        settings = self._job.settings
        if settings.parameters == "fit":
            return None
        regressor = load_regressor(settings.parameters, self._job.device)
        if regressor.name != settings.regressor:
            raise ReenactError(
                f"--parameters {settings.parameters} is {regressor.name} here, but {settings.regressor} where the run "
                "began; give all machines the same file"
            )
        return regressor

    @cached_property
    def person_finder(self) -> PersonFinder | None:
        """The network that finds the person, None without masks; raises `ReenactError` if its file is missing."""
        if not self._job.settings.masks:
            return None
        from reenact.estimators.selfie import load_person_finder  # reading networks is slow to import

        return load_person_finder()


def lacks_appearance(root: Path) -> bool:
    """Return True for a store with usable clips without texture, written by an earlier version: it keeps its form."""
    try:
        store = Store(root)
        return "texture" not in store.info.fields and bool(store.sources())
    except ReenactError:  # not a store yet, or one that the writer refuses in its own words
        return False


def keep_model_name(root: Path, name: str) -> str:
    """Return the name by which a store of an earlier version records the face model of this name; else the name."""
    try:
        recorded = Store(root).info.face_model
    except ReenactError:  # not a store yet, or one that the writer refuses in its own words
        return name
    return recorded if is_same_model(recorded, name) else name


def store_info(settings: Settings) -> StoreInfo:
    """Return the description of a store of clips that are prepared with these settings."""
    fields = ["camera", "crop", "expression", "eye_pose", "global_pose", "jaw_pose", "landmarks", "neck_pose", "shape"]
    if settings.parameters == "fit":
        extra = APPEARANCE if settings.appearance else ()
    else:
        extra = find_regressor_entry(settings.parameters).fields
    fields += ["visible", *extra, *(["mask"] if settings.masks else [])]
    return StoreInfo(settings.face_model, settings.size, settings.recipe, tuple(sorted(fields)))
