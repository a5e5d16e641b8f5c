"""Export3D and its foundation from the command line: bad input is one sentence, exit code 2, no run is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reenact.cli import main
from reenact.models.export3d_clebs.module import CLeBSModule
from reenact.models.export3d_clebs.network import CLeBSConfig

from .conftest import save

DATA = "--data synthetic --data.size 32 --data.batch_size 2 --data.num_workers 0 --trainer.max_steps 1 --out run"
FIT = f"fit --model export3d --model.clebs clebs.ckpt --model.losses.perceptual pixels {DATA}"
TOY = (
    "--model.network.size 32 --model.network.rays 16 --model.network.stem [8,8,16,16] --model.network.tokens 32"
    " --model.network.heads 2 --model.network.blocks 1 --model.network.low 16 --model.network.code 8"
    " --model.network.channels 8 --model.network.basis.components 3 --model.network.basis.width 8"
    " --model.network.basis.hidden 8 --model.network.basis.gain 1"
    " --model.discriminator.base 128 --model.discriminator.largest 8"
)
Refuse = Callable[[str], str]


def build_foundation(components: int = 3, width: int = 8) -> CLeBSModule:
    sizes = {"image_widths": [4], "image_blocks": 1, "hidden": 8}
    return CLeBSModule(network=CLeBSConfig(components=components, width=width, **sizes))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def refuse(place: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run a command line that must be refused with one sentence on stderr, which it gives; no run is left."""

    def run(words: str) -> str:
        assert main(words.split()) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert not list(place.rglob("run/*"))
        return line.removeprefix("reenact: error: ")

    return run


def test_clips_shorter_than_the_contrast_are_refused(place: Path, refuse: Refuse):
    sentence = refuse(f"fit --model export3d_clebs {DATA} --data.frames_per_clip 96")
    assert sentence.startswith("No clip has the 97 frames that training needs; prepare longer clips, or let the")


@pytest.mark.parametrize("sizes", [{"components": 4}, {"width": 16}])
def test_a_foundation_of_other_sizes_is_refused(place: Path, refuse: Refuse, sizes: dict[str, int]):
    save(place / "clebs.ckpt", build_foundation(**sizes))
    sentence = refuse(f"{FIT} {TOY}")
    assert sentence.startswith("--model.clebs clebs.ckpt has ")
    assert "give both the same components, width and hidden of --model.network.basis" in sentence


def test_a_foundation_of_another_face_model_is_refused_without_that_models_file(place: Path, refuse: Refuse):
    foundation = build_foundation()
    recorded = {**foundation.arguments, "face_model": "bfm-01234567-89abcdef"}
    save(place / "clebs.ckpt", foundation, arguments=recorded)
    sentence = refuse(f"{FIT} {TOY}")
    assert sentence.startswith("clebs.ckpt was trained on parameters of the face model bfm-01234567-89abcdef and the")


def test_a_run_goes_on_with_its_own_foundation_alone(place: Path, capsys: pytest.CaptureFixture[str], refuse: Refuse):
    save(place / "clebs.ckpt", build_foundation())
    words = f"{FIT} {TOY} --trainer.limit_val_batches 0"
    assert main(words.replace("--out run", "--out first").split()) == 0
    save(place / "clebs.ckpt", build_foundation())
    capsys.readouterr()
    (last,) = (place / "first").rglob("last.ckpt")
    sentence = refuse(f"{words.replace('max_steps 1', 'max_steps 2')} --ckpt_path {last}")
    assert sentence.startswith("this export3d was trained with another export3d_clebs than clebs.ckpt: name that one")


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (40, "--model.network.size 40 must be a multiple of 16"),
        (48, "the discriminator of export3d needs pictures of 2^n pixels, not 48: set 64 to 512"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(place: Path, refuse: Refuse, size: int, sentence: str):
    words = f"{FIT} {TOY}".replace("size 32", f"size {size}").replace("clebs.ckpt", "none.ckpt")
    assert refuse(words).startswith(sentence)
