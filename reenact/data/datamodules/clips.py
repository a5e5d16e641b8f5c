"""Any prepared store."""

from __future__ import annotations

from pathlib import Path

from reenact.data.clips import ClipSource, StoreClips
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.data.datamodules.numbers import check_number
from reenact.data.pairs.drawn_pairs import held_out_split
from reenact.data.store.prepared import open_prepared
from reenact.data.store.reader import Store
from reenact.data.store.shards import Shards
from reenact.errors import ReenactError
from reenact.faces.contents import Contents


class Clips(ReenactmentDataModule):
    """Your own clips: the store that `reenact prepare` wrote.

    A store without a `test` split gets one: some identities, drawn from the seed, are held out.

    Args:
        root: The store, or its shards: a folder or a URL such as s3://bucket/shards.
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
        held_out: Share of the identities that are held out where the store has no test split.
        seed: Start of every draw.
        pairs: List of test pairs, as `reenact pairs` writes and FOMM and DaGAN have them.
        sources: Store or shards of the source portraits of the cross pairs; the held-out clips by default.
        max_broken: Share of the training clips, rounded up, that may be unreadable before a run stops; others stand in.
        batch_size_per_process: Pairs per batch of each process, in place of `batch_size`.

    Raises:
        ReenactError: if the folder is no store, or it has no clip that is long enough.
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
        held_out: float = 0.1,
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
        check_number("held_out", held_out, 0, 1)
        self.root = root
        self.held_out = held_out
        self._store = open_prepared(root)

    @property
    def face_model(self) -> str:
        """The face model of the store's parameters."""
        return self._store.info.face_model

    @property
    def recipe(self) -> dict[str, str]:
        """Settings by which the store was prepared."""
        return self._store.info.recipe

    def describe(self) -> Contents:
        """Describe the parts of the store's portraits."""
        return Contents.from_arrays(self._store.info.fields)

    def train_clips(self) -> ClipSource:
        """The clips of the split `train`, without held-out identities."""
        return store_clips(self._store, "train", self, self.held_out)

    def test_clips(self) -> ClipSource:
        """The clips of the split `test`, or the held-out ones."""
        return store_clips(self._store, "test", self, self.held_out)


def store_clips(store: Store | Shards, split: str, settings: ReenactmentDataModule, held_out: float) -> StoreClips:
    """The clips of a split of a store, in the size and of the length that a data module asks for.

    The length of a method's samples changes no split: every method is tested on the same clips.

    Raises:
        ReenactError: if there is none.
    """
    shortest = settings.least_train_frames if split == "train" else 2
    if store.table.split_names != ("train",):
        index = store.table.index(split, min_frames=2)
    else:
        index = held_out_split(store.table.index("train", min_frames=2), split, held_out, settings.seed)
    index = index.select(index.num_frames >= shortest)
    if not len(index.ids):
        raise ReenactError(
            f"{store.root} has no usable {split} clip of {shortest} frames or more; "
            f"see `reenact prepare --status {store.root}`"
        )
    return StoreClips(store, index, settings.size, settings.list_unread(split))
