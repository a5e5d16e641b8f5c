"""Fetching a file from its official address, after the person has asked for it by name."""

from __future__ import annotations

import errno
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from reenact.errors import ReenactError

PATIENCE = 30.0
"""Seconds without a byte after which an address counts as unreachable."""
PIECE = 1 << 20


def fetch_file(url: str, target: Path) -> None:
    """Download a file, with progress in the terminal.

    Raises:
        ReenactError: if the address can't be reached, refuses, or breaks off.
        OSError: if the disk is full.
    """
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "reenact"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer, Progress(*columns, transient=True) as bars:
            total = int(answer.headers.get("Content-Length") or 0)
            bar = bars.add_task(url.rpartition("/")[2], total=total or None)
            with target.open("wb") as stream:
                while piece := answer.read(PIECE):
                    stream.write(piece)
                    bars.advance(bar, len(piece))
    except urllib.error.HTTPError as error:
        raise ReenactError(
            f"{url} answers {error.code} {error.reason}: look for the file on its project's page"
        ) from error
    except (OSError, HTTPException) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        reason = getattr(error, "reason", None) or error
        raise ReenactError(
            f"{url} can't be reached ({reason}): fetch it on another machine, then 'reenact weights add' it here"
        ) from error
    if total and target.stat().st_size != total:
        raise ReenactError(f"{url} broke off after {target.stat().st_size:,} of {total:,} bytes: try again")
