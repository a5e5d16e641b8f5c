"""Export3D as a `Reenactor`: a tri-plane of the source with the driving expression, seen by the driving camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.camera import cast_rays
from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.controls import Control, check_value, find_control
from reenact.models.common.expression_basis import BasisConfig, ExpressionBasis
from reenact.models.common.face_controls import COEFFICIENTS
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.common.retarget import FIELDS_OF_PART
from reenact.models.common.surface import Surface
from reenact.models.export3d.expression import (
    FAMILY,
    BasisParams,
    DirectExpression,
    ExpressionEncoder,
    blend_offsets,
    encode_expression,
    extend_params,
    list_basis_controls,
    set_basis_weight,
)
from reenact.models.export3d.generator import GeneratorConfig, PlaneAverage, SuperResolution, TriplaneGenerator
from reenact.models.export3d.head_bounds import build_head_bounds
from reenact.models.export3d.head_cover import draw_cover
from reenact.models.export3d.head_space import draw_ray_depth, unpose_pictures
from reenact.models.export3d.results import Export3DReenactment, Export3DState
from reenact.models.export3d.source_lookup import SourceBlend, build_source_view, carry_source
from reenact.models.export3d.surface import extract_surface
from reenact.nn.ray_marching import Rays, RaySampling, Rendering, limit_rays, render_rays
from reenact.nn.triplane import RadianceDecoder, sample_planes
from reenact.nn.whole_batch import BatchDraws

ExpressionKind = Literal["clebs", "lebs", "direct"]
"""Expression encoder: trained by contrast before, trained with the generator, or layers without a basis."""
DIGEST_SIZE = 32
"""Bytes that tell one foundation from another."""
TRUSTED_TURN = 60.0
"""Degrees beyond which a single picture shows too little of the head; talking heads rarely turn as far."""
STRIDE = 16
"""Sides of pictures are multiples of this."""


@dataclass(frozen=True, kw_only=True)
class Export3DConfig(GeneratorConfig):
    """Sizes of the network."""

    size: int = 256
    """Side of the pictures in pixels, by which the planes' average has its size."""
    rays: int = 64
    """Rays along either side of the raw picture."""
    sampling: RaySampling = field(default_factory=RaySampling)
    """Samples of a ray."""
    box: float = 0.42
    """Side in metres of the cube about the face that the planes span; the head and the background lie in it. EG3D's
    is 0.37, about faces without necks."""
    decoder: int = 64
    """Width of the hidden layer of the decoder."""
    resolution_widths: tuple[int, int] = (128, 64)
    """Channels of the super-resolution at half and at full size."""
    unposed: bool = False
    """Give the generator the source as the unposed head would show it (`unpose_pictures`): the paper's data are cut
    about the nose of each frame, other heads move and tilt in their crop."""
    source_lookup: bool = False
    """Blend the full picture with the source, read where the rendered surface lies in it (`SourceBlend`). Not part of
    the paper."""
    average: float = 0.998
    """Decay of the planes' average (eq. 12)."""
    expression: ExpressionKind = "clebs"
    """`clebs` takes the expression encoder of a foundation, frozen; `lebs` trains one with the rest; `direct` trains
    layers without a basis in its place."""
    basis: BasisConfig = field(default_factory=BasisConfig)
    """Sizes of the expression encoder, whose width is `code`."""

    def __post_init__(self) -> None:
        if self.size % STRIDE:
            raise ReenactError(f"--model.network.size {self.size} must be a multiple of {STRIDE}")
        if self.basis.width != self.code:
            raise ReenactError(
                f"--model.network.basis.width {self.basis.width} and --model.network.code {self.code} must be equal"
            )


class Export3D(ParameterDriven[Export3DState]):
    """A radiance field of the source, whose expression and view are set apart (sections 3.3 and 3.4).

    Args:
        config: sizes.
        face_model: the model of the parameters.
    """

    needs = Contents(params=True, mirrors=False)
    parts: ClassVar[Mapping[str, tuple[str, ...]]] = {**FIELDS_OF_PART, "expression": ("expression", "offsets")}
    digest: Tensor

    def __init__(self, config: Export3DConfig, face_model: FaceModel) -> None:
        super().__init__()
        self.config = config
        self.face_model = face_model
        encoder_type = DirectExpression if config.expression == "direct" else ExpressionBasis
        self.expression: ExpressionEncoder = encoder_type(face_model, config.basis)
        self.expression.requires_grad_(config.expression != "clebs")
        self.register_buffer("digest", torch.zeros(DIGEST_SIZE, dtype=torch.uint8))
        self.generator = TriplaneGenerator(config)
        side = config.size // 2 * config.plane_scale
        self.average = PlaneAverage((3, config.channels, side, side), config.average)
        self.decoder = RadianceDecoder(config.channels, config.decoder, config.channels)
        self.resolution = SuperResolution(config.channels, config.resolution_widths)
        self.blend = SourceBlend(config.resolution_widths[1]) if config.source_lookup else None

    def encode(self, source: Portrait) -> Export3DState:
        """Tokens of the source; errors for pictures of another size than the network's."""
        size = source.image.shape[-1]
        if size != self.config.size:
            raise ReenactError(
                f"this export3d reads pictures of {self.config.size} pixels, not {size}: set --data.size"
                f" {self.config.size} or --model.network.size {size}"
            )
        motion, image = self.read(source), source.image
        view = build_source_view(self.face_model, image, motion) if self.blend is not None else None
        if self.config.unposed:
            image = unpose_pictures(self.face_model, image, motion, self.config.box)
        tokens, details = self.generator.encode(image)
        return Export3DState(motion=motion, tokens=tokens, details=details, view=view)

    def perform(
        self, state: Export3DState, motion: FaceParams, random: BatchDraws | None = None
    ) -> Export3DReenactment:
        """Build the tri-plane with the expression of a motion, and render it with its head pose and camera."""
        planes = self.build_planes(state, motion)
        config = self.config
        rays = self.place_rays(motion)
        result = self._render(planes, rays, random)
        features = result.colour.mT.reshape(len(rays.near), -1, config.rays, config.rays)
        depth = (result.depth - rays.nearest()).view(-1, 1, config.rays, config.rays)
        image, maps = self.resolution(features, config.size)
        enlarged = None
        if self.blend is not None:
            assert state.view is not None
            points = self._locate_pixels(motion, depth)
            carried = carry_source(self.face_model, state.view, state.motion, points)
            cover = draw_cover(self.face_model, motion, config.size)
            enlarged, image = image, self.blend(image, maps, carried, state.view, cover)
        return Export3DReenactment(
            image=image if self.training else image.clamp(-1, 1),  # a clamped pixel would have no gradient
            raw=features[:, :3],
            depth=depth,
            opacity=result.opacity.view(-1, 1, config.rays, config.rays),
            normals=self._find_normals(motion, result.depth.detach()),
            enlarged=enlarged,
        )

    def read(self, driving: Portrait) -> BasisParams:
        """The face parameters; the image is not read; errors as of `ParameterDriven.read`."""
        return extend_params(super().read(driving), self.expression)

    def controls(self) -> Mapping[str, Control]:
        """Controls of the face model, and the weights of the basis vectors."""
        controls = {**super().controls(), **dict(list_basis_controls(self.expression))}
        turns = {name: replace(controls[name], trusted=TRUSTED_TURN) for name in ("yaw", "pitch")}
        return controls | turns

    def set_control(self, state: Export3DState, motion: FaceParams, name: str, value: float) -> FaceParams:
        """Set a control of the face model, or a weight of a basis vector."""
        family = name.partition(".")[0]
        if family not in COEFFICIENTS:  # those may be numbered where they are listed by name
            check_value(name, find_control(name, self.controls(), type(self).__name__), value)
        if family != FAMILY:
            return super().set_control(state, motion, name, value)
        assert isinstance(self.expression, ExpressionBasis)
        return set_basis_weight(motion, name, value, self.expression)

    def blend_motions(self, first: FaceParams, second: FaceParams, weight: float) -> FaceParams:
        """Blend face parameters, and the changes of basis vectors in a straight line."""
        return blend_offsets(first, second, super().blend_motions(first, second, weight), weight)

    def build_planes(self, state: Export3DState, motion: FaceParams) -> Tensor:
        """Tri-planes (B or 1, 3, C, P, P), with the average of training.

        Outside of training the frames of one source that share their expression share one tri-plane, which comes once,
        and is kept for the next call.
        """
        code = encode_expression(self.expression, motion, self.config.conditioning)
        if not self.training and len(state.tokens) == 1 and torch.equal(code, code[:1].expand_as(code)):
            first = code[:1]
            return state.memory.recall(state.tokens, first, lambda: self._build_planes(state, first))
        return self._build_planes(state, code)

    def _build_planes(self, state: Export3DState, code: Tensor) -> Tensor:
        tokens, details = (part.expand(len(code), *part.shape[1:]) for part in (state.tokens, state.details))
        planes: Tensor = self.average(self.generator.decode(tokens, details, code))
        return planes

    def place_rays(self, motion: FaceParams, count: int | None = None) -> Rays:
        """Rays of a picture relative to the unposed face, in sides of the cube, cut to it.

        Args:
            motion: pose and camera.
            count: rays along either side; None is the raw picture's.
        """
        origins, directions = (part.flatten(1, 2) for part in cast_rays(motion.camera, count or self.config.rays))
        skull = self.face_model.skull(motion)
        turn, shift = skull[..., :3, :3], skull[..., :3, 3]
        # A row vector times R is the column vector times its inverse.
        origins = (origins - shift[:, None]) @ turn
        middle = self.face_model.mean_vertices.to(origins).mean(0)
        return limit_rays((origins - middle) / self.config.box, directions @ turn, 1.0)

    def _locate_pixels(self, motion: FaceParams, depth: Tensor) -> Tensor:
        """Points (B, S * S, 3) of the unposed head in metres that pixels show, by a result's depth (B, 1, r, r)."""
        rays, side = self.place_rays(motion, self.config.size), (self.config.size,) * 2
        depth = F.interpolate(depth, side, mode="bilinear", align_corners=False).flatten(1) + rays.nearest()
        points = rays.locate(depth[..., None])[:, :, 0]
        return points * self.config.box + self.face_model.mean_vertices.to(points).mean(0)

    def draw_mesh_depth(self, motion: FaceParams) -> tuple[Tensor, Tensor]:
        """Depth (B, 1, r, r) of the mesh of a motion, in the units of the depth of a result, and where it is seen."""
        depth, visible = draw_ray_depth(self.face_model, motion, self.config.rays)
        return depth / self.config.box - self.place_rays(motion).nearest().view_as(depth), visible

    def measure_room(self, motion: FaceParams) -> tuple[Tensor, Tensor]:
        """Depth (B, 1, r, r) at which rays leave the cube, in a result's units, and a mask of those beside heads."""
        rays, count = self.place_rays(motion), self.config.rays
        beside = 1 - draw_cover(self.face_model, motion, count, neck=True)
        return (rays.far - rays.nearest()).view_as(beside), beside

    def build_surface(self, state: Export3DState, motion: FaceParams) -> Surface:
        """The surface of the field about the mesh of an expression, in metres, unposed; the background is left out.

        Raises:
            ReenactError: as of `extract_surface`.
        """
        planes = self.build_planes(state, motion[:1])
        middle = self.face_model.mean_vertices.mean(0)
        bounds = build_head_bounds(self.face_model, motion[:1], middle, self.config.box)
        surface = extract_surface(lambda points: self._decode(planes, points), bounds)
        return replace(surface, vertices=surface.vertices * self.config.box + middle)

    def _render(self, planes: Tensor, rays: Rays, random: BatchDraws | None) -> Rendering:
        """Render B images of tri-planes (B or 1, 3, C, P, P): in use one tri-plane after the other."""
        if self.training:
            return render_rays(partial(self._decode, planes), rays, self.config.sampling, random)
        images = [Rays(*parts) for parts in zip(*(part.chunk(len(planes)) for part in rays), strict=True)]
        rows = [
            render_rays(partial(self._decode, single), image.joined(), self.config.sampling, random)
            for single, image in zip(planes.chunk(len(planes)), images, strict=True)
        ]
        whole = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return Rendering(*(part.reshape(*rays.near.shape, *part.shape[2:]) for part in whole))

    def _decode(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        density, colour = self.decoder(sample_planes(planes, points).mean(1))
        return density, colour

    def _find_normals(self, motion: FaceParams, depth: Tensor) -> Tensor:
        """Normals (B, 3, r, r) of surfaces at depths (B, R) of their rays, in the axes of the picture."""
        origins, directions = cast_rays(motion.camera, self.config.rays)
        points = origins + depth.view(*origins.shape[:-1], 1) * self.config.box * directions
        return estimate_normals(points).movedim(-1, 1)


def estimate_normals(points: Tensor) -> Tensor:
    """Normals (..., H, W, 3) towards the camera of a surface whose points (..., H, W, 3) lie as pixels do.

    Axes are those of models: x right, y up, z towards the camera.
    """
    down, right = torch.gradient(points, dim=(-3, -2))
    return F.normalize(torch.linalg.cross(down, right), dim=-1)
