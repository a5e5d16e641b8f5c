"""Frames a second of `animate`'s loop against calling the whole network for every frame.

    python benchmarks/animate.py [--method pwm|pirenderer] [--size 256] [--widths paper|tiny] [--frames 24] [--batch 4]
        [--device cpu]

Both start from the same crops and parameters of a clip of the synthetic world. The loop encodes the source once and
drives batches with the folded network, decoding and cropping the driving video on the way; the other way calls the
network as training has it, source and driving frame together, frame by frame, with a window of face parameters around
each frame for a method that reads one. A third figure adds the watermark and
writing the video file. Detection and fitting, which happen once per file, are left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Trainer

from reenact.apps.animator import Animator
from reenact.apps.compose import Composer
from reenact.apps.output import write_frames
from reenact.apps.performance import Performance
from reenact.apps.timeline import make_timeline
from reenact.faces.crop import Crop
from reenact.faces.portrait import Portrait, to_image, to_tensor
from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter
from reenact.models.common.checkpoint import load_method
from reenact.models.common.module import ReenactmentModule
from reenact.models.pirenderer import PIRendererModule
from reenact.models.pirenderer.network import PIRendererConfig
from reenact.models.pwm import PWMModule
from reenact.models.pwm.network import PWMConfig
from reenact.tracking.face_clip import FaceClip
from reenact.world import World

TINY = [16, 24, 32, 48, 64, 64]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=("pwm", "pirenderer"), default="pwm")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--widths", choices=("paper", "tiny"), default="paper")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = make_checkpoint(folder, options.method, options.widths, options.size)
        source, driving = make_clips(folder, options.size, options.frames)
        per_frame = seconds(lambda: call_per_frame(checkpoint, source, driving, options.device))
        loop = seconds(lambda: run_loop(checkpoint, source, driving, options))
        file = seconds(lambda: run_loop(checkpoint, source, driving, options, folder / "out.mp4"))
    rates = [options.frames / value for value in (per_frame, loop, file)]
    print(f"whole network per frame      {rates[0]:8.2f} frames/s")
    print(f"animate's loop               {rates[1]:8.2f} frames/s  ({rates[1] / rates[0]:.2f} times)")
    print(f"animate's loop, to a file    {rates[2]:8.2f} frames/s  ({rates[2] / rates[0]:.2f} times)")


def make_checkpoint(folder: Path, method: str, widths: str, size: int) -> Path:
    torch.manual_seed(0)
    module: ReenactmentModule
    if method == "pwm":
        module = PWMModule("head", PWMConfig() if widths == "paper" else PWMConfig(widths=TINY))
        calm_norms(module, size)
    else:
        narrow = PIRendererConfig(warping_width=8, editing_width=8, largest=64)
        module = PIRendererModule("head", PIRendererConfig() if widths == "paper" else narrow)
    module.image_size = size
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint(folder / "method.ckpt")
    return folder / "method.ckpt"


def calm_norms(module: PWMModule, size: int) -> None:
    """Give the norms the statistics of a few batches: untrained, the output overflows, and infinities are slow."""
    images, params, _ = World(0).sequence(0, 0, range(2), size)
    portrait = Portrait(to_tensor(images), params)
    with torch.no_grad():
        for _ in range(12):
            module.network(portrait, portrait)


def make_clips(folder: Path, size: int, frames: int) -> tuple[FaceClip, FaceClip]:
    clips = []
    for identity, count in ((0, 1), (1, frames)):
        images, params, _ = World(0).sequence(identity, 0, range(count), size)
        path = folder / ("source.png" if count == 1 else "driving.mp4")
        if count == 1:
            write_image(path, images[0])
        else:
            with VideoWriter(path, Fraction(25), (size, size)) as writer:
                for image in images:
                    writer.write(image)
        crops, found = [Crop(0, 0, size, size)] * count, np.ones(count, np.bool_)
        clips.append(
            FaceClip(path=path, fps=None if count == 1 else Fraction(25), crops=crops, found=found, params=params)
        )
    return clips[0], clips[1]


@torch.inference_mode()
def call_per_frame(checkpoint: Path, source: FaceClip, driving: FaceClip, device: str) -> Callable[[], None]:
    network = load_method(checkpoint, device, fold=False).network
    portrait = source.portraits(np.zeros(1, np.int64), list(source.images())).to(device)
    images = list(driving.images())

    def run() -> None:
        with torch.inference_mode():
            for number, image in enumerate(images):
                to_image(network(portrait, driving.portraits(np.array([number]), [image]).to(device)).image)

    return run


def run_loop(
    checkpoint: Path, source: FaceClip, driving: FaceClip, options: argparse.Namespace, out: Path | None = None
) -> Callable[[], None]:
    animator = Animator(checkpoint, device=options.device)
    timeline = make_timeline((len(driving), driving.fps), (1, None), "min")

    def run() -> None:
        performance = Performance(
            animator=animator, source=source, driving=driving, composer=Composer(), batch_size=options.batch
        )
        if out is None:
            for _ in performance.frames(timeline):
                pass
        else:
            write_frames(out, performance.frames(timeline), len(timeline), timeline.fps, {})

    return run


def seconds(make: Callable[[], Callable[[], None]]) -> float:
    """The faster of two runs after one to warm up, in seconds."""
    run = make()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    main()
