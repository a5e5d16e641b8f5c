"""How real the synthetic world looks to strangers, and how fast it is.

dlib, which has never seen it, must find its faces, place their landmarks, and tell its people apart:

    python benchmarks/synthetic_world.py [--frames 500] [--size 256]

dlib's weights come with the package `face_recognition_models` (whose import fails on new setuptools, so that its
files are located without importing it).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import multiprocessing
import os
import platform
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from reenact.world import World

FRAMES_PER_PERSON = 5
"""Frames judged of each identity, every one of another clip."""
FIRST_PERSON = 5000
"""Identities that no default of the package trains on."""


def weights(name: str) -> str:
    """The path of one of dlib's weight files."""
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "models" / name)


def yaw(world: World, identity: int, clip: int, frame: int) -> float:
    """Turn of the head in degrees, global and neck rotation together."""
    params = world.params(identity, clip, [frame])
    turns = Rotation.from_rotvec(params.global_pose.numpy()) * Rotation.from_rotvec(params.neck_pose.numpy())
    return float(np.degrees(turns.as_euler("yxz")[0, 0]))


def draw_frames(world: World, count: int) -> list[tuple[int, int, int]]:
    """Random frames (identity, clip, frame) that look less than 30 degrees aside."""
    rng = np.random.default_rng(1)
    picks: list[tuple[int, int, int]] = []
    clip = 0
    while len(picks) < count:
        identity = FIRST_PERSON + len(picks) // FRAMES_PER_PERSON
        clip += 1
        frame = int(rng.integers(0, 200))
        if abs(yaw(world, identity, clip % 50, frame)) < 30:
            picks.append((identity, clip % 50, frame))
    return picks


def judge(picks: list[tuple[int, int, int]], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What dlib makes of some frames.

    Returns:
        (N,) whether it finds the face, (N, 68, 2) its landmarks minus ours as a share of the distance between the outer
        corners of the eyes (NaN where no face is found), (N, 128) its embeddings (NaN likewise).
    """
    import dlib

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(weights("shape_predictor_68_face_landmarks.dat"))
    embedder = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    world = World()
    found = np.zeros(len(picks), bool)
    offsets = np.full((len(picks), 68, 2), np.nan)
    embeddings = np.full((len(picks), 128), np.nan)
    for i, (identity, clip, frame) in enumerate(picks):
        shot = world.render(identity, clip, frame, size)
        boxes = detector(shot.image, 1)
        truth = shot.landmarks.astype(np.float64)
        middle = truth.mean(0)
        hits = [
            box for box in boxes if box.left() <= middle[0] <= box.right() and box.top() <= middle[1] <= box.bottom()
        ]
        if not hits:
            continue
        found[i] = True
        shape = predictor(shot.image, hits[0])
        # dlib names pixels by their number, whose centre is half a pixel further in continuous coordinates.
        points = np.array([(point.x + 0.5, point.y + 0.5) for point in shape.parts()])
        offsets[i] = (points - truth) / np.linalg.norm(truth[45] - truth[36])
        embeddings[i] = np.array(embedder.compute_face_descriptor(shot.image, shape))
    return found, offsets, embeddings


def area_under_curve(same: np.ndarray, different: np.ndarray) -> float:
    """Chance that a same-identity distance is smaller than a different-identity one."""
    ranks = np.searchsorted(np.sort(different), same)
    return float(1 - ranks.mean() / len(different))


def tell_apart(picks: list[tuple[int, int, int]], embeddings: np.ndarray) -> float:
    """AUC of the embedding distance between same and different identities, over pairs of different clips."""
    known = np.flatnonzero(~np.isnan(embeddings[:, 0]))
    people = np.array([picks[i][0] for i in known])
    clips = np.array([picks[i][1] for i in known])
    distance = np.linalg.norm(embeddings[known][:, None] - embeddings[known][None], axis=-1)
    upper = np.triu(np.ones_like(distance, bool), 1)
    same = (people[:, None] == people[None]) & (clips[:, None] != clips[None]) & upper
    return area_under_curve(distance[same], distance[(people[:, None] != people[None]) & upper])


def _render_some(person: int) -> tuple[float, float]:
    """Frames a second of one process at 128 px, and its processor's milliseconds a frame; four people already made."""
    world = World()
    for k in range(4):
        world.sequence(person + k, 0, [0], 128)
    start, worked = time.perf_counter(), time.process_time()
    for frame in range(160):
        world.sequence(person + frame % 4, 0, [frame], 128)
    return 160 / (time.perf_counter() - start), (time.process_time() - worked) * 1e3 / 160


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("dlib-bin", "numba", "numpy"))
    machine = f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores"
    print(f"{date.today()}, commit {commit.strip()}, {machine}")
    picks = draw_frames(World(), options.frames)
    half = len(picks) // 2
    # The drawing above has started torch's threads; a forked child waits for ever for those that it does not have.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        parts = list(pool.map(judge, (picks[:half], picks[half:]), (options.size, options.size)))
        speeds = list(pool.map(_render_some, (FIRST_PERSON, FIRST_PERSON + 4)))
    found, offsets, embeddings = (np.concatenate(column) for column in zip(*parts, strict=True))
    error = np.linalg.norm(offsets[found], axis=-1)
    print(
        f"faces found                        {found.mean():.1%} of {len(picks)} (|yaw| < 30 degrees, {options.size} px)"
    )
    print(f"landmark distance / inter-ocular   {error.mean():.2%} mean, {np.median(error):.2%} median")
    groups = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
    print("    " + ", ".join(f"{name} {error[:, low:high].mean():.2%}" for name, (low, high) in groups.items()))
    print(f"same or different person, AUC      {tell_apart(picks, embeddings):.3f}")
    print(f"frames a second at 128 px          {sum(rate for rate, _ in speeds):.0f} on two processes")
    print(f"processor time of a frame          {sum(cost for _, cost in speeds) / 2:.1f} ms at 128 px")


if __name__ == "__main__":
    main()
