"""From motion to face parameters: which muscles of the built-in head a clip's motion contracts, and its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.faces.head.model import LID_FOLLOW
from reenact.faces.params import FaceParams
from reenact.world.actor import Actor
from reenact.world.head_arrays import head_model
from reenact.world.light import Light
from reenact.world.motion import Manner, compute_motion
from reenact.world.people import collect_texture
from reenact.world.rng import CLIP, Array, open_stream

GLOBAL_SHARE = 0.7
"""Share of a head turn that the root joint makes; the neck makes the rest."""
JAW_OPEN = 0.25
"""Jaw angle in radians of a wide open mouth."""
SEAL_ANGLE = 0.16
"""Jaw angle at which `lips_seal` = 1 brings the lips together (the head's own constant)."""


@dataclass(frozen=True)
class Framing:
    """Position and size of the face in a clip's fixed crop."""

    zoom: float
    """Size of the landmarks' box relative to 1 / 1.5 of the image."""
    offset: Array
    """(2,) NDC of the neutral landmarks' centre."""


def draw_framing(seed: int, identity: int, clip: int) -> Framing:
    """Draw a clip's framing."""
    rng = open_stream(seed, CLIP, identity, clip, 4)
    offset = np.clip(rng.normal([0.0, 0.14], [0.05, 0.05]), [-0.12, 0.0], [0.12, 0.26])
    return Framing(zoom=float(np.clip(rng.normal(0.93, 0.08), 0.78, 1.12)), offset=offset)


def compute_expression(moves: dict[str, Array]) -> dict[str, Array]:
    """Expression coefficients by name, (N,) each, from `motion.motion`'s output."""
    jaw = JAW_OPEN * moves["jaw_open"]
    side = moves["jaw_side"]
    raised = np.minimum(moves["brow_outer_left"], moves["brow_outer_right"])
    out = {
        "pucker": 0.85 * moves["pucker"],
        "funnel": 0.8 * moves["funnel"],
        "lips_press": 0.6 * moves["press"],
        "lips_seal": moves["press"] * jaw / SEAL_ANGLE,
        "tongue_out": 0.25 * moves["tongue"],
        "nose_wrinkle": 0.5 * moves["sneer"],
        "nostril_flare": 0.4 * moves["sneer"],
        "cheek_puff": moves["puff"],
        "brow_inner_up": moves["brow_inner"],
        "chin_raise": 0.4 * moves["frown"],
        "mouth_left": np.clip(side, 0, 1),
        "mouth_right": np.clip(-side, 0, 1),
        "jaw_left": 0.5 * np.clip(side, 0, 1),
        "jaw_right": 0.5 * np.clip(-side, 0, 1),
    }
    for which in ("left", "right"):
        smile = moves[f"smile_{which}"]
        out |= {
            f"smile_{which}": smile,
            f"frown_{which}": moves["frown"],
            f"stretch_{which}": 0.6 * moves["wide"],
            f"upper_lip_raise_{which}": 0.65 * moves["upper_raise"] + 0.3 * moves["sneer"],
            f"lower_lip_depress_{which}": 0.9 * moves["lower_down"],
            f"cheek_raise_{which}": np.clip(0.7 * smile + 0.4 * moves["squint"], 0, 1),
            f"brow_outer_up_{which}": moves[f"brow_outer_{which}"],
            f"brow_down_{which}": moves["brow_lower"],
            f"blink_{which}": moves[f"blink_{which}"],
            f"squint_{which}": moves["squint"] * (1 - moves[f"blink_{which}"]),
            f"wide_{which}": 0.35 * raised * (1 - moves[f"blink_{which}"]),
        }
    return out


def turn_vectors(head: Array) -> Array:
    """(N, 3) axis-angle of (N, 3) pitch, yaw, roll: first roll, then pitch, then yaw about fixed axes."""
    half = head / 2
    (cp, cy, cr), (sp, sy, sr) = np.cos(half).T, np.sin(half).T
    w = cy * cp * cr + sy * sp * sr
    x = cy * sp * cr + sy * cp * sr
    y = sy * cp * cr - cy * sp * sr
    z = cy * cp * sr - sy * sp * cr
    vector = np.stack([x, y, z], -1)
    sine = np.sqrt((vector**2).sum(-1))
    angle = 2 * np.arctan2(sine, w)
    return np.asarray(vector * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)[:, None])


def blend_coefficients(expression: Array, down: Array) -> Array:
    """(N, E + 6) coefficients of the head's basis, as `Head.vertices` makes them: lids follow the gaze on arcs.

    Args:
        expression: (N, E) named coefficients, the lids' six last.
        down: (N, 2) downward angle of the left and right eye.
    """
    other, lids = expression[:, :-6], expression[:, -6:].copy()
    lids[:, :2] += LID_FOLLOW * np.sin(down) * (1 - lids[:, :2])
    part = np.clip(lids, 0, 1)
    return np.concatenate([other, lids, 4 * part * (1 - part)], 1)


@dataclass(frozen=True, kw_only=True)
class Act:
    """The numbers that pose a scene at N frames, in float64."""

    expression: Array
    """(N, E) named coefficients."""
    blend: Array
    """(N, E + 6) coefficients of the whole basis: lids moved by the gaze, and their arcs."""
    pose: Array
    """(N, 5, 3) axis-angle of root, neck, jaw, left eye, right eye."""
    camera: Array
    """(N, 3) orthographic cameras, `[scale, x, y]`."""
    turn: Array
    """(N, 3) axis-angle of the head as a whole."""
    breath: Array
    """(N,) breathing phase, -1 to 1."""


def compute_act(actor: Actor, manner: Manner, frame: Framing, frames: NDArray[np.int64]) -> Act:
    """Evaluate a clip at some frames.

    Args:
        actor: who acts.
        manner: the clip's behaviour.
        frame: the clip's framing.
        frames: (N,) frame numbers.
    """
    moves = compute_motion(manner, frames)
    names = head_model().expression_names
    expression = np.zeros((len(frames), len(names)))
    for name, value in compute_expression(moves).items():
        expression[:, names.index(name)] = value
    turn = turn_vectors(moves["head"])
    pose = np.zeros((len(frames), 5, 3))
    pose[:, 0], pose[:, 1] = GLOBAL_SHARE * turn, (1 - GLOBAL_SHARE) * turn
    pose[:, 2, 0] = JAW_OPEN * moves["jaw_open"]
    for eye, vergence in ((3, -0.02), (4, 0.02)):
        pose[:, eye, 0], pose[:, eye, 1] = moves["gaze"][:, 0], moves["gaze"][:, 1] + vergence
    centre, side = actor.box
    scale = frame.zoom * (2 / 1.5) / side * np.exp(moves["shift"][:, 2])
    shift = moves["shift"][:, :2] * side
    place = np.array([frame.offset[0], -frame.offset[1]]) * side * 0.75
    camera = np.concatenate([scale[:, None], place + shift - centre], 1)
    blend = blend_coefficients(expression, pose[:, 3:, 0])
    return Act(expression=expression, blend=blend, pose=pose, camera=camera, turn=turn, breath=moves["breath"])


def face_params(actor: Actor, act: Act, light: Light) -> FaceParams:
    """The acted frames as (N,) face parameters in float32."""

    def tensor(values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    count = len(act.pose)
    return FaceParams(
        shape=tensor(np.broadcast_to(actor.shape, (count, len(actor.shape)))),
        expression=tensor(act.expression),
        global_pose=tensor(act.pose[:, 0]),
        neck_pose=tensor(act.pose[:, 1]),
        jaw_pose=tensor(act.pose[:, 2]),
        eye_pose=tensor(act.pose[:, 3:].reshape(count, 6)),
        camera=tensor(act.camera),
        texture=tensor(np.broadcast_to(collect_texture(actor.person), (count, 12))),
        light=tensor(np.broadcast_to(light.coefficients, (count, 9, 3))),
    )
