"""Clips of the synthetic world, of which some are damaged in ten ways; each knows what should become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter
from reenact.world.renderer import World

SIDE = 128
FRAMES = 6
BACKGROUND = 90


@dataclass(frozen=True)
class Fault:
    """A way to be damaged."""

    make: Callable[[Path, int], None]
    reason: str
    """A part of the reason for which it is quarantined; empty where it is used all the same."""


def make_faults(folder: Path, count: int, share: float = 0.3, people: int = 20) -> dict[str, Fault]:
    """Write clips; of every ten, `10 * share` are damaged, in turn by each fault.

    Returns:
        File name -> its fault; clips that are as they should be are not named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = list(FAULTS.items())
    found: dict[str, Fault] = {}
    for number in range(count):
        name = f"p{number % people:02d}#{number:04d}.mp4"
        if number % 10 < round(10 * share):
            kind, fault = kinds[len(found) % len(kinds)]
            name = f"p{number % people:02d}#{number:04d}-{kind}.mp4"
            fault.make(folder / name, number % people)
            found[name] = fault
        else:
            _write(folder / name, _frames(number % people, number))
    return found


def _frames(person: int, clip: int, count: int = FRAMES, size: int = SIDE) -> np.ndarray:
    images, _, _ = World(0).sequence(person, clip, range(0, 2 * count, 2), size)
    return images


def _write(path: Path, images: Iterator[np.ndarray] | np.ndarray, fps: Fraction = Fraction(25)) -> None:
    images = list(images)
    with VideoWriter(path, fps, (images[0].shape[1], images[0].shape[0])) as writer:
        for image in images:
            writer.write(image)


def truncated(path: Path, person: int) -> None:
    _write(path, _frames(person, 0, 12))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def empty(path: Path, person: int) -> None:
    path.write_bytes(b"")


def no_video(path: Path, person: int) -> None:
    picture = path.with_suffix(".png")
    write_image(picture, _frames(person, 0, 1)[0])
    picture.rename(path)


def no_face(path: Path, person: int) -> None:
    noise = np.random.default_rng(person).integers(60, 120, (16, 16, 3)).astype(np.uint8)
    _write(path, [np.kron(noise, np.ones((8, 8, 1), np.uint8))] * FRAMES)


def two_faces(path: Path, person: int) -> None:
    _write(path, [np.concatenate([image, image[:, ::-1]], axis=1) for image in _frames(person, 0)])


def cut(path: Path, person: int) -> None:
    other = np.roll(_frames(person + 7, 3, 4), 24, axis=2)
    _write(path, np.concatenate([_frames(person, 0, 8), 255 - (255 - other) // 3]))


def variable_rate(path: Path, person: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, image in zip((0, 30, 90, 120, 200, 240), _frames(person, 0), strict=True):
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def odd_size(path: Path, person: int) -> None:
    wide = [np.pad(image, ((3, 4), (20, 31), (0, 0)), constant_values=BACKGROUND) for image in _frames(person, 0)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = wide[0].shape[1], wide[0].shape[0], "yuvj444p"
        for image in wide:
            container.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def rotated(path: Path, person: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(90)
        for image in _frames(person, 0):
            stored = np.ascontiguousarray(np.rot90(image, -1))
            container.mux(stream.encode(VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode())


def black(path: Path, person: int) -> None:
    _write(path, [np.zeros((SIDE, SIDE, 3), np.uint8)] * FRAMES)


FAULTS = {
    "truncated": Fault(truncated, "copy or download it again"),
    "empty": Fault(empty, "empty"),
    "no_video": Fault(no_video, "not a video"),
    "no_face": Fault(no_face, "no face"),
    "two_faces": Fault(two_faces, "faces"),
    "cut": Fault(cut, ""),
    "variable_rate": Fault(variable_rate, ""),
    "odd_size": Fault(odd_size, ""),
    "rotated": Fault(rotated, ""),
    "black": Fault(black, "black"),
}
