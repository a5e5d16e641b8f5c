"""Detection of a Weights & Biases key, without importing the package or asking on the terminal."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

HOST = "https://api.wandb.ai"


def has_key() -> bool:
    """Tell if there is a key for the server in use, or a mode in `WANDB_MODE`."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE"):
        return True
    file = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    host = urlparse(os.environ.get("WANDB_BASE_URL", HOST)).netloc
    try:
        return netrc.netrc(file).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
