"""VoxCeleb1 and VoxCeleb2: official annotation files, the community's table of crops, FOMM's folders, face crops.

Sources: robots.ox.ac.uk/~vgg/data/voxceleb (annotations, splits), AliaksandrSiarohin/video-preprocessing (table).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from reenact.data.layouts.base import (
    Layout,
    Region,
    Videos,
    by_name,
    damaged_line_error,
    describe_absence,
    read_lines,
    scale_box,
)
from reenact.data.layouts.clip_input import ClipInput
from reenact.data.layouts.folders import find_inputs, has_fomm_layout
from reenact.errors import ReenactError
from reenact.media.video import VIDEO_SUFFIXES

RATE = 25
"""Frames per second that FRAME counts in (official files), whatever the video's own."""
BOX_HEIGHT = 360
"""Height of the frames that VoxCeleb1's boxes are given for, in pixels."""
TABLE = "vox-metadata.csv"
TEST_1 = range(10270, 10310)
"""Numbers of VoxCeleb1's 40 official test speakers."""
COLUMNS = ("FRAME", "X", "Y", "W", "H")
BOX = re.compile(r"-".join([r"(-?[\d.]+)"] * 4))
"""Numbers joined by dashes; those beyond the frame's edge have one of their own."""


def read_voxceleb(root: Path, which: int) -> list[ClipInput]:
    """The clips of a folder in one of four forms.

    * `vox-metadata.csv` with `videos/<YouTube id>.mp4`: one clip a row.
    * `txt/idXXXXX/<YouTube id>/<utterance>.txt` with `videos/<YouTube id>.mp4`: one clip an utterance.
    * `[dev|test/]mp4/idXXXXX/<YouTube id>/<utterance>.mp4`: VoxCeleb2's archives of face crops.
    * `train/` and `test/` of clips named `<person>#...`: FOMM's folders.

    A person is in one split: the official test speakers are `test`, all others `train`, whatever a table's row says
    (in `vox-metadata.csv` two persons have rows in both).

    Args:
        root: The folder.
        which: 1 or 2; both number their people alike, so identities are prefixed with `vox1-` or `vox2-`.
    """
    if (root / TABLE).is_file():
        return by_name(_of_table(root, which))
    if any(root.glob("**/txt/id*")) or (root / "txt").is_dir():
        return by_name(_of_annotations(root, which))
    if any(True for _ in _mp4_folders(root)):
        return by_name(_of_crops(root, which))
    return [_name_identity(clip, which) for clip in find_inputs(root)] if has_fomm_layout(root) else []


def is_voxceleb(root: Path, which: int) -> bool:
    """Return True if a folder plainly holds VoxCeleb 1 or 2; FOMM's folders don't tell the two apart."""
    if which == 1:
        return (root / TABLE).is_file()
    return any(True for _ in _mp4_folders(root))


def split_of(person: str, which: int, stated: str) -> str:
    """The official split of a speaker such as `id10270`.

    VoxCeleb2's 118 test speakers are told by the folder their files came in (`stated`).
    """
    number = person.removeprefix("id")
    if which == 1 and number.isdigit():
        return "test" if int(number) in TEST_1 else "train"
    return "test" if stated == "test" else "train"


def _of_table(root: Path, which: int) -> Iterator[ClipInput]:
    videos = Videos(root / "videos")
    path = root / TABLE
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = {"video_id", "start", "end", "bbox", "fps", "width", "height", "partition", "person_id"}
        if not columns <= set(rows.fieldnames or ()):
            raise ReenactError(f"{path} lacks the columns {', '.join(sorted(columns - set(rows.fieldnames or ())))}")
        for row in rows:
            yield _of_row(row, videos, which, path)


def _of_row(row: dict[str, str], videos: Videos, which: int, path: Path) -> ClipInput:
    try:
        start, end, fps = int(row["start"]), int(row["end"]), float(row["fps"])
        x_min, y_min, x_max, y_max = (float(edge) for edge in BOX.fullmatch(row["bbox"]).groups())  # type: ignore[union-attr]
        box = scale_box((x_min, y_min, x_max, y_max), float(row["width"]), float(row["height"]))
    except (ValueError, AttributeError) as error:
        raise damaged_line_error(path, str(row), "numbers and a box left-top-right-bottom") from error
    person, video = row["person_id"], row["video_id"]
    info = videos.shape(video)
    return ClipInput(
        path=videos.folder / f"{video}.mp4" if isinstance(info, str) else info.path,
        name=f"{person}#{video}#{start:06d}#{end:06d}.mp4",
        split=split_of(person, which, row["partition"]),
        identity=f"vox{which}-{person}",
        span=(start / fps, end / fps),
        region=box,
        missing=info if isinstance(info, str) else "",
    )


def _of_annotations(root: Path, which: int) -> Iterator[ClipInput]:
    videos = Videos(root / "videos")
    for path in sorted(root.glob("**/txt/id*/*/*.txt")):
        utterance, video, person = path.stem, path.parent.name, path.parent.parent.name
        first, last, boxes = _read_track(path)
        info = videos.shape(video)
        region = None
        if not isinstance(info, str):
            size = (BOX_HEIGHT * info.width / info.height, BOX_HEIGHT) if which == 1 else (1.0, 1.0)
            region = scale_box(boxes, *size)
        yield ClipInput(
            path=videos.folder / f"{video}.mp4" if isinstance(info, str) else info.path,
            name=f"{person}#{video}#{utterance}.mp4",
            split=split_of(person, which, path.relative_to(root).parts[0]),
            identity=f"vox{which}-{person}",
            span=(first / RATE, (last + 1) / RATE),
            region=region,
            missing=info if isinstance(info, str) else "",
        )


def _read_track(path: Path) -> tuple[int, int, Region]:
    """First and last frame of an utterance, and the union of its boxes (left, top, right, bottom) in the file's unit.

    Six lines of `Key : value`, then a table of tabs whose column names end with a blank.
    """
    lines = read_lines(path)
    table = next((row for row, line in enumerate(lines) if line.split("\t")[0].strip() == COLUMNS[0]), None)
    if table is None or len(lines) <= table + 1:
        raise ReenactError(f"{path} has no table FRAME X Y W H; unpack the official archive again")
    rows = []
    for line in lines[table + 1 :]:
        try:
            frame, x, y, w, h = (float(value) for value in line.split("\t")[:5])
        except ValueError as error:
            raise damaged_line_error(path, line, "FRAME X Y W H") from error
        rows.append((frame, x, y, x + w, y + h))
    frames, lefts, tops, rights, bottoms = zip(*rows, strict=True)
    return int(min(frames)), int(max(frames)), (min(lefts), min(tops), max(rights), max(bottoms))


def _of_crops(root: Path, which: int) -> Iterator[ClipInput]:
    for folder in _mp4_folders(root):
        stated = "test" if "test" in folder.relative_to(root).parts else "train"
        for path in sorted(_crops_in(folder)):
            person, video = path.parent.parent.name, path.parent.name
            yield ClipInput(
                path=path,
                name=f"{person}#{video}#{path.stem}.mp4",
                split=split_of(person, which, stated),
                identity=f"vox{which}-{person}",
            )


def _mp4_folders(root: Path) -> Iterator[Path]:
    for folder in (root / "mp4", root / "dev" / "mp4", root / "test" / "mp4"):
        if folder.is_dir() and any(_crops_in(folder)):
            yield folder


def _crops_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("id*/*/*") if path.suffix.lower() in VIDEO_SUFFIXES)


def _name_identity(clip: ClipInput, which: int) -> ClipInput:
    return ClipInput(
        path=clip.path,
        name=clip.name,
        split=split_of(clip.identity, which, clip.split),
        identity=f"vox{which}-{clip.identity}",
        missing=describe_absence(str(clip.path)) if not clip.path.exists() else "",
    )


def _build_layout(which: int, form: str) -> Layout:
    return Layout(
        name=f"voxceleb{which}",
        title=f"VoxCeleb{which}",
        expects=f"{form} or train/ and test/ of clips named <person>#<video>#<start>#<end>.mp4",
        marks=partial(is_voxceleb, which=which),
        read=partial(read_voxceleb, which=which),
    )


VOXCELEB1 = _build_layout(1, f"{TABLE} or txt/ with videos/<YouTube id>.mp4,")
VOXCELEB2 = _build_layout(2, "dev/mp4 and test/mp4 of face crops, txt/ with videos/<YouTube id>.mp4,")
