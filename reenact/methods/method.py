"""Everything about a method that other rooms read by its name: each method's `method.py` defines one `METHOD`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from reenact.assets.model import Asset
from reenact.errors import ReenactError

Default = Literal["videos", "synthetic"]
"""Uses of a crop rule where nobody names one: `videos` that are prepared, faces for a `synthetic` world's method."""

_RESERVED_CROPS = frozenset({"none", "dataset", "auto"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_OPTION = re.compile(r"weights|model\.\w+")
_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True, kw_only=True)
class CropRule:
    """A paper's way to cut a square around a face."""

    function: str
    """`module:function` of a function of landmarks (T, 68, 2) in frame pixels and a size, which returns a `Crop`."""
    room: float = 1.0
    """Factor on the side of the crop of a single picture: crops of clips span their motion, and a picture shows none,
    but hair and the motion to come need the place."""
    angle: str | None = None
    """`module:function` of a function of landmarks (68, 2), which returns the radians by which the crop of a source is
    turned; None where all crops are upright."""
    default_for: tuple[Default, ...] = ()
    """Uses of the rule where nobody names one."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A paper's preparation of its data."""

    crop: str
    """Name of a crop rule, the method's own or another's."""
    size: int
    """Side of the frames in pixels."""
    fps: Fraction | None = None
    """Frames per second; each video's own by default."""


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """A paper's test pairs."""

    clips: int | None = None
    """Driving clips, one an identity as long as there are unused identities; all by default."""
    self_frames: int = 0
    """Pairs of two frames of a clip, for each clip."""
    cross_frames: int = 0
    """Pairs of frames of two identities, for each clip as the source."""
    cross_frames_per_person: int = 0
    """Pairs of frames of two identities, for each identity as the source."""
    self_clips: bool = False
    """Every clip as a whole, driven from a frame of its own."""
    cross_clips: bool = False
    """Every clip as a whole, driving a portrait of another identity."""
    portraits: int = 0
    """Portraits of different identities from `--sources`, one for each driving clip, again from the first when used up;
    0: a frame of the next clip of another identity."""
    source: Literal["first", "frontal"] = "first"
    """Source frame of a clip that is driven as a whole: frame 0, or the frame that looks straightest ahead."""


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """The preset whose trained checkpoint another preset stands on."""

    preset: str
    """Preset that is trained first, on the same data at the same scale."""
    option: str
    """Option of `fit` that takes its checkpoint: `weights` to start from its weights, or `model.ARGUMENT`."""


@dataclass(frozen=True, kw_only=True)
class ControlFile:
    """A file that controls of a method read."""

    load: str
    """`module:function` of the paths of the file and of the method's checkpoint, and a device."""
    content: str
    """Line of the help page: content of the file, and its use."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One published approach, or a network of ours that is trained the same way."""

    name: str
    """Letters, digits, `_` and `-`; checkpoints record it."""
    summary: str
    paper: str
    needs: str
    """Data that it reads of portraits, for people."""
    class_path: str | None = None
    """Its Lightning module; None for a paper that is known by its protocol alone."""
    presets: Mapping[str, str] = field(default_factory=dict)
    """Names under `configs/model` -> one line about each; the first one stands for the method in tables."""
    stands_on: Mapping[str, Foundation] = field(default_factory=dict)
    """Names of its presets -> what each stands on; `fit` and tables train a foundation that nobody names."""
    configs: Path | None = None
    """Folder with `model/PRESET.yaml` and `scale/SCALE/NAME.yaml`; `configs/` beside its module by default."""
    makes_pictures: bool = True
    """False for a network that reenacts no portraits."""
    version: int = 1
    """Raised when a change makes the method train to other weights."""
    order: int = 100
    """Place in lists and tables; methods of one place stand by name."""
    crops: Mapping[str, CropRule] = field(default_factory=dict)
    """Name -> rule; names are those of `prepare --crop`, and stores record them."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Name of `prepare --recipe` -> recipe."""
    pair_plans: Mapping[str, PairPlan] = field(default_factory=dict)
    """Name of `pairs --preset` -> plan."""
    assets: tuple[Asset, ...] = ()
    """Files that its authors released, for `reenact weights` and `reenact.assets.require_asset`."""
    converter: str | None = None
    """Module that keeps `reenact.models.common.converter.Converter`."""
    control_files: Mapping[str, ControlFile] = field(default_factory=dict)
    """Names of options of `edit`, with `_` -> files that its controls read, see `Reenactor.control_files`."""
    packages: tuple[str, ...] = ()
    """Packages that it imports beyond those of reenact itself."""
    install: str = ""
    """Command that installs them."""
    size_option: str = ""
    """Option of the network that must equal `data.size`: `model.network.size`. Empty where it reads pictures of any
    size. Tables, whose rows have one size, set it."""
    toys: str | None = None
    """`module:function` of its smallest modules for the common tests: a name -> a function without arguments."""
    title: str = ""
    """Name in tables of methods; methods of one title share a row."""
    motion: str = ""
    """Source of the motion, for tables."""
    status: str = "planned"
    """State of the method, for tables."""
    page: str = ""
    """Its page in `docs/methods/`."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for values of other forms."""
        if not _NAME.fullmatch(self.name):
            raise ReenactError(
                f"The method name {self.name!r} is refused: use letters, digits, _ and -, first a letter"
            )
        if self.class_path is not None and not _CLASS_PATH.fullmatch(self.class_path):
            raise ReenactError(f"The method {self.name} names {self.class_path!r}: give a class as PACKAGE.CLASS")
        for name in ("presets", "stands_on", "crops", "recipes", "pair_plans", "control_files"):
            if not isinstance(getattr(self, name), Mapping):
                raise ReenactError(f"The method {self.name} has {name} that are no mapping")
        for name, kind in (("configs", (Path, type(None))), ("order", int), ("version", int), ("packages", tuple)):
            if not isinstance(getattr(self, name), kind):
                raise ReenactError(f"The method {self.name} has {name} {getattr(self, name)!r} of a wrong type")
        _check_assets(self)
        for preset, foundation in self.stands_on.items():
            _check_foundation(self, preset, foundation)
        if reserved := sorted(self.crops.keys() & _RESERVED_CROPS):
            raise ReenactError(f"The method {self.name} names a crop rule {reserved[0]}, a reserved name: rename it")


def _check_assets(method: Method) -> None:
    if not isinstance(method.assets, tuple) or not all(isinstance(asset, Asset) for asset in method.assets):
        raise ReenactError(f"The method {method.name} has assets that are no tuple of reenact.assets.Asset")


def _check_foundation(method: Method, preset: str, foundation: Foundation) -> None:
    if preset not in method.presets:
        raise ReenactError(f"The method {method.name} names a foundation of {preset}, which is none of its presets")
    if not _OPTION.fullmatch(foundation.option):
        raise ReenactError(
            f"The method {method.name} names the option {foundation.option!r} for the foundation of {preset}: name"
            " weights or model.ARGUMENT"
        )
