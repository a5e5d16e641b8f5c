"""The synthetic world: frames of talking heads, and everything that is true of them.

Flow convention: backward, driving to source. `flow[y, x]` is where the surface seen at the centre of pixel (x, y) of
the driving frame lies in the source frame, in `grid_sample` units of `align_corners=False` (-1 and 1 are the image's
edges, x then y). The background stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reenact.faces.params import FaceParams
from reenact.world.acting import Act, compute_act, draw_framing, face_params
from reenact.world.actor import (
    Actor,
    bone_matrices,
    build_actor,
)
from reenact.world.kernels import (
    EYE,
    F32,
    HAIR,
    MOUTH,
    SKIN,
    TEETH,
    TONGUE,
    pose_points,
)
from reenact.world.light import clip_light
from reenact.world.motion import draw_manner
from reenact.world.scene import PosedScene, draw_buffer, draw_picture, draw_scenery, pose_body

Array = NDArray[np.float64]
WORLD_VERSION = 1
"""Raise it with `tests/data/synthetic/golden.json`: tables then train again what was trained on other pictures."""
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

    def _pose_scene(self, identity: int, clip: int, frame: int) -> PosedScene:
        actor, act = self._act(identity, clip, np.array([frame], np.int64))
        bones = bone_matrices(actor, act.blend[0], act.pose[0], pose_body(act))
        points = np.empty_like(actor.rest)
        pose_points(actor.rest, actor.expression, act.blend[0].astype(np.float32), actor.weights, bones, points)
        return PosedScene(actor, act, points)

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
        scenery = draw_scenery(self.seed, identity, clip)
        scenes = [self._pose_scene(identity, clip, frame) for frame in frames]
        images = np.stack([draw_picture(scene, scenery, size) for scene in scenes])
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
        scene, scenery = self._pose_scene(identity, clip, frame), draw_scenery(self.seed, identity, clip)
        index, _, depth = draw_buffer(scene.actor, scene.on_screen(size), size)
        landmarks = scene.landmarks()
        scale = scene.act.camera[0, 0]
        points = (landmarks[:, :2] + 1) * (size / 2)
        pixel = np.clip(points.astype(int), 0, size - 1)
        behind = landmarks[:, 2] - depth[pixel[:, 1], pixel[:, 0]] * (2 / size)
        return SyntheticFrame(
            image=draw_picture(scene, scenery, size),
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
            index, _, _ = draw_buffer(scene.actor, scene.on_screen(2 * size), 2 * size)
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
        index, bary, _ = draw_buffer(actor, driving_scene.on_screen(size), size)
        source_index, _, source_depth = draw_buffer(actor, source_screen, size)
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
