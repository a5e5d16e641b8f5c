"""The synthetic world: frames of talking heads, and everything that is true of them.

Flow convention: backward, driving to source. `flow[y, x]` is where the surface seen at the centre of pixel (x, y) of
the driving frame lies in the source frame, in `grid_sample` units of `align_corners=False` (-1 and 1 are the image's
edges, x then y). The background stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.faces.params import FaceParams
from reenact.world.acting import Act, compute_act, draw_framing, face_params
from reenact.world.actor import (
    CULL,
    Actor,
    bone_matrices,
    build_actor,
    compute_rotation,
    compute_view,
    head_model,
    seen_from,
)
from reenact.world.backgrounds import clip_background
from reenact.world.kernels import (
    EYE,
    F32,
    HAIR,
    I32,
    MOUTH,
    SKIN,
    TEETH,
    TONGUE,
    pose_points,
    rasterize,
    vertex_normals,
)
from reenact.world.light import Light, clip_light
from reenact.world.motion import draw_manner
from reenact.world.shading import encode_picture, shade_pixels
from reenact.world.textures import draw_tiles
from reenact.world.wear import cloth_picture

Array = NDArray[np.float64]
WORLD_VERSION = 1
"""Raise it with `tests/data/synthetic/golden.json`: tables then train again what was trained on other pictures."""
SHADOW_SIDE = 128
_SHADOW_REACH = 0.19
"""Half the side of the space that the shadow map covers, metres."""
VISIBLE_DEPTH = 0.004
"""Largest depth of a visible landmark behind the surface on screen, in metres."""


@dataclass(frozen=True, kw_only=True)
class SyntheticFrame:
    """A frame and its truth. Masks, depth and labels hold at pixel centres."""

    image: NDArray[np.uint8]
    """(S, S, 3) RGB picture."""
    params: FaceParams
    """Face parameters of the built-in head, without batch dimension; `camera` and `light` among them."""
    landmarks: F32
    """(68, 2) iBUG points in continuous pixels."""
    landmarks_visible: NDArray[np.bool_]
    """(68,) whether nothing stands in front of the point."""
    depth: F32
    """(S, S) NDC depth of the surface seen, infinity for the background."""
    material: NDArray[np.int8]
    """(S, S) material of the surface seen (see `kernels`), -1 for the background."""

    @property
    def foreground(self) -> NDArray[np.bool_]:
        """(S, S) the person, with clothes, hair and glasses."""
        return np.asarray(self.material >= 0)

    @property
    def face(self) -> NDArray[np.bool_]:
        """(S, S) skin, eyes and the inside of the mouth, neck and ears included."""
        return np.isin(self.material, (SKIN, EYE, TEETH, TONGUE, MOUTH))

    @property
    def hair(self) -> NDArray[np.bool_]:
        """(S, S) hair of the head; beards and brows are skin."""
        return np.asarray(self.material == HAIR)

    @property
    def mouth(self) -> NDArray[np.bool_]:
        """(S, S) inside of the mouth: teeth, tongue and what lies behind."""
        return np.isin(self.material, (TEETH, TONGUE, MOUTH))


@dataclass(frozen=True)
class _PosedScene:
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
class _Scenery:
    """Light, background and cloth of a clip."""

    light: Light
    background: NDArray[np.uint8]
    cloth: NDArray[np.uint8]


@lru_cache(maxsize=256)
def _draw_scenery(seed: int, identity: int, clip: int) -> _Scenery:
    person = build_actor(seed, identity).person
    return _Scenery(
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


def _pose_body(act: Act) -> Array:
    """(3, 4) transform of the shoulders: they breathe and follow the head's turn a little."""
    turned = compute_rotation(np.array([0.0, 0.14 * act.turn[0, 1], 0.25 * act.turn[0, 2]]))
    pivot = np.array([0.0, -0.30, -0.02])
    shift = np.array([0.0, 0.0012 * act.breath[0], 0.0])
    return np.concatenate([turned, (pivot - (turned * pivot).sum(-1) + shift)[:, None]], 1)


@dataclass(frozen=True)
class World:
    """A world of people, each with clips of any length; everything in it follows from the seed.

    Args:
        seed: another seed has other people, not negative.
    """

    seed: int = 0

    def _act(self, identity: int, clip: int, frames: NDArray[np.int64]) -> tuple[Actor, Act]:
        actor = build_actor(self.seed, identity)
        manner = draw_manner(self.seed, identity, clip)
        return actor, compute_act(actor, manner, draw_framing(self.seed, identity, clip), frames)

    def params(self, identity: int, clip: int, frames: Sequence[int]) -> FaceParams:
        """Face parameters (N,) of N frames of a clip, without drawing anything."""
        actor, act = self._act(identity, clip, np.asarray(frames, np.int64))
        return face_params(actor, act, clip_light(self.seed, identity, clip))

    def _pose_scene(self, identity: int, clip: int, frame: int) -> _PosedScene:
        actor, act = self._act(identity, clip, np.array([frame], np.int64))
        bones = bone_matrices(actor, act.blend[0], act.pose[0], _pose_body(act))
        points = np.empty_like(actor.rest)
        pose_points(actor.rest, actor.expression, act.blend[0].astype(np.float32), actor.weights, bones, points)
        return _PosedScene(actor, act, points)

    def sequence(
        self, identity: int, clip: int, frames: Sequence[int], size: int
    ) -> tuple[NDArray[np.uint8], FaceParams, F32]:
        """Some frames of a clip, without their masks and depth.

        Args:
            identity: whose, any number from 0.
            clip: which of the identity's clips, any number from 0.
            frames: N frame numbers at 25 frames a second, in any order.
            size: side of the images in pixels.

        Returns:
            (N, size, size, 3) RGB, (N) face parameters, and (N, 68, 2) landmarks in continuous pixels.
        """
        scenery = _draw_scenery(self.seed, identity, clip)
        scenes = [self._pose_scene(identity, clip, frame) for frame in frames]
        images = np.stack([_draw_picture(scene, scenery, size) for scene in scenes])
        landmarks = np.stack([scene.landmarks()[:, :2] for scene in scenes])
        params = FaceParams.cat([face_params(scene.actor, scene.act, scenery.light) for scene in scenes])
        return images, params, ((landmarks + 1) * (size / 2)).astype(np.float32)

    def render(self, identity: int, clip: int, frame: int, size: int) -> SyntheticFrame:
        """Render a frame with its ground truth.

        Args:
            identity: whose, any number from 0.
            clip: which of the identity's clips, any number from 0.
            frame: frame number at 25 frames a second, any number from 0.
            size: side of the image in pixels.
        """
        scene, scenery = self._pose_scene(identity, clip, frame), _draw_scenery(self.seed, identity, clip)
        index, _, depth = _draw_buffer(scene.actor, scene.on_screen(size), size)
        landmarks = scene.landmarks()
        scale = scene.act.camera[0, 0]
        points = (landmarks[:, :2] + 1) * (size / 2)
        pixel = np.clip(points.astype(int), 0, size - 1)
        behind = landmarks[:, 2] - depth[pixel[:, 1], pixel[:, 0]] * (2 / size)
        return SyntheticFrame(
            image=_draw_picture(scene, scenery, size),
            params=face_params(scene.actor, scene.act, scenery.light)[0],
            landmarks=points.astype(np.float32),
            landmarks_visible=behind < scale * VISIBLE_DEPTH,
            depth=depth * np.float32(2 / size),
            material=np.where(index < 0, -1, scene.actor.material[np.maximum(index, 0)]).astype(np.int8),
        )

    def masks(self, identity: int, clip: int, frames: Sequence[int], size: int) -> NDArray[np.uint8]:
        """(N, 1, size, size) share of each pixel of N frames that shows the person, 255 for all of it.

        Pictures are drawn at twice their size and averaged, and so are masks.
        """
        masks = np.empty((len(frames), 1, size, size), np.uint8)
        for mask, frame in zip(masks, frames, strict=True):
            scene = self._pose_scene(identity, clip, frame)
            index, _, _ = _draw_buffer(scene.actor, scene.on_screen(2 * size), 2 * size)
            share = (index >= 0).reshape(size, 2, size, 2).mean((1, 3))
            mask[0] = np.round(255 * share)
        return masks

    def landmarks(self, identity: int, clip: int, frames: Sequence[int], size: int) -> F32:
        """(N, 68, 2) landmarks of N frames in continuous pixels, without drawing anything."""
        points = [self._pose_scene(identity, clip, frame).landmarks()[:, :2] for frame in frames]
        return ((np.stack(points) + 1) * (size / 2)).astype(np.float32)

    def flow(self, identity: int, clip: int, source: int, driving: int, size: int) -> tuple[F32, NDArray[np.bool_]]:
        """True flow between two frames of a clip; see the module's convention.

        Args:
            identity: whose.
            clip: which clip.
            source: frame that is sampled.
            driving: frame that the flow is laid out over.
            size: side of both images in pixels.

        Returns:
            (size, size, 2) flow, and (size, size) whether the place it points to shows the same surface.
        """
        source_scene, driving_scene = (
            self._pose_scene(identity, clip, source),
            self._pose_scene(identity, clip, driving),
        )
        actor, source_screen = driving_scene.actor, source_scene.on_screen(size)
        index, bary, _ = _draw_buffer(actor, driving_scene.on_screen(size), size)
        source_index, _, source_depth = _draw_buffer(actor, source_screen, size)
        weights = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1)
        place = (source_screen[actor.faces[np.maximum(index, 0)]] * weights[..., None]).sum(-2)
        centre = np.arange(size, dtype=np.float32) + 0.5
        x, y = np.meshgrid(centre, centre)
        background = index < 0
        place[background] = np.stack([x, y, np.zeros_like(x)], -1)[background]
        inside = (place[..., :2] >= 0).all(-1) & (place[..., :2] < size).all(-1)
        column, row = np.clip(place[..., 0], 0, size - 1).astype(int), np.clip(place[..., 1], 0, size - 1).astype(int)
        tolerance = driving_scene.act.camera[0, 0] * VISIBLE_DEPTH * size / 2
        visible = np.abs(source_depth[row, column] - place[..., 2]) < tolerance
        valid = inside & np.where(background, source_index[row, column] < 0, visible)
        return (place[..., :2] * (2 / size) - 1).astype(np.float32), valid


def _draw_picture(scene: _PosedScene, scenery: _Scenery, size: int) -> NDArray[np.uint8]:
    """The (size, size, 3) picture of a scene."""
    actor, act, light = scene.actor, scene.act, scenery.light
    normals = np.empty_like(scene.points)
    vertex_normals(scene.points, actor.faces, normals)
    screen = scene.on_screen(2 * size)
    index, bary, _ = _draw_buffer(actor, screen, 2 * size)
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


def _draw_buffer(actor: Actor, screen: F32, size: int) -> tuple[I32, F32, F32]:
    """Face index, barycentrics and depth of a scene on screen."""
    index, depth = np.empty((size, size), np.int32), np.empty((size, size), np.float32)
    bary = np.zeros((size, size, 2), np.float32)
    rasterize(
        screen, actor.faces, actor.material, CULL, actor.attributes, draw_tiles()["strands"], size, index, bary, depth
    )
    return index, bary, depth


def _cast_shadow(scene: _PosedScene, light: Light, size: int) -> tuple[F32, F32]:
    """The key lamp's z-buffer, and the (3, 4) map from screen positions of a `size` grid into it."""
    towards = compute_view(light.key)
    centre = np.array([0.0, 0.0, 0.02])
    unit = SHADOW_SIDE / (2 * _SHADOW_REACH)
    offset = np.array([SHADOW_SIDE / 2, SHADOW_SIDE / 2, 0.0])
    screen = seen_from(light.key, scene.points, centre, _SHADOW_REACH, SHADOW_SIDE)
    depth = _draw_buffer(scene.actor, screen, SHADOW_SIDE)[2]
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
