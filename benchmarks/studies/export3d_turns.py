"""Export3D's turned heads and surfaces against the true ones of people that no training saw.

    python benchmarks/studies/export3d_turns.py CHECKPOINT [PICTURE]

The synthetic world draws the first frame of each of 16 people again with the head turned. Printed are the PSNR of the
result against that picture by yaw, and that of the copied source; and for the surfaces of eight of them, in metres, the
mean distance of their vertices to the true head with its hair, that of the true face to the surface, and the size of
their box beside that of the head. PICTURE shows eight people: source, and truth and result at 30 degrees to either
side.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from export3d_strangers import STRANGERS, turn_head
from PIL import Image
from scipy.spatial import cKDTree
from torch import Tensor

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.portrait import to_image, to_tensor
from reenact.metrics.images import psnr
from reenact.models.common.checkpoint import load_method
from reenact.models.export3d.network import Export3D
from reenact.models.export3d.results import Export3DState
from reenact.world.acting import Act, compute_act, draw_framing
from reenact.world.actor import Actor, bone_matrices, build_actor
from reenact.world.kernels import CLOTH, F32, pose_points
from reenact.world.motion import draw_manner
from reenact.world.scene import PosedScene, draw_picture, draw_scenery, pose_body

YAWS = (-30, -15, 0, 15, 30)
"""Degrees."""
SURFACES = 8
"""People whose surfaces are measured."""


def act_first(person: int) -> tuple[Actor, Act]:
    """The actor and the first frame of the first clip of a person of the world 0."""
    actor = build_actor(0, person)
    act = compute_act(actor, draw_manner(0, person, 0), draw_framing(0, person, 0), np.zeros(1, np.int64))
    return actor, act


def pose_actor(actor: Actor, act: Act) -> F32:
    """Vertices (V, 3) of an actor in metres, hair and clothes among them."""
    bones = bone_matrices(actor, act.blend[0], act.pose[0], pose_body(act))
    points = np.empty_like(actor.rest)
    pose_points(actor.rest, actor.expression, act.blend[0].astype(np.float32), actor.weights, bones, points)
    return points


def draw_turned(person: int, yaw: float, size: int) -> Tensor:
    """Picture (1, 3, S, S) of the first frame with the head turned as by `turn_head`; shoulders follow a little."""
    actor, act = act_first(person)
    angle = np.array([0, np.deg2rad(yaw), 0])
    pose, turn = act.pose.copy(), act.turn + angle
    pose[:, 0] += angle
    turned = replace(act, pose=pose, turn=turn)
    scene = PosedScene(actor, turned, pose_actor(actor, turned))
    return to_tensor(draw_picture(scene, draw_scenery(0, person, 0), size)[None])


def list_true_points(network: Export3D, person: int, state: Export3DState) -> tuple[Tensor, Tensor]:
    """Points of the true head in the space of its surface: with hair and glasses, and of the face alone."""
    actor, act = act_first(person)
    skull = network.face_model.skull(state.motion)[0]
    points = (torch.from_numpy(pose_actor(actor, act)) - skull[:3, 3]) @ skull[:3, :3]
    worn = np.unique(actor.faces[actor.material != CLOTH])
    face = network.face_model.region("face").nonzero()[:, 0]
    return points[worn], points[face]


def measure_surface(network: Export3D, person: int, state: Export3DState) -> dict[str, Tensor]:
    """Mean distances in metres between the surface and the true head, and the sides (3) of both boxes."""
    surface = network.build_surface(state, state.motion)
    head, face = list_true_points(network, person, state)
    return {
        "surface_to_head": find_nearest(head, surface.vertices).mean(),
        "face_to_surface": find_nearest(surface.vertices, face).mean(),
        "box": surface.vertices.amax(0) - surface.vertices.amin(0),
        "true_box": head.amax(0) - head.amin(0),
    }


def find_nearest(among: Tensor, points: Tensor) -> Tensor:
    """Distances (N) of points (N, 3) to the nearest of others."""
    return torch.from_numpy(cKDTree(among.double().numpy()).query(points.double().numpy())[0])


@torch.no_grad()
def measure_turns(network: Export3D) -> tuple[dict[str, object], Tensor]:
    """Means over the people, and the picture (3, H, W)."""
    size = network.config.size
    clips = SyntheticClips(0, STRANGERS, 1, 1, size)
    curve: dict[int, list[Tensor]] = {}
    surfaces, columns = [], []
    for number, person in enumerate(STRANGERS):
        source = clips.read(number, [0])
        state = network.encode(source)
        column = [source.image]
        for yaw in YAWS:
            truth, result = draw_turned(person, yaw, size), network.perform(state, turn_head(state.motion, yaw)).image
            curve.setdefault(yaw, []).append(torch.cat([psnr(result, truth), psnr(source.image, truth)]))
            column += [truth, result] if abs(yaw) == 30 else []
        columns.append(torch.cat(column, 2)[0])
        if number < SURFACES:
            surfaces.append(measure_surface(network, person, state))
    means: dict[str, object] = {
        f"psnr, copied at {yaw}": torch.stack(values).mean(0).tolist() for yaw, values in curve.items()
    }
    means |= {name: torch.stack([row[name] for row in surfaces]).mean(0).tolist() for name in surfaces[0]}
    return means, torch.cat(columns[:8], 2)


def main() -> None:
    """Print the numbers of a checkpoint, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("picture", type=Path, nargs="?")
    arguments = parser.parse_args()
    network = load_method(arguments.checkpoint).network
    assert isinstance(network, Export3D)
    means, picture = measure_turns(network.eval())
    for name, value in means.items():
        print(name, value)
    if arguments.picture:
        Image.fromarray(to_image(picture)).save(arguments.picture)


if __name__ == "__main__":
    main()
