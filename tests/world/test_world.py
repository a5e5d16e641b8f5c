import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from reenact.faces.registry import load_face_model
from reenact.world import World
from reenact.world.kernels import HAIR, SKIN
from reenact.world.light import clip_light, evaluate_harmonics

SIZE = 128
SHOT = (3, 1, 40)
OTHERS = [(3, 1, 0), (8, 0, 77), (21, 2, 150)]


@pytest.fixture(scope="module")
def world():
    return World(0)


def digest(image):
    """Block means, which a last-bit difference in one pixel hardly moves."""
    return image.reshape(8, SIZE // 8, 8, SIZE // 8, 3).mean((1, 3)).round(2)


def test_golden_pictures(world):
    """Every machine draws these; after a wanted change of the looks: `python tests/world/make_golden.py`."""
    golden = json.loads(Path(__file__).with_name("golden.json").read_text())
    for key, expected in golden.items():
        image = world.render(*map(int, key.split("-")), SIZE).image
        assert np.abs(digest(image) - np.array(expected)).max() < 0.5


def test_a_frame_depends_on_nothing_but_its_numbers(world):
    first = world.render(*SHOT, SIZE).image
    for other in OTHERS:
        world.render(*other, SIZE)
    assert np.array_equal(first, world.render(*SHOT, SIZE).image)
    code = (
        "import sys, numpy as np; from reenact.world import World;"
        f"sys.stdout.buffer.write(World(0).render(*{SHOT}, {SIZE}).image.tobytes())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert elsewhere == first.tobytes()


def test_seed_identity_clip_and_frame_all_matter(world):
    base = world.render(*SHOT, SIZE).image.astype(int)
    others = [world.render(*shot, SIZE) for shot in ((4, 1, 40), (3, 2, 40), (3, 1, 60))]
    for other in [World(1).render(*SHOT, SIZE), *others]:
        assert np.abs(other.image - base).mean() > 1


def test_identity_is_kept_and_the_rest_varies(world):
    a, b = world.params(5, 0, [3]), world.params(5, 1, [9])
    assert torch.equal(a.shape, b.shape)
    assert not torch.allclose(a.light, b.light)
    assert not torch.equal(a.shape, world.params(6, 0, [3]).shape)


def test_parameters_pose_the_head_that_is_drawn(world):
    """Landmarks of the face model, posed by the parameters, are the frame's landmarks."""
    head = load_face_model("head")
    for shot in [SHOT, *OTHERS]:
        frame = world.render(*shot, SIZE)
        params = world.params(shot[0], shot[1], [shot[2]])
        posed = (head.landmarks68(head.posed(params))[0, :, :2] + 1) * SIZE / 2
        assert np.abs(posed.numpy() - frame.landmarks).max() < 0.01
        for name in ("expression", "jaw_pose", "camera", "light"):
            assert torch.equal(getattr(frame.params, name), getattr(params, name)[0])


def test_landmarks_lie_on_the_face(world):
    for shot in [SHOT, *OTHERS]:
        frame = world.render(*shot, SIZE)
        nose = np.floor(frame.landmarks[30]).astype(int)
        assert frame.material[nose[1], nose[0]] == SKIN
        assert frame.landmarks_visible[27:36].all()
        assert (frame.landmarks > 0).all()
        assert (frame.landmarks < SIZE).all()


def test_depth_and_masks_agree(world):
    for shot in [SHOT, *OTHERS]:
        frame = world.render(*shot, SIZE)
        assert np.array_equal(np.isfinite(frame.depth), frame.foreground)
        assert not (frame.face & frame.hair).any()
        assert (frame.mouth <= frame.face).all()
        assert 0.15 < frame.face.mean() < 0.7
        nose = np.floor(frame.landmarks[30]).astype(int)
        assert frame.depth[nose[1], nose[0]] < np.median(frame.depth[frame.face])
        assert frame.depth.min() > -1.5


def test_flow_carries_one_frame_onto_another(world):
    """Sampling the source by the flow gives the driving frame where it is valid, far better than no flow does."""
    for identity, clip in ((3, 1), (8, 0), (21, 2)):
        source, driving = world.render(identity, clip, 10, SIZE), world.render(identity, clip, 90, SIZE)
        flow, valid = world.flow(identity, clip, 10, 90, SIZE)
        image = torch.from_numpy(source.image).permute(2, 0, 1)[None].float()
        warped = torch.nn.functional.grid_sample(image, torch.from_numpy(flow)[None], align_corners=False)
        warped = warped[0].permute(1, 2, 0).numpy()
        inside = cv2.erode((valid & (driving.material == SKIN)).astype(np.uint8), np.ones((5, 5))).astype(bool)
        after = np.abs(warped - driving.image)[inside].mean()
        before = np.abs(source.image.astype(float) - driving.image)[inside].mean()
        assert valid.mean() > 0.6
        assert after < 14
        assert after < 0.6 * before


def test_flow_to_the_same_frame_is_the_identity(world):
    flow, valid = world.flow(*SHOT[:2], 40, 40, SIZE)
    centre = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    assert valid.mean() > 0.97
    assert np.abs(flow[..., 0] - centre).max() < 1e-3
    assert np.abs(flow[..., 1] - centre[:, None]).max() < 1e-3


def test_size_changes_resolution_alone(world):
    small, large = world.render(*SHOT, 64), world.render(*SHOT, 128)
    assert np.allclose(small.landmarks * 2, large.landmarks, atol=1e-3)
    assert np.abs(cv2.resize(large.image, (64, 64), interpolation=cv2.INTER_AREA).astype(int) - small.image).mean() < 4


def test_people_differ_in_hair_glasses_and_beards():
    from reenact.world.people import HAIR_STYLES, draw_person

    crowd = [draw_person(0, i) for i in range(300)]
    assert {who.hair_style for who in crowd} == set(HAIR_STYLES)
    assert 0.1 < np.mean([who.glasses != "none" for who in crowd]) < 0.4
    assert 0.15 < np.mean([who.beard != "none" for who in crowd]) < 0.5
    brightness = [who.skin.mean() for who in crowd]
    assert max(brightness) > 6 * min(brightness)


def test_hair_is_drawn(world):
    shares = [(world.render(i, 0, 0, 64).material == HAIR).mean() for i in range(12)]
    assert np.mean(shares) > 0.04


def test_light_is_what_the_parameters_say():
    light = clip_light(0, 1, 2)
    assert torch.allclose(World(0).params(1, 2, [5]).light[0], torch.from_numpy(light.coefficients).float())
    facing = evaluate_harmonics(np.array([0.0, 0.0, 1.0])) @ light.coefficients
    assert (facing > 0.2).all()
    assert (facing < 1.3).all()
