"""Any folder of videos and pictures, and FOMM's folders `train` and `test` of clips that are cropped already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reenact.data.clip_input import ClipInput
from reenact.data.pictures import PICTURE_SUFFIXES, pictures_in
from reenact.data.video import VIDEO_SUFFIXES
from reenact.errors import ReenactError


def find_inputs(path: Path) -> list[ClipInput]:
    """The clips of a file or folder, by name.

    A folder with `train` and `test` gives splits (FOMM's layout); otherwise everything is `train`. Pictures right in
    `path` are portraits; a folder of pictures below it is a clip of frames. The parts of a path are joined by `#`, and
    the identity is what stands before the first `#`.

    Raises:
        ReenactError: if the path is missing or holds neither videos nor pictures.
    """
    if path.is_file():
        return [ClipInput(path, path.name, "train", identity_of(path.name))]
    if not path.is_dir():
        raise ReenactError(f"{path} does not exist; give a video, a picture, or a folder of them")
    splits = [split for split in ("train", "test") if (path / split).is_dir()]
    roots = [(path / split, split) for split in splits] or [(path, "train")]
    inputs = [
        ClipInput(item, name, split, identity_of(name))
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


def _clips(folder: Path, folders_of_frames: bool) -> Iterator[Path]:
    """Videos and portraits in a folder and below it, and folders of frames below it."""
    for item in sorted(folder.iterdir()):
        suffix = item.suffix.lower()
        if item.name.startswith("."):
            continue
        if item.is_dir():
            if pictures_in(item):
                yield item
            else:
                yield from _clips(item, True)
        elif suffix in VIDEO_SUFFIXES or (suffix in PICTURE_SUFFIXES and not folders_of_frames):
            yield item


def identity_of(name: str) -> str:
    """The identity in a clip's name: what stands before the first `#`; without one, the name is the person's."""
    return name.partition("#")[0] if "#" in name else Path(name).stem
