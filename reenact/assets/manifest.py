"""Records kept beside the files: digests of added files, and accepted licences."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from reenact.assets.model import Asset, cache_dir
from reenact.errors import ReenactError

NAME = "manifest.json"


@dataclass
class Manifest:
    """The content of `manifest.json`."""

    sha256: dict[str, str] = field(default_factory=dict)
    """File's path under the folder of files -> its digest when it was added."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Asset -> the licence that was accepted; another text would be asked for again."""

    @classmethod
    def read(cls) -> Manifest:
        """Read the manifest on disk; an empty one where there is none.

        Raises:
            ReenactError: if the file is damaged.
        """
        path = cache_dir() / NAME
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, OSError) as error:
            raise ReenactError(f"{path} is damaged: remove it, the files themselves stay") from error

    def accepts(self, asset: Asset) -> bool:
        """Tell if an asset may be fetched: it is free, or its licence was accepted."""
        return asset.free or self.accepted.get(asset.name) == asset.licence

    def write(self) -> None:
        """Replace the file on disk."""
        path = cache_dir() / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{NAME}.{os.getpid()}")
        part.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        part.replace(path)
