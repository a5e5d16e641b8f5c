"""Compare checkpoints on people of the synthetic world, with a column of your own beside PSNR and SSIM.

    python examples/compare_checkpoints.py FIRST.ckpt SECOND.ckpt [--pairs 32]

The column `edges` is a metric that this file adds: a class with one method, under a name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import reenact
from reenact.data.datamodules import Synthetic
from reenact.metrics.catalogue import add_frame_metric
from reenact.metrics.frame_metric import FrameMetric
from reenact.metrics.scene import Frames
from reenact.metrics.suite import Score, Suite, scene_of


class EdgeDifference(FrameMetric):
    """Mean absolute difference of the changes from pixel to pixel, on the scale [0, 1]: blur raises it."""

    def __init__(self) -> None:
        super().__init__("edges", "target")

    def values(self, generated: Frames, reference: Frames) -> Tensor:
        """(B,) differences."""
        difference = (generated.image - reference.image) / 2
        across, down = difference.diff(dim=-1), difference.diff(dim=-2)
        return (across.abs().flatten(1).mean(1) + down.abs().flatten(1).mean(1)) / 2


add_frame_metric("edges", "target", EdgeDifference)


@torch.inference_mode()
def score_checkpoint(checkpoint: Path, metrics: list[str], pairs: int) -> list[Score]:
    """Score a method in self-reenactment of people that it never saw."""
    module = reenact.load_method(checkpoint)
    data = Synthetic(size=module.image_size, batch_size=8, num_workers=0, num_test_pairs=pairs)
    suite = Suite(names=metrics, same_identity=True)
    for batch in data.test_dataloader()["self"]:
        pair = batch.normalised()
        suite.update(scene_of(module(pair.source, pair.driving).image, pair), pair)
    return suite.scores()


def main(words: list[str] | None = None) -> None:
    """Print a row for each checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--metrics", nargs="+", default=["psnr", "ssim", "edges"])
    parser.add_argument("--pairs", type=int, default=32)
    options = parser.parse_args(words)
    print("\t".join(["checkpoint", *options.metrics]))
    for checkpoint in options.checkpoints:
        scores = score_checkpoint(checkpoint, options.metrics, options.pairs)
        print("\t".join([checkpoint.name, *(f"{score.value:.4f}" for score in scores)]))


if __name__ == "__main__":
    main()
