"""Animate a portrait from Python, and measure how far its head turns.

    python examples/animate_portrait.py CHECKPOINT OUT.mp4 [PORTRAIT VIDEO]

CHECKPOINT is a trained method of `reenact fit`. Without a portrait and a video, two people of the synthetic world are
drawn beside OUT.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import reenact
from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter
from reenact.world import World

SIZE = 256


def draw_people(folder: Path, frames: int) -> tuple[Path, Path]:
    """Draw a portrait of one person and a video of another."""
    world = World(0)
    portrait, video = folder / "portrait.png", folder / "driving.mp4"
    write_image(portrait, world.sequence(0, 0, [0], SIZE)[0][0])
    with VideoWriter(video, Fraction(25), (SIZE, SIZE)) as writer:
        for image in world.sequence(1, 0, range(frames), SIZE)[0]:
            writer.write(image)
    return portrait, video


def main(words: list[str] | None = None) -> None:
    """Write the result and print what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("inputs", type=Path, nargs="*", help="a portrait and a video")
    parser.add_argument("--frames", type=int, default=25, help="frames of the synthetic video")
    options = parser.parse_args(words)
    if len(options.inputs) not in (0, 2):
        parser.error("give a portrait and a video, or neither")
    portrait, video = options.inputs or draw_people(options.out.parent, options.frames)

    print(reenact.animate(options.checkpoint, portrait, video, options.out, overwrite=True))

    params = reenact.read_face(video).params
    assert params is not None  # they are fitted by default
    turns = params.global_pose - params.global_pose[:1]
    print(f"the driving head turns by up to {turns.norm(dim=-1).max().rad2deg():.1f} degrees")


if __name__ == "__main__":
    main()
