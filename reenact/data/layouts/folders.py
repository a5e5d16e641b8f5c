"""Any folder of videos and pictures, and FOMM's folders `train` and `test` of clips that are cropped already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.store.root_files import is_prepared
from reenact.errors import ReenactError
from reenact.media.listing import walk_folders
from reenact.media.pictures import PICTURE_SUFFIXES, pictures_in
from reenact.media.video import VIDEO_SUFFIXES


def find_inputs(path: Path, left_out: Counter[str] | None = None) -> list[ClipInput]:
    """The clips of a file or folder, by name.

    A folder with `train` and `test` gives splits (FOMM's layout); otherwise everything is `train`. Pictures right in
    `path` are portraits; a folder of pictures below it is a clip of frames. The parts of a path are joined by `#`, and
    the identity is what stands before the first `#`. Stores and shards below the folder are left out.

    Args:
        path: The file or folder.
        left_out: Takes the number of files of each suffix that are no clips.

    Raises:
        ReenactError: if the path is missing, is a store, or holds neither videos nor pictures.
    """
    if path.is_file():
        return [ClipInput(path=path, name=path.name, split="train", identity=identity_of(path.name))]
    if not path.is_dir():
        raise ReenactError(f"{path} does not exist; give a video, a picture, or a folder of them")
    if is_prepared(path):
        raise ReenactError(f"{path} is a prepared store; give the videos and pictures that it was made of")
    left_out = Counter() if left_out is None else left_out
    splits = [split for split in ("train", "test") if (path / split).is_dir()]
    roots = [(path / split, split) for split in splits] or [(path, "train")]
    inputs = [
        ClipInput(path=item, name=name, split=split, identity=identity_of(name))
        for root, split in roots
        for item, name in (
            (item, "#".join(item.relative_to(root).parts)) for item in _find_clip_paths(root, bool(splits), left_out)
        )
    ]
    if not inputs:
        raise ReenactError(f"{path} holds no video and no picture; give a folder with videos or pictures")
    twice = next((name for name, count in Counter(item.name for item in inputs).items() if count > 1), None)
    if twice is not None:
        raise ReenactError(f"{path} holds two clips of the name {twice}; rename or remove one")
    return sorted(inputs, key=lambda item: item.name)


def has_fomm_layout(path: Path) -> bool:
    """Return True if a folder has the splits of FOMM's layout, whose clips are cropped already."""
    return (path / "train").is_dir() or (path / "test").is_dir()


def _find_clip_paths(root: Path, folders_of_frames: bool, left_out: Counter[str]) -> Iterator[Path]:
    """Videos and portraits in a folder and below it, and folders of frames below it."""
    for folder, entries in walk_folders(root):
        portraits = folder == root and not folders_of_frames
        for item in list(entries):
            suffix = item.suffix.lower()
            if item.is_dir():
                pictures = pictures_in(item)
                if pictures:
                    yield item
                if pictures or is_prepared(item):
                    entries.remove(item)
            elif suffix in VIDEO_SUFFIXES or (suffix in PICTURE_SUFFIXES and portraits):
                yield item
            else:
                left_out[suffix or "no suffix"] += 1


def identity_of(name: str) -> str:
    """The identity in a clip's name: what stands before the first `#`; without one, the name is the person's."""
    return name.partition("#")[0] if "#" in name else Path(name).stem
