"""What `reenact fit` learns of people of the synthetic world by LivePortrait's two stages; 20 minutes of one core.

The world is written as a store first, so that no time goes into drawing while the network trains. The bounds are the
goals, or what `fit` reached and a little less; `docs/methods/liveportrait.md` has what was measured. With the variable
REENACT_SLOW_RUNS, the path of a folder, store and runs stay there, and a run that has a checkpoint there is not
trained again.
"""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import strangers
import torch

from reenact.cli import main
from reenact.models.liveportrait.landmarks import measure_openings
from reenact.models.liveportrait.regions import mask_shoulders
from reenact.nn.euler import rotation_of
from reenact.nn.probe import load_probe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
WORLD = "--identities 300 --test-identities 10 --clips-per-identity 2 --frames-per-clip 12 --every 8 --size 64"
TURN = 15.0
"""Degrees of yaw to either side in a closed loop."""
STEPS = 12
"""Frames of the loop."""
ASKED = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Openings of eyes or lips that are asked for."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs_folder = os.environ.get("REENACT_SLOW_RUNS")
    folder = Path(runs_folder) / "liveportrait" if runs_folder else tmp_path_factory.mktemp("liveportrait")
    store, first, second = (folder / name for name in ("store", "first", "second"))
    if not store.exists():
        assert main(["world", "--out", str(store), *WORLD.split()]) == 0
    train(store, first, "--model", "liveportrait")
    weights = str(first / "checkpoints" / "last.ckpt")
    train(store, second, "--model", "liveportrait_retargeting", "--weights", weights)
    return first, second


def train(store, run, *options):
    """Train a run on a store, if it has no checkpoint yet."""
    if not (run / "checkpoints" / "last.ckpt").exists():
        data = ["--data", "clips", "--data.root", str(store), "--data.num_workers", "0", "--scale", "tiny"]
        assert main(["fit", *options, *data, "--out", str(run)]) == 0


@pytest.fixture(scope="module")
def numbers(runs):
    network = strangers.load_network(runs[0])
    return strangers.measure_pairs(network, strangers.read_strangers(network.needs.window))


@pytest.fixture(scope="module")
def faces(runs):
    """The network of stage 2, and the state, the rebuilt picture and the landmarks of each stranger."""
    network = strangers.load_network(runs[1])
    portraits = [source for source, _ in strangers.read_strangers(network.needs.window)]
    with torch.no_grad():
        states = [network.encode(portrait) for portrait in portraits]
        rebuilt = [network.render(state, state.keypoints).image for state in states]
    return network, [*zip(states, rebuilt, (portrait.landmarks for portrait in portraits), strict=True)]


def test_beats_copying_the_source_of_strangers(numbers):
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean() + 1.5
    assert numbers["error"].mean() < 0.5 * numbers["copied_error"].mean()


def test_mouths_follow(numbers):
    assert strangers.slope_within_clips(numbers) > 0.3


def turn_head(state):
    """Motions of a head that turns to either side and back."""
    yaw = TURN * torch.sin(torch.arange(STEPS) * (2 * math.pi / STEPS))
    turns = rotation_of(torch.stack((yaw, 0 * yaw, 0 * yaw), 1), "rows")
    motion = state.motion.map(lambda value: value.expand(STEPS, *value.shape[1:]))
    return replace(motion, rotation=motion.rotation @ turns)


def measure_shoulders(network, faces):
    """Mean change in grey levels of the rows below the chin while heads turn, over the people who show any."""
    changes = []
    for state, rebuilt, landmarks in faces:
        mask = mask_shoulders((landmarks,), 0.0, rebuilt.shape[-1])
        if mask.any():
            with torch.no_grad():
                image = network.perform(state, turn_head(state)).image
            changes.append((image - rebuilt).abs()[mask.expand_as(image)].mean().item() * 255 / 2)
    assert len(changes) > 10
    return np.mean(changes)


def test_shoulders_hardly_move_while_the_head_turns(faces):
    network, people = faces
    assert network.config.stitching
    stitched = measure_shoulders(network, people)
    network.config = replace(network.config, stitching=False)
    unstitched = measure_shoulders(network, people)
    network.config = replace(network.config, stitching=True)
    assert stitched < 1  # measured: 0.98, and 1.19 without stitching
    assert stitched < unstitched


def test_stitching_leaves_the_face_where_the_motion_puts_it(faces):
    network, people = faces
    distances = []
    for state, _, _ in people:
        points = []
        for stitching in (True, False):
            network.config = replace(network.config, stitching=stitching)
            with torch.no_grad():
                points.append(load_probe()(network.perform(state, turn_head(state)).image).landmarks)
        distances.append(strangers.landmark_error(*points).mean().item())
    network.config = replace(network.config, stitching=True)
    assert np.mean(distances) < 0.02  # measured: 0.006


def measure_slope(faces, control, entries):
    """Slope of the openings that the probe reads over those that were asked for, the mean over all strangers."""
    network, people = faces
    openings = []
    with torch.no_grad():
        for state, _, _ in people:
            motions = [network.set_control(state, state.motion, control, asked) for asked in ASKED]
            images = torch.cat([network.perform(state, motion).image for motion in motions])
            openings.append(measure_openings(load_probe()(images).landmarks)[:, entries].mean(1).numpy())
    return np.polyfit(ASKED, np.mean(openings, 0), 1)[0]


def test_lips_open_as_they_are_told_to(faces):
    assert measure_slope(faces, "lips.opening", [2]) > 0.5  # measured: 0.68


def test_eyes_open_as_they_are_told_to(faces):
    assert measure_slope(faces, "eyes.opening", [0, 1]) > 0.15  # measured: 0.34
