"""A method without training: the posed head wears the pixels of the source, so that its results are pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import Trainer
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.faces.raster import interpolate, rasterize
from reenact.faces.registry import load_face_model
from reenact.models.common.base import Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.retarget import FIELDS_OF_PART, retarget

PAINT = {
    "mouth_bag": (-0.75, -0.9, -0.9),
    "upper_teeth": (0.55, 0.5, 0.4),
    "lower_teeth": (0.4, 0.35, 0.25),
    "tongue": (0.1, -0.45, -0.4),
}
"""RGB in [-1, 1] of the parts that a closed mouth hides."""
REACH = 0.2
"""Standard deviation, as a fraction of the picture's side, with which the motion fades beyond the head."""


@dataclass
class TexturedState(SourceState):
    """A source picture and the mesh on it."""

    motion: FaceParams
    image: Tensor
    vertices: Tensor
    hidden: Tensor
    """(B, F) faces that the source does not show."""


class TexturedHead(Reenactor[TexturedState, FaceParams]):
    """Each visible triangle of the driven mesh shows the source's pixels at the same triangle of the source's mesh.

    Beyond the mesh the picture moves like the nearest pixel of the mesh, less with distance.
    """

    needs = Contents(params=True)
    parts = FIELDS_OF_PART

    def __init__(self, face_model: FaceModel) -> None:
        super().__init__()
        self.face_model = face_model
        self.gain = nn.Parameter(torch.ones(1))  # a checkpoint holds at least one weight

    def encode(self, source: Portrait) -> TexturedState:
        assert source.params is not None
        vertices = self.face_model.posed(source.params)
        faces = self.face_model.faces
        hidden = torch.ones(len(vertices), len(faces), dtype=torch.bool)
        # twice the pixels, so that no visible triangle falls between them
        drawn = rasterize(vertices, faces, tuple(2 * side for side in source.image.shape[-2:])).face_index
        for row, index in zip(hidden, drawn, strict=True):
            row[index[index >= 0].unique()] = False
        return TexturedState(source.params, source.image, vertices, hidden)

    def read(self, driving: Portrait) -> FaceParams:
        assert driving.params is not None
        return driving.params

    def retarget(
        self, state: TexturedState, driving: FaceParams, transfer: Transfer, reference: FaceParams | None = None
    ) -> FaceParams:
        parts = transfer.parts or tuple(self.parts)
        return retarget(state.motion, driving, transfer.mode, reference, transfer.strength, parts)

    def perform(self, state: TexturedState, motion: FaceParams, random: None = None) -> Reenactment:
        vertices = self.face_model.posed(motion)
        state = state.map(lambda values: values.expand(len(vertices), *values.shape[1:]))
        size = state.image.shape[-2:]
        drawn = rasterize(vertices, self.face_model.faces, size)
        places = interpolate(drawn, self.face_model.faces, state.vertices[..., :2]).movedim(1, -1)
        own = F.affine_grid(torch.eye(2, 3).expand(len(places), 2, 3), [len(places), 3, *size], align_corners=False)
        moves = torch.stack([_extend(*pair) for pair in zip(places - own, drawn.face_index >= 0, strict=True)])
        image = F.grid_sample(state.image, own + moves, mode="bilinear", padding_mode="border", align_corners=False)
        return Reenactment(self.gain * self._paint(image, drawn.face_index, state.hidden))

    def _paint(self, image: Tensor, face_index: Tensor, hidden: Tensor) -> Tensor:
        """Colour the inside of the mouth where the source hides it."""
        image = image.clone()
        for name, colour in PAINT.items():
            part = self.face_model.part == self.face_model.part_names.index(name)
            for picture, index, unseen in zip(image, face_index, hidden & part, strict=True):
                picture[:, (index >= 0) & unseen[index]] = torch.tensor(colour)[:, None]
        return image


class TexturedHeadModule(ReenactmentModule):
    method = "textured_head"
    network: TexturedHead

    def __init__(self, face_model: str = "head") -> None:
        super().__init__(TexturedHead(load_face_model(face_model)), {"face_model": face_model})


def save_textured_head(path: Path, size: int, crop: str = "pwm") -> Path:
    """Write a checkpoint for pictures of a size, whose faces are cut out by a rule."""
    module = TexturedHeadModule()
    module.image_size, module.recipe = size, {"crop": crop}
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return path


def _extend(moves: Tensor, inside: Tensor) -> Tensor:
    """Continue moves (H, W, 2) of the pixels of a mask (H, W) over the rest of the picture."""
    distance, nearest = distance_transform_edt(~inside.numpy(), return_indices=True)
    fade = np.exp(-0.5 * (distance / (REACH * len(moves))) ** 2)
    return torch.from_numpy((moves.numpy()[tuple(nearest)] * fade[..., None]).astype(np.float32))
