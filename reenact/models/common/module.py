"""Lightning module around a `Reenactor`, which all reenactment methods subclass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from reenact.faces.contents import Contents
from reenact.faces.fields import TensorFields
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.base import Mode, Reenactment, Reenactor, Transfer
from reenact.models.common.portrait_module import PortraitModule
from reenact.nn.whole_batch import BatchDraws

AT_ONCE = 8
"""Frames of a clip that are read together, as many as a step of `animate` has."""


class ReenactmentModule(PortraitModule):
    """Losses, optimisers and schedules around a `Reenactor`; a method subclasses it and adds its training.

    Args:
        network: the method's network.
        arguments: as of `PortraitModule`.
    """

    network: Reenactor[Any, Any]
    transfer_mode: Mode | None = None
    """Mode in which its tests transfer another person's motion; None for the mode of the paper."""

    @property
    def needs(self) -> Contents:
        """Contents of a portrait that the network reads."""
        return self.network.needs

    def forward(self, source: Portrait, driving: Portrait, random: BatchDraws | None = None) -> Reenactment:
        """Reenact: encode the source, read the driving portrait, and perform (see `Reenactor`)."""
        result: Reenactment = self.network(source, driving, random)
        return result

    def reenact(self, batch: PortraitPair) -> Reenactment:
        """The batch's result; another person's motion is retargeted first, by the transfer of the paper.

        Clips are played, as `animate` does; a picture, which has no reference frame, gives relative motion as it is.
        """
        network = self.network
        if batch.around is not None or batch.driving.image.ndim == 5:
            results = [self._play_pair(batch[row : row + 1]) for row in range(len(batch.source.image))]
            return type(results[0]).cat(results)
        state = network.encode(batch.source)
        motion = network.read_window(batch.driving)
        if not batch.same_identity:
            # A picture has no reference frame, and the first row of the batch shows another person.
            transfer = self._choose_transfer()
            transfer = replace(transfer, mode="absolute") if transfer.mode == "relative" else transfer
            motion = network.retarget(state, motion, transfer, motion)
        return network.perform(state, motion)

    def play(self, source: Portrait, drivings: Iterable[Portrait]) -> Iterator[Reenactment]:
        """Play a video of one source; another person's motion is retargeted first, as in `reenact`.

        Args:
            source: batch 1.
            drivings: batches of consecutive frames of one clip.

        Returns:
            As many frames in the same order, in batches of any size.
        """
        network, transfer = self.network, self._choose_transfer()
        state = network.encode(source)
        reference: TensorFields | None = None

        def read_motion(driving: Portrait) -> TensorFields:
            nonlocal reference
            motion: TensorFields = network.read(driving)
            if driving.identity[:1] == source.identity:
                return motion
            reference = motion[:1] if reference is None else reference
            retargeted: TensorFields = network.retarget(state, motion, transfer, reference)
            return retargeted

        return network.play((state, read_motion(driving)) for driving in drivings)

    def _choose_transfer(self) -> Transfer:
        """The transfer of the paper, in the chosen mode."""
        transfer = self.network.transfer
        return transfer if self.transfer_mode is None else replace(transfer, mode=self.transfer_mode)

    def _play_pair(self, pair: PortraitPair) -> Reenactment:
        """Play the driving clip (1, T), or the frames around the driving picture, of which that frame is returned."""
        clip = (pair.driving if pair.around is None else pair.around).merged()
        pieces = (clip[start : start + AT_ONCE] for start in range(0, len(clip.image), AT_ONCE))
        results = list(self.play(pair.source, pieces))
        whole: Reenactment = type(results[0]).cat(results)
        if pair.around is None:
            return whole.split(len(clip.image))
        assert clip.frame is not None
        assert pair.driving.frame is not None
        place = clip.frame.tolist().index(int(pair.driving.frame))
        return whole[place : place + 1]

    def validation_step(  # type: ignore[override]  # callbacks read the result
        self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0
    ) -> Reenactment:
        """Reenact a batch of the `self` or `cross` loader; callbacks score and show the result."""
        return self.reenact(batch)

    def test_step(  # type: ignore[override]
        self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0
    ) -> Reenactment:
        """Reenact a batch for the callbacks."""
        return self.reenact(batch)

    def predict_step(self, batch: PortraitPair, batch_idx: int, dataloader_idx: int = 0) -> Reenactment:
        """Reenact a batch."""
        return self.reenact(batch)
