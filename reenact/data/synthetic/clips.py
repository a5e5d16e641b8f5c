"""The synthetic world's clips as a source of portraits, drawn as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reenact.data.store.clip_table import ClipIndex
from reenact.faces.contents import EVERYTHING, Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, to_tensor
from reenact.faces.windows import list_window
from reenact.world.renderer import World


class SyntheticClips:
    """Clips of some people of a world; a `reenact.data.clips.ClipSource`.

    Clip number i shows identity `identities[i // clips_per_identity]`. A person's clips are the same whichever range
    they are read through, so disjoint ranges are disjoint people.

    Args:
        seed: The world's seed.
        identities: Which people.
        clips_per_identity: Clips of each person.
        frames_per_clip: Frames of each clip, at 25 per second.
        size: Side of the images in pixels.
        contents: Parts of the portraits; masks are drawn and landmarks come where it names them.
    """

    def __init__(
        self,
        seed: int,
        identities: range,
        clips_per_identity: int,
        frames_per_clip: int,
        size: int,
        contents: Contents = EVERYTHING,
    ) -> None:
        self.identities = identities
        self.clips_per_identity = clips_per_identity
        self.size = size
        self.contents = contents
        self.world = World(seed)
        count = len(identities) * clips_per_identity
        self.index = ClipIndex(
            ids=np.arange(count, dtype=np.int64),
            identities=np.arange(count, dtype=np.int64) // clips_per_identity,
            num_frames=np.full(count, frames_per_clip, np.int64),
        )

    def place(self, clip: int) -> tuple[int, int]:
        """The world's identity and clip number of clip number `clip`."""
        return self.identities[clip // self.clips_per_identity], clip % self.clips_per_identity

    def find(self, name: str) -> int | None:
        """The number of the clip with a name."""
        person, mark, number = name.removeprefix("person").partition("#")
        if not (mark and person.isdecimal() and number.isdecimal() and int(person) in self.identities):
            return None
        clip = self.identities.index(int(person)) * self.clips_per_identity + int(number)
        return clip if int(number) < self.clips_per_identity and self.name(clip) == name else None

    def name(self, clip: int) -> str:
        """The name of a clip in batches and files."""
        identity, number = self.place(clip)
        return f"{person_name(identity)}#{number:03d}"

    def read(self, clip: int, frames: Sequence[int], window: int = 0) -> Portrait:
        """Draw N frames of a clip: a batch of N portraits, with N names of identity and clip."""
        identity, number = self.place(int(clip))
        images, params, landmarks = self.world.sequence(identity, number, frames, self.size)
        return Portrait(
            image=to_tensor(images),
            params=params,
            landmarks=torch.from_numpy(landmarks) if self.contents.landmarks else None,
            window=self._read_window(int(clip), frames, window) if window else None,
            mask=self._draw_masks(int(clip), frames) if self.contents.mask else None,
            frame=torch.as_tensor(frames, dtype=torch.int64),
            identity=[person_name(identity)] * len(frames),
            clip=[self.name(int(clip))] * len(frames),
        )

    def _draw_masks(self, clip: int, frames: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.world.masks(*self.place(clip), frames, self.size))

    def _read_window(self, clip: int, frames: Sequence[int], window: int) -> FaceParams:
        """Face parameters (N, 2 window + 1) of the frames around N frames, of which none is drawn."""
        around = list_window(frames, window, int(self.index.num_frames[clip]))
        numbers, rows = np.unique(around, return_inverse=True)
        params = self.world.params(*self.place(clip), numbers.tolist())
        return params[torch.from_numpy(rows.reshape(around.shape))]


def person_name(identity: int) -> str:
    """The name of an identity in batches and files."""
    return f"person{identity:05d}"
