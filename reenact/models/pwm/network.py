"""PWM as a `Reenactor`: guidance rendered from the posed meshes around the generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.guidance import displace_vertices, normalised_coordinates, rasterize_face
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactment, SourceState
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.pwm.generator import PAPER_WIDTHS, PWMGenerator, SourceFeatures
from reenact.nn.resample import warp
from reenact.nn.whole_batch import BatchDraws

Guidance = Literal["both", "displacement", "codes", "nmfc"]
"""Attributes that the posed meshes are rendered with: rows of the paper's Table 1."""


@dataclass(frozen=True)
class PWMConfig:
    """Size of the network; defaults are `config.py` of the released code."""

    guidance: Guidance = "both"
    """Geometric displacement and neural codes, one of them, or the normalised mean face coordinates of HeadGAN."""
    widths: list[int] = field(default_factory=lambda: list(PAPER_WIDTHS))
    """Channels at strides 1, 2, 4, ...; the image size must be a multiple of the last stride."""
    code_channels: int = 16
    """Length of the learned code of a vertex."""
    displacement_gain: float = 1.0
    """Factor on the displacement where it modulates the decoder. As released it is 1, so that a displacement is some
    hundredths where a code is about 1, and many thousand steps go by until it is heard."""

    def __post_init__(self) -> None:
        check_widths("network", self.widths, 2)

    @property
    def map_channels(self) -> int:
        """Channels of the map rendered on source and driving mesh."""
        return {"both": self.code_channels, "codes": self.code_channels, "nmfc": 3, "displacement": 0}[self.guidance]

    @property
    def displaced(self) -> bool:
        """True if the guidance holds a displacement."""
        return self.guidance in ("both", "displacement")


def check_widths(part: str, widths: Sequence[int], least: int) -> None:
    """Raise `ReenactError` for a network of too few levels, or without channels in one."""
    if len(widths) < least or min(widths) < 1:
        raise ReenactError(f"--model.{part}.widths {list(widths)} must be {least} or more numbers of channels")


@dataclass
class PWMState(SourceState):
    """Encoded source."""

    motion: FaceParams
    """Face parameters of the source."""
    vertices: Tensor
    """(B, V, 3) posed source mesh in normalised device coordinates."""
    features: SourceFeatures


@dataclass
class PWMReenactment(Reenactment):
    """A result with what led to it; displacements are backward, x right, y down, [-1, 1] spanning the image."""

    guidance: Tensor
    """(B, M, H, W) maps on the driving mesh: codes or coordinates, then displacement."""
    warped: Tensor
    """(B, 3, H, W) source image in [-1, 1] warped by the finest displacement."""
    displacements: tuple[Tensor, ...]
    """(B, 2, H / S, W / S), coarse to fine, the last one at full size."""

    def pictures(self) -> dict[str, Tensor]:
        """Guidance, displacement, warped source and result."""
        displacement = self.displacements[-1]
        padded = torch.cat((displacement, torch.zeros_like(displacement[:, :1])), dim=1)
        guidance = self.guidance[:, :3]
        if guidance.shape[1] == 2:
            guidance = torch.cat((guidance, torch.zeros_like(guidance[:, :1])), dim=1)
        elif guidance.shape[1] == 3:
            guidance = 2 * guidance - 1
        return {
            "guidance": guidance.clamp(-1, 1),
            "displacement": (4 * padded).clamp(-1, 1),
            "warped": self.warped,
            "result": self.image,
        }


class PWM(ParameterDriven[PWMState]):
    """Posed meshes in, a source moved like them out (the paper's section 3).

    Args:
        config: guidance and widths.
        face_model: the model whose parameters the portraits carry; it gives mesh and topology.
    """

    def __init__(self, config: PWMConfig, face_model: FaceModel) -> None:
        super().__init__()
        self.config = config
        self.face_model = face_model
        self.generator = PWMGenerator(
            config.widths,
            config.map_channels,
            config.map_channels + 2 * config.displaced,
            config.displaced,
            config.displacement_gain,
        )
        if config.guidance in ("both", "codes"):
            self.embeds = nn.Parameter(torch.rand(len(face_model.mean_vertices), config.code_channels))

    def encode(self, source: Portrait) -> PWMState:
        """Mesh and features of the source.

        Raises:
            ReenactError: if the source has no face parameters, or its size is no multiple of the coarsest stride.
        """
        stride = self.generator.strides[-1]
        height, width = source.image.shape[-2:]
        if height % stride or width % stride:
            raise ReenactError(f"PWM needs images whose sides are multiples of {stride}, not {width}x{height}")
        params = self.read(source)
        vertices = self._posed(params)
        features = self.generator.encode((source.image + 1) / 2, self._render(vertices, self._codes(), (height, width)))
        return PWMState(params, vertices, features)

    def perform(self, state: PWMState, motion: FaceParams, random: BatchDraws | None = None) -> PWMReenactment:
        """The source as the parameters pose it."""
        size = (state.features.image.shape[-2], state.features.image.shape[-1])
        vertices = self._posed(motion)
        guidance = self._render(vertices, self._attributes(state.vertices, vertices), size)
        assert guidance is not None
        decoded = self.generator.decode(state.features, guidance)
        warped = warp(state.features.image, decoded.displacements[-1], grid="centres")
        return PWMReenactment(2 * decoded.image - 1, guidance, 2 * warped - 1, decoded.displacements)

    def folded(self) -> Self:
        """This network for inference: norms folded, no gradients; the weights are shared where they are unchanged."""
        network = self.__new__(type(self))
        nn.Module.__init__(network)
        network.config, network.face_model = self.config, self.face_model
        network.generator = self.generator.folded()
        if self.config.guidance in ("both", "codes"):
            network.embeds = nn.Parameter(self.embeds.detach(), requires_grad=False)
        return network.eval()

    def _posed(self, params: FaceParams) -> Tensor:
        # Vertices are data: the released rasteriser passes gradients to the codes alone.
        with torch.no_grad():
            return self.face_model.posed(params)

    def _codes(self) -> Tensor | None:
        """Attributes (V, C) of every vertex on source and driving mesh."""
        if self.config.guidance == "displacement":
            return None
        if self.config.guidance == "nmfc":
            return normalised_coordinates(self.face_model.mean_vertices)
        return self.embeds

    def _attributes(self, source: Tensor, driving: Tensor) -> Tensor | None:
        """Attributes (B, V, M) of every vertex in the guidance: codes first, then the displacement to the source."""
        codes = self._codes()
        if not self.config.displaced:
            return codes
        displacement = displace_vertices(source, driving)
        if codes is None:
            return displacement
        return torch.cat((codes.expand(len(displacement), -1, -1), displacement), dim=-1)

    def _render(self, vertices: Tensor, attributes: Tensor | None, size: tuple[int, int]) -> Tensor | None:
        if attributes is None:
            return None
        return rasterize_face(vertices, self.face_model.faces, size).draw(attributes, antialias=True)
