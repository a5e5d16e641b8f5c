"""Motion of a talking head: speech, blinks, glances, brows and sway, each a function of time alone.

Everything is evaluated at any time without the frames before it: sums of band-limited lattice noise, phonemes
blended by B-splines (which is how neighbouring sounds colour each other), and events (blinks, glances) whose times
are hashed per window of time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reenact.world.rng import MOTION, Array, evaluate_noise, hash_lattice, open_stream, spline_weights

FPS = 25
"""Frames a second of every clip, as in VoxCeleb."""

MOUTH = ("jaw_open", "wide", "pucker", "funnel", "press", "upper_raise", "lower_down", "tongue")
"""Mouth actions that a viseme sets, each 0 to 1."""

VOWELS = np.array([
    # jaw  wide  pucker funnel press upper lower tongue
    [1.00, 0.15, 0.00, 0.10, 0.0, 0.35, 0.50, 0.0],  # "father"
    [0.60, 0.45, 0.00, 0.00, 0.0, 0.30, 0.40, 0.2],  # "bed"
    [0.28, 0.80, 0.00, 0.00, 0.0, 0.35, 0.35, 0.3],  # "see"
    [0.62, 0.00, 0.45, 0.60, 0.0, 0.15, 0.25, 0.0],  # "go"
    [0.25, 0.00, 0.90, 0.30, 0.0, 0.05, 0.10, 0.0],  # "you"
    [0.45, 0.20, 0.05, 0.15, 0.0, 0.20, 0.30, 0.0],  # "about"
])  # fmt: skip
CONSONANTS = np.array([
    [0.00, 0.10, 0.10, 0.00, 1.0, 0.00, 0.00, 0.0],  # "m", "b", "p"
    [0.12, 0.20, 0.00, 0.00, 0.3, 0.45, 0.00, 0.0],  # "f", "v"
    [0.16, 0.40, 0.00, 0.00, 0.0, 0.30, 0.35, 0.3],  # "s", "t", "n"
    [0.20, 0.00, 0.40, 0.50, 0.0, 0.25, 0.25, 0.0],  # "sh", "ch"
    [0.30, 0.15, 0.00, 0.00, 0.0, 0.20, 0.20, 1.0],  # "l", "th"
    [0.25, 0.10, 0.00, 0.00, 0.0, 0.10, 0.15, 0.0],  # "k", "g", "h"
])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Manner:
    """Behaviour of one clip's speaker; drawn once per clip."""

    key: int
    """64-bit key of the clip's lattices."""
    syllables: float
    """Syllables a second while speaking."""
    articulation: float
    """Size of mouth movements."""
    talk: float
    """Share of the clip that is speech, 0 to 1."""
    yaw: float
    """Mean head turn in radians, positive to the subject's left."""
    pitch: float
    """Mean head nod in radians, positive downward."""
    roll: float
    """Mean head tilt in radians."""
    sway: Array = field(repr=False)
    """(3,) amplitude of pitch, yaw and roll in radians."""
    mood: float = 0.0
    """Mean smile, negative for sullen."""
    lively: float = 1.0
    """Size of brow movements and smiles."""
    asymmetry: float = 0.0
    """Excess strength of the left side of a smile, -1 to 1."""


def draw_manner(seed: int, identity: int, clip: int) -> Manner:
    """Draw a clip's behaviour. One clip in seven turns the head far (up to about 50 degrees)."""
    rng = open_stream(seed, MOTION, identity, clip)
    key = int(rng.integers(0, 2**63))
    turns_far = rng.random() < 1 / 7
    sway = np.radians([rng.uniform(3, 8), rng.uniform(16, 24) if turns_far else rng.uniform(5, 15), rng.uniform(2, 6)])
    return Manner(
        key=key,
        syllables=rng.uniform(3.6, 5.4),
        articulation=rng.uniform(0.7, 1.1),
        talk=rng.uniform(0.55, 1.0),
        yaw=float(np.radians(rng.uniform(-26, 26) if turns_far else np.clip(rng.normal(0, 8), -17, 17))),
        pitch=float(np.radians(np.clip(rng.normal(1, 4), -8, 9))),
        roll=float(np.radians(np.clip(rng.normal(0, 3), -8, 8))),
        sway=sway,
        mood=float(np.clip(rng.normal(0.12, 0.22), -0.3, 0.65)),
        lively=rng.uniform(0.5, 1.2),
        asymmetry=float(np.clip(rng.normal(0, 0.25), -0.6, 0.6)),
    )


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Hermite step from 0 at `low` to 1 at `high`."""
    x = np.clip((value - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def compute_speech(manner: Manner, time: Array) -> tuple[Array, Array]:
    """Compute the mouth shapes of speech.

    Args:
        manner: the clip's manner.
        time: (N,) seconds.

    Returns:
        (N, 8) intensities of `MOUTH`, and the (N,) loudness, 0 in pauses to 1.
    """
    loudness = smoothstep(-0.55, 0.15, evaluate_noise(manner.key, 0, time, 0.9) + (manner.talk - 0.5) * 1.6)
    position = 2 * manner.syllables * time + 0.9 * evaluate_noise(manner.key, 1, time, 1.5)
    base = np.floor(position)
    index = base.astype(np.int64) + np.arange(-1, 3)[:, None]
    pick = hash_lattice(manner.key, 2, index)
    vowel = VOWELS[(pick * len(VOWELS)).astype(np.int64)]
    consonant = CONSONANTS[(pick * len(CONSONANTS)).astype(np.int64)]
    stress = 0.7 + 0.6 * hash_lattice(manner.key, 3, index)
    sound = np.where((index % 2 == 0)[..., None], consonant, vowel * stress[..., None])
    blended = (spline_weights(position - base)[..., None] * sound).sum(0)
    mouth = blended * (manner.articulation * loudness)[:, None] * np.array([1.1, 1, 1.15, 1.1, 1.25, 1, 1, 1])
    return np.clip(mouth, 0, 1), loudness


def compute_blinks(manner: Manner, time: Array) -> Array:
    """(N,) lid closure, 0 open to 1 shut: about one blink in three seconds, closing faster than opening."""
    window = 2.8
    base = np.floor(time / window).astype(np.int64)
    closure = np.zeros_like(time)
    for offset in (-1, 0, 1):
        index = base + offset
        start = (index + 0.85 * hash_lattice(manner.key, 10, index)) * window
        happens = hash_lattice(manner.key, 11, index) < 0.85
        phase = time - start
        shape = smoothstep(0.0, 0.11, phase) * (1 - smoothstep(0.13, 0.33, phase))
        closure = np.maximum(closure, np.where(happens, shape, 0.0))
    return closure


def compute_gaze(manner: Manner, time: Array, head: Array) -> Array:
    """Direction of the eyes relative to the head: fixations joined by quick glances, held against head turns.

    Args:
        manner: the clip's manner.
        time: (N,) seconds.
        head: (N, 3) pitch, yaw, roll of the head in radians.

    Returns:
        (N, 2) pitch and yaw of the eyes in radians.
    """
    position = time / 0.9
    base = np.floor(position).astype(np.int64)

    def target(index: NDArray[np.int64]) -> Array:
        away = np.where(hash_lattice(manner.key, 12, index) < 0.35, 1.0, 0.25)
        angle = np.stack([hash_lattice(manner.key, 13, index) - 0.5, hash_lattice(manner.key, 14, index) - 0.5], -1)
        return angle * away[:, None] * np.radians([16.0, 34.0])

    glance = smoothstep(0.0, 0.13, position - base)[:, None]
    world = target(base - 1) * (1 - glance) + target(base) * glance
    return np.clip(world - 0.55 * head[:, :2], np.radians([-11, -20]), np.radians([11, 20]))


def head_pose(manner: Manner, time: Array, loudness: Array) -> Array:
    """(N, 3) pitch, yaw and roll of the head in radians: slow drift, sway, and nods that go with speech."""
    slow = np.stack([evaluate_noise(manner.key, channel, time, 0.45) for channel in (20, 21, 22)], -1)
    quick = np.stack([evaluate_noise(manner.key, channel, time, 1.6) for channel in (23, 24, 25)], -1)
    nod = np.radians(1.6) * evaluate_noise(manner.key, 26, time, 2.6) * loudness
    pose = np.array([manner.pitch, manner.yaw, manner.roll]) + manner.sway * (1.1 * slow + 0.22 * quick)
    pose[:, 0] += nod
    limit = np.radians([22, 52, 18])
    return limit * np.tanh(pose / limit)


def compute_motion(manner: Manner, frames: NDArray[np.int64]) -> dict[str, Array]:
    """The whole face at some frames of a clip.

    Args:
        manner: the clip's manner.
        frames: (N,) frame numbers at 25 frames a second.

    Returns:
        Arrays over N: each of `MOUTH`; `smile_left`, `smile_right`, `frown`, `puff`, `sneer`, `brow_inner`,
        `brow_outer_left`, `brow_outer_right`, `brow_lower`, `squint`, `blink_left`, `blink_right` (0 to 1);
        `jaw_side` and `breath` (-1 to 1); `gaze` (N, 2) and `head` (N, 3) in radians; `shift` (N, 3) of the head
        (right, up in face heights; log scale).
    """
    time = np.asarray(frames, np.int64) / FPS
    key = manner.key
    mouth, loudness = compute_speech(manner, time)
    out = {name: mouth[:, i] for i, name in enumerate(MOUTH)}
    head = head_pose(manner, time, loudness)
    smile = np.clip(manner.mood + 0.45 * manner.lively * evaluate_noise(key, 30, time, 0.5), 0, 0.95) * (
        1 - 0.5 * out["pucker"]
    )
    out["smile_left"] = np.clip(smile * (1 + manner.asymmetry), 0, 1)
    out["smile_right"] = np.clip(smile * (1 - manner.asymmetry), 0, 1)
    out["frown"] = np.clip(-manner.mood + 0.35 * evaluate_noise(key, 31, time, 0.4) - 0.15, 0, 0.8)
    out["puff"] = np.clip(0.35 * evaluate_noise(key, 32, time, 1.1) - 0.1, 0, 0.6) * (1 - out["jaw_open"])
    out["sneer"] = np.clip(0.4 * evaluate_noise(key, 33, time, 0.7) - 0.22, 0, 0.6)
    raise_brows = manner.lively * (0.75 * evaluate_noise(key, 34, time, 0.8) - 0.15 + 0.2 * loudness)
    tilt = 0.2 * manner.lively * evaluate_noise(key, 35, time, 0.5)
    out["brow_inner"] = np.clip(raise_brows + 0.3 * evaluate_noise(key, 36, time, 0.6), 0, 1)
    out["brow_outer_left"] = np.clip(raise_brows + tilt, 0, 1)
    out["brow_outer_right"] = np.clip(raise_brows - tilt, 0, 1)
    out["brow_lower"] = np.clip(-0.6 * raise_brows - 0.22, 0, 0.6)
    out["squint"] = np.clip(0.55 * smile + 0.35 * evaluate_noise(key, 37, time, 0.5) - 0.1, 0, 0.8)
    closure = compute_blinks(manner, time)
    eyes = compute_gaze(manner, time, head)
    droop = np.clip(0.06 + 0.06 * evaluate_noise(key, 38, time, 0.3), 0, 1)
    out["blink_left"] = np.maximum(closure, droop)
    out["blink_right"] = np.maximum(0.97 * closure, droop)
    out["jaw_side"] = 0.5 * evaluate_noise(key, 39, time, 0.8) * loudness
    out["breath"] = np.sin(2 * np.pi * 0.27 * time + key % 7)
    out["gaze"], out["head"] = eyes, head
    drift = np.stack([evaluate_noise(key, channel, time, 0.35) for channel in (40, 41, 42)], -1)
    out["shift"] = drift * np.array([0.035, 0.02, 0.02])
    return out
