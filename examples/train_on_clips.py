"""Train a method on a folder of clips of your own: prepare them once, train, and judge the result.

    python examples/train_on_clips.py CLIPS RUN [--model fomm] [--steps 1000] [--data.batch_size 4 ...]

CLIPS holds videos, a folder for each person; at least two people are needed, one to train on and one to judge by. What
follows the options goes to `reenact fit` as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reenact.cli import main as run_command
from reenact.data.prepare import prepare


def main(words: list[str] | None = None) -> None:
    """Prepare the clips, train on them, and print the scores of people that were held out; exit with the code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("run", type=Path, help="folder of the prepared clips and of the run")
    parser.add_argument("--model", default="fomm")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels")
    options, settings = parser.parse_known_args(words)

    store = options.run / "store"
    prepare(options.clips, store, size=options.size)  # a second call continues where the first one ended
    data = ["--data", "clips", "--data.root", str(store), "--data.size", str(options.size)]
    training = ["--model", options.model, "--scale", "tiny", "--trainer.max_steps", str(options.steps)]
    code = run_command(["fit", *training, *data, "--out", str(options.run / "fit"), *settings])
    if code:
        sys.exit(code)
    checkpoint = options.run / "fit" / "checkpoints" / "last.ckpt"
    sys.exit(
        run_command(["test", "--ckpt_path", str(checkpoint), *data, "--out", str(options.run / "test"), *settings])
    )


if __name__ == "__main__":
    main()
