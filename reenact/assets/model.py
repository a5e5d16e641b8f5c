"""Descriptions of the files, or packs of files, that users provide."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

TORCH_HUB = "{torch}/hub/checkpoints"
"""Folder in which torch keeps weights, see `Asset.elsewhere`."""


@dataclass(frozen=True)
class File:
    """One file of an asset."""

    path: str
    """Under the folder of files, with `/` between its parts."""
    sha256: str = ""
    """The digest's first digits, or all 64; empty where nobody publishes it."""
    size: int = 0
    """Bytes; 0 where unknown."""
    holds: tuple[str, ...] = ()
    """Names that the file holds: keys of weights, arrays, members of an archive; each may be a name's beginning."""
    _: KW_ONLY
    url: str = ""
    """Address of a file of a pack that is fetched file by file."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One thing that a part of the package needs, with its licence and where it comes from."""

    name: str
    """Name on the command line."""
    purpose: str
    """Description of the file and its use."""
    files: tuple[File, ...]
    """Any one of them, the best first; of a pack all of them, in one folder."""
    licence: str
    source: str
    """Instructions for getting the file."""
    free: bool = False
    """True where any use is free; otherwise the licence must be accepted before the file is fetched."""
    url: str = ""
    """Address of the first file, of a pack's zip, or of the page of a pack whose files have addresses of their own;
    empty where fetching takes more than an address."""
    elsewhere: str = ""
    """Folder in which another library keeps the same files; may begin with `~` or `{torch}`."""
    pack: bool = False
    """True where the files belong together."""

    @property
    def folder(self) -> str:
        """The folder of a pack, under the folder of files."""
        return self.files[0].path.rpartition("/")[0]

    def places(self) -> list[list[Path]]:
        """The sets of paths that would do, each whole: a pack's files together, otherwise one file a set."""
        cache, library = cache_dir(), self._library()
        cached = [cache / file.path for file in self.files]
        library_paths = [library / file.name for file in self.files] if library else []
        if self.pack:
            return [paths for paths in (cached, library_paths) if paths]
        return [[path] for path in cached + library_paths]

    def _library(self) -> Path | None:
        if not self.elsewhere:
            return None
        return Path(self.elsewhere.replace("{torch}", str(torch_home()))).expanduser()


def cache_dir() -> Path:
    """The folder of files that people bring: `$REENACT_HOME`, else `~/.cache/reenact`."""
    return Path(os.environ.get("REENACT_HOME", Path.home() / ".cache" / "reenact"))


def torch_home() -> Path:
    """The folder in which torch keeps what it downloads, found without importing torch."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", default))
