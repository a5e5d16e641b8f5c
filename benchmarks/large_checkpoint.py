"""Peak memory beyond the imports of what is done with a checkpoint of a made-up large network and its Adam moments.

    python benchmarks/large_checkpoint.py [--megabytes 512] [--folder FOLDER]

Prints MiB a step, each in a process of its own: loading it to be used, its settings alone, and its export.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from reenact.apps.export import export
from reenact.faces.contents import Contents
from reenact.models.common.checkpoint import load_module, saved_settings
from reenact.models.common.portrait_module import PortraitModule

WIDTH = 2048


class Large(PortraitModule):
    """A stack of square layers.

    Args:
        layers: their number; each has 16 MiB.
    """

    method = "pwm"

    def __init__(self, layers: int = 1) -> None:
        stack = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(layers)))
        super().__init__(stack, {"layers": layers})

    @property
    def needs(self) -> Contents:
        """Requirements on portraits: none."""
        return Contents()


def write_checkpoint(path: Path, megabytes: int) -> None:
    """Write the checkpoint of a training with Adam, whose moments are twice as large as the weights."""
    with torch.device("meta"):
        module = Large(megabytes * 2**20 // (4 * WIDTH**2))
    weights = {name: torch.zeros(value.shape) for name, value in module.state_dict().items()}
    moments = [torch.zeros(2, *value.shape) for value in weights.values()]
    checkpoint = {"state_dict": weights, "optimizer_states": [{"state": dict(enumerate(moments))}], "global_step": 1}
    module.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)


def measure_peak(step: Callable[[Path], object], path: Path) -> float:
    """Return the MiB by which a step raises the peak of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = step(path)
    del result
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


STEPS: dict[str, Callable[[Path], object]] = {
    "load": load_module,
    "settings": saved_settings,
    "export": lambda path: export(path, path.with_name("shared")),
}


def main() -> None:
    """Write the checkpoint and measure each step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--step", choices=["write", *STEPS], default=None)
    options = parser.parse_args()
    if options.step == "write":
        write_checkpoint(options.folder / "large.ckpt", options.megabytes)
    elif options.step is not None:
        peak = measure_peak(STEPS[options.step], options.folder / "large.ckpt")
        sys.stdout.write(f"{options.step}, MiB: {peak:.0f}\n")
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            sys.stdout.write(f"weights, MiB: {options.megabytes}\n")
            sys.stdout.flush()
            for step in ("write", *STEPS):
                words = ["--step", step, "--folder", folder, "--megabytes", str(options.megabytes)]
                subprocess.run([sys.executable, __file__, *words], check=True)


if __name__ == "__main__":
    main()
