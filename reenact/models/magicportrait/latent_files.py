"""Latents of a video while it is denoised: in main memory, or in files from which an interrupted run goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

DrawNoise = Callable[[list[int]], Tensor]
"""Function of the numbers of F frames that returns their noise (B, C, F, h, w)."""
AT_ONCE = 64
"""Frames of a video that are written together."""
ZEROS = bytes(1 << 20)
"""Bytes that a new file is filled with, part by part."""


class Latents(Protocol):
    """Interface of both."""

    def begin(self, shape: tuple[int, ...], draw: DrawNoise) -> tuple[int, Tensor]:
        """Return the number of finished steps and the latents after them; before the first these are noise.

        Args:
            shape: (B, C, N, h, w) of the whole video.
            draw: draws the noise.
        """

    def allocate(self, name: str) -> Tensor:
        """Return zeros of the video's shape; `latents` are those that the next call of `keep` keeps."""

    def keep(self, step: int) -> None:
        """Keep the latents as those after a number of steps, and drop earlier ones."""


class LatentsInMemory:
    """Latents on the device of their noise."""

    def begin(self, shape: tuple[int, ...], draw: DrawNoise) -> tuple[int, Tensor]:
        """Return 0 and the noise."""
        self._noise = draw(list(range(shape[2])))
        return 0, self._noise

    def allocate(self, name: str) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(self._noise)

    def keep(self, step: int) -> None:
        """Do nothing: the caller holds the latents."""


class LatentFiles:
    """Memory-mapped latents: the file of the last finished step, and those of the step in progress.

    A step's file gets its name when it is finished, so that a run that was killed at any time goes on from whole
    latents, to the bytes of a run that was not.

    Args:
        folder: a folder of this video and these settings alone, which is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, shape: tuple[int, ...], draw: DrawNoise) -> tuple[int, Tensor]:
        """Map the latents of the last finished step, or write the noise."""
        self._shape = torch.Size(shape)
        self.folder.mkdir(parents=True, exist_ok=True)
        finished = self._list_steps()
        if finished:
            return max(finished), self._map(finished[max(finished)])
        noise = self.allocate("latents")
        for start in range(0, shape[2], AT_ONCE):
            frames = list(range(start, min(start + AT_ONCE, shape[2])))
            noise[:, :, frames] = draw(frames)
        self.keep(0)
        return 0, noise

    def allocate(self, name: str) -> Tensor:
        """Map a new file of zeros, written and not sparse, so that a full disk is an error and no crash."""
        path = self.folder / f"{name}.part"
        path.unlink(missing_ok=True)
        size = 4 * self._shape.numel()
        with path.open("wb") as file:
            for start in range(0, size, len(ZEROS)):
                file.write(ZEROS[: size - start])
        return self._map(path)

    def keep(self, step: int) -> None:
        """Give the latents' file its step's name, and remove those of other steps."""
        earlier = self._list_steps().values()
        (self.folder / "latents.part").replace(self.folder / f"step-{step}.latents")
        for path in earlier:
            path.unlink()

    def _list_steps(self) -> dict[int, Path]:
        """Return the files of finished steps by their numbers."""
        matches = {path: re.fullmatch(r"step-(\d+)\.latents", path.name) for path in self.folder.iterdir()}
        return {int(match[1]): path for path, match in matches.items() if match}

    def _map(self, path: Path) -> Tensor:
        """Map a file of float32 numbers."""
        numbers = torch.from_file(str(path), shared=True, size=self._shape.numel(), dtype=torch.float32)
        return numbers.view(self._shape)
