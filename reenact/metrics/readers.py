"""The readers of the networks that metrics read with, by name; each is loaded once, when it first looks."""

from __future__ import annotations

from functools import cache
from typing import cast

from torch import Tensor

from reenact.estimators.registry import IdentityNetwork, RegressorChoice
from reenact.estimators.table import list_estimators
from reenact.metrics import face_readers, openface, probe_reader, sets
from reenact.metrics.faces import FaceReading
from reenact.metrics.networks import PROBE, Finder, split_spec
from reenact.metrics.scene import Reader


@cache
def landmark_reader(spec: str) -> Reader[FaceReading]:
    """The reader of landmarks of a network or library."""
    return probe_reader.face_reader() if spec == PROBE else face_readers.landmark_reader(cast(Finder, spec))


@cache
def face_reader(spec: str) -> Reader[FaceReading]:
    """The reader of identity, expression and pose of a network, and of another finder where one is named."""
    network, finder = split_spec(spec)
    if network == PROBE:
        return probe_reader.face_reader()
    if network == "openface":
        return openface.openface_reader()
    assert finder is not None
    if network in list_estimators("identity"):
        return face_readers.identity_reader(spec, cast(IdentityNetwork, network), finder)
    return face_readers.parameter_reader(spec, cast(RegressorChoice, network), finder)


def layer_reader(network: str) -> Reader[list[Tensor]]:
    """The reader of layers for LPIPS-like distances."""
    assert network == PROBE
    return probe_reader.layer_reader()


def feature_reader(network: str) -> Reader[Tensor]:
    """Return the reader of features (B, D) of pictures, for distances between sets of them."""
    return probe_reader.feature_reader() if network == PROBE else sets.inception_reader()


def feature_size(network: str) -> int:
    """Return the length of the features of pictures."""
    return {PROBE: probe_reader.FEATURE_SIZE, "inception": sets.INCEPTION_SIZE}[network]


def clip_reader(network: str) -> Reader[Tensor]:
    """Return the reader of features (B, D) of clips (B, T, 3, H, W), for distances between sets of them."""
    return probe_reader.clip_reader() if network == PROBE else sets.i3d_reader()


def clip_feature_size(network: str) -> int:
    """Return the length of the features of clips."""
    return {PROBE: probe_reader.CLIP_FEATURE_SIZE, "i3d": sets.I3D_SIZE}[network]
