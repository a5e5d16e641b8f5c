"""Raw folders in VoxCeleb's documented layout, through the command line, for every method that needs images alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from zoo import FIRST, SIZE, Case

from reenact.cli import main
from reenact.faces.contents import Contents
from reenact.media.pictures import write_image
from reenact.media.video_writer import VideoWriter

IMAGES = Contents()
CASES = [case for case in FIRST if not case.make().needs.find_missing(IMAGES)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train` and `test` with a video and a folder of frames for each of two people."""
    root = tmp_path_factory.mktemp("raw")
    draw = np.random.default_rng(0)
    for split, people in (("train", ("id1", "id2")), ("test", ("id3", "id4"))):
        (root / split).mkdir()
        for person in people:
            pictures = draw.integers(0, 255, (3, SIZE, SIZE, 3), dtype=np.uint8)
            with VideoWriter(root / split / f"{person}#v1#000.mp4", Fraction(25), (SIZE, SIZE)) as writer:
                for picture in pictures:
                    writer.write(picture)
            folder = root / split / f"{person}#v2#000.mp4"
            folder.mkdir()
            for number, picture in enumerate(pictures):
                write_image(folder / f"{number:07d}.png", picture)
    return root


def test_the_zoo_has_methods_that_need_images_alone():
    assert {case.make().method for case in CASES} >= {"fomm", "face_vid2vid", "mmfa"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_raw_folders_train_and_test_it(case: Case, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    module = case.make()
    path = f"{type(module).__module__}.{type(module).__qualname__}"
    model = {"model": {"class_path": path, "init_args": module.arguments}}
    Path("model.yaml").write_text(yaml.safe_dump(model))
    data = ["--data", "voxceleb", "--data.root", str(root), "--data.size", str(SIZE), "--data.batch_size", "2"]
    data += ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.num_test_pairs", "2"]
    quick = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    steps = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "1"]
    assert main(["fit", "-c", "model.yaml", *data, *quick, *steps, "--out", "run"]) == 0
    assert Path("run/checkpoints/last.ckpt").is_file()
    assert main(["test", "--ckpt_path", "run/checkpoints/last.ckpt", *data, *quick, "--out", "tested"]) == 0
