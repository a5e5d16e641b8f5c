"""The least-squares problem behind `fit_landmarks`: a clip's landmarks, its unknowns, and its Gauss-Newton steps.

The unknowns of a frame are a row of the `state` (T, D): three of global pose, three of the camera (scale and
translation of an orthographic one, translation of a perspective one, whose focal lengths stay the model's default),
three of the jaw, then the expression. Shape (S,) is one vector for all frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reenact.faces.contour import SLIDING, ContourLines
from reenact.faces.face_size import size_by_shape
from reenact.faces.model import FaceModel
from reenact.faces.normal_equations import compute_jacobian, damp_diagonal, fill_frames, solve_chain
from reenact.faces.params import FaceParams
from reenact.faces.rotation import matrix_to_axis_angle

CHUNK = 64
"""Frames whose Jacobian is computed at once."""
POSE, CAMERA, JAW, EXPRESSION = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, None)


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Standard deviations of the fit's Gaussians, and its length."""

    noise: float = 0.03
    """Error of a landmark, as a fraction of the inter-ocular distance; beyond three of it the loss turns linear."""
    eye_noise: float = 0.012
    """Error of an eye landmark; eyes open only a tenth of the inter-ocular distance."""
    contour_noise: float = 0.05
    """Error of a landmark of the jaw line, which detectors place less exactly."""
    shape: float = 0.6
    """Spread of a shape coefficient, for one frame and for many: a detector's errors repeat from frame to frame, so
    that a clip tells no more about the shape than a picture."""
    size: float = 0.003
    """Spread of the face's size, relative to the mean face's: camera and distance explain it as well, so it is
    fixed."""
    expression: float = 1.0
    """Spread of an expression coefficient."""
    beyond: float = 0.05
    """Spread of an expression coefficient outside the face model's `expression_range`, and of a jaw closed beyond its
    rest pose, in radians."""
    jaw: float = 0.2
    """Spread of the jaw's opening in radians; half of it for its other axes."""
    motion: float = 0.05
    """Change of pose (radians) and camera (relative) from frame to frame."""
    expression_motion: float = 0.4
    """Change of an expression coefficient from frame to frame; a fifth of it, in radians, for the jaw."""
    shape_steps: int = 8
    """Gauss-Newton steps on the key frames."""
    steps: int = 4
    """Gauss-Newton steps on the whole clip."""


class ClipFit:
    """Landmarks of some frames and the face model that shall meet them.

    Args:
        face_model: any face model.
        target: (T, 68, 2) in NDC; rows that are not seen may hold anything.
        seen: (T, 68) bool.
        options: noise levels and priors.
    """

    def __init__(self, face_model: FaceModel, target: Tensor, visible: Tensor, options: FitOptions) -> None:
        self.model, self.options, self.visible = face_model, options, visible
        self.target = torch.where(visible[..., None], target, 0.0)
        self.contour = ContourLines(face_model)
        used = [face_model.landmark_vertices.flatten(), self.contour.vertices.flatten()]
        self.subset, columns = torch.unique(torch.cat(used), return_inverse=True)
        fixed = columns[: used[0].numel()].reshape(68, -1)
        self.line_columns = columns[used[0].numel() :].reshape(self.contour.vertices.shape)
        fixed_mix = target.new_zeros(68, len(self.subset))
        self.fixed_mix = fixed_mix.scatter_add(1, fixed, face_model.landmark_weights)
        mean = face_model.landmarks68(face_model.mean_vertices[None])[0]
        self.unit = (mean[36] - mean[45]).norm()
        noise = torch.full((68,), options.noise).to(target)
        noise[:17], noise[36:48] = options.contour_noise, options.eye_noise
        self.noise = noise

    def start(self) -> Tensor:
        """The state (T, D) of head pose and camera alone, in closed form from the mean face (POS)."""
        good = self.visible.sum(1) >= 12
        mean = self.model.landmarks68(self.model.mean_vertices[None])[0]
        matrix = torch.cat([mean, torch.ones_like(mean[:, :1])], 1) * self.visible[..., None]
        affine = torch.linalg.lstsq(matrix[good].double(), self.target[good].double()).solution[:, :3].mT
        scale = affine.norm(dim=-1).mean(-1)
        u, _, vh = torch.linalg.svd(affine * affine.new_tensor([1, -1])[:, None], full_matrices=False)
        rows = u @ vh
        rotation = torch.cat([rows, torch.linalg.cross(rows[:, 0], rows[:, 1])[:, None]], 1)
        state = self.target.new_zeros(int(good.sum()), 9 + self.model.num_expression)
        state[:, POSE] = matrix_to_axis_angle(rotation).to(state)
        state[:, CAMERA] = self._start_camera(state, scale.to(state), good)
        return fill_frames(state, good)

    def select(self, frames: Tensor) -> ClipFit:
        """The problem of some of the frames."""
        return ClipFit(self.model, self.target[frames], self.visible[frames], self.options)

    def params(self, state: Tensor, shape: Tensor) -> FaceParams:
        """Face parameters (T, ...) of a state (T, D) and shapes (T, S)."""
        zeros = state.new_zeros(len(state), 6)
        camera = state[:, CAMERA]
        if self.model.camera_type == "perspective":
            camera = torch.cat([self.model.default_camera()[:4].expand(len(state), -1), camera], 1)
        return FaceParams(
            shape=shape,
            expression=state[:, EXPRESSION],
            global_pose=state[:, POSE],
            neck_pose=zeros[:, :3],
            jaw_pose=state[:, JAW],
            eye_pose=zeros,
            camera=camera,
        )

    def mix(self, state: Tensor, shape: Tensor) -> Tensor:
        """Weights (T, 68, N) of the vertices in the landmarks, the jaw line on the silhouette of this state."""
        projected = self._project(state, shape.expand(len(state), -1))
        fixed = self.fixed_mix.expand(len(state), -1, -1).clone()
        eyes = self.fixed_mix[[36, 45]] @ projected[..., :2]
        fixed[:, SLIDING] = self.contour.mix(projected, eyes[:, 1] - eyes[:, 0], self.line_columns)
        return fixed

    def points(self, state: Tensor, shape: Tensor, mix: Tensor) -> Tensor:
        """Landmarks (T, 68, 2) in NDC of a state (T, D) with shapes (T, S)."""
        return mix @ self._project(state, shape)[..., :2]

    def fit_shape(self, state: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """State (T, D) and shape (S,) together; frames are independent, so the shape is a Schur complement."""
        shape = state.new_zeros(self.model.num_shape)
        prior = self._shape_prior(len(state))
        for _ in range(steps):
            gradient, hessian, cross, shape_gradient, shape_hessian = self._normal(state, shape, with_shape=True)
            shape_gradient = shape_gradient.sum(0) + prior @ shape.double()
            shape_hessian = shape_hessian.sum(0) + prior
            both = torch.cat([cross, gradient[..., None]], -1)
            solved = torch.cholesky_solve(both, torch.linalg.cholesky(damp_diagonal(hessian)))
            reduced = shape_hessian - (cross.mT @ solved[..., :-1]).sum(0)
            change = torch.linalg.solve(
                damp_diagonal(reduced), shape_gradient - (cross.mT @ solved[..., -1:]).sum(0)[:, 0]
            )
            shape = shape - change.to(shape)
            state = state - (solved[..., -1] - solved[..., :-1] @ change).to(state)
        return state, shape

    def fit_frames(self, state: Tensor, shape: Tensor, steps: int) -> Tensor:
        """State (T, D) under a given shape (S,), neighbours tied together, in one banded system a step."""
        smooth = self._smoothness(state)
        for _ in range(steps):
            gradient, hessian, *_ = self._normal(state, shape, with_shape=False)
            change = state.diff(dim=0) * smooth
            gradient[1:] += change
            gradient[:-1] -= change
            state = state - solve_chain(damp_diagonal(hessian), smooth.double(), gradient).to(state)
        return state

    def spread(self, start: Tensor, key_state: Tensor, keys: Tensor) -> Tensor:
        """A first state (T, D): pose and camera of `start`, jaw and expression of the key frames, linear between."""
        is_key = torch.zeros(len(start), dtype=torch.bool)
        is_key[keys] = True
        return torch.cat([start[:, :6], fill_frames(key_state, is_key)[:, 6:]], 1)

    def _project(self, state: Tensor, shape: Tensor) -> Tensor:
        params = self.params(state, shape)
        return self.model.project(self.model.vertices(params, self.subset), params.camera)

    def _start_camera(self, state: Tensor, scale: Tensor, good: Tensor) -> Tensor:
        """The camera entries (T, 3) with which posed mean landmarks have this scale and the targets' centre."""
        turned = self.fixed_mix @ self.model.vertices(
            self.params(state, state.new_zeros(len(state), self.model.num_shape)), self.subset
        )
        visible, target, default = self.visible[good][..., None], self.target[good], self.model.default_camera()
        perspective = self.model.camera_type == "perspective"
        centre = default[2:4] if perspective else default.new_zeros(2)
        upright = (target - centre) / scale[:, None, None] * target.new_tensor([1, -1])
        shift = ((upright - turned[..., :2]) * visible).sum(1) / visible.sum(1)
        if perspective:
            return torch.cat([shift, -default[0] / scale[:, None]], 1)
        return torch.cat([scale[:, None], shift], 1)

    def _scale(self, state: Tensor) -> Tensor:
        """(T,) NDC per metre at the face."""
        if self.model.camera_type == "perspective":
            return -self.model.default_camera()[0] / state[:, 5]
        return state[:, 3]

    def _prior(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and diagonal Hessian (T, D) of the prior, with its soft walls at the ends of the ranges."""
        options = self.options
        prior, low, high = torch.zeros_like(state[0]), *torch.full((2, state.shape[1]), torch.inf).to(state)
        low = -low
        prior[JAW] = state.new_tensor([options.jaw, options.jaw / 2, options.jaw / 2]) ** -2
        prior[EXPRESSION] = options.expression**-2
        low[6] = 0
        low[EXPRESSION], high[EXPRESSION] = self.model.expression_range
        beyond = state - state.clamp(low, high)
        wall = options.beyond**-2
        return prior * state + wall * beyond, prior + wall * (beyond != 0)

    def _shape_prior(self, frames: int) -> Tensor:
        """Hessian (S, S) of the shape's prior, float64, as strong against any number of frames as against one."""
        prior = torch.eye(self.model.num_shape, dtype=torch.float64) * self.options.shape**-2
        growth = size_by_shape(self.model).double()
        return frames * (prior.to(growth) + torch.outer(growth, growth) * self.options.size**-2)

    def _smoothness(self, state: Tensor) -> Tensor:
        """(D,) inverse variances of the change from frame to frame."""
        options, deviation = self.options, torch.ones_like(state[0])
        deviation[POSE] = options.motion
        shift = [options.motion * float(self.unit)] * 2
        depth = options.motion * float(state[:, 5 if self.model.camera_type == "perspective" else 3].abs().median())
        camera = [*shift, depth] if self.model.camera_type == "perspective" else [depth, *shift]
        deviation[CAMERA] = deviation.new_tensor(camera)
        deviation[JAW] = options.expression_motion / 5
        deviation[EXPRESSION] = options.expression_motion
        return deviation**-2

    def _normal(self, state: Tensor, shape: Tensor, with_shape: bool) -> tuple[Tensor, ...]:
        """Gradient (T, D), Hessian (T, D, D) and, with shape, the (T, D, S), (T, S) and (T, S, S) parts, float64."""
        parts = [
            self._normal_chunk(slice(first, first + CHUNK), state[first : first + CHUNK], shape, with_shape)
            for first in range(0, len(state), CHUNK)
        ]
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))

    def _normal_chunk(self, frames: slice, state: Tensor, shape: Tensor, with_shape: bool) -> list[Tensor]:
        shapes, mix = shape.expand(len(state), -1), self.mix(state, shape)
        residual = self.points(state, shapes, mix) - self.target[frames]
        deviation = self.noise * (self.unit * self._scale(state))[:, None]
        size = residual.norm(dim=-1) / deviation
        weight = self.visible[frames] / deviation**2 * (3 / size.clamp(min=3))
        weight = weight[..., None].expand(-1, -1, 2).flatten(1)[..., None].double()
        jacobian = compute_jacobian(lambda value: self._project(value, shapes)[..., :2], state, mix)
        prior_gradient, prior = (part.double() for part in self._prior(state))
        error = residual.flatten(1)[..., None].double()
        weighted = (weight * jacobian).mT
        parts = [(weighted @ error)[..., 0] + prior_gradient, weighted @ jacobian + prior.diag_embed()]
        if with_shape:
            by_shape = compute_jacobian(lambda value: self._project(state, value)[..., :2], shapes, mix)
            shape_weighted = (weight * by_shape).mT
            parts += [weighted @ by_shape, (shape_weighted @ error)[..., 0], shape_weighted @ by_shape]
        return parts
