"""A method that reads texture and light learns on the world and animates files in which nobody states them."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.made_faces import Squares, picture, walk, write_clip

from reenact.cli import main
from reenact.data.datamodules.clips import Clips
from reenact.data.prepare import job, runner
from reenact.estimators.registry import FaceFinder
from reenact.media.pictures import write_image
from reenact.media.video import VideoReader
from reenact.tracking import target

FEW = ["--data.num_workers", "0", "--data.num_val_pairs", "2", "--data.identities", "3"]
ANIMATE = ["animate", "--checkpoint", "run/checkpoints/last.ckpt", "--source", "source.png"]


@pytest.fixture
def squares(monkeypatch):
    """White squares are faces, for `animate`, `edit` and `prepare`."""
    finder = FaceFinder(Squares(), Squares())
    monkeypatch.setattr(target, "load_face_finder", lambda *_, **__: finder)
    monkeypatch.setattr(job, "load_face_finder", lambda *_: finder)
    runner._load_tools.cache_clear()
    yield
    runner._load_tools.cache_clear()


def test_trained_on_the_world_it_animates_pictures_videos_and_stores(install, squares):
    install("lit_colours")
    write_image(Path("source.png"), picture((70, 60)))
    write_clip(Path("driving.mp4"), walk(4))
    assert main(["fit", "--model", "lit_colours", *FEW, "--out", "run"]) == 0
    assert main([*ANIMATE, "--driving", "driving.mp4", "-o", "out.mp4"]) == 0
    assert sum(1 for _ in VideoReader(Path("out.mp4"))) == 4
    checkpoint = ANIMATE[1:]
    assert main(["edit", *checkpoint, "--yaw", "10", "-o", "edited.png"]) == 0
    assert main(["prepare", "driving.mp4", "--out", "store", "--size", "64", "--workers", "1"]) == 0
    assert main([*ANIMATE, "--driving", "store", "-o", "again.mp4"]) == 0
    carried = Clips("store", size=32).describe()
    assert (carried.params, carried.texture, carried.light) == (True, True, True)
