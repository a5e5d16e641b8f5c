"""TalkingHead-1KH: lists of tubes with the one-minute chunks or the finished crops (tcwang0509/TalkingHead-1KH)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reenact.data.layouts.base import Layout, Videos, by_name, damaged_line_error, read_lines, scale_box, video_named
from reenact.data.layouts.clip_input import ClipInput

SPLITS = {"small": "train", "train": "train", "val": "test"}
"""Lists of the set -> splits here."""
NUMBERS = 8
"""Integers after the name in a line: H, W, first and last frame, left, top, right, bottom."""


def read_talkinghead(root: Path) -> list[ClipInput]:
    """One clip a line of `data_list/<list>_video_tubes.txt`.

    Taken from `<list>/cropped_clips/` where it is there, else cut out of `<list>/1min_clips/`, where frames are counted
    at the chunk's own rate. The YouTube id stands for the person.
    """
    return by_name(clip for name in SPLITS for clip in _of_list(root, name))


def _of_list(root: Path, name: str) -> Iterator[ClipInput]:
    path = root / "data_list" / f"{name}_video_tubes.txt"
    if not path.is_file():
        return
    chunks, crops = Videos(root / name / "1min_clips"), root / name / "cropped_clips"
    for line in read_lines(path):
        chunk, *values = line.split(",")
        if len(values) != NUMBERS or not all(value.strip().lstrip("-").isdigit() for value in values):
            raise damaged_line_error(path, line, "name,H,W,S,E,L,T,R,B")
        height, width, first, last, x_min, y_min, x_max, y_max = (int(value) for value in values)
        title = f"{chunk}_S{first}_E{last}_L{x_min}_T{y_min}_R{x_max}_B{y_max}"
        cut = video_named(crops, title)
        info = "" if cut else chunks.info(chunk)
        whole = cut or isinstance(info, str)
        yield ClipInput(
            path=cut or (chunks.folder / f"{chunk}.mp4" if isinstance(info, str) else info.path),
            name=f"{title}.mp4",
            split=SPLITS[name],
            identity=f"th1kh-{chunk.rpartition('_')[0]}",
            span=None if whole or isinstance(info, str) else (first / float(info.fps), (last + 1) / float(info.fps)),
            region=None if whole else scale_box((x_min, y_min, x_max, y_max), width, height),
            missing=info if isinstance(info, str) else "",
        )


TALKINGHEAD = Layout(
    name="talkinghead1kh",
    title="TalkingHead-1KH",
    expects="data_list/<small|train|val>_video_tubes.txt with <list>/1min_clips or <list>/cropped_clips",
    marks=lambda root: any((root / "data_list").glob("*_video_tubes.txt")),
    read=read_talkinghead,
)
