"""CelebV-HQ: `celebvhq_info.json` with the videos of its download script (CelebV-HQ/CelebV-HQ)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reenact.data.layouts.base import Layout, Region, Videos, by_name, video_named
from reenact.data.layouts.clip_input import ClipInput
from reenact.errors import ReenactError

TABLE = "celebvhq_info.json"
MARGIN = 0.02
"""Growth of the box on each side in the crop of the data set's script, as a fraction of the frame."""


def read_celebvhq(root: Path) -> list[ClipInput]:
    """One clip a key of the JSON: cut out of `raw/<YouTube id>.mp4`, or `processed/<key>.mp4` as the script left it.

    There is no split and no identity label; the YouTube id stands for the person.

    Raises:
        ReenactError: if the JSON is damaged.
    """
    path = root / TABLE
    if not path.is_file():
        return []
    try:
        clips = json.loads(path.read_text(encoding="utf-8-sig"))["clips"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReenactError(f"{path} is damaged or has no `clips`; download it again") from error
    return by_name(_read_clips(root, path, clips))


def square_of(box: dict[str, float], width: int, height: int) -> Region:
    """The script's crop of a frame as fractions: the box grown by 0.02, then its centred square of the SHORTER side."""
    y_min, y_max = max(box["top"] - MARGIN, 0.0) * height, min(box["bottom"] + MARGIN, 1.0) * height
    x_min, x_max = max(box["left"] - MARGIN, 0.0) * width, min(box["right"] + MARGIN, 1.0) * width
    half = min(round(y_max) - round(y_min), round(x_max) - round(x_min)) // 2
    x, y = (round(x_min) + round(x_max)) // 2, (round(y_min) + round(y_max)) // 2
    return (x - half) / width, (y - half) / height, (x + half) / width, (y + half) / height


def _read_clips(root: Path, path: Path, clips: dict[str, Any]) -> Iterator[ClipInput]:
    videos = Videos(root / "raw")
    for key, entry in clips.items():
        try:
            start, end = (float(entry["duration"][name]) for name in ("start_sec", "end_sec"))
            box = {name: float(entry["bbox"][name]) for name in ("top", "bottom", "left", "right")}
            video = str(entry["ytb_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise ReenactError(f"{path}: clip {key} lacks ytb_id, duration or bbox; download it again") from error
        cut = video_named(root / "processed", key)
        info = "" if cut else videos.shape(video)
        yield ClipInput(
            path=cut or (videos.folder / f"{video}.mp4" if isinstance(info, str) else info.path),
            name=f"{key}.mp4",
            split="train",
            identity=f"cvhq-{key.rpartition('_')[0]}",
            span=None if cut else (start, end),
            region=None if isinstance(info, str) else square_of(box, info.width, info.height),
            missing=info if isinstance(info, str) else "",
        )


CELEBVHQ = Layout(
    name="celebvhq",
    title="CelebV-HQ",
    expects=f"{TABLE} and raw/<YouTube id>.mp4 or processed/<clip>.mp4",
    marks=lambda root: (root / TABLE).is_file(),
    read=read_celebvhq,
)
