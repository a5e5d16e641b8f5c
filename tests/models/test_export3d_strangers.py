"""What `reenact fit --model export3d_lebs10` learns of people of the synthetic world; half an hour."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from reenact.cli import main
from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.camera import project
from reenact.faces.guidance import rasterize_face
from reenact.faces.rotation import rotation_angle
from reenact.metrics.images import psnr
from reenact.models.common.checkpoint import load_method
from reenact.nn.probe import load_probe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIZE = 64
STRANGERS = range(1000, 1016)
"""People that no training saw."""
BEHIND = 0.02
"""Depth in sides of the cube by which a point is hidden from another view."""


def true_depth(network, params, rays):
    """Depth (B, 1, r, r) of the posed head in metres, and where it is seen."""
    head = network.face_model
    posed = head.posed(params)
    face = rasterize_face(posed, head.faces, rays)
    depth = face.draw(posed[..., 2:] / params.camera[:, None, :1])
    return depth, face.draw(torch.ones_like(posed[..., :1])) > 0.5


def correlate_depth(network, params, depth):
    """Correlation of depth (B, 1, r, r) with the true one on each face."""
    right, seen = true_depth(network, params, depth.shape[-1])
    pairs = zip(depth, right, seen, strict=True)
    return torch.stack([torch.corrcoef(torch.stack([a[mask], b[mask]]))[0, 1] for a, b, mask in pairs])


def turn_head(motion, yaw):
    """The motion turned by degrees of yaw."""
    return replace(motion, global_pose=motion.global_pose + motion.global_pose.new_tensor([0, yaw, 0]).deg2rad())


def reproject(network, state, motion, yaw):
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
    own = 1 - posed[..., 2]  # parallel rays begin at z = 1
    seen = (own / box - surface).abs() < BEHIND
    _, face = true_depth(network, motion, count)
    mask = (seen.view(-1, 1, count, count) & face).expand_as(carried)
    return -10 * ((carried - here.raw)[mask] / 2).square().mean().log10(), mask.float().sum() / (3 * face.sum())


def measure(network):
    """Numbers of strangers."""
    probe, clips = load_probe(), SyntheticClips(0, STRANGERS, 1, 100, SIZE)
    rows, sweeps, curve = [], [], {}
    for number in range(len(STRANGERS)):
        clip = clips.read(number, range(0, 100, 10))
        source, driving = clip[:1], clip[1:]
        with torch.no_grad():
            state = network.encode(source)
            result = network.drive(state, driving)
            made, right, copied = (probe(image) for image in (result.image, driving.image, source.image))
            carried = [reproject(network, state, state.motion, yaw) for yaw in (-15, 15)]
            rows.append(
                {
                    "psnr": psnr(result.image, driving.image).mean(),
                    "copied_psnr": psnr(source.image.expand_as(result.image), driving.image).mean(),
                    "error": landmark_error(made.landmarks, right.landmarks).mean(),
                    "copied_error": landmark_error(copied.landmarks, right.landmarks).mean(),
                    "depth": correlate_depth(network, driving.params, result.depth).mean(),
                    "reprojected": torch.stack([value for value, _ in carried]).mean(),
                    "overlap": torch.stack([share for _, share in carried]).mean(),
                }
            )
            for yaw in (-30, -15, 0, 15, 30):
                image = network.perform(state, turn_head(state.motion, yaw)).image
                curve.setdefault(yaw, []).append((probe(image).embedding * copied.embedding).sum().item())
            if number < 4:
                sweeps.append(sweep_basis(network, probe, state))
    means = {name: float(torch.stack([row[name] for row in rows]).mean()) for name in rows[0]}
    means["csim"] = {yaw: sum(values) / len(values) for yaw, values in curve.items()}
    means["sweep_rotation"], means["sweep_motion"] = torch.tensor(sweeps).amax((0, 1)).tolist()
    return means


def sweep_basis(network, probe, state):
    """Rotation in degrees and motion of landmarks in eye distances from end to end of each basis vector's sweep."""
    rows = []
    for name in [name for name in network.controls() if name.startswith("basis.")]:
        number = int(name.partition(".")[2])
        centre = float(network.expression.weigh(state.motion)[0, number])
        ends = [network.set_control(state, state.motion, name, centre + step) for step in (-1.0, 1.0)]
        first, last = (probe(network.perform(state, end).image) for end in ends)
        rows.append(
            (
                float(rotation_angle(first.rotation, last.rotation)),
                float(landmark_error(first.landmarks, last.landmarks)),
            )
        )
    return rows


def landmark_error(points, right):
    """Mean distance of landmarks (B, 68, 2), in distances of the outer eye corners."""
    return (points - right).norm(dim=-1).mean(-1) / (right[:, 36] - right[:, 45]).norm(dim=-1)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export3d")
    assert main(["fit", "--model", "export3d_lebs10", "--out", str(folder)]) == 0
    return measure(load_method(folder / "checkpoints" / "last.ckpt").network)


def test_beats_copying_the_source_of_strangers(numbers):
    assert numbers["psnr"] > numbers["copied_psnr"] + 1.5
    assert numbers["error"] < numbers["copied_error"] / 2


def test_depth_is_that_of_the_head(numbers):
    assert numbers["depth"] >= 0.8


def test_views_agree_with_each_other(numbers):
    assert numbers["reprojected"] > 25
    assert numbers["overlap"] > 0.7


def test_basis_sweeps_leave_the_head_still(numbers):
    assert numbers["sweep_rotation"] < 1
