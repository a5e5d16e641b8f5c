"""The contract of a morphable model."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from reenact.errors import ReenactError
from reenact.faces.camera import CameraType, project
from reenact.faces.params import FaceParams
from reenact.faces.shading import LightConvention, weigh_normals

LIGHT_SPREAD, TINT_SPREAD = 0.3, 0.05
"""Standard deviation of a light's coefficient, and of the difference of its channels from their mean."""


class FaceModel(nn.Module, ABC):
    """Turns face parameters into a posed triangle mesh.

    Convention: model space has x to the subject's left (image right), y up, z out of the face, in metres. Projected
    vertices are in normalised device coordinates: x right, y down, z away from the camera; [-1, 1] spans the image
    edge to edge, so the centre of pixel j of W lies at (2j + 1) / W - 1. Faces wind counter-clockwise seen from
    outside. Every buffer is non-persistent: licensed model data never enters a checkpoint.
    """

    name: str
    """The name under which stores and checkpoints record the model."""
    camera_type: CameraType
    num_shape: int
    num_expression: int
    shape_names: tuple[str, ...] = ()
    """Names of the identity coefficients in order, where they mean something; people edit by them."""
    expression_range: tuple[float, float] = (-math.inf, math.inf)
    """Lowest and highest sensible value of an expression coefficient; fitting stays between them."""
    expression_names: tuple[str, ...] = ()
    """Names of the expression coefficients in order, the same."""
    num_texture: int = 0
    """Number of texture coefficients; 0 for a model without colours."""
    texture_names: tuple[str, ...] = ()
    """Names of the texture coefficients in order, where they mean something."""
    texture_range: tuple[float, float] = (-math.inf, math.inf)
    """Lowest and highest sensible value of a texture coefficient."""
    light_convention: LightConvention
    """Meaning of `FaceParams.light`."""
    rotations: tuple[str, ...] = ("global_pose", "neck_pose", "jaw_pose", "eye_pose")
    """The fields of `FaceParams` that turn something of the mesh."""
    faces: Tensor
    """(F, 3) int64 vertex indices."""
    flip_permutation: Tensor
    """(V,) int64: vertex i of the mirrored head is the mirror image of vertex `flip_permutation[i]`."""
    mean_vertices: Tensor
    """(V, 3) vertices of the mean identity, neutral and unposed."""
    landmark_vertices: Tensor
    """(68, K) int64: the K vertices between which each iBUG-68 landmark lies."""
    landmark_weights: Tensor
    """(68, K) weights of those vertices, of sum 1."""

    def vertices(self, params: FaceParams, subset: Tensor | None = None) -> Tensor:
        """Posed vertices (..., V, 3) in model space; the camera is not applied.

        Args:
            params: (..., K) face parameters with any leading dimensions.
            subset: (N,) int64 vertex indices; only these are computed, and returned as (..., N, 3). Fitting asks for
                the few hundred vertices near the landmarks.
        """
        return params.restore_leading(self._vertices(params.flattened(), subset))

    @abstractmethod
    def _vertices(self, params: FaceParams, subset: Tensor | None) -> Tensor:
        """`vertices` (B, V or N, 3) of parameters (B, K): the part that a face model implements."""

    def project(self, vertices: Tensor, camera: Tensor) -> Tensor:
        """Project (..., V, 3) model-space points with (..., C) cameras to (..., V, 3) normalised device coordinates.

        Raises:
            ReenactError: if the camera is none of the model's type.
        """
        entries = {"orthographic": 3, "perspective": 7}[self.camera_type]
        if camera.shape[-1] != entries:
            raise ReenactError(
                f"Face model {self.name} has {self.camera_type} cameras of {entries} entries, not {camera.shape[-1]}:"
                " these parameters are of another face model; prepare the data with this one"
            )
        return project(vertices, camera)

    def landmarks68(self, vertices: Tensor) -> Tensor:
        """The iBUG-68 landmarks (..., 68, 3) of (..., V, 3) vertices, in the space the vertices are in.

        They are points of the surface: where the jaw line of a turned head is hidden, they do not slide to the
        silhouette as a 2D detector's do (`faces.fitting` takes care of that).
        """
        return (vertices[..., self.landmark_vertices, :] * self.landmark_weights[..., None]).sum(-2)

    @abstractmethod
    def region(self, name: str) -> Tensor:
        """Boolean mask (V,) of a named region; raises `ReenactError` with the known names for another."""

    def posed(self, params: FaceParams) -> Tensor:
        """Vertices (..., V, 3) in normalised device coordinates of the image, mirrored where the image was.

        Mixed precision leaves them in that of the parameters: bfloat16 would move them by most of a pixel.
        """
        flat = params.flattened()
        with torch.autocast(flat.shape.device.type, enabled=False):
            projected = self.project(self._vertices(flat, None), flat.camera)
        if flat.mirrored is not None:
            mirrored = projected[:, self.flip_permutation] * projected.new_tensor([-1.0, 1.0, 1.0])
            projected = torch.where(flat.mirrored[:, None, None], mirrored, projected)
        return params.restore_leading(projected)

    def skull(self, params: FaceParams) -> Tensor:
        """Rigid motion (..., 4, 4) of the skull, from the unposed face to the posed one, mirrored where the image was.

        Convention: model space on both sides, metres, homogeneous column vectors: `skull @ (x, 1)` is the place in
        `vertices` of a point x of the same face with straight head, jaw and eyes that hangs on the skull alone. The
        camera is no part of it. Of a mirrored image it is the motion of the mirrored head, whose camera is
        `camera.mirror_camera`.
        """
        flat = params.flattened()
        skull = self._skull(flat)
        if flat.mirrored is not None:
            signs = skull.new_tensor([-1.0, 1.0, 1.0, 1.0])
            skull = torch.where(flat.mirrored[:, None, None], signs[:, None] * skull * signs, skull)
        return params.restore_leading(skull)

    @abstractmethod
    def _skull(self, params: FaceParams) -> Tensor:
        """`skull` (B, 4, 4) of parameters (B, K), of the image as it was before it was mirrored."""

    def normals(self, params: FaceParams) -> Tensor:
        """Unit vertex normals (..., V, 3) in model space, turned as the head is, mirrored where the image was."""
        flat = params.flattened()
        normals = self._normals(flat)
        if flat.mirrored is not None:
            mirrored = normals[:, self.flip_permutation] * normals.new_tensor([-1.0, 1.0, 1.0])
            normals = torch.where(flat.mirrored[:, None, None], mirrored, normals)
        return params.restore_leading(normals)

    def _normals(self, params: FaceParams) -> Tensor:
        """`normals` (B, V, 3) of parameters (B, K), of the image as it was before it was mirrored."""
        return weigh_normals(self._vertices(params, None), self.faces)

    def albedo(self, texture: Tensor) -> Tensor:
        """Vertex colours (..., V, 3), without light, of texture coefficients (..., K): RGB, 1 is white, not clipped.

        Affine in the coefficients. Linear or as pictures store them: `light_convention` says which.

        Raises:
            ReenactError: if the model has no texture.
        """
        raise ReenactError(f"The face model {self.name} has no texture: choose another, such as head or bfm")

    def check_texture(self) -> None:
        """Raise `ReenactError`, which says what is missing, if the model has no texture."""
        self.albedo(self.mean_vertices.new_zeros(self.num_texture))

    def reflectance(self, texture: Tensor) -> Tensor:
        """Share (..., V, 3) of the light around that each vertex reflects: albedo, less where folds keep light out."""
        return self.albedo(texture)

    def colours(self, params: FaceParams, reflectance: Tensor | None = None) -> Tensor:
        """Lit vertex colours (..., V, 3) of `posed`: RGB as a picture stores them, 1 is white, not clipped.

        Light is the model's own `light_convention`. A mirrored face has the colours of the face before it was mirrored.

        Args:
            params: face parameters with texture and light.
            reflectance: (1 or N, V, 3) `reflectance` of their texture, where it is computed already.

        Raises:
            ReenactError: if the model has no texture, or the parameters lack texture or light.
        """
        flat = params.flattened()
        texture, light = flat.texture, flat.light
        if texture is None or light is None:
            absent = " and ".join(name for name, value in (("texture", texture), ("light", light)) if value is None)
            raise ReenactError(f"Face parameters of {self.name} without {absent} have no colours: fit or estimate both")
        reflectance = self.reflectance(texture) if reflectance is None else reflectance
        colours = self.light_convention.shade_albedo(reflectance, self._normals(flat), light)
        if flat.mirrored is not None:
            colours = torch.where(flat.mirrored[:, None, None], colours[:, self.flip_permutation], colours)
        return params.restore_leading(colours)

    def appearance_prior(self) -> tuple[Tensor, Tensor]:
        """Mean (K + 27,) and covariance (K + 27, K + 27) of texture and light over faces, the light band by channel.

        By default textures are in standard deviations, and lights differ from none by `LIGHT_SPREAD`.
        """
        covariance = torch.eye(self.num_texture + 27).to(self.mean_vertices)
        channels = LIGHT_SPREAD**2 + TINT_SPREAD**2 * torch.eye(3)
        covariance[self.num_texture :, self.num_texture :] = torch.kron(torch.eye(9), channels)
        return covariance.new_zeros(len(covariance)), covariance

    def measured_vertices(self) -> Tensor:
        """(V,) bool: vertices whose colours in a picture tell of texture and light."""
        return self.region("skin")

    def neutral(self, batch: int = 1) -> FaceParams:
        """The mean face looking into the camera, filling the image as a usual portrait does."""
        zeros = self.mean_vertices.new_zeros
        return FaceParams(
            shape=zeros(batch, self.num_shape),
            expression=zeros(batch, self.num_expression),
            global_pose=zeros(batch, 3),
            neck_pose=zeros(batch, 3),
            jaw_pose=zeros(batch, 3),
            eye_pose=zeros(batch, 6),
            camera=self.default_camera().expand(batch, -1).clone(),
        )

    @abstractmethod
    def default_camera(self) -> Tensor:
        """The (C,) camera that frames the mean face as a usual portrait does."""
