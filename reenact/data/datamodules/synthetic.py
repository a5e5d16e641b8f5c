"""The synthetic world: nothing to download, exact parameters."""

from __future__ import annotations

from pathlib import Path

from reenact.data.clips import ClipSource
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.faces.contents import Contents


class Synthetic(ReenactmentDataModule):
    """Talking heads of the built-in head model, rendered as they are asked for.

    Args:
        size: Side of the images in pixels.
        batch_size: Pairs per batch, over all processes.
        num_workers: Processes that render; one per usable core, 8 at most, by default.
        flip: Probability that a training pair is mirrored; 0.5 by default, and 0 for a method that mirrored face
            parameters would mislead.
        jitter: Strength of the colour jitter of training pairs; 0 is none.
        min_distance: Least distance in frames between the source and the driving frames of a training pair; 0 is none.
        train_clips: Number of clips to train on, drawn from the seed; all by default.
        pairs_per_epoch: Training pairs that count as an epoch; 75 per identity by default.
        num_val_pairs: Pairs in each validation loader.
        num_test_pairs: Pairs in each test loader.
        identities: People to train on.
        test_identities: People to test on; others than those of training.
        clips_per_identity: Clips of each person.
        frames_per_clip: Frames of each clip, at 25 per second.
        world: Seed of the world; another one has other people.
        seed: Start of every draw of pairs.
        batch_size_per_process: Pairs per batch of each process, in place of `batch_size`.
        pairs: List of validation and test pairs of the people to test on; drawn from the seed by default.
    """

    def __init__(
        self,
        size: int = 128,
        batch_size: int = 8,
        num_workers: int | None = None,
        flip: float | None = None,
        jitter: float = 0.1,
        min_distance: int = 0,
        train_clips: int | None = None,
        pairs_per_epoch: int | None = None,
        num_val_pairs: int = 32,
        num_test_pairs: int = 200,
        identities: int = 1000,
        test_identities: int = 50,
        clips_per_identity: int = 4,
        frames_per_clip: int = 100,
        world: int = 0,
        seed: int = 0,
        batch_size_per_process: int | None = None,
        pairs: Path | None = None,
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
            batch_size_per_process=batch_size_per_process,
            pairs=pairs,
        )
        self.identities = identities
        self.test_identities = test_identities
        self.clips_per_identity = clips_per_identity
        self.frames_per_clip = frames_per_clip
        self.world = world

    @property
    def face_model(self) -> str:
        """Name of the built-in head."""
        return "head"

    def describe(self) -> Contents:
        """The exact face parameters, texture and light among them, landmarks and masks."""
        return Contents(params=True, landmarks=True, texture=True, light=True, mask=True)

    def train_clips(self) -> ClipSource:
        """The people 0 to `identities`."""
        return self._people(0, self.identities, self.needs)

    def test_clips(self) -> ClipSource:
        """Clips of the people after those of the training set."""
        return self._people(self.identities, self.test_identities, self.test_contents)

    def _people(self, first: int, count: int, contents: Contents) -> ClipSource:
        from reenact.data.synthetic.clips import SyntheticClips  # the renderer's imports are slow, and help needs none

        return SyntheticClips(
            self.world,
            range(first, first + count),
            clips_per_identity=self.clips_per_identity,
            frames_per_clip=self.frames_per_clip,
            size=self.size,
            contents=contents,
        )
