"""Export3D as a `Reenactor`: a tri-plane of the source with the driving expression, seen by the driving camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.camera import cast_rays
from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactment, SourceState
from reenact.models.common.expression_basis import BasisConfig, ExpressionBasis
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.export3d.generator import GeneratorConfig, PlaneAverage, SuperResolution, TriplaneGenerator
from reenact.nn.ray_marching import Rays, RaySampling, limit_rays, render_rays
from reenact.nn.triplane import RadianceDecoder, sample_planes
from reenact.nn.whole_batch import BatchDraws

ExpressionKind = Literal["clebs", "lebs"]
"""Training of the expression encoder: by contrast before, or with the generator."""
DIGEST_SIZE = 32
"""Bytes that tell one foundation from another."""
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
    box: float = 0.6
    """Side in metres of the cube about the face that the planes span; the head and the background lie in it."""
    decoder: int = 64
    """Width of the hidden layer of the decoder."""
    resolution_widths: tuple[int, int] = (128, 64)
    """Channels of the super-resolution at half and at full size."""
    average: float = 0.998
    """Decay of the planes' average (eq. 12)."""
    expression: ExpressionKind = "clebs"
    """`clebs` takes the expression encoder of a foundation, frozen; `lebs` trains one with the rest."""
    basis: BasisConfig = field(default_factory=BasisConfig)
    """Sizes of the expression encoder, whose width is `code`."""

    def __post_init__(self) -> None:
        if self.size % STRIDE:
            raise ReenactError(f"--model.network.size {self.size} must be a multiple of {STRIDE}")
        if self.basis.width != self.code:
            raise ReenactError(
                f"--model.network.basis.width {self.basis.width} and --model.network.code {self.code} must be equal"
            )


@dataclass
class Export3DState(SourceState):
    """Encoded source."""

    motion: FaceParams
    """Face parameters of the source."""
    tokens: Tensor
    """(B, N, D) tokens before any expression."""


@dataclass
class Export3DReenactment(Reenactment):
    """A result with what led to it."""

    raw: Tensor
    """(B, 3, r, r) rendered picture in [-1, 1]."""
    depth: Tensor
    """(B, 1, r, r) depth of the surface in [0, 1], near to far, of the cube that the planes span."""

    def pictures(self) -> dict[str, Tensor]:
        """The rendered picture, the depth, and the result."""
        size = self.image.shape[-2:]
        depth = F.interpolate(1 - 2 * self.depth, size).expand_as(self.image)
        return {"raw": F.interpolate(self.raw, size).clamp(-1, 1), "depth": depth, "result": self.image}


class Export3D(ParameterDriven[Export3DState]):
    """A radiance field of the source, whose expression and view are set apart (sections 3.3 and 3.4).

    Args:
        config: sizes.
        face_model: the model of the parameters.
    """

    needs = Contents(params=True, mirrors=False)
    digest: Tensor

    def __init__(self, config: Export3DConfig, face_model: FaceModel) -> None:
        super().__init__()
        self.config = config
        self.face_model = face_model
        self.expression = ExpressionBasis(face_model, config.basis)
        self.expression.requires_grad_(config.expression == "lebs")
        self.register_buffer("digest", torch.zeros(DIGEST_SIZE, dtype=torch.uint8))
        self.generator = TriplaneGenerator(config)
        side = config.size // 2
        self.average = PlaneAverage((3, config.channels, side, side), config.average)
        self.decoder = RadianceDecoder(config.channels, config.decoder, config.channels)
        self.resolution = SuperResolution(config.channels, config.resolution_widths)

    def encode(self, source: Portrait) -> Export3DState:
        """Tokens of the source; errors for pictures of another size than the network's."""
        size = source.image.shape[-1]
        if size != self.config.size:
            raise ReenactError(
                f"this export3d reads pictures of {self.config.size} pixels, not {size}: set --data.size"
                f" {self.config.size} or --model.network.size {size}"
            )
        return Export3DState(self.read(source), self.generator.encode(source.image))

    def perform(
        self, state: Export3DState, motion: FaceParams, random: BatchDraws | None = None
    ) -> Export3DReenactment:
        """Build the tri-plane with the expression of a motion, and render it with its head pose and camera."""
        planes = self.build_planes(state, motion)
        config = self.config
        box = self.place_rays(motion)
        result = render_rays(lambda points: self._decode(planes, points), box, config.sampling, random)
        rays = (config.rays, config.rays)
        features = result.colour.mT.reshape(len(planes), -1, *rays)
        start, length = box.near, (box.far - box.near).clamp_min(1e-6)
        depth = ((result.depth - start) / length).clamp(0, 1)
        return Export3DReenactment(
            image=self.resolution(features, config.size).clamp(-1, 1),
            raw=features[:, :3],
            depth=depth.view(-1, 1, *rays),
        )

    def build_planes(self, state: Export3DState, motion: FaceParams) -> Tensor:
        """Tri-planes (B, 3, C, H / 2, W / 2), with the average of training."""
        code = self.expression(motion)
        tokens = state.tokens.expand(len(code), -1, -1)
        size = (self.config.size, self.config.size)
        planes: Tensor = self.average(self.generator.decode(tokens, size, code))
        return planes

    def place_rays(self, motion: FaceParams) -> Rays:
        """Rays of the raw picture relative to the unposed face, in sides of the cube, cut to it."""
        origins, directions = (part.flatten(1, 2) for part in cast_rays(motion.camera, self.config.rays))
        skull = self.face_model.skull(motion)
        turn, shift = skull[..., :3, :3], skull[..., :3, 3]
        # A row vector times R is the column vector times its inverse.
        origins = (origins - shift[:, None]) @ turn
        middle = self.face_model.mean_vertices.to(origins).mean(0)
        return limit_rays((origins - middle) / self.config.box, directions @ turn, 1.0)

    def _decode(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        density, colour = self.decoder(sample_planes(planes, points).mean(1))
        return density, colour
