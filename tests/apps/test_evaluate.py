"""`reenact evaluate` on made frames: values, files, matching, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli.conftest import place  # noqa: F401 - a fixture
from cli.standins import NoiseData
from data.made_store import add_clip, made_arrays, made_store, made_writer
from PIL import Image
from safetensors.torch import save_file
from skimage.metrics import peak_signal_noise_ratio

from reenact.callbacks.score_files import read_scores
from reenact.cli import main
from reenact.data.store.clip_arrays import list_fields
from reenact.data.store.reader import Store, StoreInfo
from reenact.data.store.writer import StoreWriter
from reenact.faces.portrait import to_image
from reenact.media.video_writer import VideoWriter
from reenact.nn import probe as probe_module
from reenact.nn.probe import Probe

SIDE = 32


def pictures(count: int, seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def write(folder: Path, clips: dict[str, np.ndarray]) -> Path:
    """Frame folders."""
    for name, frames in clips.items():
        (folder / name).mkdir(parents=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / name / f"{number:04d}.png")
    return folder


def loader(out: Path, kind: str = "self") -> dict[str, dict]:
    content = json.loads((out / "scores.json").read_text())
    return {score["metric"]: score for score in content["loaders"][kind]}


@pytest.fixture
def sets(tmp_path):
    """Two clips of 3 and 2 frames, and noisy results of the same names."""
    clips = {"ann#1": pictures(3, 1), "bob#1": pictures(2, 2)}
    made = {name: (frames // 2 + 20).astype(np.uint8) for name, frames in clips.items()}
    return write(tmp_path / "made", made), write(tmp_path / "real", clips), clips, made


@pytest.fixture
def refuse(capsys):
    def run(*words: str | Path) -> str:
        assert main(["evaluate", *map(str, words)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return run


@pytest.fixture
def random_probe(tmp_path, monkeypatch):
    """Weights of the probe's form."""
    file = tmp_path / "probe.safetensors"
    state = Probe().state_dict()
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, file)
    monkeypatch.setattr(probe_module, "WEIGHTS", file)
    monkeypatch.setattr("reenact.metrics.networks.WEIGHTS", file)
    probe_module._load_shipped.cache_clear()
    yield
    probe_module._load_shipped.cache_clear()


def test_frames_of_the_same_names(sets, tmp_path, capsys):
    made, real, clips, results = sets
    out = tmp_path / "out"
    assert main(["evaluate", "--generated", str(made), "--target", str(real), "--batch-size", "2", "-o", str(out)]) == 0
    pairs = [pair for name in clips for pair in zip(clips[name], results[name], strict=True)]
    wanted = [peak_signal_noise_ratio(*pair) for pair in pairs]
    rows = pq.read_table(out / "frames_self.parquet").to_pylist()
    assert [(row["driving_identity"], row["driving_clip"], row["driving_frame"]) for row in rows] == [
        ("ann", "ann#1", 0), ("ann", "ann#1", 1), ("ann", "ann#1", 2), ("bob", "bob#1", 0), ("bob", "bob#1", 1),
    ]  # fmt: skip
    assert [row["psnr"] for row in rows] == pytest.approx(wanted, rel=1e-6)
    assert loader(out)["psnr"] == {"metric": "psnr", "value": pytest.approx(np.mean(wanted)), "frames": 5, "note": ""}
    assert (out / "pictures" / "self.png").is_file()
    assert "psnr" in capsys.readouterr().out


def test_numbers_in_names_are_counted_and_not_spelled(tmp_path):
    frames = pictures(12, 4)
    for name, digits in (("made", 1), ("real", 4)):
        (tmp_path / name / "a").mkdir(parents=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / name / "a" / f"{number:0{digits}d}.png")
    words = ["--generated", tmp_path / "made", "--target", tmp_path / "real", "--metrics", "psnr", "-o", tmp_path / "o"]
    assert main(["evaluate", *map(str, words)]) == 0
    assert loader(tmp_path / "o")["psnr"]["value"] == 100


def test_a_list_with_portraits_of_another_folder(sets, tmp_path):
    """MMFA's kind: every clip from its own frame, and driving a portrait of another data set."""
    made, real, *_ = sets
    portraits = tmp_path / "portraits"
    portraits.mkdir()
    Image.fromarray(pictures(1, 9)[0]).save(portraits / "eve.png")
    results = tmp_path / "results"
    for kind in ("self", "cross"):
        shutil.copytree(made / "ann#1", results / kind / "ann#1")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,source_frame,driving,driving_frame\nann#1,0,ann#1,\neve,0,ann#1,\n")
    words = ["--generated", results, "--pairs", pairs, "--target", real, "--source", portraits, "--metrics", "psnr"]
    assert main(["evaluate", *map(str, words), "-o", str(tmp_path / "out")]) == 0
    for kind, source in (("self", "ann#1"), ("cross", "eve")):
        rows = pq.read_table(tmp_path / "out" / f"frames_{kind}.parquet").to_pylist()
        assert [(row["source_clip"], row["driving_frame"]) for row in rows] == [(source, 0), (source, 1), (source, 2)]


def test_a_store_is_read_at_the_results_size(tmp_path):
    store = Store(made_store(tmp_path / "store"))
    made = tmp_path / "made"
    made.mkdir()
    for number, image in enumerate(store.read(store.clip("p3#0"), [4, 5], size=16).normalised().image):
        Image.fromarray(to_image(image)).save(made / f"{number:06d}_p3#1_p3#0.png")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,source_frame,driving,driving_frame\np3#1,0,p3#0,4\np3#1,0,p3#0,5\n")
    words = ["--generated", made, "--pairs", pairs, "--target", tmp_path / "store", "--metrics", "psnr"]
    assert main(["evaluate", *map(str, words), "-o", str(tmp_path / "out")]) == 0
    rows = pq.read_table(tmp_path / "out" / "frames_self.parquet").to_pylist()
    assert [(row["source_identity"], row["driving_frame"], row["psnr"]) for row in rows] == [
        ("p3", 4, 100),
        ("p3", 5, 100),
    ]


def test_the_person_is_scored_where_the_target_has_masks(sets, tmp_path):
    """Results are right on the left half, which is the person, and wrong elsewhere."""
    mask = np.zeros((3, SIDE, SIDE), np.bool_)
    mask[..., : SIDE // 2] = True
    arrays = replace(made_arrays(3), mask=mask)
    writer = StoreWriter(tmp_path / "store", StoreInfo("head", SIDE, {}, list_fields(arrays)))
    add_clip(writer, "ann#1", 3, arrays=arrays)
    store = Store(tmp_path / "store")
    real = to_image(store.read(store.clip("ann#1"), range(3)).normalised().image)
    results = write(tmp_path / "left", {"ann#1": np.where(mask[..., None], real, 255 - real).astype(np.uint8)})
    words = ["--metrics", "psnr.foreground", "psnr", "-o", tmp_path / "out"]
    assert main(["evaluate", "--generated", *map(str, [results, "--target", tmp_path / "store", *words])]) == 0
    scores = loader(tmp_path / "out")
    assert scores["psnr.foreground"]["value"] == 100
    assert scores["psnr"]["value"] < 20
    made, targets, *_ = sets
    words[-1] = tmp_path / "without"
    assert main(["evaluate", "--generated", *map(str, [made, "--target", targets, *words])]) == 0
    scores = loader(tmp_path / "without")
    assert scores["psnr.foreground"]["value"] is None
    assert scores["psnr.foreground"]["note"].startswith("it is measured on the person: name a store with masks")


def test_single_pictures_arrays_and_videos(tmp_path):
    frames = pictures(4, 3, 64)
    for name in ("made", "real"):
        (tmp_path / name).mkdir()
        Image.fromarray(frames[0]).save(tmp_path / name / "a.png")
        with VideoWriter(tmp_path / name / "c.mp4", Fraction(25), (64, 64)) as video:
            for frame in frames:
                video.write(frame)
    np.save(tmp_path / "made" / "b.npy", frames.astype(np.float32) / 127.5 - 1)
    np.save(tmp_path / "real" / "b.npy", frames)
    out = tmp_path / "out"
    words = [
        "--generated",
        str(tmp_path / "made"),
        "--target",
        str(tmp_path / "real"),
        "--metrics",
        "psnr",
        "-o",
        str(out),
    ]
    assert main(["evaluate", *words]) == 0
    assert loader(out)["psnr"]["value"] == 100
    assert loader(out)["psnr"]["frames"] == 9


def test_cross_with_one_source_for_all(sets, tmp_path, random_probe, capsys):
    made, real, *_ = sets
    portraits = tmp_path / "portraits"
    portraits.mkdir()
    Image.fromarray(pictures(1, 9, 64)[0]).save(portraits / "eve.png")
    words = ["--generated", made, "--target", real, "--source", portraits, "--cross"]
    words += ["--metrics", "psnr", "csim[probe]", "aed.expression[probe].l1", "-o", tmp_path / "out"]
    assert main(["evaluate", *map(str, words)]) == 0
    scores = loader(tmp_path / "out", "cross")
    assert scores["psnr"]["value"] is None
    assert "wanted picture" in scores["psnr"]["note"]
    assert -1 <= scores["csim[probe]"]["value"] <= 1
    rows = pq.read_table(tmp_path / "out" / "frames_cross.parquet").to_pylist()
    assert {row["source_clip"] for row in rows} == {"eve"}
    assert "[1] psnr: it needs the wanted picture" in capsys.readouterr().out


def test_without_sources_their_metrics_say_so(sets, tmp_path, random_probe):
    made, real, *_ = sets
    words = ["--generated", made, "--target", real, "--metrics", "csim[probe]", "fid[probe]", "-o", tmp_path / "out"]
    assert main(["evaluate", *map(str, words)]) == 0
    scores = loader(tmp_path / "out")
    assert "--source" in scores["csim[probe]"]["note"]
    assert scores["fid[probe]"]["value"] > 0


def test_one_frame_has_no_distance_of_sets(tmp_path, random_probe):
    frames = {"a": pictures(1, 1)}
    made, real = write(tmp_path / "made", frames), write(tmp_path / "real", frames)
    words = ["--generated", made, "--target", real, "--metrics", "fid[probe]", "-o", tmp_path / "out"]
    assert main(["evaluate", *map(str, words)]) == 0
    assert loader(tmp_path / "out")["fid[probe]"]["value"] is None
    assert "two frames" in loader(tmp_path / "out")["fid[probe]"]["note"]


def test_a_list_of_pairs_with_both_kinds(sets, tmp_path):
    """Results as `reenact predict` leaves them: `self` and `cross`, one picture a driving frame."""
    _, real, clips, _ = sets
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,source_frame,driving,driving_frame\nann#1,0,ann#1,\nbob#1,1,ann#1,2\nbob#1,0,bob#1,1\n")
    wanted = {"self": [*clips["ann#1"], clips["bob#1"][1]], "cross": [clips["ann#1"][2]]}
    for kind, frames in wanted.items():
        (tmp_path / "made" / kind).mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / "made" / kind / f"{number:06d}_x.png")
    shutil.rmtree(tmp_path / "made" / "ann#1")
    shutil.rmtree(tmp_path / "made" / "bob#1")
    out = tmp_path / "out"
    words = ["--generated", tmp_path / "made", "--pairs", pairs, "--target", real, "--metrics", "psnr", "-o", out]
    assert main(["evaluate", *map(str, words)]) == 0
    assert (loader(out)["psnr"]["value"], loader(out)["psnr"]["frames"]) == (100, 4)
    rows = pq.read_table(out / "frames_cross.parquet").to_pylist()
    assert [(row["source_clip"], row["source_frame"], row["driving_frame"]) for row in rows] == [("bob#1", 1, 2)]
    assert loader(out, "cross")["psnr"]["value"] is None
    (tmp_path / "made" / "self" / "000003_x.png").unlink()
    assert main(["evaluate", *map(str, [*words[:-1], tmp_path / "other"])]) == 2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda made, real: (made / "ann#1" / "0002.png").unlink(), "ann#1 has 2 frames and ann#1 of --target"),
        (lambda made, real: shutil.rmtree(made / "bob#1"), "lacks bob#1 of --target"),
        (lambda made, real: shutil.rmtree(real / "bob#1"), "lacks bob#1 of --generated"),
        (lambda made, real: [p.unlink() for p in (made / "bob#1").iterdir()], "folder without pictures"),
        (lambda made, real: [shutil.rmtree(p) for p in made.iterdir()], "is empty"),
        (lambda made, real: Image.new("RGB", (8, 8)).save(made / "bob#1" / "0001.png"), "8 x 8 pixels"),
        (lambda made, real: Image.new("I;16", (SIDE, SIDE)).save(made / "bob#1" / "0001.png"), "not of 8 bits"),
        (lambda made, real: (made / "bob#1" / "0001.png").write_bytes(b"no"), "not a readable picture"),
    ],
)
def test_what_does_not_fit_is_one_sentence(sets, tmp_path, refuse, spoil, says):
    made, real, *_ = sets
    spoil(made, real)
    assert says in refuse("--generated", made, "--target", real, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.full((2, SIDE, SIDE, 3), np.nan, np.float32), "frame 0 of a: pixels are NaN"),
        (pictures(2, 5).astype(np.float32), "a.npy has no number below 0, but black is -1 in [-1, 1]"),
        (pictures(2, 5).astype(np.float32) / 255, "a.npy has no number below 0"),
        (
            pictures(2, 5).astype(np.float32) - 128,
            "frame 0 of a: values reach 128, but pictures are expected in [-1, 1]",
        ),
        (np.zeros((2, SIDE, SIDE), np.float32), "expected frames"),
        (np.zeros((2, SIDE, SIDE, 3), np.int64), "expected frames"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path, refuse, values, says):
    made, real = tmp_path / "made", write(tmp_path / "real", {"a": pictures(2, 1)})
    made.mkdir()
    np.save(made / "a.npy", values)
    sentence = refuse("--generated", made, "--target", real, "-o", tmp_path / "out")
    assert says in sentence
    assert "a" in sentence


def test_an_output_that_can_not_be_written_is_refused_before_scoring(sets, refuse, monkeypatch):
    made, real, *_ = sets
    monkeypatch.setattr("reenact.apps.evaluate._score_part", lambda *parts: pytest.fail("scored"))
    assert "can't be written" in refuse("--generated", made, "--target", real, "-o", "/proc/scores")


def test_a_failed_evaluation_leaves_nothing(sets, tmp_path, refuse):
    made, real, *_ = sets
    shutil.rmtree(real / "bob#1")
    refuse("--generated", made, "--target", real, "-o", tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("clip", "result"), [("a.mp4", "a"), ("a", "a.mp4"), ("a.mp4", "a.mp4"), ("a.mp4", "a.png")])
@pytest.mark.parametrize("kind", ["store", "folder"])
def test_suffixes_do_not_tell_clips_apart(tmp_path, clip, result, kind):
    """Names of clips as VoxCeleb's, which end in .mp4, in stores and in folders of frames."""
    frames = pictures(2, 1)
    if kind == "store":
        writer = made_writer(tmp_path / "real")
        add_clip(writer, clip, 2)
        store = Store(tmp_path / "real")
        frames = np.stack([to_image(i) for i in store.read(store.clip(clip), [0, 1]).normalised().image])
    else:
        write(tmp_path / "real", {clip: frames})
    write(tmp_path / "made", {result: frames})
    words = ["--generated", tmp_path / "made", "--target", tmp_path / "real", "--metrics", "psnr", "-o", tmp_path / "o"]
    assert main(["evaluate", *map(str, words)]) == 0
    assert loader(tmp_path / "o")["psnr"]["value"] == 100


def test_a_name_that_two_clips_have_is_refused(tmp_path, refuse):
    write(tmp_path / "real", {"a.mp4": pictures(1, 1), "a.avi": pictures(1, 2)})
    write(tmp_path / "made", {"a": pictures(1, 1)})
    sentence = refuse("--generated", tmp_path / "made", "--target", tmp_path / "real", "-o", tmp_path / "o")
    assert "a.avi and a.mp4" in sentence


def test_lists_and_options_that_do_not_fit(sets, tmp_path, refuse):
    made, real, *_ = sets
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,source_frame,driving,driving_frame\nann#1,0,carl#1,0\n")
    assert "carl#1" in refuse("--generated", made, "--pairs", pairs, "--target", real, "-o", tmp_path / "out")
    assert "--target is missing" in refuse("--generated", made, "-o", tmp_path / "out")
    assert (
        "there is no metric"
        in refuse("--generated", made, "--target", real, "--metrics", "psnrr", "-o", tmp_path / "o").lower()
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "new folder" in refuse("--generated", made, "--target", real, "-o", tmp_path / "full")


def test_predicted_pictures_have_the_scores_of_the_run_itself(place):  # noqa: F811 - the fixture
    """The frames that `predict` writes, scored from disk, against what `test` says of the same weights."""
    assert main(["fit", "--model", "standin", "--out", "run"]) == 0
    checkpoint = ["--ckpt_path", "run/checkpoints/last.ckpt"]
    names = ["psnr", "ssim", "l1"]
    assert main(["test", *checkpoint, "--data.size", "16", "--metrics.names", json.dumps(names), "--out", "test"]) == 0
    assert main(["predict", *checkpoint, "--data.size", "16", "--out", "predicted"]) == 0
    real = place / "real"
    real.mkdir()
    results = sorted((place / "predicted" / "predictions" / "self").iterdir())
    batches = [pair for batch in NoiseData(size=16).test_dataloader()["self"] for pair in to_image(batch.driving.image)]
    for path, frame in zip(results, batches, strict=True):
        Image.fromarray(frame).save(real / path.name)
    words = ["--generated", results[0].parent, "--target", real, "--metrics", *names, "-o", place / "out"]
    assert main(["evaluate", *map(str, words)]) == 0
    (file,) = (place / "test" / "scores").glob("test_self_*.json")
    own, again = read_scores(file).scores, read_scores(place / "out" / "scores.json").scores
    for name in names:
        assert again["self"][name].value == pytest.approx(own["self"][name].value, rel=1e-6)
