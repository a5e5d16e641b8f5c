"""The layouts in which data sets are handed out, by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, get_args

from reenact.data.layouts.base import Layout
from reenact.data.layouts.celebvhq import CELEBVHQ
from reenact.data.layouts.clip_input import ClipInput, mark_unreadable_names
from reenact.data.layouts.folders import find_inputs
from reenact.data.layouts.hdtf import HDTF
from reenact.data.layouts.stills import CELEBA, CELEBV, FFHQ
from reenact.data.layouts.talkinghead import TALKINGHEAD
from reenact.data.layouts.vfhq import VFHQ
from reenact.data.layouts.voxceleb import VOXCELEB1, VOXCELEB2
from reenact.errors import ReenactError

DatasetChoice = Literal[
    "auto", "clips", "voxceleb1", "voxceleb2", "celebvhq", "vfhq", "celebv", "talkinghead1kh", "hdtf", "celeba", "ffhq"
]
LAYOUTS = {
    layout.name: layout for layout in (VOXCELEB1, VOXCELEB2, CELEBVHQ, VFHQ, CELEBV, TALKINGHEAD, HDTF, CELEBA, FFHQ)
}
assert set(get_args(DatasetChoice)) == {"auto", "clips", *LAYOUTS}


def find_clips(path: Path, dataset: DatasetChoice = "auto", left_out: Counter[str] | None = None) -> list[ClipInput]:
    """The clips of a data set as its owners hand it out, or of any videos and pictures.

    Args:
        path: A folder; for `auto` and `clips` a file too.
        dataset: Whose layout; `auto` takes the one that the folder plainly has, else any videos and pictures.
        left_out: Takes the number of files of each suffix that are no clips, of any videos and pictures.

    Raises:
        ReenactError: if the folder has another layout, or its metadata are damaged.
    """
    layout = _find_layout(path) if dataset == "auto" else LAYOUTS.get(dataset)
    if layout is None:
        return [mark_unreadable_names(clip) for clip in find_inputs(path, left_out)]
    if not path.is_dir():
        raise ReenactError(f"{path} is no folder; {layout.title} is given as a folder with {layout.expects}")
    clips = layout.read(path)
    if not clips:
        names = ", ".join(sorted(item.name for item in path.iterdir())[:5]) or "nothing"
        raise ReenactError(f"{path} is not {layout.title}: expected {layout.expects}; found {names}")
    return [mark_unreadable_names(clip) for clip in clips]


def _find_layout(path: Path) -> Layout | None:
    """The layout that a folder plainly has."""
    if not path.is_dir():
        return None
    return next((layout for layout in LAYOUTS.values() if layout.marks(path)), None)
