"""The base of every data set: loaders of training pairs and of held-out self- and cross-reenactment pairs."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from reenact.data.clips import ClipSource, StoreClips
from reenact.data.datamodules.colours import jitter_colours
from reenact.data.datamodules.loader import Loader, start_worker, usable_cores
from reenact.data.datamodules.numbers import check_number
from reenact.data.pairs.drawn_pairs import draw_test_pairs
from reenact.data.pairs.frames import count_least_frames
from reenact.data.pairs.lists import read_pairs, resolve_pairs
from reenact.data.pairs.samplers import EpochSampler, RankSampler
from reenact.data.pairs.samples import collate
from reenact.data.pairs.sampling import TestPairs, TrainingPairs
from reenact.data.store.prepared import open_prepared
from reenact.errors import ReenactError
from reenact.faces.contents import EVERYTHING, Contents
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import is_same_model


class ReenactmentDataModule(LightningDataModule):
    """Yields `PortraitPair` batches; validation and test have the loaders `self` and `cross`, in this order.

    Args:
        size: Side of the images in pixels.
        batch_size: Pairs per batch, over all processes.
        num_workers: Processes that load; one per usable core, 8 at most, by default.
        flip: Probability that a training pair is mirrored; 0.5 by default, and 0 for a method that mirrored face
            parameters would mislead.
        jitter: Strength of the colour jitter of training pairs (brightness, contrast, saturation, hue); 0 is none.
        min_distance: Least distance in frames between the source and the driving frames of a training pair; 0 is none.
        train_clips: Number of clips to train on, drawn from the seed; all by default.
        pairs_per_epoch: Training pairs that count as an epoch over all processes; 75 per identity by default (FOMM's
            `num_repeats`).
        num_val_pairs: Pairs in each validation loader.
        num_test_pairs: Pairs in each test loader.
        seed: Start of every draw, of the test pairs too.
        pairs: List of validation and test pairs, see `data.pair_lists`; drawn from the seed by default.
        sources: Store or shards of the source portraits of the cross pairs; the held-out clips by default.
        max_broken: Share of the training clips, rounded up, that may be unreadable before a run stops; others stand in.
        batch_size_per_process: Pairs per batch of each process, in place of `batch_size`.

    Raises:
        ReenactError: if `pairs` is no list, or a number makes no sense.
    """

    def __init__(
        self,
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
        super().__init__()
        self.num_workers = usable_cores() if num_workers is None else num_workers
        for name, number, least, most in (
            ("size", size, 1, None),
            ("batch_size", batch_size, 1, None),
            ("batch_size_per_process", 1 if batch_size_per_process is None else batch_size_per_process, 1, None),
            ("num_workers", self.num_workers, 0, None),
            ("flip", 0 if flip is None else flip, 0, 1),
            ("jitter", jitter, 0, 0.5),
            ("min_distance", min_distance, 0, None),
            ("train_clips", 1 if train_clips is None else train_clips, 1, None),
            ("pairs_per_epoch", 1 if pairs_per_epoch is None else pairs_per_epoch, 1, None),
            ("num_val_pairs", num_val_pairs, 1, None),
            ("num_test_pairs", num_test_pairs, 1, None),
            ("max_broken", max_broken, 0, 0.5),
        ):
            check_number(name, number, least, most)
        self.size = size
        self.batch_size = batch_size
        self.batch_size_per_process = batch_size_per_process
        self.flip = 0.5 if flip is None else flip
        self._flips_by_default = flip is None
        self.jitter = jitter
        self.min_distance = min_distance
        self.most_train_clips = train_clips
        self.pairs_per_epoch = pairs_per_epoch
        self.num_val_pairs = num_val_pairs
        self.num_test_pairs = num_test_pairs
        self.seed = seed
        self.pairs = pairs
        self.sources = sources
        self.max_broken = max_broken
        self.needs = EVERYTHING
        self.tests_with_masks = False
        """Held-out portraits have masks of the person whether or not the method reads them, for metrics."""
        self._listed = None if pairs is None else read_pairs(pairs)

    @property
    @abstractmethod
    def face_model(self) -> str:
        """The face model that the parameters belong to, as `faces.registry.load_face_model` takes it; or empty."""

    @property
    def recipe(self) -> dict[str, str]:
        """Settings by which the portraits were prepared, as recorded in their store; empty for others."""
        return {}

    @abstractmethod
    def describe(self) -> Contents:
        """Describe the parts of the portraits."""

    @abstractmethod
    def train_clips(self) -> ClipSource:
        """Clips to train on."""

    @abstractmethod
    def test_clips(self) -> ClipSource:
        """The held-out clips, of other identities where there are several."""

    def serve(self, needs: Contents) -> None:
        """Make samples in the form that a method needs, with the parts that it needs.

        Raises:
            ReenactError: if pairs are to be mirrored and the method can't learn from those.
        """
        if not needs.mirrors:
            if self.flip and not self._flips_by_default:
                raise ReenactError(
                    f"--data.flip {self.flip} mirrors pictures and leaves their face parameters as they were fitted,"
                    " which this method reads as numbers: set --data.flip 0"
                )
            self.flip = 0.0
        self.needs = needs

    @property
    def least_train_frames(self) -> int:
        """Number of frames that a clip must have for a training sample."""
        return count_least_frames(self.needs, self.min_distance)

    @property
    def plays_clips(self) -> bool:
        """True for a method of clips, which is tested on videos, one a batch."""
        return self.needs.clip_length > 1

    @property
    def test_contents(self) -> Contents:
        """Parts of held-out portraits: those that the method needs, and masks where metrics read them."""
        return replace(self.needs, mask=self.needs.mask or self.tests_with_masks)

    def list_unread(self, split: str) -> tuple[str, ...]:
        """Arrays of a store that nothing reads in the portraits of the split `train` or `test`."""
        contents = self.needs if split == "train" else self.test_contents
        return tuple(name for name in ("landmarks", "mask") if not getattr(contents, name))

    def process_batch_size(self, processes: int) -> int:
        """Training pairs per batch of each of some processes.

        Raises:
            ReenactError: if the batch cannot be divided over them.
        """
        if self.batch_size_per_process is not None:
            return self.batch_size_per_process
        if self.batch_size % processes:
            raise ReenactError(
                f"--data.batch_size {self.batch_size} cannot be divided over {processes} processes: set a multiple of"
                f" {processes}, another --trainer.devices, or the pairs of each as --data.batch_size_per_process"
            )
        return self.batch_size // processes

    def train_dataloader(self) -> Loader:
        """Random pairs without end, cut into epochs."""
        pairs = TrainingPairs(
            self.train_clips(),
            self.seed,
            self.flip,
            self.needs,
            min_distance=self.min_distance,
            most_clips=self.most_train_clips,
            max_broken=self.max_broken,
        )
        rank, world = self._rank()
        size = self.process_batch_size(world)
        step = size * world
        samples = math.ceil((self.pairs_per_epoch or 75 * len(pairs)) / step) * step
        sampler = EpochSampler(pairs, samples, rank, world, self._samples_done)
        return self._loader(pairs, sampler, size, persistent_workers=self.num_workers > 0)

    def val_dataloader(self) -> dict[str, Loader]:
        """Held-out pairs: `self`, and `cross` where there are two identities; each rank has a share of its own.

        Raises:
            ReenactError: if there are fewer pairs than processes.
        """
        fitting = self.trainer is not None and self.trainer.state.fn == "fit"
        return self._test_loaders(self.num_val_pairs, self.max_broken if fitting else 0.0)

    def test_dataloader(self) -> dict[str, Loader]:
        """Loaders of the tests, by name, with `num_test_pairs` pairs each."""
        return self._test_loaders(self.num_test_pairs)

    def predict_dataloader(self) -> dict[str, Loader]:
        """Loaders of the test pairs, by name."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: PortraitPair, dataloader_idx: int) -> PortraitPair:
        """Images as numbers in [-1, 1] and, in training, with their colours jittered: work for the device."""
        batch = batch.normalised()
        if not (self.trainer and self.trainer.training and self.jitter):
            return batch
        number = self.trainer.fit_loop.total_batch_idx
        # Every process draws for the whole batch, so the seed is without its rank.
        draw = np.random.default_rng([self.seed, 4, 0, number + 1])
        return jitter_colours(batch, self.jitter, draw, *self._rank())

    def _rank(self) -> tuple[int, int]:
        """This process and the number of all."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _samples_done(self) -> int:
        """Samples that this process has trained on, before an interruption too."""
        if self.trainer is None:
            return 0
        return self.process_batch_size(self.trainer.world_size) * (self.trainer.fit_loop.total_batch_idx + 1)

    def _test_loaders(self, count: int, max_broken: float = 0.0) -> dict[str, Loader]:
        clips, sources = self.test_clips(), self._source_clips()
        if self.pairs is not None and self._listed is not None:
            lists = resolve_pairs(self.pairs, self._listed, clips, sources, self.plays_clips)
        else:
            lists = draw_test_pairs(clips.index, count, self.seed, None if sources is None else sources.index)
        rank, world = self._rank()
        loaders = {}
        for name, pairs in lists.items():
            dataset = TestPairs(clips, pairs, self.needs, sources if name == "cross" else None, max_broken)
            if len(dataset) < world:
                raise ReenactError(
                    f"{len(dataset)} {name} pairs are too few for {world} processes; raise --data.num_val_pairs and"
                    " --data.num_test_pairs, give a longer list as --data.pairs, or set fewer --trainer.devices"
                )
            size = self.batch_size_per_process or max(1, self.batch_size // world)  # scores do not depend on it
            size = 1 if self.plays_clips else size  # clips have lengths of their own
            loaders[name] = self._loader(dataset, RankSampler(dataset, rank, world), size)
        return loaders

    def _source_clips(self) -> ClipSource | None:
        if self.sources is None:
            return None
        prepared = open_prepared(self.sources)
        lacks = self.describe().find_missing(Contents.from_arrays(prepared.info.fields))
        if lacks or (self.face_model and not is_same_model(prepared.info.face_model, self.face_model)):
            shortage = f"no {lacks[0]}" if lacks else f"parameters of the face model {prepared.info.face_model!r}"
            raise ReenactError(
                f"--data.sources {self.sources} has {shortage}; prepare it with the settings of the data set itself"
            )
        if not len(prepared.table.names):
            raise ReenactError(f"--data.sources {self.sources} has no usable clip; prepare it again")
        return StoreClips(prepared, prepared.table.index(None), self.size, self.list_unread("test"))

    def _loader(
        self,
        pairs: TrainingPairs | TestPairs,
        sampler: EpochSampler | RankSampler,
        batch_size: int,
        persistent_workers: bool = False,
    ) -> Loader:
        return Loader(
            pairs,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=start_worker,
            persistent_workers=persistent_workers,
        )
