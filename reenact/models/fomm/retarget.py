"""FOMM's relative motion (`normalize_kp` of its `animate.py`)."""

from __future__ import annotations

import torch

from reenact.models.common.retarget import align_leading, first_frames, keep_unmoved
from reenact.models.fomm.detector import Keypoints
from reenact.nn.keypoints import hull_ratio


def retarget_keypoints(
    source: Keypoints,
    driving: Keypoints,
    reference: Keypoints | None = None,
    strength: float = 1.0,
    *,
    adapt_scale: bool = False,
) -> Keypoints:
    """The source's keypoints, moved as the driving ones moved since the reference.

    `p = p_s + k s (p_d - p_r)` and `J = (I + k (J_d J_r^-1 - I)) J_s`, k the strength; with the source as its own
    reference and k = 1 that is the driving keypoints. Where nothing changed the source's stay to the bit.

    Args:
        source: of batch 1 or B.
        driving: batch B, or clips of (B, T).
        reference: the driving face that corresponds to the source's, of batch 1 or B; None takes the first driving
            frame, of clips the first of each.
        strength: k; 0 keeps the source.
        adapt_scale: s is the ratio of the hulls of source and reference (official `adapt_movement_scale`), else 1.
    """
    reference = first_frames(driving, driving.value.ndim - 2) if reference is None else reference
    source, reference = align_leading(source, driving), align_leading(reference, driving)
    scale = hull_ratio(source.value, reference.value) if adapt_scale else 1.0
    value = source.value + strength * scale * (driving.value - reference.value)
    eye = torch.eye(2, device=value.device, dtype=value.dtype)
    change = eye + strength * (driving.jacobian @ torch.linalg.inv(reference.jacobian) - eye)
    s, d, r = source, driving, reference
    return Keypoints(
        keep_unmoved(value, s.value, d.value, r.value, strength),
        keep_unmoved(change @ s.jacobian, s.jacobian, d.jacobian, r.jacobian, strength, dims=2),
    )
