"""Export3D at the paper's size: frames of different expressions against frames of one expression, as in an orbit.

    python benchmarks/export3d_inference.py [--frames 4] [--repeats 1]

A source is encoded once. A batch of frames is rendered whose expressions differ, so that each has a tri-plane of its
own, and one whose heads turn with a fixed expression, so that all share the tri-plane that was built before. CPU time
of a frame is printed for both, and that of the tri-plane, which an orbit builds once. The network has random weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.models.export3d.memory import PlaneMemory
from reenact.models.export3d.network import Export3D, Export3DConfig


def measure_seconds(function: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


@torch.inference_mode()
def main() -> None:
    """Print the three numbers and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    head, config = load_face_model("head"), Export3DConfig(expression="lebs")
    network = Export3D(config, head).eval()
    count = arguments.frames
    params = head.neutral(count)
    turns = torch.zeros(count, 3)
    turns[:, 1] = torch.linspace(-0.4, 0.4, count)
    turned = replace(params, global_pose=turns)
    smiling = replace(turned, expression=torch.rand(turned.expression.shape))
    state = network.encode(Portrait(image=torch.rand(1, 3, config.size, config.size) * 2 - 1, params=params[:1]))
    differing = measure_seconds(lambda: network.perform(state, smiling), arguments.repeats) / count
    plane = measure_seconds(
        lambda: network.build_planes(replace(state, memory=PlaneMemory()), params[:1]), arguments.repeats
    )
    network.perform(state, turned)
    fixed = measure_seconds(lambda: network.perform(state, turned), arguments.repeats) / count
    print(f"{count} frames of different expressions: {differing:.2f} s a frame")
    print(f"{count} frames of one expression: {fixed:.2f} s a frame, {differing / fixed:.2f} times as fast")
    print(f"the tri-plane: {plane:.2f} s")


if __name__ == "__main__":
    main()
