"""Files that people bring: where each is looked for, what licence it has, how to get it. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reenact.assets.model import Asset, File, cache_dir, torch_home
from reenact.assets.table import ASSETS
from reenact.errors import ReenactError

__all__ = [
    "ASSETS",
    "Asset",
    "File",
    "cache_dir",
    "collect_assets",
    "describe_missing",
    "find_asset",
    "locate_asset",
    "require_all",
    "require_asset",
    "torch_home",
]


def collect_assets() -> dict[str, Asset]:
    """Return all files by name: those that parts of the package share, then those of methods."""
    from reenact.methods.registry import collect_released_assets  # methods import this package

    return ASSETS | collect_released_assets()


def find_asset(name: str) -> Asset:
    """Return the asset of a name; methods are scanned only for names that are not in the package's own table."""
    return ASSETS[name] if name in ASSETS else collect_assets()[name]


def locate_asset(name: str) -> Path | None:
    """The path of an asset's file, or of a pack's folder; None where it, or a part of the pack, is absent."""
    asset = find_asset(name)
    existing = next((paths for paths in asset.places() if all(path.is_file() for path in paths)), None)
    if existing is None:
        return None
    return existing[0].parent if asset.pack else existing[0]


def require_asset(name: str) -> Path:
    """The path of an asset's file, or of a pack's folder.

    Raises:
        ReenactError: if it is absent; the message says which file, where to put it and how to get it.
    """
    path = locate_asset(name)
    if path is None:
        raise ReenactError(describe_missing(name))
    return path


def require_all(names: Iterable[str]) -> None:
    """Check that all files of a run are there.

    Raises:
        ReenactError: if some are absent; the message has the sentence of `require_asset` for each.
    """
    absent = [describe_missing(name) for name in names if locate_asset(name) is None]
    if absent:
        raise ReenactError(". ".join(absent))


def describe_missing(name: str) -> str:
    """One sentence about an absent asset: what it is, where it goes, its licence and how to get it."""
    asset = find_asset(name)
    place = f"{asset.files[0].path} under {cache_dir()}"
    if asset.pack:
        place = f"{', '.join(file.name for file in asset.files)} in {cache_dir() / asset.folder}"
        for paths in asset.places():
            missing = [path.name for path in paths if not path.is_file()]
            if len(missing) < len(paths):
                return f"{paths[0].parent} is incomplete, it lacks {', '.join(missing)}: {asset.source}"
    return f"{asset.purpose} is missing: put {place} ({asset.licence}; {asset.source})"
