"""Taking a file into the folder of files: verified first, complete or not there at all."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reenact import assets
from reenact.assets import Asset, File
from reenact.assets.manifest import Manifest
from reenact.errors import ReenactError
from reenact.paths import hash_file

SHOWN = 12
"""Digits of a digest that a sentence shows."""


def verify_file(file: File, path: Path) -> str:
    """Check that a file on disk is the one of the table.

    Returns:
        Its SHA-256.

    Raises:
        ReenactError: if it has another size or digest, is damaged, or lacks what it must hold.
    """
    from reenact.estimators.contents import names_in  # imports torch, which lists don't need

    size = path.stat().st_size
    if file.size and size != file.size:
        raise ReenactError(f"{path} is not {file.name}: it has {size:,} bytes, not {file.size:,}")
    digest = hash_file(path)
    if not digest.startswith(file.sha256):
        raise ReenactError(
            f"{path} is not {file.name}: its SHA-256 begins with {digest[:SHOWN]}, not {file.sha256[:SHOWN]}"
        )
    if file.holds:
        names = list(names_in(path))
        missing = [name for name in file.holds if not any(other.startswith(name) for other in names)]
        if missing:
            raise ReenactError(f"{path} is not {file.name}: it holds no {', '.join(missing)}")
    return digest


def add_asset(asset: Asset, source: Path) -> Path:
    """Copy an asset into the folder of files.

    Args:
        asset: Which.
        source: The file; of a pack, its folder or zip, however deep the files lie in it.

    Returns:
        Where it lies now: the file, or the pack's folder.

    Raises:
        ReenactError: if it is missing, another file, or cannot be written; then nothing has changed.
    """
    if not source.exists():
        raise ReenactError(f"{source} does not exist: give the path of {' or '.join(f.name for f in asset.files)}")
    with temporary_workplace() as folder:
        if asset.pack:
            return _place_pack(
                asset, {file: _find_pack_file(asset, file, source, folder) for file in asset.files}, folder
            )
        if source.is_dir():
            raise ReenactError(f"{source} is a folder: give the path of {' or '.join(f.name for f in asset.files)}")
        file = _select_file(asset, source)
        digest = verify_file(file, source)
        copy = folder / file.name
        shutil.copyfile(source, copy)
        return _place_file(file, copy, digest)


def take_download(asset: Asset, download: Path) -> Path:
    """Move a download into the folder of files; unlike with `add_asset`, it may have another name.

    Raises:
        ReenactError: if it is not what the table says.
    """
    if asset.pack:
        return add_asset(asset, download)
    file = asset.files[0]
    return _place_file(file, download, verify_file(file, download))


@contextmanager
def temporary_workplace() -> Iterator[Path]:
    """A folder on the same disk as the folder of files, so that moving is atomic; gone afterwards.

    Raises:
        ReenactError: if it can't be written, or if what is done inside fails to read or write a file.
    """
    home = assets.cache_dir()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=home) as folder:
            yield Path(folder)
    except OSError as error:
        if error.filename and not Path(error.filename).is_relative_to(home):
            raise ReenactError(f"{error.filename} can't be read ({error.strerror})") from error
        raise ReenactError(
            f"{home} can't be written ({error.strerror or error}): make room, or set REENACT_HOME to another folder"
        ) from error


def _select_file(asset: Asset, source: Path) -> File:
    """Select the file among an asset's alternatives: by its name, or by its kind where only one has it."""
    named = [file for file in asset.files if file.name == source.name]
    alike = named or [file for file in asset.files if Path(file.name).suffix == source.suffix]
    if len(asset.files) == 1:
        return asset.files[0]
    if len(alike) != 1:
        raise ReenactError(
            f"{source}: its name doesn't tell which it is; rename it to {' or '.join(f.name for f in asset.files)}"
        )
    return alike[0]


def _find_pack_file(asset: Asset, file: File, source: Path, folder: Path) -> Path:
    """A pack's file in its folder or zip; out of a zip it is unpacked into `folder`."""
    if source.is_dir():
        within = sorted(source.rglob(file.name))
        if within:
            return within[0]
        raise ReenactError(f"{source} holds no {file.name}: give the folder or the zip of {asset.name}")
    try:
        with zipfile.ZipFile(source) as archive:
            members = [name for name in archive.namelist() if name.rpartition("/")[2] == file.name]
            if not members:
                raise ReenactError(f"{source} holds no {file.name}: give the folder or the zip of {asset.name}")
            unpacked = folder / f"unpacked-{file.name}"
            with archive.open(members[0]) as packed, unpacked.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
            return unpacked
    except (zipfile.BadZipFile, EOFError) as error:
        raise ReenactError(f"{source} is damaged or no zip: give the folder or the zip of {asset.name}") from error


def _place_pack(asset: Asset, sources: dict[File, Path], folder: Path) -> Path:
    digests = {file: verify_file(file, path) for file, path in sources.items()}
    pack = folder / "pack"
    pack.mkdir()
    for file, path in sources.items():
        shutil.copyfile(path, pack / file.name)
    target = assets.cache_dir() / asset.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(folder / "before")
    pack.rename(target)
    _remember_digests(digests)
    return target


def _place_file(file: File, copy: Path, digest: str) -> Path:
    target = assets.cache_dir() / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    copy.replace(target)
    _remember_digests({file: digest})
    return target


def _remember_digests(digests: dict[File, str]) -> None:
    manifest = Manifest.read()
    manifest.sha256 |= {file.path: digest for file, digest in digests.items()}
    manifest.write()
