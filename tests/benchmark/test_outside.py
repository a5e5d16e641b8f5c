"""Rows that frames of other programs fill: what is accepted, and the hint that says how."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from data.made_store import made_store
from PIL import Image

from reenact.benchmark.frames import table_frames
from reenact.cli import main
from reenact.data.datamodules.clips import Clips
from reenact.data.pairs.lists import read_pairs
from reenact.data.store.reader import Store
from reenact.faces.portrait import PortraitPair, to_image
from reenact.metrics.frame_set import frame_set
from reenact.metrics.suite import Suite, scene_of

SIDE = 16
TABLE = {
    "id": "paper",
    "title": "A paper's table",
    "paper": "Nobody (2099), Table 1",
    "data": {"train": "made", "test": "made"},
    "pairs": "pwm",
    "scale": "tiny",
    "overrides": {"data.size": SIDE},
    "columns": [
        {"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 3},
        {"id": "cross.psnr", "metric": "psnr", "loader": "cross", "direction": "up", "decimals": 3},
    ],
    "rows": [
        {"id": "dagan", "method": "DaGAN", "kind": "baseline", "values": {"self.psnr": 24.168}},
        {"id": "x2face", "method": "X2Face", "kind": "baseline"},
    ],
}
OUT = Path("runs/benchmark/paper")
PAIRS = OUT / "pairs.csv"


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """A folder with a store, a table on it that was run once, and noise for each of its pairs."""
    folder = tmp_path_factory.mktemp("paper")
    made_store(folder / "data" / "made")
    (folder / "paper.yaml").write_text(yaml.safe_dump(TABLE, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["benchmark", "paper.yaml"]) == 0
        write_frames(OUT / "frames" / "dagan", SIDE)
    return folder


@pytest.fixture
def place(paper, tmp_path, monkeypatch):
    """A copy of that folder to work in."""
    shutil.copytree(paper, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")


def write_frames(folder: Path, side: int, shift: int = 20) -> None:
    """Darker driving frames, one a pair, under `self` and `cross`."""
    store = Store(Path("data/made"))
    for number, pair in enumerate(read_pairs(PAIRS)):
        kind = "self" if pair.source.partition("#")[0] == pair.driving.partition("#")[0] else "cross"
        image = store.read(store.clip(pair.driving), [pair.driving_frame], size=side).normalised().image[0]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray((to_image(image) // 2 + shift).astype(np.uint8)).save(folder / kind / f"{number:04d}.png")


def row(name: str = "dagan") -> dict[str, str]:
    with (OUT / "table.csv").open(newline="") as file:
        return next(entry for entry in csv.DictReader(file) if entry["row"] == name)


def hint() -> list[str]:
    """The words of the printed command."""
    return shlex.split(re.search(r"`(reenact evaluate [^`]+)`", row("x2face")["notes"])[1])


def test_the_printed_hint_runs_and_fills_its_row(place, capsys):
    assert row()["self.psnr"] == ""
    program, *words = hint()
    assert program == "reenact"
    assert main(words) == 0
    assert main(["benchmark", "paper.yaml"]) == 0
    value = json.loads((OUT / "rows" / "dagan" / "scores.json").read_text())["loaders"]["self"][0]["value"]
    assert float(row()["self.psnr"]) == value
    assert float(row()["self.psnr.difference"]) == pytest.approx(value - 24.168)
    assert "wanted picture" in row()["notes"]
    # The next row without scores has the command now.
    assert "rows/x2face" in hint()[-1]


def evaluate(*words: str) -> None:
    assert main(["evaluate", *words, "--metrics", "psnr", "--out", str(OUT / "rows" / "dagan")]) == 0


def noise() -> None:
    Path("noise").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"noise/{number}.png")
    evaluate("--generated", "noise", "--target", "noise")


def other_size() -> None:
    write_frames(Path("large"), 2 * SIDE)
    evaluate("--generated", "large", "--pairs", str(PAIRS), "--target", "data/made")


def other_pairs() -> None:
    """As many pairs of the same driving frames; one from another frame of its source."""
    head, first, *lines = PAIRS.read_text().splitlines()
    source, frame, *driving = first.split(",")
    first = ",".join([source, str((int(frame) + 1) % 12), *driving])
    Path("list.csv").write_text("\n".join([head, first, *lines]))
    shutil.copytree(OUT / "frames" / "dagan", "others")
    evaluate("--generated", "others", "--pairs", "list.csv", "--target", "data/made")


def fewer_frames() -> None:
    lines = PAIRS.read_text().splitlines()
    Path("list.csv").write_text("\n".join(lines[:3]))
    for number in range(2):
        Path("others").mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE)).save(f"others/{number}.png")
    evaluate("--generated", "others", "--pairs", "list.csv", "--target", "data/made")


def other_pixels() -> None:
    """The same clips by name, of another preparation."""
    store = Store(Path("data/made"))
    for name in store.table.names:
        clip = store.clip(name)
        for number, image in enumerate(store.read(clip, range(clip.num_frames), size=SIDE).normalised().image):
            Path("files", name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 - to_image(image)).save(f"files/{name}/{number:03d}.png")
    Path("list.csv").write_text(PAIRS.read_text())
    generated = str(OUT / "frames" / "dagan")
    evaluate("--generated", generated, "--pairs", "list.csv", "--target", "files")


def without_digests() -> None:
    evaluate("--generated", str(OUT / "frames" / "dagan"), "--pairs", str(PAIRS), "--target", "data/made")
    path = OUT / "rows" / "dagan" / "scores.json"
    content = json.loads(path.read_text())
    del content["frames"]
    path.write_text(json.dumps(content))


def no_scores() -> None:
    (OUT / "rows" / "dagan").mkdir(parents=True)
    (OUT / "rows" / "dagan" / "scores.json").write_text("[1]")


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (noise, r"they are of 3 self frames, where the table has \d+"),
        (other_size, "self frames of 32x32, where the table has 16x16"),
        (other_pairs, "they are of other self pairs than the table's"),
        (fewer_frames, "they are of 2 self frames"),
        (other_pixels, "other driving frames than the table's"),
        (without_digests, "does not say of which frames"),
        (no_scores, "no file of scores"),
    ],
)
def test_scores_of_other_frames_are_a_footnote(place, score, says):
    score()
    assert main(["benchmark", "paper.yaml"]) == 0
    assert (row()["self.psnr"], row()["self.psnr.paper"]) == ("", "24.168")
    assert re.search(f"its scores are left out: .*{says}", row()["notes"])


def test_a_reviewer_adds_a_row(place):
    words = hint()[1:]
    assert main([*words[:-1], str(OUT / "rows" / "ours")]) == 0
    assert main(["benchmark", "paper.yaml", "--add", "ours"]) == 0
    assert float(row("ours")["self.psnr"]) > 0
    assert row("ours")["method"] == "ours"
    assert "frames of" in row("ours")["notes"]


@pytest.mark.parametrize(
    ("word", "says"),
    [("../x", "is not a name"), ("dagan", "choose another id"), ("DaGAN", "choose another id"), ("a=nope", "nope")],
)
def test_rows_that_can_not_be_added(place, capsys, word, says):
    assert main(["benchmark", "paper.yaml", "--add", word]) == 2
    assert says in capsys.readouterr().err


def test_loaders_and_files_have_the_same_digests(place):
    data = Clips("data/made", size=SIDE, batch_size=3, num_workers=0, pairs=PAIRS)
    ours = table_frames(PAIRS, Path("data/made"), None, SIDE)
    for kind, loader in data.test_dataloader().items():
        suite = Suite(names=["l1"], same_identity=kind == "self")
        for batch in loader:
            pair = PortraitPair(batch.source.normalised(), batch.driving.normalised())
            suite.update(scene_of(pair.driving.image, pair), pair)
        assert frame_set(suite.keys) == ours[kind]
    assert set(ours) == {"self", "cross"}
