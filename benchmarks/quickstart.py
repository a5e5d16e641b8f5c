"""Train PWM at tiny scale on the synthetic world and judge it on people it never saw; `make quickstart` runs this.

    python benchmarks/quickstart.py [--out runs/quickstart] [--pairs 100] [--check]

Two numbers, over pairs of frames of held-out people (source and driving of the same clip):

* PSNR of the result, against that of the source copied as it is;
* landmark error: mean distance between dlib's landmarks on the result and the exact ones of the driving frame, in
  percent of the distance of the outer eye corners, against dlib's on the copied source, where dlib finds both. dlib
  itself is off by some percent: its error on the true driving frames is printed too.

Leaves a picture and a video of held-out people in the run folder. `--check` exits with 1 where the goals are missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reenact.callbacks.pictures import draw_grid, picture_columns
from reenact.callbacks.whole_files import write_picture
from reenact.cli import main as reenact
from reenact.data.datamodules import Synthetic
from reenact.data.datamodules.loader import usable_cores
from reenact.estimators.dlib import DlibDetector, DlibLandmarks
from reenact.faces.portrait import to_image
from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter
from reenact.metrics.images import psnr as psnr_of
from reenact.models.common.checkpoint import load_method
from reenact.models.common.module import ReenactmentModule

SETTINGS = {
    # A step at 96 pixels takes three fifths of the time of a step at 128.
    "data.size": "96",
    # A second process would build the same people again, and would take a core from training.
    "data.num_workers": "1",
    "trainer.max_steps": "900",
    "trainer.val_check_interval": "900",
    # Half the channels where the picture is largest: a sixth less time, and 0.4 dB less.
    "model.network.widths": "[8, 16, 32, 32, 64]",
    # At 30, the tiny scale's factor, the displacements of 96 pixels leave the picture in the first ten steps.
    "model.optimisation.head_lr_factor": "10",
    "model.optimisation.milestones": "[540, 675, 765, 830]",
    "model.optimisation.gamma": "0.4",
}
"""Settings of the training in place of those of the tiny scale: less time for pictures that are nearly as good."""
GAIN = 3.0
"""dB of PSNR above the copied source."""
SHARE = 0.5
"""Of the copied source's landmark error."""
ENLARGED = 3
"""dlib's detector is made for faces of 80 pixels and more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--check", action="store_true", help="exit with 1 where the goals are missed")
    options = parser.parse_args()
    start = time.perf_counter()
    if (options.out / "config.yaml").is_file():
        shutil.rmtree(options.out)
    # One core is left to the process that draws: threads that wait for each other on a busy core take longer than one.
    torch.set_num_threads(max(1, usable_cores() - 1))
    settings = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    code = reenact(["fit", "--model", "pwm_flame", "--scale", "tiny", "--out", str(options.out), *settings])
    if code:
        sys.exit(code)
    trained = time.perf_counter()
    checkpoint = options.out / "checkpoints" / "last.ckpt"
    module = load_method(checkpoint)
    data = Synthetic(size=module.image_size, batch_size=8, num_workers=1, num_test_pairs=options.pairs)
    reached = judge(module, data)
    draw_picture(module, data, options.out / "quickstart.png")
    animate(checkpoint, options.out)
    end = time.perf_counter()
    print(f"training {trained - start:.0f} s, all {end - start:.0f} s; see {options.out}/quickstart.png and .mp4")
    sys.exit(options.check and not reached)


@torch.no_grad()
def judge(module: ReenactmentModule, data: Synthetic) -> bool:
    """Print both numbers; whether the goals are reached."""
    psnr: dict[str, list[float]] = {"result": [], "copy": []}
    errors: dict[str, list[float | None]] = {"result": [], "copy": [], "true": []}
    finder = DlibFinder()
    for batch in data.test_dataloader()["self"]:
        images = {"result": module.reenact(batch).image, "copy": batch.source.image, "true": batch.driving.image}
        for i, truth in enumerate(numpy_of(batch.driving.landmarks)):
            for name in psnr:
                psnr[name].append(psnr_of(images[name][i : i + 1], batch.driving.image[i : i + 1]).item())
            for name, values in errors.items():
                values.append(finder.error(to_image(images[name][i]), truth))
    gain = float(np.mean(psnr["result"]) - np.mean(psnr["copy"]))
    found = [i for i, both in enumerate(zip(*errors.values(), strict=True)) if None not in both]
    mean = {name: 100 * float(np.mean([values[i] for i in found])) for name, values in errors.items()}
    print(f"PSNR: {np.mean(psnr['result']):.2f} dB, copied source {np.mean(psnr['copy']):.2f} dB, gain {gain:+.2f} dB")
    print(
        f"landmark error[dlib]: {mean['result']:.2f} %, copied source {mean['copy']:.2f} %, true frames"
        f" {mean['true']:.2f} % ({len(found)} of {len(psnr['copy'])} pairs)"
    )
    return gain >= GAIN and mean["result"] <= SHARE * mean["copy"]


class DlibFinder:
    """dlib's landmarks of the largest face in an enlarged picture."""

    def __init__(self) -> None:
        self.detector, self.landmarks = DlibDetector(), DlibLandmarks()

    def error(self, image: NDArray[np.uint8], truth: NDArray[np.float32]) -> float | None:
        """Mean distance to landmarks (68, 2) as a share of the distance of the outer eye corners; None: no face."""
        resized = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        large = np.asarray(resized, np.uint8)
        boxes = self.detector.detect(large)
        if not boxes:
            return None
        found = self.landmarks.landmarks(large, boxes[0]) / ENLARGED
        distance = np.linalg.norm(found - truth, axis=-1).mean()
        return float(distance / np.linalg.norm(truth[36] - truth[45]))


@torch.no_grad()
def draw_picture(module: ReenactmentModule, data: Synthetic, path: Path) -> None:
    """Write a labelled grid of held-out people: source, driving, guidance, ..., result; a row each."""
    batch = next(iter(data.test_dataloader()["self"]))[::2]
    write_picture(draw_grid(picture_columns(batch, module.reenact(batch)), len(batch.source.clip)), path)


def animate(checkpoint: Path, out: Path, frames: int = 75) -> None:
    """One held-out person moved by another with `reenact animate`, from picture and video files as a user has them."""
    data = Synthetic(size=256)
    clips = data.test_clips()
    source, driving = out / "source.png", out / "driving.mp4"
    write_image(source, to_image(clips.read(0, [0]).image[0]))
    with VideoWriter(driving, Fraction(25), (256, 256)) as video:
        for start in range(0, frames, 25):
            for image in clips.read(data.clips_per_identity, range(start, start + 25)).image:
                video.write(to_image(image))
    words = ["animate", "--checkpoint", str(checkpoint), "--source", str(source), "--driving", str(driving)]
    code = reenact([*words, "--out", str(out / "quickstart.mp4"), "--side-by-side", "--overwrite"])
    if code:
        sys.exit(code)


def numpy_of(tensor: Tensor | None) -> NDArray[np.float32]:
    assert tensor is not None
    array: NDArray[np.float32] = tensor.numpy()
    return array


if __name__ == "__main__":
    main()
