"""BFM flow as a `Reenactor`: flow and occlusion computed from posed meshes, completed by a network, and followed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.contents import APPEARANCE_SOURCE, Contents
from reenact.faces.guidance import (
    SourceGeometry,
    build_source_geometry,
    flow_map,
    rasterize_face,
    shaded_map,
    visibility_map,
)
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.bfm_flow.completion import CompletionNetwork
from reenact.models.bfm_flow.config import BFMFlowConfig
from reenact.models.bfm_flow.folded import fold_generator
from reenact.models.bfm_flow.generator import BFMFlowGenerator
from reenact.models.common.base import Reenactment, SourceState, Transfer
from reenact.models.common.controls import Control, find_control
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.nn.adain import initialise_normal
from reenact.nn.fold import fold_blocks
from reenact.nn.layout import bring_channels_inside
from reenact.nn.resample import warp
from reenact.nn.whole_batch import BatchDraws

IDENTITY = "shape."
"""Beginning of the names of controls that no source takes."""


@dataclass
class BFMFlowState(SourceState):
    """Everything that the source alone decides."""

    motion: FaceParams
    """Face parameters of the source."""
    image: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    features: tuple[Tensor, ...]
    """Features of the reenactment network, coarse to fine."""
    start: Tensor
    """(B, C, H, W) features of the completion network that depend on no motion."""
    geometry: SourceGeometry | None
    """Places of the vertices and visible triangles, where flow or occlusion is computed."""
    reflectance: Tensor | None
    """(B, V, 3) colours of the vertices before they are lit, where a render is drawn."""


@dataclass
class BFMFlowReenactment(Reenactment):
    """A result with what led to it; flows are backward, driving to source, in units of `grid_sample`."""

    warped: Tensor
    """(B, 3, H, W) source image warped by the flow and masked."""
    flow: Tensor
    """(B, 2, H, W) the completed flow."""
    occlusion: Tensor
    """(B, 1, H, W) the completed occlusion map: 1 where the source shows it."""
    computed_flow: Tensor | None = None
    """(B, 2, H, W) of the meshes; 0 in the background."""
    computed_occlusion: Tensor | None = None
    """(B, 1, H, W) of the meshes; 0 in the background."""
    flow_mask: Tensor | None = None
    """(B, 1, H, W) share of the predicted flow."""
    occlusion_mask: Tensor | None = None
    """(B, 1, H, W) share of the predicted occlusion."""
    render: Tensor | None = None
    """(B, 3, H, W) shaded render of the driven face in [-1, 1]; -1 in the background."""

    def pictures(self) -> dict[str, Tensor]:
        """Maps of the computation and of the completion, the warped source and the result."""
        pictures = {
            "computed_flow": _show_flow(self.computed_flow),
            "computed_occlusion": _show_share(self.computed_occlusion),
            "flow_mask": _show_share(self.flow_mask),
            "occlusion_mask": _show_share(self.occlusion_mask),
            "render": self.render,
            "flow": _show_flow(self.flow),
            "occlusion": _show_share(self.occlusion),
            "warped": self.warped,
        }
        drawn = {name: picture for name, picture in pictures.items() if picture is not None}
        return {**drawn, **super().pictures()}


def _show_flow(flow: Tensor | None) -> Tensor | None:
    """Colour a flow (B, 2, H, W): grey is none, red grows to the right and green downwards, a quarter of a picture."""
    return None if flow is None else (4 * F.pad(flow, (0, 0, 0, 0, 0, 1))).clamp(-1, 1)


def _show_share(share: Tensor | None) -> Tensor | None:
    return None if share is None else (2 * share - 1).expand(-1, 3, -1, -1)


class BFMFlow(ParameterDriven[BFMFlowState]):
    """The paper's two networks around the guidance of posed meshes.

    Motions are face parameters (B), or windows of them (B, 2 window + 1) with the frame itself in the middle. Identity,
    texture and light are always the source's.

    Args:
        config: guidance and sizes.
        face_model: the model whose parameters the portraits carry.
    """

    optional_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    transfer = Transfer(renormalise_scale=True)
    is_folded = False
    """True in the form for inference."""

    def __init__(self, config: BFMFlowConfig, face_model: FaceModel) -> None:
        super().__init__()
        if config.render:
            face_model.check_texture()
        self.config = config
        self.face_model = face_model
        self.needs = Contents(
            params=True, texture=config.render, light=config.render, window=config.window, mirrors=False
        )
        self.completion = CompletionNetwork(config, face_model)
        self.generator = BFMFlowGenerator(config.widths, config.blocks, config.hidden if config.render else 0)
        if config.initial_std is not None:
            initialise_normal(self, config.initial_std)

    def encode(self, source: Portrait) -> BFMFlowState:
        """Features, mesh and colours of the source.

        Raises:
            ReenactError: if the source lacks face parameters, texture or light, or has the parameters of another face
                model, or the networks can't read its size.
        """
        self._check_size(source.image)
        params = self.read(source)
        self.completion.read_coefficients(params)  # refuses those of another face model
        image = bring_channels_inside(source.image) if self.is_folded else source.image
        return BFMFlowState(
            motion=params,
            image=image,
            features=self.generator.encode(image),
            start=self.completion.begin(image),
            geometry=self._place_source(params, source.image),
            reflectance=self._colour_source(params),
        )

    def perform(self, state: BFMFlowState, motion: FaceParams, random: BatchDraws | None = None) -> BFMFlowReenactment:
        """The source as windows (B, 2 window + 1) of face parameters, or single frames (B), pose it."""
        coefficients = self.completion.read_coefficients(motion)  # refuses those of another face model
        flow, occlusion, render = self._draw_guidance(state, _take_middle(motion))
        completed = self.completion.complete(state.start, coefficients, _size_of(state.image), flow, occlusion)
        image = self.generator.decode(state.features, completed.flow, completed.occlusion, render)
        return BFMFlowReenactment(
            image,
            warped=(warp(state.image + 1, completed.flow) * completed.occlusion - 1).clamp(-1, 1),
            flow=completed.flow,
            occlusion=completed.occlusion,
            computed_flow=flow,
            computed_occlusion=occlusion,
            flow_mask=completed.flow_mask,
            occlusion_mask=completed.occlusion_mask,
            render=render,
        )

    def set_control(self, state: BFMFlowState, motion: FaceParams, name: str, value: float) -> FaceParams:
        """Set an angle, an entry of the camera or an expression coefficient; the identity is the source's."""
        if name.startswith(IDENTITY):
            find_control(name, self.controls(), type(self).__name__)
        return super().set_control(state, motion, name, value)

    def controls(self) -> Mapping[str, Control]:
        """Angles, camera and expression coefficients of the face model."""
        return {name: control for name, control in super().controls().items() if not name.startswith(IDENTITY)}

    def folded(self) -> Self:
        """A copy for inference: less arithmetic, no gradients; the face model is shared."""
        network = self.__new__(type(self))
        nn.Module.__init__(network)
        for name in ("config", "face_model", "needs"):
            setattr(network, name, getattr(self, name))
        network.completion = fold_blocks(copy.deepcopy(self.completion))
        network.generator = fold_generator(self.generator)
        network.is_folded = True
        return network.eval()

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        stride = max(self.generator.stride, self.completion.stride)
        if height % stride or width % stride or min(height, width) < 2 * self.completion.stride:
            raise ReenactError(
                f"{type(self).__name__} needs images whose sides are multiples of {stride}, from"
                f" {2 * self.completion.stride} on, not {width}x{height}"
            )

    @torch.no_grad()
    def _place_source(self, params: FaceParams, image: Tensor) -> SourceGeometry | None:
        if not (self.config.flow or self.config.occlusion):
            return None
        vertices = self.face_model.posed(params)
        return build_source_geometry(vertices, self.face_model.faces, _size_of(image), rule=self.config.visibility)

    @torch.no_grad()
    def _colour_source(self, params: FaceParams) -> Tensor | None:
        if not self.config.render:
            return None
        if params.texture is None or params.light is None:
            absent = "texture" if params.texture is None else "light"
            raise ReenactError(
                f"{type(self).__name__} with a render needs {absent} of the source: {APPEARANCE_SOURCE}; or train"
                " bfm_flow_fg_og"
            )
        return self.face_model.reflectance(params.texture)

    @torch.no_grad()  # vertices are data
    def _draw_guidance(
        self, state: BFMFlowState, motion: FaceParams
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Flow, occlusion and render of the recombined parameters, where the network has them."""
        config = self.config
        if not (config.flow or config.occlusion or config.render):
            return None, None, None
        params = _recombine(state.motion, motion)
        face = rasterize_face(
            self.face_model.posed(params), self.face_model.faces, _size_of(state.image), camera=params.camera
        )
        flow = occlusion = render = None
        if config.flow:
            assert state.geometry is not None
            flow = flow_map(face, state.geometry)
        if config.occlusion:
            assert state.geometry is not None
            occlusion = visibility_map(face, state.geometry)
        if config.render:
            colours = self.face_model.colours(params, state.reflectance)
            render = 2 * shaded_map(face, colours).clamp(0, 1) - 1
        return flow, occlusion, render


def _recombine(source: FaceParams, driving: FaceParams) -> FaceParams:
    """The paper's v_t: identity, texture and light of the source (1 or B), everything else of the driving face (B)."""
    count = len(driving.camera)

    def repeat(value: Tensor) -> Tensor:
        return value.expand(count, *value.shape[1:])

    return replace(
        driving,
        shape=repeat(source.shape),
        texture=None if source.texture is None else repeat(source.texture),
        light=None if source.light is None else repeat(source.light),
    )


def _take_middle(motion: FaceParams) -> FaceParams:
    """The frame (B) of windows (B, T); frames stay as they are."""
    return motion if len(motion.leading) == 1 else motion[:, motion.leading[1] // 2]


def _size_of(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]
