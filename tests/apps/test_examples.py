"""The scripts of `examples/`, each run on people of the synthetic world."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from pytorch_lightning import Trainer

from reenact.data.prepare import pipeline
from reenact.data.synthetic.write_store import write_synthetic_store
from reenact.errors import ReenactError
from reenact.media.video import probe_video
from reenact.media.video_writer import VideoWriter
from reenact.metrics.catalogue import PIXEL_METRICS
from reenact.metrics.metric_names import PIXELS
from reenact.models.export3d_clebs import CLeBSModule
from reenact.models.export3d_clebs.network import CLeBSConfig
from reenact.world import World

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TESTED = ("animate_portrait", "compare_checkpoints", "show_expressions", "train_on_clips")


def load_main(name: str) -> Callable[[list[str]], None]:
    main: Callable[[list[str]], None] = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    return main


def test_every_example_has_a_test() -> None:
    assert tuple(sorted(path.stem for path in EXAMPLES.glob("*.py"))) == TESTED


def test_animate_portrait(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dlib")
    load_main("animate_portrait")([str(checkpoint), str(tmp_path / "out.mp4"), "--frames", "3"])
    output = capsys.readouterr().out
    assert "out.mp4: 3 frames at 25 frames/s" in output
    assert "the driving head turns by up to" in output
    assert probe_video(tmp_path / "out.mp4").fps == 25


@pytest.fixture
def without_edges() -> Iterator[None]:
    """Forget the metric that an example adds."""
    yield
    del PIXELS["edges"], PIXEL_METRICS["edges"]


def test_compare_checkpoints(checkpoint: Path, capsys: pytest.CaptureFixture[str], without_edges: None) -> None:
    load_main("compare_checkpoints")([str(checkpoint), str(checkpoint), "--pairs", "2"])
    header, first, second = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header == ["checkpoint", "psnr", "ssim", "edges"]
    assert first == second
    assert 5 < float(first[1]) < 25
    assert 0 < float(first[3]) < 0.2


def test_show_expressions(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, encoder = tmp_path / "store", tmp_path / "clebs.ckpt"
    write_synthetic_store(store, identities=2, test_identities=0, frames_per_clip=6, size=16, workers=1)
    sizes = CLeBSConfig(components=3, width=8, hidden=8, image_widths=[4], image_blocks=1)
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(CLeBSModule(network=sizes))
    trainer.save_checkpoint(encoder)
    options = ["--people", "2", "--frames", "6"]
    load_main("show_expressions")([str(encoder), str(store), str(tmp_path / "out.png"), *options])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[-3:-1]] == ["coefficients", "codes"]
    assert lines[-1].endswith("out.png: 6 frames of 2 people")
    assert Image.open(tmp_path / "out.png").size == (840, 460)
    with pytest.raises(ReenactError, match="2 people of the store have two clips: lower --people 3"):
        load_main("show_expressions")([str(encoder), str(store), str(tmp_path / "out.png"), "--people", "3"])
    with pytest.raises(ReenactError, match="which has no expression encoder"):
        load_main("show_expressions")([str(checkpoint), str(store), str(tmp_path / "out.png")])


def test_train_on_clips(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "_count_cores", lambda: 1)  # two workers start longer than they work here
    for person in range(2):
        (tmp_path / "people" / str(person)).mkdir(parents=True)
        with VideoWriter(tmp_path / "people" / str(person) / "clip.mp4", Fraction(25), (192, 192)) as writer:
            for image in world.sequence(person, 0, range(3), 192)[0]:
                writer.write(image)
    few = [
        "--data.num_workers",
        "0",
        "--data.batch_size",
        "2",
        "--data.num_val_pairs",
        "1",
        "--data.num_test_pairs",
        "1",
    ]
    words = ["people", "run", "--steps", "1", "--size", "64", "--trainer.accelerator", "cpu", *few]
    with pytest.raises(SystemExit) as end:
        load_main("train_on_clips")(words)
    assert end.value.code == 0
    assert "2 of 2 clips usable" in capsys.readouterr().out
    assert (tmp_path / "run" / "fit" / "checkpoints" / "last.ckpt").is_file()
