"""Appearance of a person, apart from the head's shape: skin, hair, beard, glasses, irises; linear-light colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reenact.world.rng import IDENTITY, Array, open_stream

SKIN_TONES = np.array([
    [0.62, 0.43, 0.35], [0.57, 0.37, 0.28], [0.49, 0.285, 0.20], [0.41, 0.212, 0.128],
    [0.29, 0.138, 0.078], [0.18, 0.080, 0.045], [0.105, 0.047, 0.029],
])  # fmt: skip
"""Skin albedo from the lightest to the darkest tone."""
HAIR_COLOURS = np.array([
    [0.012, 0.010, 0.010], [0.030, 0.018, 0.012], [0.070, 0.036, 0.020], [0.15, 0.078, 0.038],
    [0.36, 0.22, 0.10], [0.52, 0.38, 0.20], [0.26, 0.075, 0.022], [0.24, 0.235, 0.23], [0.44, 0.43, 0.41],
])  # fmt: skip
"""Black, dark brown, brown, light brown, dark blond, blond, red, grey, white."""
IRIS_COLOURS = np.array([
    [0.055, 0.022, 0.010], [0.115, 0.052, 0.022], [0.13, 0.095, 0.035], [0.10, 0.13, 0.055],
    [0.11, 0.18, 0.25], [0.20, 0.25, 0.28],
])  # fmt: skip
"""Dark brown, brown, hazel, green, blue, grey."""
HAIR_STYLES = ("bald", "buzz", "receding", "short", "swept", "fringe", "curly", "afro", "bob", "long", "wavy", "bun")


@dataclass(frozen=True, kw_only=True)
class Person:
    """The looks of one identity."""

    feminine: float
    """0 masculine to 1 feminine: weighs hair, beard, brows, lips and make-up."""
    age: float
    """0 twenty to 1 seventy: wrinkles, grey hair, spots."""
    skin: Array
    """(3,) albedo of the skin."""
    hair: Array
    """(3,) albedo of the hair."""
    brow: Array
    """(3,) albedo of the brows."""
    iris: Array
    """(3,) albedo of the irises."""
    lips: Array
    """(3,) albedo of the lips."""
    hair_style: str
    beard: str
    """`none`, `stubble`, `moustache`, `goatee` or `full`."""
    glasses: str
    """`none`, `round`, `square` or `half`."""
    frame: Array
    """(3,) albedo of the glasses' frame."""
    freckles: float
    blush: float
    gloss: float
    brow_width: float
    """Thickness of the brows relative to the mean."""
    brow_density: float
    brow_lift: float
    """Height of the painted brow over the brow ridge, in half brow widths."""
    liner: float
    """Darkness of the lash line, 0.3 to 1."""
    shade: float
    """Strength of eye shadow."""
    pupil: float
    volume: float
    """Thickness of the hair relative to its style."""
    parting: float
    """Position of the hair's parting: -1 at the subject's right, 1 at the left."""
    detail: int
    """Seed of the person's textures."""


def _hair_colour(rng: np.random.Generator, tone: float, age: float) -> Array:
    """Darker skin goes with darker hair; age turns it grey."""
    fair = np.array([0.5, 1.0, 1.2, 1.0, 0.8, 0.7, 0.35, 0.0, 0.0])
    dark = np.array([2.4, 1.2, 0.3, 0.05, 0.02, 0.02, 0.02, 0.0, 0.0])
    chance = fair * (1 - tone) ** 1.5 + dark * tone**0.7 + 0.05
    chance[7:] = [max(age - 0.4, 0) * 3.5, max(age - 0.6, 0) * 4]
    colour = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=chance / chance.sum())]
    if rng.random() < 0.03:
        colour = np.clip(0.18 + 0.3 * rng.normal(0, 1, 3), 0.02, 0.6)
    return np.asarray(colour * np.exp(rng.normal(0, 0.12, 3) * np.array([1, 0.8, 0.9]) + rng.normal(0, 0.2)))


def _hair_style(rng: np.random.Generator, feminine: bool, age: float, tone: float) -> str:
    """Draw a style by its weight."""
    masculine_weights = np.array(
        [1 + 2 * age, 1.3, 0.5 + 3 * age, 3, 2.5, 1.2, 1, 0.3 + 1.5 * tone, 0.1, 0.4, 0.2, 0.2]
    )
    feminine_weights = np.array([0.05, 0.15, 0.02, 0.9, 1.2, 1.2, 1.1, 0.3 + 1.2 * tone, 2.5, 3, 2.5, 2])
    weights = feminine_weights if feminine else masculine_weights
    return HAIR_STYLES[int(rng.choice(len(HAIR_STYLES), p=weights / weights.sum()))]


def draw_person(seed: int, identity: int) -> Person:
    """Draw the looks of an identity."""
    rng = open_stream(seed, IDENTITY, identity)
    is_feminine = bool(rng.random() < 0.5)
    feminine = float(np.clip(rng.normal(0.85 if is_feminine else 0.12, 0.12), 0, 1))
    age = float(rng.beta(1.4, 2.0))
    tone = float(rng.beta(0.9, 1.3))
    place = tone * (len(SKIN_TONES) - 1.001)
    low = int(place)
    skin = SKIN_TONES[low] + (place - low) * (SKIN_TONES[low + 1] - SKIN_TONES[low])
    skin = skin * np.exp(rng.normal(0, [0.03, 0.06, 0.10]))
    hair = _hair_colour(rng, tone, age)
    iris_weights = np.array(
        [0.4 + 3 * tone, 1, 0.7 * (1 - tone), 0.5 * (1 - tone) ** 2, (1 - tone) ** 2, 0.4 * (1 - tone) ** 2]
    )
    iris = IRIS_COLOURS[rng.choice(len(IRIS_COLOURS), p=iris_weights / iris_weights.sum())]
    made_up = feminine * rng.random()
    natural_lips = skin * np.array([0.80, 0.44, 0.48])
    painted = np.array([0.45, 0.07, 0.09]) * np.exp(rng.normal(0, [0.25, 0.4, 0.4]))
    paint = 0.75 * max(made_up - 0.45, 0) / 0.55
    beard_weights = np.array([4.5, 2.0, 0.7, 0.9, 1.9]) if not is_feminine else np.array([1.0, 0, 0, 0, 0])
    brow_mix = rng.uniform(0.55, 0.95)
    return Person(
        feminine=feminine,
        age=age,
        skin=skin,
        hair=hair,
        brow=np.minimum(hair * brow_mix + 0.01, skin * 0.5),
        iris=np.asarray(iris * np.exp(rng.normal(0, 0.15, 3))),
        lips=np.asarray(natural_lips * (1 - paint) + painted * paint),
        hair_style=_hair_style(rng, is_feminine, age, tone),
        beard=str(
            rng.choice(["none", "stubble", "moustache", "goatee", "full"], p=beard_weights / beard_weights.sum())
        ),
        glasses=str(rng.choice(["none", "round", "square", "half"], p=[0.76, 0.08, 0.1, 0.06])),
        frame=np.array([0.02, 0.02, 0.022]) if rng.random() < 0.6 else rng.uniform(0.05, 0.45, 3),
        freckles=float(max(rng.normal(-0.2, 0.5), 0) * (1 - tone)),
        blush=float(rng.uniform(0.1, 0.6) + 0.35 * made_up),
        gloss=float(rng.uniform(0.03, 0.10)),
        brow_width=float(np.clip(rng.normal(1.05 - 0.3 * feminine, 0.2), 0.55, 1.5)),
        brow_density=float(rng.uniform(0.6, 0.98)),
        brow_lift=float(rng.normal(0.0, 0.12)),
        liner=float(rng.uniform(0.3, 0.5) + 0.45 * made_up),
        shade=float(0.45 * max(made_up - 0.4, 0)),
        pupil=float(rng.uniform(0.15, 0.23)),
        volume=float(rng.uniform(0.75, 1.35)),
        parting=float(rng.uniform(-0.9, 0.9)),
        detail=int(rng.integers(0, 2**31)),
    )


def collect_texture(person: Person) -> Array:
    """A person's texture (12,) of the built-in head: albedo of skin, lips, brows and irises, RGB each."""
    return np.concatenate([person.skin, person.lips, person.brow, person.iris])
