"""The suite: one look of a network at a picture, rows, values, reasons."""

import math

import pytest
import scipy.linalg
import torch

from metrics.made_networks import write_i3d
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics import memory as memory_module
from reenact.metrics import probe_reader, sets
from reenact.metrics.distributions import compute_moments
from reenact.metrics.memory import Memory
from reenact.metrics.scene import Frames
from reenact.metrics.suite import Suite, scene_of

EVERYTHING = [
    *("psnr", "akd[probe]", "lpips[probe]", "csim[probe]", "aed.expression[probe].l1", "apd.rotation[probe].degrees"),
    *("fid[probe]", "kid[probe]", "jitter[probe]"),
]


def portrait(image: torch.Tensor, person: str, clip: str, frames: list[int]) -> Portrait:
    count = len(image)
    return Portrait(image=image, frame=torch.tensor(frames), identity=[person] * count, clip=[clip] * count)


def batch(rows: slice, same: bool = True, seed: int = 0) -> tuple[torch.Tensor, PortraitPair]:
    """Frames of a video of six frames, driven by one portrait."""
    draw = torch.Generator().manual_seed(seed)
    made = torch.rand(6, 3, 64, 64, generator=draw)[rows] * 2 - 1
    fixed = torch.Generator().manual_seed(99)
    driving = torch.rand(6, 3, 64, 64, generator=fixed)[rows] * 2 - 1
    source = (torch.rand(1, 3, 64, 64, generator=fixed) * 2 - 1).expand(len(made), -1, -1, -1)
    numbers = list(range(6))[rows]
    pair = PortraitPair(
        portrait(source, "ann", "x", [0] * len(made)), portrait(driving, "ann" if same else "bob", "y", numbers)
    )
    return made, pair


def add(suite: Suite, made: torch.Tensor, pair: PortraitPair) -> None:
    suite.update(scene_of(made, pair), pair)


def test_each_network_looks_once_at_each_picture_and_never_again_at_a_real_one(probe):
    suite = Suite(names=EVERYTHING, same_identity=False)
    for epoch in range(3):
        probe.clear()
        for rows in (slice(0, 4), slice(4, 6)):
            add(suite, *batch(rows, same=False, seed=epoch))
        # six generated frames; six driving frames and one source in the first epoch alone
        assert sum(probe) == (13 if epoch == 0 else 6)
        values = {score.label: score.value for score in suite.scores()}
        assert not any(math.isnan(value) for value in values.values())
        suite.reset()
    suite = Suite(names=EVERYTHING, same_identity=True)
    probe.clear()
    add(suite, *batch(slice(0, 6)))
    assert sum(probe) == 13, "layers of driving frames, which are not kept, bring the rest with them"


def test_what_is_remembered_is_what_was_read(probe):
    first, pair = batch(slice(0, 6))
    remembering, forgetful = Suite(names=EVERYTHING, same_identity=True), Suite(names=EVERYTHING, same_identity=True)
    for suite in (remembering, forgetful, remembering):
        suite.reset()
        add(suite, first, pair)
    for ours, theirs in zip(remembering.scores(), forgetful.scores(), strict=True):
        assert ours.value == pytest.approx(theirs.value, rel=1e-6)
    assert remembering.rows[0].keys() == forgetful.rows[0].keys()


def test_batches_and_clips_do_not_matter(probe):
    made, pair = batch(slice(0, 6))
    whole, parts, clip = (Suite(names=EVERYTHING, same_identity=True) for _ in range(3))
    add(whole, made, pair)
    for rows in (slice(0, 1), slice(1, 5), slice(5, 6)):
        add(parts, *batch(rows))
    as_clip = PortraitPair(
        Portrait(pair.source.image[:1], frame=pair.source.frame[:1], identity=["ann"], clip=["x"]),
        Portrait(pair.driving.image[None], frame=pair.driving.frame[None], identity=["ann"], clip=["y"]),
    )
    add(clip, made[None], as_clip)
    for ours, theirs, third in zip(whole.scores(), parts.scores(), clip.scores(), strict=True):
        assert theirs.value == pytest.approx(ours.value, rel=1e-5), ours.label
        assert third.value == pytest.approx(ours.value, rel=1e-5), ours.label
        assert theirs.frames == ours.frames == third.frames
    assert [row["driving_frame"] for row in parts.rows] == list(range(6))
    wanted = sum(row["psnr"] for row in parts.rows) / 6
    assert parts.scores()[0].value == pytest.approx(wanted)


def test_many_frames_are_read_a_few_at_a_time(probe):
    image = torch.rand(40, 3, 32, 32) * 2 - 1
    pair = PortraitPair(portrait(image, "ann", "x", [0] * 40), portrait(image, "ann", "y", list(range(40))))
    suite = Suite(names=["akd[probe]", "flicker"], same_identity=True)
    add(suite, image.flip(0), pair)
    assert max(probe) == 16
    assert [score.frames for score in suite.scores()] == [40, 39]
    assert len(suite.rows) == 40


def test_videos_are_cut_into_clips(home, monkeypatch):
    write_i3d(home, monkeypatch)
    draw = torch.Generator().manual_seed(0)
    made, shown = (torch.rand(5, 35, 3, 32, 32, generator=draw) * 2 - 1 for _ in range(2))
    looks = []
    network = sets._load_i3d()
    monkeypatch.setattr(sets, "_load_i3d", lambda: Counted(network, looks))
    suite = Suite(names=["fvd[i3d]"], same_identity=True)
    for _ in range(2):
        suite.reset()
        looks.clear()
        for number in range(5):
            for rows in (slice(0, 20), slice(20, 35)):
                image = shown[number, rows]
                pair = PortraitPair(
                    portrait(image, "ann", str(number), [0] * len(image)),
                    portrait(image, "ann", str(number), list(range(35))[rows]),
                )
                add(suite, made[number, rows], pair)
    assert sum(looks) == 10, "real clips are known in the second epoch"
    (score,) = suite.scores()
    assert score.frames == 10
    assert score.note == "biased by the number of clips of 16 frames in a row, 10 and 10 for 400 features"
    clips = [part[:, :32].reshape(10, 16, 3, 32, 32) for part in (made, shown)]
    rounded = [((part + 1) * 127.5).round() / 127.5 - 1 for part in clips]
    (m1, s1), (m2, s2) = (
        (m.numpy(), s.numpy()) for m, s in (compute_moments(sets.i3d_reader()(part)) for part in rounded)
    )
    root = scipy.linalg.eigvals(s1 @ s2).real.clip(0)
    wanted = ((m1 - m2) ** 2).sum() + (s1 + s2).trace() - 2 * (root**0.5).sum()
    assert score.value == pytest.approx(wanted, rel=1e-3)
    assert not suite.rows[0].keys() & {"fvd[i3d]"}


def test_clips_are_told_apart_by_their_content_and_by_their_changes(probe):
    draw = torch.Generator().manual_seed(0)
    people = torch.rand(4, 1, 3, 32, 32, generator=draw) * 2 - 1
    still = people.expand(-1, 16, -1, -1, -1)
    moving = still.clone()
    moving[:, ::2] = moving[:, ::2].flip(-1)
    distances = {}
    for name, made in (("same", still), ("moving", moving), ("others", still.flip(-1))):
        suite = Suite(names=["fvd[probe]"], same_identity=True)
        for number in range(4):
            pair = PortraitPair(
                *(portrait(still[number], "ann", str(number), frames) for frames in ([0] * 16, list(range(16))))
            )
            add(suite, made[number], pair)
        (score,) = suite.scores()
        assert score.note == "biased by the number of clips of 16 frames in a row, 4 and 4 for 704 features"
        distances[name] = score.value
    assert distances["same"] == pytest.approx(0, abs=1e-6)
    assert min(distances["moving"], distances["others"]) > 100 * max(distances["same"], 1e-6)
    features = probe_reader.clip_reader()(torch.stack([still[0], moving[0]]))
    assert not features[0, 352:].any()
    assert features[1, 352:].any()


class Counted:
    """A network that counts the clips it is shown."""

    def __init__(self, network, looks):
        self.network, self.looks = network, looks

    def to(self, device):
        return self

    def __call__(self, clips, **options):
        self.looks.append(len(clips))
        return self.network(clips, **options)


def test_reasons(probe):
    made, pair = batch(slice(0, 1))
    suite = Suite(names=["fid[probe]", "kid[probe]", "ms_ssim", "jitter[probe]"], same_identity=True)
    assert {score.note for score in suite.scores() if score.label == "ms_ssim"} == {"there is no frame"}
    add(suite, made, pair)
    notes = {score.label: score.note for score in suite.scores()}
    assert notes["fid[probe]"] == "a distance between sets needs two frames of each, there are 1 and 1"
    assert notes["kid[probe]"] == notes["fid[probe]"]
    assert notes["ms_ssim"] == "1 of 1 frames have no value: five scales need 176 pixels"
    assert notes["jitter[probe]"] == "no 3 frames of one video came in a row"
    assert all(math.isnan(score.value) for score in suite.scores())


def test_self_and_cross_are_scored_apart(probe):
    made, pair = batch(slice(0, 2), same=False)
    with pytest.raises(ReenactError, match="scored apart"):
        add(Suite(names=["psnr"], same_identity=True), made, pair)
    suite = Suite(names=["psnr", "akd[probe]", "flicker", "flicker.excess"], same_identity=False)
    assert list(suite.metrics) == ["akd[probe]", "flicker.excess"]


def test_memory_forgets_what_a_validation_did_not_ask_for():
    kept, reader = Memory(), object()
    kept.keep(reader, [b"a", b"b"], [torch.tensor([[1.0], [2.0]]), None])
    assert kept.recall(reader, [b"b", b"a", b"b"], torch.device("cpu"))[0].flatten().tolist() == [2, 1, 2]
    kept.turn()
    kept.turn()  # nothing was asked for in between: no validation
    assert kept.knows(reader, b"a")
    kept.recall(reader, [b"a"], torch.device("cpu"))
    kept.turn()
    assert not kept.knows(reader, b"b")
    assert len(kept) == 1
    other = object()
    kept.keep(other, [b"a"], torch.ones(1))
    kept.turn()
    kept.keep(reader, [b"c"], torch.ones(1))
    kept.turn()
    assert kept.knows(other, b"a"), "the last validation did not look with this reader"
    large = torch.zeros(2, memory_module.LARGEST)
    assert not kept.keep(reader, [b"c", b"d"], large)


def test_equal_pictures_are_read_once(probe):
    frames = Frames(torch.zeros(3, 3, 32, 32))
    frames.memory = Memory()
    reading = frames.read(probe_reader.face_reader())
    assert probe == [1]
    assert reading.landmarks.shape == (3, 68, 2)
    other = Frames(torch.stack([torch.ones(3, 32, 32), torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
    other.memory = frames.memory
    again = other.read(probe_reader.face_reader())
    assert probe == [1, 1]
    torch.testing.assert_close(again.landmarks[1], reading.landmarks[0])
    assert not torch.equal(again.landmarks[0], again.landmarks[1])
    smaller = Frames(torch.zeros(1, 3, 16, 16))
    assert smaller.digests != frames.digests[:1]
