"""What a folder holds: videos, pictures and folders of frames, each with its name, identity and split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from reenact.data.pictures import PICTURE_SUFFIXES, read_image
from reenact.data.video import VIDEO_SUFFIXES, Image, VideoReader
from reenact.errors import ReenactError

FRAME_FOLDER_RATE = Fraction(25)
"""Frames per second of a folder of pictures, which does not say; VoxCeleb's rate."""


@dataclass(frozen=True)
class ClipInput:
    """One clip to prepare."""

    path: Path
    """A video, a picture, or a folder of frames."""
    name: str
    split: str
    identity: str
    span: tuple[float, float] | None = None
    """First second and the second after the last of the part to use; the whole file by default."""
    region: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of the data set's own box around the face, as fractions of the frame."""
    missing: str = ""
    """Why the data set's metadata name a clip that can't be there, such as `video abc.mp4 is absent`."""


@dataclass(frozen=True)
class Frames:
    """The frames of a file, readable as often as wanted, one in memory at a time."""

    path: Path
    fps: Fraction
    """Frames per second; of a single picture, that of frame folders."""
    still: bool
    """Whether it is a single picture."""
    count: int | None
    """Frames by the file's header."""
    read: Callable[[], Iterator[Image]]
    """Starts over at the first frame; raises `ReenactError` where the file is damaged."""


def find_inputs(path: Path) -> list[ClipInput]:
    """The clips of a file or folder, by name.

    A folder with `train` and `test` gives splits (FOMM's layout); otherwise everything is `train`. Pictures right in
    `path` are portraits; a folder of pictures below it is a clip of frames. The parts of a path are joined by `#`, and
    the identity is what stands before the first `#`.

    Raises:
        ReenactError: if the path is missing or holds neither videos nor pictures.
    """
    if path.is_file():
        return [ClipInput(path, path.name, "train", _identity(path.name))]
    if not path.is_dir():
        raise ReenactError(f"{path} does not exist; give a video, a picture, or a folder of them")
    splits = [split for split in ("train", "test") if (path / split).is_dir()]
    roots = [(path / split, split) for split in splits] or [(path, "train")]
    inputs = [
        ClipInput(item, name, split, _identity(name))
        for root, split in roots
        for item, name in ((item, "#".join(item.relative_to(root).parts)) for item in _clips(root, bool(splits)))
    ]
    if not inputs:
        raise ReenactError(f"{path} holds no video and no picture; give a folder with videos or pictures")
    names = [item.name for item in inputs]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise ReenactError(f"{path} holds {twice} in train and in test; rename or remove one")
    return sorted(inputs, key=lambda item: item.name)


def has_fomm_layout(path: Path) -> bool:
    """Whether a folder has the splits of FOMM's layout, whose clips are cropped already."""
    return (path / "train").is_dir() or (path / "test").is_dir()


def open_frames(path: Path) -> Frames:
    """The frames of a video, a picture or a folder of pictures; raises `ReenactError` if it can't be read."""
    if path.is_dir():
        pictures = _pictures(path)
        return Frames(path, FRAME_FOLDER_RATE, False, len(pictures), lambda: map(read_image, pictures))
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return Frames(path, FRAME_FOLDER_RATE, True, 1, lambda: iter([read_image(path)]))
    reader = VideoReader(path)
    return Frames(path, reader.fps, False, reader.info.num_frames, lambda: iter(reader))


def fingerprint(path: Path, settings: str) -> str:
    """A hash of a file's or frame folder's content and of the settings it is prepared with."""
    digest = hashlib.blake2b(settings.encode(), digest_size=16)
    for file in _pictures(path) if path.is_dir() else [path]:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _clips(folder: Path, folders_of_frames: bool) -> Iterator[Path]:
    """Videos and portraits in a folder and below it, and folders of frames below it."""
    for item in sorted(folder.iterdir()):
        suffix = item.suffix.lower()
        if item.name.startswith("."):
            continue
        if item.is_dir():
            if _pictures(item):
                yield item
            else:
                yield from _clips(item, True)
        elif suffix in VIDEO_SUFFIXES or (suffix in PICTURE_SUFFIXES and not folders_of_frames):
            yield item


def _pictures(folder: Path) -> list[Path]:
    return sorted(item for item in folder.iterdir() if item.suffix.lower() in PICTURE_SUFFIXES)


def _identity(name: str) -> str:
    return name.partition("#")[0] if "#" in name else Path(name).stem
