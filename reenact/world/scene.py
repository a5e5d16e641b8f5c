"""A posed actor before a background, drawn as a picture or as the buffer of its surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.world.acting import Act
from reenact.world.actor import Actor, build_actor, compute_rotation
from reenact.world.backgrounds import clip_background
from reenact.world.head_arrays import head_model
from reenact.world.kernels import F32, I32, rasterize, vertex_normals
from reenact.world.light import Light, clip_light
from reenact.world.occlusion import CULL, compute_view, seen_from
from reenact.world.shading import encode_picture, shade_pixels
from reenact.world.textures import draw_tiles
from reenact.world.wear import cloth_picture

Array = NDArray[np.float64]
_SHADOW_SIDE = 128
_SHADOW_REACH = 0.19
"""Half the side of the space that the shadow map covers, metres."""


@dataclass(frozen=True)
class PosedScene:
    """Actor and act of one frame, with the posed vertices."""

    actor: Actor
    act: Act
    points: F32
    """(V, 3) vertices in model space, in metres."""

    def on_screen(self, size: int) -> F32:
        """(V, 3) in samples of a `size` grid; depth in the same unit."""
        scale, x, y = self.act.camera[0]
        screen = np.empty_like(self.points)
        half = size / 2
        screen[:, 0] = (scale * (self.points[:, 0] + x) + 1) * half
        screen[:, 1] = (1 - scale * (self.points[:, 1] + y)) * half
        screen[:, 2] = -scale * self.points[:, 2] * half
        return screen

    def landmarks(self) -> Array:
        """(68, 3) landmarks in NDC."""
        head = torch.from_numpy(self.points[: self.actor.expression.shape[1]])
        points = head_model().landmarks68(head[None])[0].double().numpy()
        scale, x, y = self.act.camera[0]
        return np.stack([scale * (points[:, 0] + x), -scale * (points[:, 1] + y), -scale * points[:, 2]], -1)


@dataclass(frozen=True)
class Scenery:
    """Light, background and cloth of a clip."""

    light: Light
    background: NDArray[np.uint8]
    cloth: NDArray[np.uint8]


@lru_cache(maxsize=256)
def draw_scenery(seed: int, identity: int, clip: int) -> Scenery:
    """Draw the scenery of a clip, or take it from the last 256 drawn."""
    person = build_actor(seed, identity).person
    return Scenery(
        light=clip_light(seed, identity, clip),
        background=encode_picture(clip_background(seed, identity, clip)),
        cloth=encode_picture(cloth_picture(seed, identity, clip, person.skin)),
    )


@lru_cache(maxsize=1)
def _tabulate_srgb() -> NDArray[np.uint8]:
    """SRGB codes of linear light from 0 to 2, highlights rolled off above 0.7."""
    light = np.arange(8192) / 4096
    light = np.where(light < 0.7, light, 0.7 + 0.3 * (1 - np.exp(-(light - 0.7) / 0.3)))
    codes = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(codes, 0, 1)).astype(np.uint8)


def pose_body(act: Act) -> Array:
    """Return the (3, 4) transform of the shoulders: they breathe and follow the head's turn a little."""
    turned = compute_rotation(np.array([0.0, 0.14 * act.turn[0, 1], 0.25 * act.turn[0, 2]]))
    pivot = np.array([0.0, -0.30, -0.02])
    shift = np.array([0.0, 0.0012 * act.breath[0], 0.0])
    return np.concatenate([turned, (pivot - (turned * pivot).sum(-1) + shift)[:, None]], 1)


def draw_picture(scene: PosedScene, scenery: Scenery, size: int) -> NDArray[np.uint8]:
    """Draw the (size, size, 3) picture of a scene."""
    actor, act, light = scene.actor, scene.act, scenery.light
    normals = np.empty_like(scene.points)
    vertex_normals(scene.points, actor.faces, normals)
    screen = scene.on_screen(2 * size)
    index, bary, _ = draw_buffer(actor, screen, 2 * size)
    shadow_map, to_shadow = _cast_shadow(scene, light, 2 * size)
    image = np.empty((size, size, 3), np.uint8)
    shade_pixels(
        index, bary, screen, actor.faces, actor.material, actor.attributes, normals,
        actor.skin, actor.relief, scenery.cloth, scenery.background, draw_tiles()["strands"],
        light.coefficients.astype(np.float32), light.key.astype(np.float32), light.key_colour.astype(np.float32),
        to_shadow, shadow_map, light.shadow,
        compute_rotation(act.turn[0]).astype(np.float32), *_build_palette(actor), _tabulate_srgb(), image,
    )  # fmt: skip
    return image


def draw_buffer(actor: Actor, screen: F32, size: int) -> tuple[I32, F32, F32]:
    """Return face index (size, size), barycentrics (size, size, 2) and depth (size, size) of an actor on screen."""
    index, depth = np.empty((size, size), np.int32), np.empty((size, size), np.float32)
    bary = np.zeros((size, size, 2), np.float32)
    rasterize(
        screen, actor.faces, actor.material, CULL, actor.attributes, draw_tiles()["strands"], size, index, bary, depth
    )
    return index, bary, depth


def _cast_shadow(scene: PosedScene, light: Light, size: int) -> tuple[F32, F32]:
    """The key lamp's z-buffer, and the (3, 4) map from screen positions of a `size` grid into it."""
    towards = compute_view(light.key)
    centre = np.array([0.0, 0.0, 0.02])
    unit = _SHADOW_SIDE / (2 * _SHADOW_REACH)
    offset = np.array([_SHADOW_SIDE / 2, _SHADOW_SIDE / 2, 0.0])
    screen = seen_from(light.key, scene.points, centre, _SHADOW_REACH, _SHADOW_SIDE)
    depth = draw_buffer(scene.actor, screen, _SHADOW_SIDE)[2]
    scale, x, y = scene.act.camera[0]
    pixel = 2 / (size * scale)
    # Model space from screen: X = pixel * sx - 1/scale - x, and so on.
    linear = towards * unit * np.array([pixel, -pixel, -pixel])
    constant = offset + unit * (towards * (np.array([-1 / scale - x, 1 / scale - y, 0.0]) - centre)).sum(-1)
    return depth, np.concatenate([linear, constant[:, None]], 1).astype(np.float32)


def _build_palette(actor: Actor) -> tuple[F32, F32, F32]:
    """Iris, hair and glasses parameters of `shading.shade`."""
    person = actor.person
    iris = np.concatenate([person.iris, person.iris * 0.3, [person.pupil, 0.3 + 0.5 * person.age]])
    sheen = 0.10 + 0.25 * float(person.hair.mean())
    contrast = 1.1 if person.hair.mean() < 0.1 else 0.8
    hair = np.concatenate([person.hair * 0.75, person.hair * 1.2, [sheen, contrast]])
    frame = np.append(person.frame, 0.5)
    return iris.astype(np.float32), hair.astype(np.float32), frame.astype(np.float32)
