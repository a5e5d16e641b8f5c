"""Any prepared store."""

from __future__ import annotations

import numpy as np

from reenact.data.clip_table import ClipIndex
from reenact.data.clips import Carries, ClipSource, StoreClips, carries
from reenact.data.datamodule import ReenactmentDataModule
from reenact.data.prepared import open_prepared
from reenact.data.shards import Shards
from reenact.data.store import Store
from reenact.errors import ReenactError


class Clips(ReenactmentDataModule):
    """Your own clips: the store that `reenact prepare` wrote.

    A store without a `test` split gets one: some identities, drawn from the seed, are held out.

    Args:
        root: The store, or its shards: a folder or a URL such as s3://bucket/shards.
        size: Side of the images in pixels.
        batch_size: Pairs per batch and process.
        num_workers: Processes that load; one per usable core, 8 at most, by default.
        flip: Probability that a training pair is mirrored.
        jitter: Strength of the colour jitter of training pairs; 0 is none.
        clip_length: Driving frames per sample; 1 for pictures.
        pairs_per_epoch: Training pairs that count as an epoch; 75 per identity by default.
        num_val_pairs: Pairs in each validation loader.
        num_test_pairs: Pairs in each test loader.
        held_out: Share of the identities that are held out where the store has no test split.
        seed: Start of every draw.

    Raises:
        ReenactError: if the folder is no store, or it has no clip that is long enough.
    """

    def __init__(
        self,
        root: str,
        size: int = 256,
        batch_size: int = 16,
        num_workers: int | None = None,
        flip: float = 0.5,
        jitter: float = 0.1,
        clip_length: int = 1,
        pairs_per_epoch: int | None = None,
        num_val_pairs: int = 32,
        num_test_pairs: int = 200,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            size,
            batch_size,
            num_workers,
            flip,
            jitter,
            clip_length,
            pairs_per_epoch,
            num_val_pairs,
            num_test_pairs,
            seed,
        )
        self.root = root
        self.held_out = held_out
        self._store = open_prepared(root)

    @property
    def face_model(self) -> str:
        """The face model of the store's parameters."""
        return self._store.info.face_model

    def describe(self) -> Carries:
        """What the store's portraits carry."""
        return carries(self._store.info.fields, self.clip_length)

    def train_clips(self) -> ClipSource:
        """The clips of the split `train`, without held-out identities."""
        return store_clips(self._store, "train", self, self.held_out)

    def test_clips(self) -> ClipSource:
        """The clips of the split `test`, or the held-out ones."""
        return store_clips(self._store, "test", self, self.held_out)


def store_clips(store: Store | Shards, split: str, settings: ReenactmentDataModule, held_out: float) -> StoreClips:
    """The clips of a split of a store, in the size and length that a data module asks for.

    Raises:
        ReenactError: if there is none.
    """
    shortest = max(2, settings.clip_length)
    if store.table.split_names != ("train",):
        index = store.table.index(split, shortest)
    else:
        index = held_out_split(store.table.index("train", shortest), split, held_out, settings.seed)
    if not len(index.ids):
        raise ReenactError(
            f"{store.root} has no usable {split} clip of {shortest} frames or more; "
            f"see `reenact prepare --status {store.root}`"
        )
    return StoreClips(store, index, settings.size)


def held_out_split(index: ClipIndex, split: str, share: float, seed: int) -> ClipIndex:
    """The part of an index that belongs to a split when identities are held out for `test`.

    From four identities on at least two are held out, so that there are cross pairs; a single identity is both.

    Args:
        index: All clips.
        split: `train` or `test`.
        share: Share of the identities to hold out.
        seed: Start of the draw.
    """
    count = int(index.identities.max(initial=-1)) + 1
    if count < 2:
        return index
    least = 2 if count > 3 else 1
    chosen = np.random.default_rng([seed, 5]).permutation(count)[: max(least, round(share * count))]
    keep = np.isin(index.identities, chosen) == (split == "test")
    _, dense = np.unique(index.identities[keep], return_inverse=True)
    return ClipIndex(index.ids[keep], dense.astype(np.int64), index.num_frames[keep])
