"""Digests of the networks that metrics read with, without importing torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reenact.metrics.metric_names import parse_metric
from reenact.metrics.networks import network_files
from reenact.paths import hash_file

_cached_hash = cache(hash_file)


def hash_networks(metrics: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the weight files of the networks that metrics read with: network -> file name -> SHA-256."""
    specs = {parse_metric(name).network for name in metrics}
    return {
        spec: {file.name: _cached_hash(file) for path in network_files(spec) for file in _list_files(path)}
        for spec in sorted(filter(None, specs))
    }


def _list_files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
