"""HDTF: the lists of its three groups with the downloaded videos (MRzzm/HDTF)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from reenact.data.layouts.base import Layout, Region, Videos, by_name, damaged_line_error, read_lines, scale_box
from reenact.data.layouts.clip_input import ClipInput

GROUPS = ("RD", "WDA", "WRA")
TIMES = "annotion_time.txt"  # spelled so
INTERVAL = re.compile(r"(?:(\d+):)?(\d+):(\d+)-(?:(\d+):)?(\d+):(\d+)")


def read_hdtf(root: Path) -> list[ClipInput]:
    """One clip an interval of `<group>_annotion_time.txt`, cut out of `videos/<name>.mp4`.

    Crops are those of `<group>_crop_wh.txt`, given for the height in `<group>_resolution.txt`; intervals without one
    have their face found. The name stands for the person; there is no split.
    """
    return by_name(clip for group in GROUPS for clip in _of_group(root, group))


def _of_group(root: Path, group: str) -> Iterator[ClipInput]:
    folder = _find_lists(root)
    path = folder / f"{group}_{TIMES}"
    if not path.is_file():
        return
    videos = Videos(root / "videos")
    crops, heights = _read_crops(folder / f"{group}_crop_wh.txt"), _read_heights(folder / f"{group}_resolution.txt")
    for line in read_lines(path):
        name, *intervals = line.split()
        stem = Path(name).stem
        for number, interval in enumerate(intervals):
            span = _parse_interval(interval)
            if span is None:
                raise damaged_line_error(path, line, "name.mp4 mm:ss-mm:ss ...")
            info = videos.shape(stem)
            title = f"{stem}_{number}"
            region: Region | None = None
            if title in crops and not isinstance(info, str):
                height = heights.get(stem, info.height)
                x_min, width, y_min, tall = crops[title]
                region = scale_box(
                    (x_min, y_min, x_min + width, y_min + tall), height * info.width / info.height, height
                )
            yield ClipInput(
                path=videos.folder / name if isinstance(info, str) else info.path,
                name=f"{title}.mp4",
                split="train",
                identity=f"hdtf-{stem}",
                span=span,
                region=region,
                missing=info if isinstance(info, str) else "",
            )


def _find_lists(root: Path) -> Path:
    """The folder of the lists: the set's own, or `HDTF_dataset` as in its repository."""
    return root if any(root.glob(f"*_{TIMES}")) else root / "HDTF_dataset"


def _parse_interval(interval: str) -> tuple[float, float] | None:
    match = INTERVAL.fullmatch(interval)
    if match is None:
        return None
    start, end = match.groups()[:3], match.groups()[3:]
    first, last = (3600 * int(h or 0) + 60 * int(m) + int(s) for h, m, s in (start, end))
    return (float(first), float(last)) if first < last else None


def _read_crops(path: Path) -> dict[str, tuple[int, int, int, int]]:
    """Left, width, top and height of each clip's crop."""
    crops = {}
    for line in read_lines(path) if path.is_file() else []:
        name, *values = line.split()
        if len(values) != 4 or not all(value.isdigit() for value in values):
            raise damaged_line_error(path, line, "name min_x width min_y height")
        x_min, width, y_min, height = (int(value) for value in values)
        crops[Path(name).stem] = x_min, width, y_min, height
    return crops


def _read_heights(path: Path) -> dict[str, int]:
    """Height of the frames that each video's crops are given for."""
    heights = {}
    for line in read_lines(path) if path.is_file() else []:
        name, *values = line.split()
        numbers = re.findall(r"\d+", " ".join(values))
        if not numbers:
            raise damaged_line_error(path, line, "name height")
        heights[Path(name).stem] = int(numbers[-1])
    return heights


HDTF = Layout(
    name="hdtf",
    title="HDTF",
    expects="RD_, WDA_ and WRA_annotion_time.txt (and _crop_wh.txt, _resolution.txt) with videos/<name>.mp4",
    marks=lambda root: any(_find_lists(root).glob(f"*_{TIMES}")),
    read=read_hdtf,
)
