"""The synthetic world as video files in VoxCeleb's layout, to be read from disk like any other data set."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from rich.progress import track

from reenact.data.synthetic.clips import SyntheticClips, person_name
from reenact.errors import ReenactError
from reenact.media.video_writer import VideoWriter
from reenact.progress import open_progress_console
from reenact.world.motion import FPS

BATCH = 25
"""Frames drawn before they are written."""


def write_synthetic(
    out: Path,
    identities: int = 20,
    test_identities: int = 4,
    clips_per_identity: int = 2,
    frames_per_clip: int = 200,
    size: int = 256,
    world: int = 0,
) -> None:
    """Write clips as `out/train|test/<person>#<clip>#<first frame>#<end frame>.mp4`; clips already there are kept.

    Args:
        out: The folder to make.
        identities: People in `train`.
        test_identities: Other people, in `test`.
        clips_per_identity: Clips of each person.
        frames_per_clip: Frames of each clip, at 25 per second.
        size: Side of the frames in pixels.
        world: Seed of the world.

    Raises:
        ReenactError: if a number is not positive or the folder can't be written.
    """
    if min(identities, clips_per_identity, frames_per_clip) < 1 or test_identities < 0 or world < 0:
        raise ReenactError("people, clips and frames to write must be 1 or more, and the seed 0 or more")
    if size < 16 or size % 2:
        raise ReenactError(f"--size {size} is not an even number of at least 16 pixels; 256 is usual")
    people = {
        "train": range(identities),
        "test": range(identities, identities + test_identities),
    }
    for split, numbers in people.items():
        clips = SyntheticClips(world, numbers, clips_per_identity, frames_per_clip, size)
        try:
            (out / split).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReenactError(f"{out / split} can't be made ({error.strerror}); choose another --out") from error
        for clip in track(
            clips.index.ids.tolist(),
            description=split,
            console=open_progress_console(),
            disable=not len(clips.index.ids),
        ):
            _write_clip(clips, clip, out / split, frames_per_clip)


def _write_clip(clips: SyntheticClips, clip: int, folder: Path, frames: int) -> None:
    identity, number = clips.place(clip)
    path = folder / f"{person_name(identity)}#{number:03d}#{0:06d}#{frames:06d}.mp4"
    if path.exists():
        return
    with VideoWriter(path, Fraction(FPS), (clips.size, clips.size)) as video:
        for first in range(0, frames, BATCH):
            images, _, _ = clips.world.sequence(identity, number, range(first, min(first + BATCH, frames)), clips.size)
            for image in images:
                video.write(image)
