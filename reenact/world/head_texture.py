"""Builds the head's texture: `python -m reenact.world.head_texture` writes `texture.npz` beside the head's `head.npz`.

The texture is the mean of what the world paints: at each vertex the shares of a person's skin, lips, brows and irises
in the albedo, by least squares over `PEOPLE` people, and the light that hair, brow ridge and lids let through there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.optimize import nnls

from reenact.faces.head.texture import FILE, SHARE_STEP
from reenact.world.actor import Actor, build_actor
from reenact.world.head_arrays import head_arrays, head_model
from reenact.world.kernels import EYE, MOUTH, SKIN, TEETH, TONGUE
from reenact.world.light import clip_light
from reenact.world.people import collect_texture, draw_person
from reenact.world.shading import EYE_WHITE, MOUTH_ALBEDO, TEETH_ALBEDO, TONGUE_ALBEDO

Array = NDArray[np.float64]
PEOPLE, CROWD = 60, 4000
"""People whose paint is measured, and people and lights whose spread is."""
LEAST_VARIANCE = 1e-5
PUPIL_EDGE, IRIS_EDGE = 0.19, 0.49
"""Mean radius of the pupil and radius of the iris, as sines of the angle from the eye's axis (`shading`)."""
IRIS_GLOW = 1.15
"""Mean brightness of an iris between pupil and rim, relative to the person's colour."""


def build_arrays() -> dict[str, NDArray[Any]]:
    """Every array of `texture.npz`."""
    head = head_arrays()
    actors = [build_actor(0, identity) for identity in range(PEOPLE)]
    material = np.zeros(len(head.mean), np.int64)
    for kind in (MOUTH, TONGUE, TEETH, EYE, SKIN):
        material[np.unique(head.faces[head.material == kind])] = kind
    shares, rest = np.zeros((len(head.mean), 4)), np.zeros((len(head.mean), 3))
    skin = np.flatnonzero(material == SKIN)
    bearded = head_model().region("beard").numpy()[skin]
    shares[skin, :3] = _measure_shares(actors, _sample_paint(actors, skin), bearded)
    for kind, albedo in ((TEETH, TEETH_ALBEDO), (TONGUE, TONGUE_ALBEDO), (MOUTH, MOUTH_ALBEDO)):
        rest[material == kind] = albedo
    eyes = np.flatnonzero(material == EYE)
    axis = actors[0].attributes[eyes, :3].astype(np.float64)
    radius = np.where(axis[:, 2] > 0, np.hypot(axis[:, 0], axis[:, 1]), 1.0)
    shares[eyes, 3] = IRIS_GLOW * ((radius > PUPIL_EDGE) & (radius < IRIS_EDGE))
    rest[eyes[radius >= IRIS_EDGE]] = EYE_WHITE
    column = np.where(material == EYE, 3, 2)
    mean, covariance = _measure_prior()
    openness = np.median([actor.attributes[np.arange(len(column)), column] for actor in actors], axis=0)
    return {
        "shares": np.round(np.clip(shares, 0, 255 * SHARE_STEP) / SHARE_STEP).astype(np.uint8),
        "rest": np.round(255 * rest).astype(np.uint8),
        "openness": np.round(255 * np.clip(openness, 0, 1)).astype(np.uint8),
        "prior_mean": mean,
        "prior_covariance": covariance,
    }


def _measure_prior() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (39,) and covariance (39, 39) of texture and light, which are independent of each other."""
    textures = np.stack([collect_texture(draw_person(0, identity)) for identity in range(CROWD)])
    lights = np.stack([clip_light(0, identity, 0).coefficients.ravel() for identity in range(CROWD)])
    covariance = block_diag(np.cov(textures.T), np.cov(lights.T)) + LEAST_VARIANCE * np.eye(39)
    mean = np.concatenate([textures.mean(0), lights.mean(0)])
    return mean.astype(np.float32), covariance.astype(np.float32)


def _sample_paint(actors: list[Actor], vertices: NDArray[np.int64]) -> Array:
    """(P, N, 3) linear albedo that P people's skin pictures have at N vertices, bilinearly."""
    side = actors[0].skin.shape[0]
    place = np.clip(head_arrays().charted[vertices].astype(np.float64) * side - 0.5, 0, side - 1.001)
    first = place.astype(int)
    (i, j), (a, b) = first.T, (place - first).T[..., None]
    pictures = np.stack([(actor.skin[..., :3] / 255) ** 2 for actor in actors])
    top = pictures[:, j, i] * (1 - a) + pictures[:, j, i + 1] * a
    low = pictures[:, j + 1, i] * (1 - a) + pictures[:, j + 1, i + 1] * a
    return np.asarray(top * (1 - b) + low * b)


def _measure_shares(actors: list[Actor], paint: Array, bearded: NDArray[np.bool_]) -> Array:
    """(N, 3) shares of skin, lips and brows in (P, N, 3) paint, not negative; beards (N,) are no brows."""
    people = np.stack([collect_texture(actor.person)[:9].reshape(3, 3) for actor in actors])
    system = people.transpose(0, 2, 1).reshape(-1, 3)
    shares = np.zeros((paint.shape[1], 3))
    for vertex, is_bearded in enumerate(bearded):
        columns = 2 if is_bearded else 3
        shares[vertex, :columns] = nnls(system[:, :columns], paint[:, vertex].ravel())[0]
    return shares


if __name__ == "__main__":
    np.savez_compressed(FILE, **build_arrays())  # type: ignore[arg-type]
    print(f"{FILE}: {FILE.stat().st_size / 1e3:.1f} kB")
