"""What `reenact fit --model mmfa` and its VAE learn of people of the synthetic world, measured on others; an hour."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics import R2Score

from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import Portrait
from reenact.faces.rotation import rotation_angle
from reenact.metrics.images import psnr
from reenact.models.common.base import Transfer
from reenact.models.common.checkpoint import load_method, load_module
from reenact.models.mmfa.losses import shake_images
from reenact.models.mmfa_vae.frozen import load_frozen
from reenact.models.probe.damage import reframe_portrait
from reenact.nn.probe import load_probe
from reenact.nn.whole_batch import BatchDraws
from reenact.world.acting import Act
from reenact.world.actor import Actor
from reenact.world.renderer import World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
STRANGERS = range(1000, 1016)
"""People that no training saw."""


@dataclass(frozen=True)
class StillHeads(World):
    """A world whose people hold their heads as in one of their frames, while their faces move on."""

    held: int = 0

    def _act(self, identity: int, clip: int, frames: np.ndarray) -> tuple[Actor, Act]:
        made, done = super()._act(identity, clip, frames)
        _, still = super()._act(identity, clip, np.full(len(frames), self.held))
        pose = np.concatenate((still.pose[:, :2], done.pose[:, 2:]), axis=1)
        return made, replace(still, blend=done.blend, expression=done.expression, pose=pose)


def fitted(folder: Path, model: str, *words: str) -> Path:
    """The checkpoint that `reenact fit` leaves."""
    run = folder / "run"
    assert main(["fit", "--model", model, *words, "--out", str(run)]) == 0
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("mmfa"), "mmfa")


@pytest.fixture(scope="module")
def network(checkpoint):
    return load_method(checkpoint).network


@pytest.fixture(scope="module")
def frames() -> list[Portrait]:
    """Ten frames of each stranger."""
    clips = SyntheticClips(0, STRANGERS, 1, 100, 64)
    return [clips.read(number, range(0, 100, 10)) for number in range(len(STRANGERS))]


@pytest.fixture(scope="module")
def mouths() -> list[Portrait]:
    """Each stranger with the jaw as closed and as open as it gets in a clip; the face moves, the head does not."""
    clips = SyntheticClips(0, STRANGERS, 1, 100, 64)
    jaws = [clips.world.params(person, 0, range(100)).jaw_pose[:, 0] for person in STRANGERS]
    clips.world = StillHeads(0, held=10)
    return [clips.read(number, [int(jaw.argmin()), int(jaw.argmax())]) for number, jaw in enumerate(jaws)]


@torch.no_grad()
def test_beats_copying_the_source_of_strangers(network, frames):
    ours, copied = [], []
    for clip in frames:
        driving = clip[1:]
        ours.append(psnr(network(clip[:1], driving).image, driving.image).mean())
        copied.append(psnr(clip.image[:1].expand_as(driving.image), driving.image).mean())
    assert np.mean(ours) > np.mean(copied) + 1.5


@torch.no_grad()
def test_scale_and_translation_are_those_of_the_camera(network, frames):
    torch.manual_seed(0)
    scales, places = [], []
    for clip in frames:
        # One person's pictures, so that sizes of faces compare.
        moved = reframe_portrait(clip, zoom=1.2, shift=0.12)
        motion, camera = network.read(moved), moved.params.camera
        scales.append(_pearson(motion.scale[:, 0], camera[:, 0]))
        wanted = camera[:, :1] * camera[:, 1:3] * torch.tensor([1.0, -1.0])
        places.append([_pearson(motion.translation[:, i], wanted[:, i]) for i in range(2)])
    assert np.mean(scales) > 0.8
    assert np.mean(places, axis=0).min() > 0.8


@torch.no_grad()
def test_expressions_hardly_see_rotation_scale_and_shift(network, mouths):
    draw = BatchDraws(torch.Generator().manual_seed(0))
    noise, change = [], []
    for both in mouths:
        image = (both.image + 1) / 2
        closed, opened, moved = network.encoder(torch.cat((image, shake_images(image[:1], draw))))
        noise.append((moved - closed).norm())
        change.append((opened - closed).norm())
    assert sum(noise) / sum(change) < 0.5


@torch.no_grad()
def test_editing_the_expression_opens_the_mouth_and_leaves_the_head(network, mouths):
    probe = load_probe()
    angles, openings = [], []
    for both in mouths:
        state = network.encode(both[:1])
        motion = network.retarget(state, network.read(both[1:]), Transfer(parts=("expression",)))
        still, edited = (probe(network.perform(state, m).image) for m in (state.motion, motion))
        angles.append(rotation_angle(still.rotation, edited.rotation).item())
        openings.append((_gap(edited.landmarks) - _gap(still.landmarks)).item())
    assert max(angles) < 2
    assert np.mean(np.array(openings) > 0) >= 0.8
    assert np.mean(openings) > 0.005  # a twenty-fifth of what is right


@torch.no_grad()
def test_keypoints_share_the_face(network, frames):
    """No keypoint's mask has won everywhere, which high learning rates of the dense motion's heads lead to."""
    shares = torch.cat([network(clip[:1], clip[1:]).mask.mean((0, 2, 3, 4))[None] for clip in frames]).mean(0)
    assert (shares > 0.01).sum() >= 5


@pytest.fixture(scope="module")
def frozen(checkpoint):
    """The trained MMFA, read for its expressions."""
    return load_frozen(checkpoint)


@pytest.fixture(scope="module")
def vae(checkpoint, tmp_path_factory):
    return load_module(fitted(tmp_path_factory.mktemp("vae"), "mmfa_vae", "--model.mmfa", str(checkpoint))).network


@torch.no_grad()
def test_the_expression_vae_does_not_collapse(vae, frozen, frames):
    features = torch.cat([frozen.features(clip.image) for clip in frames])
    result = vae(features, torch.zeros(len(features), vae.mean.out_features))
    assert R2Score(multioutput="variance_weighted")(vae.restored(result.rebuilt), features) > 0.8
    assert result.divergence().mean() > 0.01


@torch.no_grad()
def test_the_jaw_opens_between_a_closed_and_an_open_mouth(vae, frozen):
    trained_on = SyntheticClips(0, range(96), 1, 100, 64)
    people = Portrait.cat([trained_on.read(number, range(0, 100, 9)) for number in range(96)])
    features = torch.cat((frozen.features(people.image), torch.ones(len(people.image), 1)), dim=1)
    reader = torch.linalg.lstsq(features.double(), people.params.jaw_pose[:, 0].double()).solution.float()
    clips = SyntheticClips(0, STRANGERS, 1, 100, 64)
    monotone = []
    for person in range(16):
        clip = clips.read(person, range(0, 100, 5))
        jaw = clip.params.jaw_pose[:, 0]
        both = frozen.features(clip.image[[int(jaw.argmin()), int(jaw.argmax())]])
        if (both @ reader[:-1]).diff() < 0.02:
            continue  # the encoder itself does not tell these two mouths apart
        way = torch.cat([vae.between(*both.split(1), weight) for weight in torch.linspace(0, 1, 9).tolist()])
        monotone.append(bool(((way @ reader[:-1]).diff() > 0).all()))
    assert len(monotone) >= 8
    assert np.mean(monotone) >= 0.9


def _pearson(x: torch.Tensor, y: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack((x.float(), y.float())))[0, 1].item()


def _gap(landmarks: torch.Tensor) -> torch.Tensor:
    """(B) distance of the inner lips, in distances between the outer eye corners, of landmarks (B, 68, 2)."""
    lips = (landmarks[:, 61:64] - landmarks[:, [67, 66, 65]]).norm(dim=-1).mean(-1)
    return lips / (landmarks[:, 36] - landmarks[:, 45]).norm(dim=-1)
