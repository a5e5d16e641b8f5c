"""VoxCeleb in the folder layout of the First Order Motion Model, or a store prepared from it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from reenact.data.clips import ClipSource
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.data.datamodules.clips import store_clips
from reenact.data.layouts.folders import identity_of
from reenact.data.store.clip_table import ClipIndex
from reenact.data.store.frame_file import resize_square
from reenact.data.store.prepared import open_prepared
from reenact.data.store.root_files import is_prepared
from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.portrait import Portrait, to_tensor
from reenact.media.listing import is_system_file
from reenact.media.pictures import pictures_in, read_image
from reenact.media.video import VIDEO_SUFFIXES, VideoReader, probe_video
from reenact.methods.registry import find_default_crop


class VoxCeleb(ReenactmentDataModule):
    """VoxCeleb, prepared or as FOMM's scripts leave it: `train/` and `test/` with mp4 files or folders of frames.

    The raw layout carries images alone. Methods that need face parameters or landmarks need the store that
    `reenact prepare ROOT --out STORE` makes of it; give that as the root.

    Args:
        root: The store or its shards (a folder or a URL), or the folder with `train` and `test`.
        size: Side of the images in pixels.
        batch_size: Pairs per batch, over all processes.
        num_workers: Processes that load; one per usable core, 8 at most, by default.
        flip: Probability that a training pair is mirrored; 0.5 by default, and 0 for a method that mirrored face
            parameters would mislead.
        jitter: Strength of the colour jitter of training pairs; 0 is none.
        min_distance: Least distance in frames between the source and the driving frames of a training pair; 0 is none.
        train_clips: Number of clips to train on, drawn from the seed; all by default.
        pairs_per_epoch: Training pairs that count as an epoch; 75 per identity by default.
        num_val_pairs: Pairs in each validation loader.
        num_test_pairs: Pairs in each test loader.
        seed: Start of every draw.
        pairs: List of test pairs, as `reenact pairs` writes and FOMM and DaGAN have them.
        sources: Store or shards of the source portraits of the cross pairs; the held-out clips by default.
        max_broken: Share of the training clips, rounded up, that may be unreadable before a run stops; others stand in.
        batch_size_per_process: Pairs per batch of each process, in place of `batch_size`.

    Raises:
        ReenactError: if the folder is neither.
    """

    def __init__(
        self,
        root: str | Path,
        size: int = 256,
        batch_size: int = 16,
        num_workers: int | None = None,
        flip: float | None = None,
        jitter: float = 0.1,
        min_distance: int = 0,
        train_clips: int | None = None,
        pairs_per_epoch: int | None = None,
        num_val_pairs: int = 32,
        num_test_pairs: int = 200,
        seed: int = 0,
        pairs: Path | None = None,
        sources: str | Path | None = None,
        max_broken: float = 0.02,
        batch_size_per_process: int | None = None,
    ) -> None:
        super().__init__(
            size=size,
            batch_size=batch_size,
            num_workers=num_workers,
            flip=flip,
            jitter=jitter,
            min_distance=min_distance,
            train_clips=train_clips,
            pairs_per_epoch=pairs_per_epoch,
            num_val_pairs=num_val_pairs,
            num_test_pairs=num_test_pairs,
            seed=seed,
            pairs=pairs,
            sources=sources,
            max_broken=max_broken,
            batch_size_per_process=batch_size_per_process,
        )
        self.root = root
        self._store = open_prepared(root) if is_prepared(root) else None
        if self._store is None:
            check_layout(Path(root))

    @property
    def face_model(self) -> str:
        """The face model of the store's parameters; empty for the raw layout."""
        return self._store.info.face_model if self._store else ""

    @property
    def recipe(self) -> dict[str, str]:
        """Settings by which the store was prepared; the raw layout holds FOMM's crops."""
        return self._store.info.recipe if self._store else {"crop": find_default_crop("videos")}

    def describe(self) -> Contents:
        """Describe the parts of the portraits: images alone for the raw layout."""
        return Contents.from_arrays(self._store.info.fields if self._store else ())

    def train_clips(self) -> ClipSource:
        """Clips of the split `train`."""
        return self._clips("train")

    def test_clips(self) -> ClipSource:
        """Clips of the split `test`."""
        return self._clips("test")

    def _clips(self, split: str) -> ClipSource:
        if self._store:
            return store_clips(self._store, split, self, held_out=0.1)
        return FolderClips(Path(self.root) / split, self.size, self.least_train_frames if split == "train" else 2)


class FolderClips:
    """Clips as video files or folders of pictures, images alone.

    Args:
        folder: Where they lie; the identity is what stands before the first `#` of a name.
        size: Side of the images in pixels; frames are resized, as FOMM's reader does.
        min_frames: Shorter clips are left out.

    Raises:
        ReenactError: if there is none.
    """

    def __init__(self, folder: Path, size: int, min_frames: int) -> None:
        self._size = size
        counted = [(path, _stated_frames(path, min_frames)) for path in clip_paths(folder)]
        self._paths = [path for path, frames in counted if frames >= min_frames]
        if not self._paths:
            raise ReenactError(
                f"{folder} has no clip of {min_frames} frames or more; expected mp4 files or frame folders"
            )
        _, identities = np.unique([identity_of(path.name) for path in self._paths], return_inverse=True)
        lengths = [frames for _, frames in counted if frames >= min_frames]
        self.index = ClipIndex(np.arange(len(lengths)), identities.astype(np.int64), np.array(lengths, np.int64))

    def find(self, name: str) -> int | None:
        """The number of the clip with a name."""
        return next((number for number, path in enumerate(self._paths) if path.name == name), None)

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        """Read N frames of a clip; a video file is decoded from the key frames before them.

        There are no face parameters, and so no window of them.
        """
        path = self._paths[clip]
        if path.is_dir():
            pictures = pictures_in(path)
            images = [read_image(pictures[frame]) for frame in frames]
        else:
            images = VideoReader(path, on_disk=True).frames(frames)
        return Portrait(
            image=to_tensor(np.stack([resize_square(image, self._size) for image in images])),
            frame=torch.tensor(list(frames)),
            identity=[identity_of(path.name)] * len(frames),
            clip=[path.name] * len(frames),
        )


def clip_paths(folder: Path) -> list[Path]:
    """List the video files and folders of pictures in a folder, by name; warns of other files."""
    paths = sorted(path for path in folder.iterdir() if not is_system_file(path))
    clips = [path for path in paths if path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES]
    rest = set(paths).difference(clips)
    others = Counter(path.suffix.lower() or "no suffix" for path in rest)
    if others:
        counts = ", ".join(f"{count} of {suffix}" for suffix, count in sorted(others.items()))
        warnings.warn(f"{folder} holds files that are no clips and are left out: {counts}", stacklevel=2)
    return clips


def count_frames(path: Path) -> int:
    """Count the frames of a clip; those of a video by its packets, without decoding."""
    return len(pictures_in(path)) if path.is_dir() else probe_video(path, on_disk=True).num_frames


def _stated_frames(path: Path, min_frames: int) -> int:
    """Count the frames of a clip; one that can't be read now stays in the index, for the loaders to find out.

    A clip that breaks between two parts of a run must not change what is drawn of the others.
    """
    try:
        return count_frames(path)
    except ReenactError:
        return min_frames


def check_layout(root: Path) -> None:
    """Refuse a folder that has not FOMM's layout; raises `ReenactError` saying what was expected and found."""
    if not root.is_dir():
        raise ReenactError(f"--data.root {root} is not a folder; give a store or a folder with train/ and test/")
    if not all((root / split).is_dir() for split in ("train", "test")):
        names = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise ReenactError(f"{root} has no train/ and test/ folders (found: {names}); give FOMM's layout or a store")
