"""Any prepared store."""

from __future__ import annotations

from pathlib import Path

from reenact.data.clips import Carries, ClipSource, StoreClips, describe_contents
from reenact.data.datamodules.base import ReenactmentDataModule, check_number
from reenact.data.pairs.sampling import held_out_split
from reenact.data.store.prepared import open_prepared
from reenact.data.store.reader import Store
from reenact.data.store.shards import Shards
from reenact.errors import ReenactError


class Clips(ReenactmentDataModule):
    """Your own clips: the store that `reenact prepare` wrote.

    A store without a `test` split gets one: some identities, drawn from the seed, are held out.

    Args:
        root: The store, or its shards: a folder or a URL such as s3://bucket/shards.
        size: Side of the images in pixels.
        batch_size: Pairs per batch, over all processes.
        num_workers: Processes that load; one per usable core, 8 at most, by default.
        flip: Probability that a training pair is mirrored.
        jitter: Strength of the colour jitter of training pairs; 0 is none.
        clip_length: Driving frames per sample; 1 for pictures.
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
        flip: float = 0.5,
        jitter: float = 0.1,
        clip_length: int = 1,
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
            pairs,
            sources,
            max_broken,
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

    def describe(self) -> Carries:
        """Describe the contents of the store's portraits."""
        return describe_contents(self._store.info.fields, self.clip_length)

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
