"""LivePortrait against tensors of its official code; tolerance 1e-4."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Transfer
from reenact.models.liveportrait import source_video
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.convert import FILES, rename_part
from reenact.models.liveportrait.crop import find_square
from reenact.models.liveportrait.expressions import SLIDERS, move_expression
from reenact.models.liveportrait.landmarks import measure_openings
from reenact.models.liveportrait.losses import wing_distance
from reenact.models.liveportrait.motion import PortraitMotion
from reenact.models.liveportrait.network import LivePortrait
from reenact.models.liveportrait.source_video import keep_first_eyes, smooth_frames, smooth_values
from reenact.nn.euler import angles_of, rotation_of
from reenact.nn.keypoints import hull_ratio, sparse_motions
from reenact.nn.resample import sample_image

VALUES = 63


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "liveportrait.safetensors")


@pytest.fixture(scope="module")
def description(parity):
    return json.loads((parity / "liveportrait.json").read_text())


def official(tensors):
    """The five official files' contents."""
    contents = {}
    for part in FILES:
        prefix = f"state/{part}/"
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if part == "stitching_retargeting_module":
            entries = {name.partition("/")[0] for name in state}
            state = {
                entry: {name.partition("/")[2]: value for name, value in state.items() if name.startswith(f"{entry}/")}
                for entry in entries
            }
        contents[part] = state
    return contents


CONFIG = {
    "motion_width": 4, "motion_largest": 24, "motion_blocks": 3, "compress": 2, "width": 4, "largest": 32,
    "channels": 8, "depth": 4, "blocks": 2, "depths": [1, 1, 2, 1], "widths": [8, 16, 24, 32], "decoder_width": 8,
    "spade_hidden": 8,
}  # fmt: skip


@pytest.fixture
def network(tensors):
    network = LivePortrait(LivePortraitConfig(**CONFIG)).eval().requires_grad_(False)
    network.load_state_dict({n: v for part, c in official(tensors).items() for n, v in rename_part(part, c).items()})
    return network


def portrait(tensors, which, rows=slice(None)):
    """A picture of twice the size, which the network halves, with its 203 landmarks."""
    image = F.interpolate(tensors[f"input/{which}"], scale_factor=2.0, mode="nearest")
    landmarks = tensors[f"input/landmarks/{which}"]
    landmarks = (landmarks if landmarks.ndim == 3 else landmarks[None]).expand(len(image), -1, -1)
    return Portrait(2 * image[rows] - 1, landmarks=landmarks[rows])


def close(actual, expected, name, atol=1e-4):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0, msg=lambda m: f"{name}: {m}")


def test_appearance(tensors, network):
    extractor, image = network.appearance, tensors["input/source"]
    x = extractor.first(image)
    for index, block in enumerate(extractor.down_blocks):
        x = block(x)
        close(x, tensors[f"output/F/down{index}"], f"down{index}")
    close(extractor.second(x), tensors["output/F/second"], "second")
    close(extractor(image), tensors["output/F/volume"], "volume")


def test_motion(tensors, network):
    *maps, pooled = network.motion_extractor.features(tensors["input/source"])
    for index, features in enumerate(maps):
        close(features, tensors[f"output/M/stage{index}"], f"stage{index}")
    close(pooled, tensors["output/M/pooled"], "pooled")
    for which in ("source", "driving", "driving_image", "source_video"):
        image, prefix = tensors[f"input/{which}"], f"output/M/{which}/"
        for name, value in network.motion_extractor.heads(image).items():
            close(value, tensors[prefix + name], name)
        reading = network.observe(portrait(tensors, which))
        for index, name in enumerate(("yaw", "pitch", "roll")):
            close(reading.angles[:, index : index + 1], tensors[f"{prefix}{name}_degrees"], name, 1e-3)
        state = network.encode(portrait(tensors, which))
        close(state.motion.rotation, tensors[prefix + "R"], "R")
        close(state.keypoints, tensors[f"output/keypoints/{which}"], which)


def test_keypoints_of_training(tensors, network):
    source, motion = network.observe(portrait(tensors, "source")), network.read(portrait(tensors, "driving"))
    close(motion[1:3].keypoints(source.canonical), tensors["output/keypoints/training_driving"], "Eq. 2")


def test_rotations(tensors):
    pitch, yaw, roll = tensors["input/rotation/pitch_yaw_roll"].unbind(1)
    degrees = torch.stack((yaw, pitch, roll), 1)
    close(rotation_of(degrees, "rows"), tensors["output/rotation/R"], "R", 1e-5)
    inside = degrees.clamp(-80, 80)
    close(angles_of(rotation_of(inside, "rows"), "rows"), inside, "angles", 1e-2)


def test_warping_and_decoder(tensors, network):
    source, driving = tensors["output/keypoints/source"], tensors["output/keypoints/training_driving"]
    volume, dense = tensors["output/F/volume"], network.warping.dense_motion_network
    compressed = network.warping.compressed(volume)
    motions = sparse_motions(source, driving, volume.shape[2:])
    close(motions[:1], tensors["output/W/sparse_motion"], "sparse_motion")
    inputs = dense.inputs(compressed, source, driving, motions)
    style, motion = network.warping(volume, compressed, source, driving)
    warped = sample_image(volume, motion.position)
    third = network.warping.third(warped.flatten(1, 2))
    computed = {
        "dense_motion_input": inputs,
        "hourglass": dense.hourglass(inputs),
        "mask": motion.mask,
        "deformation": motion.position,
        "occlusion_map": motion.occlusion,
        "warped_volume": warped,
        "third": third,
        "fourth": network.warping.fourth(third),
        "out": style,
    }
    for name, value in computed.items():
        close(value, tensors[f"output/W/{name}"], name)
    decoder, style = network.decoder, tensors["output/W/out"]
    x = decoder.fc(style)
    close(x, tensors["output/G/fc"], "fc")
    for index in range(6):
        x = getattr(decoder, f"G_middle_{index}")(x, style)
        if index in (0, 5):
            close(x, tensors[f"output/G/middle_{index}"], f"middle_{index}")
    close(decoder(style), tensors["output/G/image"], "image")


def test_stitching_and_openings(tensors, network):
    source, driving = tensors["output/keypoints/source"], tensors["output/keypoints/training_driving"]
    offsets = network.stitching.stitch_offsets(source, driving)
    close(driving + offsets, tensors["output/stitching/keypoints"], "stitching")
    raw = network.stitching.stitching(torch.cat((source.flatten(1), driving.flatten(1)), 1))
    close(raw, tensors["output/stitching/delta"], "delta")
    for which in ("source", "driving", "source_video", "driving_image"):
        landmarks = tensors[f"input/landmarks/{which}"].view(-1, 203, 2)
        openings = measure_openings(landmarks)
        close(openings[:, :2], tensors[f"output/ratio/{which}/eyes"], "eyes", 1e-5)
        close(openings[:, 2:], tensors[f"output/ratio/{which}/lip"], "lip", 1e-5)
    eyes, lips = tensors["output/retarget/eye_condition"], tensors["output/retarget/lip_condition"]
    delta = network.stitching.eye_offsets(source[:1], eyes[:, :2], eyes[:, 2:])
    close(delta, tensors["output/retarget/eye_delta"], "eyes")
    delta = network.stitching.lip_offsets(source[:1], lips[:, :1], lips[:, 1:])
    close(delta, tensors["output/retarget/lip_delta"], "lips")


def test_edits_open_eyes_and_lips_from_the_openings_of_the_source(tensors, network):
    """Whatever face they start from: another picture's head pose, no expression, the canonical keypoints."""
    state = network.encode(portrait(tensors, "source", slice(1)))
    driving = network.read(portrait(tensors, "driving", slice(1)))
    starts = [network.retarget(state, driving, Transfer(mode=mode)) for mode in ("pose", "expression")]
    for name, field in (("eyes.opening", "eye_offsets"), ("lips.opening", "lip_offsets")):
        expected = getattr(network.set_control(state, state.motion, name, 0.2), field)
        for start in (*starts, network.build_canonical_motion(state)):
            moved = network.set_control(replace(state, motion=start), start, name, 0.2)
            close(getattr(moved, field), expected, name, 0)


@pytest.mark.parametrize("variance", [-1.0, float("nan"), float("inf")])
def test_noise_without_a_variance_is_refused(variance):
    with pytest.raises(ReenactError, match=r"network\.smoothing .* is no variance: give a number from 0 on"):
        LivePortrait(LivePortraitConfig(**CONFIG, smoothing=variance))


def test_sliders(tensors, description):
    values = description["edit_values"]
    names = {
        "smile": "smile", "wink": "wink", "eyebrow": "eyebrows", "eyebrow_negative": "eyebrows",
        "lip_variation_zero": "pout", "lip_variation_one": "purse", "lip_variation_two": "grin",
        "lip_variation_three": "part_lips", "mov_x": "shift_x", "mov_y": "shift_y",
        "eyeball_right_up": ("gaze_x", "gaze_y"), "eyeball_left_down": ("gaze_x", "gaze_y"),
    }  # fmt: skip
    assert {f"output/edit/{name}" for name in names} == {name for name in tensors if name.startswith("output/edit/")}
    for official_name, ours in names.items():
        sliders = torch.zeros(1, len(SLIDERS))
        pairs = (
            zip(ours, values[official_name], strict=True)
            if isinstance(ours, tuple)
            else [(ours, values[official_name])]
        )
        for name, value in pairs:
            sliders[0, list(SLIDERS).index(name)] = value
        moved = move_expression(torch.zeros(1, 21, 3), sliders)
        close(moved, tensors[f"output/edit/{official_name}"], official_name, 1e-6)


REGIONS = {
    "all": (),
    "exp": ("expression",),
    "pose": ("pose", "translation"),
    "lip": ("lips",),
    "eyes": ("eyes",),
}


def place(tensors, network, case):
    """Keypoints (frames, 21, 3) of a case of the official pipeline, by the words of this package."""
    settings = {
        "stitching": case["flag_stitching"],
        "calm_lips": case["flag_normalize_lip"] and case["lip_normalize_threshold"] < 1,
        "follow_eyes": case["flag_eye_retargeting"],
        "follow_lips": case["flag_lip_retargeting"],
        "multiplier": case["driving_multiplier"],
    }
    network.config, relative = replace(network.config, **settings), case["flag_relative_motion"]
    moves = case["source"] == "video"
    state = network.encode(portrait(tensors, "source_video" if moves else "source", slice(None) if moves else slice(1)))
    driving = network.read(portrait(tensors, "driving" if case["driving"] == "video" else "driving_image"))
    if moves and len(driving.scale) == 1:
        driving = PortraitMotion.cat([driving] * len(state.motion.scale))
    region = case["animation_region"]
    parts = REGIONS[region]
    if relative and moves:
        parts = {"all": ("pose", "face"), "exp": ("face",), "pose": ("pose",)}.get(region, parts)
    reference = driving[:1]
    if case["driving"] == "image":
        neutral = torch.zeros_like(reference.expression) if region == "eyes" else tensors["input/lip_array"]
        reference.expression = neutral
    # In relative mode the official code drops all motion where eyes or lips follow the driving face.
    strength = 0.0 if relative and (settings["follow_eyes"] or settings["follow_lips"]) else 1.0
    transfer = Transfer("relative" if relative else "absolute", parts=parts, strength=strength)
    return state, network.retarget(state, driving, transfer, reference)


OUTSIDE = ("animal", "animal_stitched")
"""The pipeline of animals, whose weights are refused."""
BATCHES = (slice(1), slice(1, 4))
"""Frames of a video in batches of one and three."""


def split_frames(state, motion):
    return iter([(state[rows], motion[rows]) for rows in BATCHES])


def gather_motion(frames):
    return PortraitMotion.cat([motion for _, motion in frames])


def test_motion_of_a_still_source_is_not_smoothed(tensors, network):
    state, motion = network.encode(portrait(tensors, "source", slice(1))), network.read(portrait(tensors, "driving"))
    for size in (1, 4):
        batches = [(state, motion[start : start + size]) for start in range(0, 4, size)]
        passed = list(smooth_frames(iter(batches), 1e-3))
        assert all(new is old for (_, new), (_, old) in zip(passed, batches, strict=True))


def test_pipeline(tensors, description, network, monkeypatch):
    checked = []
    for name, settings in description["pipeline_cases"].items():
        case = {**description["pipeline_defaults"], **settings}
        if name in OUTSIDE:
            continue
        state, motion = place(tensors, network, case)
        if case["source"] == case["driving"] == "video":
            motion = gather_motion(
                smooth_frames(split_frames(state, motion), case["driving_smooth_observation_variance"])
            )
        if case["flag_source_video_eye_retargeting"]:
            monkeypatch.setattr(source_video, "CLOSED_EYES", case["source_video_eye_retargeting_threshold"])
            motion = gather_motion(keep_first_eyes(split_frames(state, motion), network.stitching))
        close(network.place_keypoints(state, motion), tensors[f"output/pipeline/{name}/x_d"], name)
        checked.append(name)
    assert len(checked) == 57


@pytest.mark.parametrize(("name", "frame"), [("relative_stitched", 2), ("absolute_all", 1)])
def test_pictures(tensors, description, network, name, frame):
    case = {**description["pipeline_defaults"], **description["pipeline_cases"][name]}
    state, motion = place(tensors, network, case)
    image = (network.perform(state, motion[frame : frame + 1]).image + 1) / 2
    close(image, tensors[f"output/pipeline/{name}/image_frame{frame}"], name)


def test_smoothing(tensors):
    sequence = tensors["input/smooth/sequence"].squeeze(1)
    for text in ("3e-7", "1e-5", "1e-3"):
        smoothed = smooth_values(sequence, float(text))
        close(smoothed, tensors[f"output/smooth/observation_variance_{text}"], text, 1e-5)


def test_hull_ratios(tensors):
    ratio = hull_ratio(tensors["output/keypoints/source"][:1], tensors["output/keypoints/driving"])
    close(ratio.flatten(), tensors["output/motion_multiplier"], "multiplier")


def test_crop(tensors):
    x, y, side = find_square(tensors["input/crop/points_68"].double().numpy(), 2.3, -0.125)
    scale, place = 96 / side, torch.tensor([x, y])
    matrix = tensors["output/crop/68_norot/M_o2c"].double()
    assert matrix[0, 0].item() == pytest.approx(scale, abs=1e-6)
    close(matrix[:2, 2], 48 - scale * place.double(), "shift", 1e-3)


def test_the_crop_of_a_source_is_turned(tensors):
    points = tensors["input/crop/points_68"].double().numpy()
    crop = crop_from_landmarks(points, "liveportrait", 96, turned=True)
    close(torch.from_numpy(crop.to_crop(points)), tensors["output/crop/68_rot/points"].double(), "points", 1e-3)
    back = crop.to_frame(crop.to_crop(points))
    close(torch.from_numpy(back), tensors["input/crop/points_68"].double(), "frame", 1e-6)


def test_results_are_pasted_by_the_official_mask(tensors, network):
    """Official maps take centres of pixels to whole numbers, and sample single points where this package averages."""
    matrix = tensors["output/paste/M_c2o"].double().numpy()[:2]
    side = 512 * float(np.hypot(*matrix[:, 0]))
    centre = matrix[:, :2] @ (255.5, 255.5) + matrix[:, 2] + 0.5
    angle = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    crop = Crop(*(centre - side / 2), side, 512, angle=angle)
    photo = tensors["input/crop/photo"].numpy()
    mask = network.weigh_pasted(512)
    white = crop.paste_back(np.zeros_like(photo), np.full((512, 512, 3), 255, np.uint8), 0.0, mask)
    close(torch.from_numpy(white[..., 0] / 255), tensors["output/paste/mask"].double(), "mask", 0.03)
    face = cv2.resize(tensors["input/paste/face_small"].numpy(), (512, 512), interpolation=cv2.INTER_LINEAR)
    pasted = crop.paste_back(photo, face, 0.0, mask)
    difference = (torch.from_numpy(pasted).float() - tensors["output/paste/result"].float()).abs()
    assert (difference > 3).float().mean() < 1e-3
    assert difference.max() < 8


def test_wing(tensors, description):
    scalars, landmarks = description["scalars"], tensors["input/loss/landmarks"]
    difference = tensors["output/keypoints/source"][:, 11:, :2] - landmarks
    for name, scale, width, curvature in (
        ("w10_e2", 1, 10, 2),
        ("w0.1_e0.01", 1, 0.1, 0.01),
        ("pixels_w10_e2", 128, 10, 2),
    ):
        distance = wing_distance(scale * difference, width, curvature).mean().item()
        assert distance == pytest.approx(scalars[f"output/loss/wing_{name}"], rel=1e-4), name
