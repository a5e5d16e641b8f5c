"""VFHQ: `meta_info/Clip+....txt` with the source videos, or the released folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reenact.data.layouts.base import Layout, Videos, by_name, damaged_line_error, read_lines, scale_box
from reenact.data.layouts.clip_input import ClipInput
from reenact.errors import ReenactError
from reenact.media.pictures import pictures_in

META = "meta_info"
FIELDS = 5
"""Parts of a name, joined by `+`: Clip, YouTube id, P<person>, C<clip>, F<first>-<last>."""


def read_vfhq(root: Path) -> list[ClipInput]:
    """One clip a meta file, cut out of `videos/<YouTube id>.mp4`; or one a folder `Clip+...` of pictures.

    Frames first + 1 to last - 1 are used, as the authors' extraction script does. Folders below `test` or `VFHQ-Test`
    are the test split; meta files have none. The YouTube id stands for the person, for a track number does not.
    """
    if (root / META).is_dir():
        return by_name(_of_meta(root))
    return by_name(_of_folders(root))


def parts_of(name: str, path: Path) -> tuple[str, int, int]:
    """YouTube id, first and last frame of a clip's name, such as `Clip+-a_b-c+P0+C1+F100-300`."""
    parts = name.split("+")
    first, _, last = parts[-1].removeprefix("F").partition("-")
    if len(parts) != FIELDS or not (first.isdigit() and last.isdigit()):
        raise ReenactError(f"{path} is not named Clip+<YouTube id>+P<n>+C<n>+F<first>-<last>; keep the official names")
    return parts[1], int(first), int(last)


def _of_meta(root: Path) -> Iterator[ClipInput]:
    videos = Videos(root / "videos")
    for path in sorted((root / META).glob("Clip+*.txt")):
        video, first, last = parts_of(path.stem, path)
        values = _read_meta(path)
        info = videos.shape(video)
        yield ClipInput(
            path=videos.folder / f"{video}.mp4" if isinstance(info, str) else info.path,
            name=path.stem,
            split="train",
            identity=f"vfhq-{video}",
            span=((first + 1) / values["FPS"][0], last / values["FPS"][0]),
            region=scale_box(
                (values["CROP"][0], values["CROP"][1], values["CROP"][2], values["CROP"][3]),
                values["W"][0],
                values["H"][0],
            ),
            missing=info if isinstance(info, str) else "",
        )


def _read_meta(path: Path) -> dict[str, list[float]]:
    """The numbers of a meta file by key; other keys begin with the same letters, so keys are compared whole."""
    values: dict[str, list[float]] = {}
    lengths = {"H": 1, "W": 1, "FPS": 1, "CROP": 4}
    for line in read_lines(path):
        tokens = line.replace(":", " ").split()
        if tokens[0] in lengths:
            try:
                values[tokens[0]] = [float(word) for word in tokens[-lengths[tokens[0]] :]]
            except ValueError as error:
                raise damaged_line_error(path, line, f"{lengths[tokens[0]]} number(s)") from error
    if missing := [key for key in lengths if key not in values]:
        raise ReenactError(f"{path} has no {', '.join(missing)}; download the meta files again")
    return values


def _of_folders(root: Path) -> Iterator[ClipInput]:
    for folder in sorted(item for item in root.rglob("Clip+*") if item.is_dir()):
        video, _, _ = parts_of(folder.name, folder)
        places = folder.relative_to(root).parts[:-1]
        yield ClipInput(
            path=folder,
            name=folder.name,
            split="test" if any("test" in place.lower() for place in places) else "train",
            identity=f"vfhq-{video}",
            missing="" if pictures_in(folder) else "its folder holds no picture",
        )


VFHQ = Layout(
    name="vfhq",
    title="VFHQ",
    expects="meta_info/Clip+*.txt with videos/<YouTube id>.mp4, or folders Clip+*/ of pictures",
    marks=lambda root: any((root / META).glob("Clip+*.txt")) or any(root.glob("**/Clip+*")),
    read=read_vfhq,
)
