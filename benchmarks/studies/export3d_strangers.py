"""Export3D on people of the synthetic world that no training saw.

    python benchmarks/studies/export3d_strangers.py CHECKPOINT

Printed are PSNR and landmark error beside those of the copied source, the correlation of the depth with the true one on
faces, the agreement of the raw picture at 15 degrees to either side with that of the source's view, where depth carries
one to the other (PSNR on face pixels that both see, and their share), the cosine of identities by yaw, slope and
correlation of the opening of the lips over that of the driving frame, each less its mean over the clip, and the largest
rotation in degrees and motion of landmarks of a sweep of one basis vector by two deviations to either side.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.camera import project
from reenact.faces.guidance import rasterize_face
from reenact.faces.params import FaceParams
from reenact.faces.rotation import rotation_angle
from reenact.metrics.images import psnr
from reenact.models.common.checkpoint import load_method
from reenact.models.common.expression_basis import ExpressionBasis
from reenact.models.export3d.expression import set_basis_weight
from reenact.models.export3d.network import Export3D
from reenact.models.export3d.results import Export3DState
from reenact.nn.probe import Probe, load_probe

STRANGERS = range(1000, 1016)
"""People that no training saw."""
INNER_LIPS = (61, 62, 63), (67, 66, 65)
"""Landmarks of the upper and of the lower lip that face each other."""
BEHIND = 0.02
"""Depth in sides of the cube by which a point is hidden from another view."""


def draw_true_depth(network: Export3D, params: FaceParams, rays: int) -> tuple[Tensor, Tensor]:
    """Depth (B, 1, r, r) of the posed head in metres, and where it is seen."""
    head = network.face_model
    posed = head.posed(params)
    face = rasterize_face(posed, head.faces, rays)
    depth = face.draw(posed[..., 2:] / params.camera[:, None, :1])
    return depth, face.draw(torch.ones_like(posed[..., :1])) > 0.5


def correlate_depth(network: Export3D, params: FaceParams, depth: Tensor) -> Tensor:
    """Correlation of depth (B, 1, r, r) with the true one on each face."""
    right, seen = draw_true_depth(network, params, depth.shape[-1])
    pairs = zip(depth, right, seen, strict=True)
    return torch.stack([torch.corrcoef(torch.stack([a[mask], b[mask]]))[0, 1] for a, b, mask in pairs])


def turn_head(motion: FaceParams, yaw: float) -> FaceParams:
    """The motion turned by degrees of yaw."""
    return replace(motion, global_pose=motion.global_pose + motion.global_pose.new_tensor([0, yaw, 0]).deg2rad())


def reproject_view(network: Export3D, state: Export3DState, motion: FaceParams, yaw: float) -> tuple[Tensor, Tensor]:
    """PSNR of the raw picture at a yaw, carried to the view of a motion by depth, on face pixels that both see."""
    turned = turn_head(motion, yaw)
    here, there = network.perform(state, motion), network.perform(state, turned)
    rays, count, box = network.place_rays(motion), network.config.rays, network.config.box
    depth = here.depth.flatten(1) + rays.nearest()
    points = rays.locate(depth[..., None])[:, :, 0] * box + network.face_model.mean_vertices.mean(0)
    skull = network.face_model.skull(turned)
    posed = points @ skull[:, :3, :3].mT + skull[:, None, :3, 3]
    places = project(posed, turned.camera)
    grid = places[..., :2].view(-1, count, count, 2)
    carried = F.grid_sample(there.raw, grid, align_corners=False)
    other = network.place_rays(turned)
    absolute = (there.depth.flatten(1) + other.nearest()).view(-1, 1, count, count)
    surface = F.grid_sample(absolute, grid, align_corners=False).flatten(1)
    distance = 1 - posed[..., 2]  # parallel rays begin at z = 1
    seen = (distance / box - surface).abs() < BEHIND
    _, face = draw_true_depth(network, motion, count)
    mask = (seen.view(-1, 1, count, count) & face).expand_as(carried)
    return -10 * ((carried - here.raw)[mask] / 2).square().mean().log10(), mask.float().sum() / (3 * face.sum())


@torch.no_grad()
def measure_strangers(network: Export3D) -> dict[str, object]:
    """Means over 16 people."""
    probe, clips = load_probe(), SyntheticClips(0, STRANGERS, 1, 100, network.config.size)
    rows: list[dict[str, Tensor]] = []
    sweeps: list[list[tuple[float, float]]] = []
    openings: list[Tensor] = []
    curve: dict[int, list[float]] = {}
    for number in range(len(STRANGERS)):
        clip = clips.read(number, range(0, 100, 10))
        source, driving = clip[:1], clip[1:]
        state = network.encode(source)
        result = network.perform(state, network.read_window(driving))
        reading, target, copied = (probe(image) for image in (result.image, driving.image, source.image))
        assert driving.params is not None
        carried = [reproject_view(network, state, state.motion, yaw) for yaw in (-15, 15)]
        row = {
            "psnr": psnr(result.image, driving.image),
            "copied_psnr": psnr(source.image.expand_as(result.image), driving.image),
            "error": measure_landmark_error(reading.landmarks, target.landmarks),
            "copied_error": measure_landmark_error(copied.landmarks, target.landmarks),
            "depth": correlate_depth(network, driving.params, result.depth),
            "reprojected": torch.stack([value for value, _ in carried]),
            "overlap": torch.stack([share for _, share in carried]),
        }
        rows.append({name: value.mean() for name, value in row.items()})
        opening = torch.stack([measure_opening(target.landmarks), measure_opening(reading.landmarks)])
        openings.append(opening - opening.mean(1, keepdim=True))  # a copied source follows from clip to clip
        for yaw in (-30, -15, 0, 15, 30):
            image = network.perform(state, turn_head(state.motion, yaw)).image
            curve.setdefault(yaw, []).append(float((probe(image).embedding * copied.embedding).sum()))
        if number < 4 and isinstance(network.expression, ExpressionBasis):
            sweeps.append(sweep_basis(network, probe, state, network.expression.weigh(driving.params).std(0)))
    means: dict[str, object] = {name: float(torch.stack([row[name] for row in rows]).mean()) for name in rows[0]}
    means["identity"] = {yaw: sum(values) / len(values) for yaw, values in curve.items()}
    (spread, shared), (_, other) = torch.cat(openings, 1).cov().tolist()
    means["lips"], means["lips_correlation"] = shared / spread, shared / (spread * other) ** 0.5
    if sweeps:
        means["sweep_rotation"], means["sweep_motion"] = torch.tensor(sweeps).amax((0, 1)).tolist()
    return means


def measure_opening(points: Tensor) -> Tensor:
    """Mean distance of the lips (B) in landmarks (B, 68, 2), in distances of the outer eye corners."""
    upper, lower = (points[:, list(lip)] for lip in INNER_LIPS)
    opening: Tensor = (upper - lower).norm(dim=-1).mean(-1) / (points[:, 36] - points[:, 45]).norm(dim=-1)
    return opening


def sweep_basis(network: Export3D, probe: Probe, state: Export3DState, deviations: Tensor) -> list[tuple[float, float]]:
    """Rotation in degrees and motion of landmarks in eye distances from end to end of each basis vector's sweep.

    Args:
        network: the network.
        probe: reads the pictures.
        state: the encoded source.
        deviations: (n,) of the weights of the basis vectors.
    """
    rows = []
    for name in [name for name in network.controls() if name.startswith("basis.")]:
        assert isinstance(network.expression, ExpressionBasis)
        number = int(name.partition(".")[2])
        centre = float(network.expression.weigh(state.motion)[0, number])
        reach = 2 * float(deviations[number])
        values = centre - reach, centre + reach
        ends = [set_basis_weight(state.motion, name, value, network.expression) for value in values]
        first, last = (probe(network.perform(state, end).image) for end in ends)
        rows.append(
            (
                float(rotation_angle(first.rotation, last.rotation)),
                float(measure_landmark_error(first.landmarks, last.landmarks)),
            )
        )
    return rows


def measure_landmark_error(points: Tensor, right: Tensor) -> Tensor:
    """Mean distance of landmarks (B, 68, 2), in distances of the outer eye corners."""
    error: Tensor = (points - right).norm(dim=-1).mean(-1) / (right[:, 36] - right[:, 45]).norm(dim=-1)
    return error


def main() -> None:
    """Print the numbers of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    network = load_method(parser.parse_args().checkpoint).network
    assert isinstance(network, Export3D)
    for name, value in measure_strangers(network.eval()).items():
        print(name, value)


if __name__ == "__main__":
    main()
