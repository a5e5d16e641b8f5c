"""Both marks are in every file of generated pixels, whichever command writes it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reenact
from reenact.apps.animate import animate
from reenact.apps.edit import edit
from reenact.apps.evaluate import evaluate
from reenact.apps.provenance import read_mark
from reenact.apps.watermark import detect_watermark
from reenact.callbacks.whole_files import write_picture
from reenact.media.pictures import write_image


def score(checkpoint: Path, clips: Path, out: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("results", "targets"):
        (out.parent / name).mkdir()
        write_image(out.parent / name / "a.png", random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    folder = out.parent / "scores"
    evaluate(out.parent / "results", target=out.parent / "targets", metrics=["psnr"], out=folder, device="cpu")
    (folder / "pictures" / "self.png").rename(out)


def drive(checkpoint: Path, clips: Path, out: Path, driving: str) -> None:
    animate(checkpoint, clips / "0.png", clips / driving, out, device="cpu")


def change(checkpoint: Path, clips: Path, out: Path, **options: Any) -> None:
    edit(checkpoint, clips / "0.png", out, device="cpu", **options)


COMMANDS: dict[str, tuple[str, Callable[[Path, Path, Path], object]]] = {
    "animate a video": ("out.mp4", lambda *paths: drive(*paths, "1.mp4")),
    "animate a picture": ("out.png", lambda *paths: drive(*paths, "0.png")),
    "animate to JPEG": ("out.jpg", lambda *paths: drive(*paths, "0.png")),
    "animate to WebP": ("out.webp", lambda *paths: drive(*paths, "0.png")),
    "edit": ("out.png", lambda *paths: change(*paths, set={"yaw": 10})),
    "edit --sweep to a grid": ("out.png", lambda *paths: change(*paths, sweep="yaw:-9:9:4")),
    "edit --sweep to a video": ("out.mp4", lambda *paths: change(*paths, sweep="yaw:-9:9:4")),
    "evaluate": ("out.png", score),
    "fit and test": ("out.png", lambda *paths: write_picture(np.full((64, 192, 3), 120, np.uint8), paths[2])),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_has_both_marks(
    tmp_path: Path, checkpoint: Path, clips: Path, known_faces: object, command: str
) -> None:
    name, write = COMMANDS[command]
    write(checkpoint, clips, tmp_path / name)
    assert read_mark(tmp_path / name)["synthetic"] == "true"
    assert detect_watermark(tmp_path / name).present


def test_frames_to_score_have_the_words_alone(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write_picture(picture, tmp_path / "a.png", watermark=False)
    assert read_mark(tmp_path / "a.png")["synthetic"] == "true"
    assert not detect_watermark(tmp_path / "a.png").present


def test_no_other_place_writes_pictures() -> None:
    """A new writer belongs into this list after it sets both marks, or shows nothing generated."""
    root = Path(reenact.__file__).parent
    writers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(
            r"\bwrite_image\(|\bVideoWriter\(|\bfromarray\(.*\.save\(|imwrite\(|write_apng", path.read_text("utf-8")
        )
    }
    marked = {"apps/output.py", "apps/evaluate.py", "apps/wandb_run.py", "callbacks/whole_files.py"}
    recorded = {
        "data/prepare/stages/files.py",
        "data/synthetic/write.py",
        "benchmark/figures.py",
    }  # previews of real clips, the drawn world, and charts of numbers
    assert writers == marked | recorded | {"media/pictures.py"}
