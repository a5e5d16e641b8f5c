"""The metadata mark of generated files: plain words that say what made them.

MP4 files carry it as container metadata, PNG as text chunks, other pictures as the EXIF image description; `ffprobe`,
`exiftool` and `read_mark` show it. Metadata is lost where a service re-encodes a file; the watermark is for that case.
"""

from __future__ import annotations

from pathlib import Path

from reenact.media.media_files import open_media
from reenact.media.media_kinds import is_picture
from reenact.media.pictures import EXIF_DESCRIPTION, open_picture
from reenact.media.video import probe_video
from reenact.models.common.checkpoint import WEIGHTS
from reenact.paths import hash_file
from reenact.provenance import mark_words


def make_mark(method: str, checkpoint: Path) -> dict[str, str]:
    """Return the words that a file made with a checkpoint carries.

    Args:
        method: Name of the method that made the pixels.
        checkpoint: The weights' file or exported folder; its hash is part of the mark.
    """
    return mark_words(method, hash_file(checkpoint / WEIGHTS if checkpoint.is_dir() else checkpoint))


def read_mark(path: Path) -> dict[str, str]:
    """The mark of a file; empty where it has none.

    Raises:
        ReenactError: if a video cannot be read.
    """
    if is_picture(path):
        mark = _picture_words(path)
    else:
        probe_video(path)
        with open_media(path) as container:
            mark = dict(container.metadata)
    return mark if "synthetic" in mark else {}


def _picture_words(path: Path) -> dict[str, str]:
    with open_picture(path) as picture:
        if picture.format == "PNG":
            picture.load()  # text chunks may follow the pixels
            return {str(key): str(value) for key, value in picture.info.items()}
        description = str(picture.getexif().get(EXIF_DESCRIPTION, ""))
    pairs = (item.partition("=") for item in description.split("; "))
    return {key: value for key, _, value in pairs if value}
