"""The probe: write its training store, judge a trained one on held-out people, and bring it into the package.

python benchmarks/studies/probe.py store STORE            # the frames that it is trained on
reenact fit --model probe --data clips --data.root STORE --scale paper
python benchmarks/studies/probe.py judge STORE [CHECKPOINT]
python benchmarks/studies/probe.py exact STORE            # what exact landmarks, pose and camera say of expressions
python benchmarks/studies/probe.py ship CHECKPOINT
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc

from reenact.data.store.reader import Store
from reenact.data.synthetic.write_store import write_synthetic_store
from reenact.faces.registry import load_face_model
from reenact.faces.rotation import rotation_angle
from reenact.faces.vector import ParameterVector, head_rotation
from reenact.nn.probe import Probe, load_probe
from reenact.nn.probe_file import WEIGHTS

VISIBLE = 5e-4
"""Metres: an expression coefficient moves the face if its spread moves some landmark or lid by half a millimetre."""


@dataclass
class Readings:
    """What the probe says of the held-out frames, and the truth."""

    landmarks: Tensor
    degrees: Tensor
    coefficients: Tensor
    true_coefficients: Tensor
    embedding: Tensor
    people: list[str]
    clips: list[str]


@dataclass
class Truth:
    """What is exactly known of N frames."""

    seen: Tensor
    """(N, 145) 68 landmarks freed from the camera, and the head's rotation."""
    identity: Tensor
    """(N, S) identity coefficients."""
    expression: Tensor
    """(N, E) expression coefficients."""


def probe_of(path: Path | None) -> Probe:
    """The shipped network, or that of a checkpoint."""
    if path is None:
        return load_probe()
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    probe = Probe()
    probe.load_state_dict({k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")})
    return probe.eval().requires_grad_(False)


@torch.no_grad()
def read(store: Store, probe: Probe, layout: ParameterVector) -> Readings:
    """Read every frame of the split `test`."""
    parts: list[tuple[Tensor, ...]] = []
    people: list[str] = []
    clips: list[str] = []
    for clip in store.clips("test"):
        portrait = store.read(clip, range(clip.num_frames))
        assert portrait.params is not None
        assert portrait.landmarks is not None
        reading = probe(portrait.image)
        landmarks = portrait.landmarks * (2 / portrait.image.shape[-1]) - 1
        eyes = torch.linalg.vector_norm(landmarks[:, 36] - landmarks[:, 45], dim=-1)
        error = torch.linalg.vector_norm(reading.landmarks - landmarks, dim=-1).mean(-1) / eyes
        degrees = rotation_angle(reading.rotation, head_rotation(portrait.params))
        parts.append((error, degrees, reading.coefficients, layout.of(portrait.params), reading.embedding))
        people += portrait.identity
        clips += portrait.clip
    errors, degrees, coefficients, true_coefficients, embedding = map(torch.cat, zip(*parts, strict=True))
    return Readings(
        landmarks=errors,
        degrees=degrees,
        coefficients=coefficients,
        true_coefficients=true_coefficients,
        embedding=embedding,
        people=people,
        clips=clips,
    )


def verification(readings: Readings) -> float:
    """Area under the curve of cosines: frames of one person in two clips against frames of two people."""
    cosines = readings.embedding @ readings.embedding.T
    people, clips = (np.unique(names, return_inverse=True)[1] for names in (readings.people, readings.clips))
    same = torch.from_numpy(people[:, None] == people[None])
    other_clip = torch.from_numpy(clips[:, None] != clips[None])
    upper = torch.ones_like(same).triu(1)
    chosen = (other_clip & upper.bool()).flatten()
    return float(binary_auroc(cosines.flatten()[chosen], same.flatten()[chosen].long()))


def judge(store: Path, checkpoint: Path | None) -> None:
    """Print the held-out accuracy."""
    model = load_face_model("head")
    layout = ParameterVector(model.num_shape, model.num_expression)
    readings = read(Store(store), probe_of(checkpoint), layout)
    print(f"{len(readings.true_coefficients)} frames of {len(set(readings.people))} people")
    print(f"landmarks {readings.landmarks.mean():.2%} of the inter-ocular distance")
    print(f"head rotation {readings.degrees.mean():.2f} degrees")
    print(f"identity verification AUC {verification(readings):.4f}")
    report(readings.coefficients[:, layout.expression], readings.true_coefficients[:, layout.expression])


def report(coefficients: Tensor, truth: Tensor) -> None:
    """Print R2 of each expression coefficient (N, E), and of those that move the face the mean."""
    coefficients, truth = coefficients.double(), truth.double()
    moved = motion(truth.std(0))
    moving = moved > VISIBLE
    share = 1 - (coefficients - truth).square().mean(0) / truth.var(0)
    names = load_face_model("head").expression_names
    for name, value, size, shown in zip(names, share, moved, moving, strict=True):
        print(f"  {name:26s} {'moves' if shown else '     '} {1000 * size:5.2f} mm  R2 {value:6.3f}")
    weighted = (share * moved**2)[moving].sum() / (moved**2)[moving].sum()
    mean = share[moving].mean()
    print(f"expression R2: mean over the {int(moving.sum())} that move {mean:.3f}; by motion {weighted:.3f}")


def motion(spread: Tensor) -> Tensor:
    """(E,) metres that each expression coefficient moves its most moved vertex, at one standard deviation."""
    model = load_face_model("head")
    lengths = []
    rest = model.vertices(model.neutral())
    for index, step in enumerate(spread.tolist()):
        params = model.neutral()
        params.expression[0, index] = step
        lengths.append(torch.linalg.vector_norm(model.vertices(params) - rest, dim=-1).max())
    return torch.stack(lengths).double()


def exact(store: Path) -> None:
    """Print what a network learns of expressions from exact landmarks, rotation and camera, without the picture."""
    model = load_face_model("head")
    layout = ParameterVector(model.num_shape, model.num_expression)
    train, test = (truth(Store(store), split, layout) for split in ("train", "test"))
    print(f"{len(train.expression)} frames to learn from, {len(test.expression)} to judge by")
    print("from landmarks, rotation and camera")
    report(fit_network(train.seen, train.expression, test.seen), test.expression)
    inputs, queries = (torch.cat((part.seen, part.identity), dim=1) for part in (train, test))
    print("from these and identity")
    report(fit_network(inputs, train.expression, queries), test.expression)


def truth(store: Store, split: str, layout: ParameterVector) -> Truth:
    """Of all frames of a split."""
    parts: list[tuple[Tensor, ...]] = []
    for clip in store.clips(split):
        portrait = store.read(clip, range(clip.num_frames))
        params, points = portrait.params, portrait.landmarks
        assert params is not None
        assert points is not None
        scale, shift = params.camera[:, None, :1], params.camera[:, None, 1:]
        upward = (points * (2 / portrait.image.shape[-1]) - 1) * points.new_tensor([1.0, -1.0])
        seen = torch.cat(((upward / scale - shift).flatten(1), head_rotation(params).flatten(1)), dim=1)
        vector = layout.of(params)
        parts.append((seen, vector[:, layout.shape], vector[:, layout.expression]))
    return Truth(*map(torch.cat, zip(*parts, strict=True)))


def fit_network(inputs: Tensor, targets: Tensor, queries: Tensor, steps: int = 3000) -> Tensor:
    """What two hidden layers, taught (N, I) to (N, E), say of (M, I)."""
    torch.manual_seed(0)
    mean, spread = inputs.mean(0), inputs.std(0).clamp_min(1e-4)
    middle, scale = targets.mean(0), targets.std(0).clamp_min(0.02)
    layers = (
        nn.Linear(inputs.shape[1], 512),
        nn.GELU(),
        nn.Linear(512, 512),
        nn.GELU(),
        nn.Linear(512, targets.shape[1]),
    )
    network = nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(inputs), (512,))
        loss = F.smooth_l1_loss(network((inputs[rows] - mean) / spread), (targets[rows] - middle) / scale)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        coefficients: Tensor = network((queries - mean) / spread) * scale + middle
    return coefficients


def ship(checkpoint: Path) -> None:
    """Write a checkpoint's network as float16 to where the package looks for it."""
    state = probe_of(checkpoint).state_dict()
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, WEIGHTS)
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("store", "judge", "exact", "ship"))
    parser.add_argument("path", type=Path)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    options = parser.parse_args()
    if options.what == "store":
        write_synthetic_store(options.path, identities=6000, test_identities=150, frames_per_clip=5, every=25)
    elif options.what == "judge":
        judge(options.path, options.checkpoint)
    elif options.what == "exact":
        exact(options.path)
    else:
        ship(options.path)


if __name__ == "__main__":
    main()
