"""PIRenderer as a `Reenactor`: windows of coefficients move the source, and repaint it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.faces.vector import MotionVector
from reenact.models.common.base import Reenactment, SourceState, Transfer
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.pirenderer.editing import EditingNetwork
from reenact.models.pirenderer.released_grid import warp_as_released
from reenact.nn.adain import initialise_normal
from reenact.nn.fold import fold_blocks
from reenact.nn.layout import bring_channels_inside
from reenact.nn.running_standard import RunningStandard
from reenact.nn.warping import MappingNetwork, WarpingNetwork, add_coordinates, count_frames
from reenact.nn.whole_batch import BatchDraws

RESIDUAL_STD = 1e-3
"""Standard deviation of the last weights before training where the editing network paints on the warped source."""


@dataclass(frozen=True, kw_only=True)
class PIRendererConfig:
    """Sizes of the network; defaults are `config/face.yaml` of the released code."""

    window: int = 13
    """Frames on either side of a frame whose coefficients the mapping network reads, or 0: the frame is repeated."""
    code: int = 256
    """Length of the code of a motion."""
    mapping_layers: int = 3
    """Dilated layers of the mapping network, each of which shortens the window by 6 frames."""
    standardise: bool = False
    """Coefficients less their mean in the training, over their deviation in it; not in the released code."""
    coefficient_gain: float = 1.0
    """Factor on the coefficients, standardised or not."""
    source_coefficients: bool = False
    """The mapping network reads the coefficients of the source, too, and the driving ones as their change against them;
    not in the released code, whose flow has to read the source's pose from the picture."""
    coordinates: bool = False
    """The warping network reads the place of each pixel beside its colour; not in the released code."""
    warping_width: int = 32
    """Channels of the warping network at full size; each halving doubles them."""
    warping_halvings: int = 5
    """Halvings of its encoder."""
    warping_doublings: int = 3
    """Doublings of its decoder: the flow is smaller than the image by 2 to the power of the difference."""
    editing_width: int = 64
    """Channels of the editing network at full size; each halving doubles them."""
    editing_halvings: int = 3
    """Its halvings."""
    residual_blocks: int = 2
    """Residual blocks before each of its doublings."""
    residual_editing: bool = False
    """The editing network paints on the warped source, as which its result begins; the released one does not."""
    largest: int = 256
    """Largest number of channels of both."""
    initial_std: float | None = 0.02
    """Standard deviation of the weights before training; None for PyTorch's own initialisation."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for sizes that don't fit each other."""
        count_frames(self.window, self.mapping_layers)
        if not 1 <= self.warping_doublings < self.warping_halvings:
            raise ReenactError(
                f"--model.network.warping_doublings {self.warping_doublings} must be at least 1 and less than"
                f" warping_halvings, which is {self.warping_halvings}"
            )

    @property
    def frames(self) -> int:
        """Frames that the mapping network reads."""
        return count_frames(self.window, self.mapping_layers)


@dataclass
class PIRendererState(SourceState):
    """Encoded source."""

    motion: FaceParams
    """Face parameters (B) of the source's own frame."""
    image: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    warping_start: Tensor
    """(B, C, H, W) features of the source in the warping network before any code."""
    editing_start: Tensor
    """(B, C, H, W) share of the source in the editing network's first convolution."""


@dataclass
class PIRendererReenactment(Reenactment):
    """A result with the warp that led to it."""

    warped: Tensor
    """(B, 3, H, W) warped source in [-1, 1]."""
    flow: Tensor
    """(B, 2, h, w) backward flow, x right, y down, [-1, 1] spanning the image."""

    def pictures(self) -> dict[str, Tensor]:
        """Flow, warped source and result."""
        flow = torch.nn.functional.interpolate(self.flow, self.image.shape[-2:], mode="bilinear")
        padded = torch.cat((flow, torch.zeros_like(flow[:, :1])), dim=1)
        return {"flow": (4 * padded).clamp(-1, 1), "warped": self.warped, "result": self.image}


class PIRenderer(ParameterDriven[PIRendererState]):
    """Source and coefficients in, the moved source out.

    The motion is face parameters: of a frame (B), which is its own neighbour, or of windows (B, 27).

    Args:
        config: sizes.
        face_model: the model whose parameters the portraits carry; it gives the coefficients.
    """

    transfer = Transfer(renormalise_scale=True)
    is_folded = False
    """True in the form for inference."""

    def __init__(self, config: PIRendererConfig, face_model: FaceModel) -> None:
        super().__init__()
        self.config = config
        self.needs = Contents(params=True, window=config.window, mirrors=False)
        self.face_model = face_model
        self.vector = MotionVector(face_model)
        self.standard = RunningStandard(len(self.vector)) if config.standardise else nn.Identity()
        rows = 2 if config.source_coefficients else 1
        self.mapping_net = MappingNetwork(rows * len(self.vector), config.code, config.mapping_layers)
        self.warpping_net = WarpingNetwork(
            config.code,
            config.warping_width,
            config.largest,
            config.warping_halvings,
            config.warping_doublings,
            in_channels=5 if config.coordinates else 3,
        )
        self.editing_net = EditingNetwork(
            config.code,
            config.editing_width,
            config.largest,
            config.editing_halvings,
            config.residual_blocks,
            residual=config.residual_editing,
        )
        self.stride = max(self.warpping_net.stride, self.editing_net.stride)
        if config.initial_std is not None:
            for part in (self.mapping_net, self.warpping_net, self.editing_net):
                initialise_normal(part, config.initial_std)
        if config.residual_editing:
            initialise_normal(self.editing_net.decoder.final, RESIDUAL_STD)

    def encode(self, source: Portrait) -> PIRendererState:
        """Everything of the source before the first layer that a motion has a part in.

        Raises:
            ReenactError: if the source has no face parameters or those of another model, or its size is no multiple of
                the coarsest stride or has one pixel left there, which has no norm.
        """
        height, width = source.image.shape[-2:]
        if height % self.stride or width % self.stride or height * width <= self.stride**2:
            raise ReenactError(
                f"PIRenderer needs images whose sides are multiples of {self.stride}, {2 * self.stride} or more, not"
                f" {width}x{height}"
            )
        image = bring_channels_inside(source.image) if self.is_folded else source.image
        params = self.read(source)
        self.vector.of(params)  # refuses those of another face model
        return PIRendererState(
            params,
            image=image,
            warping_start=self.warpping_net.begin(add_coordinates(image) if self.config.coordinates else image),
            editing_start=self.editing_net.begin(image),
        )

    def perform(
        self, state: PIRendererState, motion: FaceParams, random: BatchDraws | None = None
    ) -> PIRendererReenactment:
        """The source as windows (B, 27) of face parameters, or single frames (B), move it."""
        code = self._encode_motion(state, motion)
        flow = self.warpping_net.continue_from(state.warping_start, code)
        warped = warp_as_released(state.image, flow)
        image = self.editing_net.continue_from(state.editing_start, warped, code)
        return PIRendererReenactment(image, warped, flow)

    def warp_source(self, state: PIRendererState, motion: FaceParams) -> Tensor:
        """The warped source (B, 3, H, W) alone, of motions as of `perform`."""
        code = self._encode_motion(state, motion)
        return warp_as_released(state.image, self.warpping_net.continue_from(state.warping_start, code))

    def folded(self) -> Self:
        """A copy for inference: less arithmetic, no gradients."""
        network = fold_blocks(copy.deepcopy(self).eval())
        network.is_folded = True
        return network

    def _encode_motion(self, state: PIRendererState, motion: FaceParams) -> Tensor:
        """Codes (B, D) of windows (B, T), or of single frames (B), which are repeated; the state's batch is 1 or B."""
        coefficients = self._read_coefficients(motion)
        if self.config.source_coefficients:
            source = self._read_coefficients(state.motion)
            source = source[:, None] if coefficients.ndim == 3 else source
            coefficients = torch.cat((coefficients - source, source.expand_as(coefficients)), -1)
        if coefficients.ndim == 2:
            windows = coefficients[..., None].expand(-1, -1, self.config.frames)
        elif coefficients.shape[1] == self.config.frames:
            windows = coefficients.mT
        else:
            raise ReenactError(f"PIRenderer reads windows of {self.config.frames} frames, not {coefficients.shape[1]}")
        code: Tensor = self.mapping_net(windows)
        return code

    def _read_coefficients(self, params: FaceParams) -> Tensor:
        """Coefficients (..., K) as the mapping network is given them; while training, they are counted first."""
        coefficients: Tensor = self.standard(self.vector.of(params)) * self.config.coefficient_gain
        return coefficients
