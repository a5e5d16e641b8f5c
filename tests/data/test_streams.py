"""The pairs of methods of single pictures are those of earlier versions: every draw and every pixel."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from reenact.data.datamodules.loader import Loader

from .counted_clips import CountedData

HASHES = {
    "train": "6f96e2a1c0152560",
    "unflipped": "86212b6fc958ab5b",
    "val_self": "a9deb8a898c96825",
    "val_cross": "2df3feb36851b3db",
    "test_self": "28b4ab20ef0431e9",
    "test_cross": "2f524fb70c9a071a",
}
"""Of the batches of the version before data served windows and clips."""


def digest(loader: Loader) -> str:
    total = sha256()
    for batch in loader:
        for portrait in (batch.source, batch.driving):
            total.update(repr((portrait.identity, portrait.clip)).encode())
            tensors = [portrait.image, portrait.frame, portrait.landmarks, *vars(portrait.params).values()]
            for tensor in tensors:
                total.update(b"none" if tensor is None else np.ascontiguousarray(tensor.numpy()).tobytes())
    return total.hexdigest()[:16]


@pytest.fixture(scope="module")
def loaders() -> dict[str, Loader]:
    data = CountedData(pairs_per_epoch=60, num_val_pairs=9, num_test_pairs=21)
    tests = {
        f"{stage}_{name}": loader
        for stage, held_out in (("val", data.val_dataloader()), ("test", data.test_dataloader()))
        for name, loader in held_out.items()
    }
    never = CountedData(pairs_per_epoch=30, flip=0.0, seed=3)
    return {"train": data.train_dataloader(), "unflipped": never.train_dataloader(), **tests}


@pytest.mark.parametrize("name", HASHES)
def test_batches_are_those_of_earlier_versions(loaders, name):
    assert digest(loaders[name]) == HASHES[name]
