"""The networks that metrics read with, by name; each is loaded once, when first asked for."""

from __future__ import annotations

from torch import Tensor

from reenact.errors import ReenactError
from reenact.metrics import probe_reader
from reenact.metrics.faces import FaceReading
from reenact.metrics.scene import Reader
from reenact.nn.probe import WEIGHTS

NETWORKS = {
    "lpips": ("probe",),
    "fid": ("probe",),
    "kid": ("probe",),
    "csim": ("probe",),
    "akd": ("probe",),
}
"""Family of metrics -> networks that it can be measured with."""
FACE_PARTS = {
    "expression": ("probe",),
    "identity": ("probe",),
    "rotation": ("probe",),
    "pose": (),
}
"""Part of a face -> networks that read it."""


def networks(family: str, part: str | None) -> tuple[str, ...]:
    """The networks that a family, or its part, can be measured with."""
    return NETWORKS.get(family, ()) if part is None else FACE_PARTS.get(part, ())


def faces(network: str) -> Reader[FaceReading]:
    """The reader of faces of a network."""
    assert network == probe_reader.NAME
    return probe_reader.faces()


def layers(network: str) -> Reader[list[Tensor]]:
    """The reader of layers for LPIPS-like distances."""
    assert network == probe_reader.NAME
    return probe_reader.layers()


def features(network: str) -> Reader[Tensor]:
    """The reader of features (B, D) for distances between sets."""
    assert network == probe_reader.NAME
    return probe_reader.features()


def feature_size(network: str) -> int:
    """Length of those features."""
    return {"probe": 352, "inception": 2048}[network]


def check(network: str | None) -> None:
    """Refuse a network whose weights are missing; raises `ReenactError`."""
    if network == probe_reader.NAME and not WEIGHTS.is_file():
        raise ReenactError(f"This copy of the package has no {WEIGHTS.name}; make it with benchmarks/probe.py")
