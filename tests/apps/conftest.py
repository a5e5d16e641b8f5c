"""A small untrained PWM, and short clips of the synthetic world as files whose faces are known without looking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from reenact.apps import animate, animator, edit, edit_start
from reenact.apps.animator import Animator
from reenact.faces.crop import Crop
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, to_tensor
from reenact.media.media_kinds import is_picture
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader
from reenact.media.video_writer import VideoWriter
from reenact.models.common.checkpoint import load_method
from reenact.models.common.module import ReenactmentModule
from reenact.models.pwm import PWMModule
from reenact.models.pwm.network import PWMConfig
from reenact.tracking import target
from reenact.tracking.face_clip import FaceClip
from reenact.world import World

NTSC = Fraction(30000, 1001)
SIZE = 64
FRAME = 96


@pytest.fixture(scope="session")
def world() -> World:
    return World(0)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """Untrained, but with the norms' statistics of a few batches, without which its output is not finite."""
    torch.manual_seed(0)
    module = PWMModule("head", PWMConfig(widths=[8, 8, 8, 8, 8, 8], code_channels=4))
    module.image_size = SIZE
    images, params, _ = world.sequence(0, 0, range(4), SIZE)
    portrait = Portrait(to_tensor(images), params)
    with torch.no_grad():
        for _ in range(30):
            module.network(portrait, portrait.map(lambda values: values.roll(1, 0)))
        out = module.network.generator.up_layers["x1_out"]
        out.weight.mul_(2)  # more contrast, so that differences show
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.ckpt"
    trainer.save_checkpoint(path)
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """`0.png`, a picture of person 0; `1.mp4`, person 1 with sound; `2.mp4`, person 2, silent, at another rate."""
    folder = tmp_path_factory.mktemp("clips")
    write_image(folder / "0.png", world.sequence(0, 0, [0], FRAME)[0][0])
    tone = write_tone(folder / "tone.m4a", seconds=2)
    for identity, fps, count, sound in ((1, NTSC, 21, tone), (2, Fraction(24), 9, None)):
        path = folder / f"{identity}.mp4"
        with VideoWriter(path, fps, (FRAME, FRAME), audio_from=sound) as writer:
            for image in world.sequence(identity, 0, range(count), FRAME)[0]:
                writer.write(image)
    return folder


def write_tone(path: Path, seconds: int) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        wave = np.sin(np.arange(44100 * seconds) * 2 * np.pi * 440 / 44100, dtype=np.float32)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def known_clip(world: World, path: Path, found: np.ndarray | None = None) -> FaceClip:
    """The face of one of `clips`, from the world's own parameters; pictures show frame 0."""
    still = is_picture(path)
    count = 1 if still else sum(1 for _ in VideoReader(path))
    params: FaceParams = world.params(int(path.stem[0]), 0, range(count))
    fps = None if still else VideoReader(path).fps
    seen = np.ones(count, np.bool_) if found is None else found
    return FaceClip(
        path=path, fps=fps, crops=[Crop(0, 0, FRAME, SIZE)] * count, found=seen, params=params.map(torch.Tensor.float)
    )


LOADED: dict[tuple[Path, int, str], ReenactmentModule] = {}
"""Methods by file, time of the file and device; loading one takes longer than most of what a test does with it."""


def load_once(path: Path, device: torch.device, settings: Mapping[str, str]) -> ReenactmentModule:
    """Return a method of its own to each caller; those with changed settings are read from the file."""
    if settings or not path.is_file():
        return load_method(path, device, settings=settings)
    key = (path.resolve(), path.stat().st_mtime_ns, str(device))
    if key not in LOADED:
        LOADED[key] = load_method(path, device)
    return deepcopy(LOADED[key])


@pytest.fixture(autouse=True)
def _load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animator, "load_method", load_once)


@pytest.fixture
def known_faces(monkeypatch: pytest.MonkeyPatch, world: World) -> Callable[[str, np.ndarray], None]:
    """Makes `animate` and `edit` know the faces; the function says which frames show no face."""
    missing: dict[str, np.ndarray] = {}

    def open_known(path: Path, *_: Any, **__: Any) -> FaceClip:
        return known_clip(world, path, missing.get(path.name))

    monkeypatch.setattr(animate, "open_clip", open_known)
    monkeypatch.setattr(edit, "open_clip", open_known)
    monkeypatch.setattr(edit_start, "open_clip", open_known)
    monkeypatch.setattr(target, "load_face_finder", lambda device: None)
    return missing.__setitem__


@pytest.fixture
def self_reconstruction(world: World, checkpoint: Path) -> Callable[[Path], np.ndarray]:
    """What the method makes of each frame of a file when it drives itself, without any of the apps' machinery."""

    def reconstruct(path: Path) -> np.ndarray:
        method = Animator(checkpoint, device="cpu")
        clip = known_clip(world, path)
        images = [read_image(path)] if is_picture(path) else list(VideoReader(path))
        portrait = clip.portraits(np.arange(len(clip)), images)
        assert portrait.params is not None
        return method.prepare(portrait).pose(portrait.params)

    return reconstruct
