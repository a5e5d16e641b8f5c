"""Networks of the metrics are loaded once in a process; here each test has its own."""

import functools

import pytest
import torch

from reenact.metrics import face_readers, openface, perceptual, probe_reader, readers, sets
from reenact.nn.probe import Probe

CACHES = (
    *(sets._load_inception, sets._load_i3d, openface._load_network, perceptual._build_lpips),
    *(face_readers._build_finder, face_readers._build_embedder, face_readers._build_regressor, readers.face_reader),
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of weights."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for cache in CACHES:
        cache.cache_clear()
    yield tmp_path
    for cache in CACHES:
        cache.cache_clear()


@functools.cache
def random_probe() -> Probe:
    torch.manual_seed(4)
    return Probe().eval().requires_grad_(False)


@pytest.fixture
def probe(monkeypatch):
    """A probe of random weights in place of the shipped one, which counts its looks at pictures."""
    network = random_probe()
    looks: list[int] = []
    features = network.features

    def counted(image):
        looks.append(len(image))
        return features(image)

    monkeypatch.setattr(network, "features", counted)
    monkeypatch.setattr(probe_reader, "load_probe", lambda: network)
    return looks
