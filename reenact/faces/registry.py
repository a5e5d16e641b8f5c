"""Face models by name."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from reenact.errors import ReenactError
from reenact.faces.model import FaceModel

FLAME_NAME = re.compile(r"flame(20\d\d)?(-[0-9a-f]{8})?")
BFM_NAME = re.compile(r"bfm(-[0-9a-f]{8}){0,2}")


def load_face_model(spec: str) -> FaceModel:
    """Load a face model by name or from a file.

    Args:
        spec: `head` (built in), `flame` or `bfm` (the file in the asset cache), the full name under which a store or
            checkpoint recorded a file (`flame2020-1a2b3c4d`), or the path of a FLAME or BFM file.

    Raises:
        ReenactError: if the name is unknown, or the file is missing, damaged, not a FLAME model, or another one than
            the name says.
    """
    if spec == "head":
        from reenact.faces.head import Head

        return Head()
    if FLAME_NAME.fullmatch(spec):
        return _cached_flame(spec)
    if BFM_NAME.fullmatch(spec):
        return _cached_bfm(spec)
    if spec.endswith(".mat"):
        from reenact.faces.bfm import Bfm

        return Bfm.from_file(Path(spec))
    if "/" in spec or spec.endswith((".pkl", ".npz")):
        from reenact.faces.flame import Flame

        return Flame.from_file(Path(spec))
    names = ["head", "flame", "bfm"]
    near = difflib.get_close_matches(spec, names, n=2, cutoff=0.3) or names
    raise ReenactError(f"Unknown face model {spec!r}: did you mean {' or '.join(near)}, or the path of a FLAME file?")


def _cached_flame(spec: str) -> FaceModel:
    from reenact import assets
    from reenact.faces.flame import Flame

    path = assets.require_asset("flame")
    model = Flame.from_file(path)
    if not _same_flame(spec, model.name):
        raise ReenactError(f"{path} is {model.name}, but {spec} is asked for: put that file in its place")
    return model


def _cached_bfm(spec: str) -> FaceModel:
    from reenact import assets
    from reenact.faces.bfm import Bfm

    parts = assets.locate_asset("bfm_2009")
    path = assets.locate_asset("bfm") or (parts / "01_MorphableModel.mat" if parts else assets.require_asset("bfm"))
    model = Bfm.from_file(path)
    if not is_same_model(spec, model.name):
        raise ReenactError(f"{path} is {model.name}, but {spec} is asked for: put that file in its place")
    return model


def is_same_model(recorded: str, name: str) -> bool:
    """Return True if two names are those of one face model, as far as the shorter one tells.

    A Basel Face Model has two fingerprints, of which stores and checkpoints of earlier versions record the first alone.
    """
    if recorded == name:
        return True
    if not (BFM_NAME.fullmatch(recorded) and BFM_NAME.fullmatch(name)):
        return False
    return recorded.startswith(f"{name}-") or name.startswith(f"{recorded}-")


def is_same_family(recorded: str, name: str) -> bool:
    """Return False for full names of which one is the head, one of a FLAME or one of a Basel Face Model."""
    forms = {"head": re.compile("head"), "flame": FLAME_NAME, "bfm": BFM_NAME}
    families = [
        next((family for family, form in forms.items() if form.fullmatch(spec)), None) for spec in (recorded, name)
    ]
    return None in families or families[0] == families[1]


def _same_flame(short_name: str, full_name: str) -> bool:
    """Return True if a full name matches a name that may leave out year and fingerprint."""
    year, fingerprint = _split_name(short_name)
    full_year, full_fingerprint = _split_name(full_name)
    if fingerprint:
        return fingerprint == full_fingerprint
    return year is None or year == full_year


def _split_name(name: str) -> tuple[str | None, str | None]:
    match = FLAME_NAME.fullmatch(name)
    assert match is not None
    return match[1], match[2]
