"""Picture files: reading them upright in RGB, writing them in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageOps, PngImagePlugin

from reenact.data.listing import list_folder
from reenact.data.video import Image
from reenact.errors import ReenactError

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


def read_image(path: Path) -> Image:
    """Read a picture as (H, W, 3) RGB, turned upright by its EXIF orientation; transparency is dropped.

    Raises:
        ReenactError: if the file is missing, empty, truncated or not a picture.
    """
    if not path.is_file():
        raise ReenactError(f"{path} is not a file; give the path of a picture")
    try:
        with PIL.Image.open(path) as picture:
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise ReenactError(f"{path} is not a readable picture; give a PNG or JPEG file") from error


def pictures_in(folder: Path) -> list[Path]:
    """List the picture files of a folder in natural order, without files of the system."""
    return [item for item in list_folder(folder) if item.suffix.lower() in PICTURE_SUFFIXES]


def write_image(path: Path, image: Image, metadata: Mapping[str, str] | None = None) -> None:
    """Write an (H, W, 3) RGB picture under a temporary name, then rename it; the suffix gives the format.

    Args:
        path: Where to; PNG keeps `metadata` as text chunks, other formats as one EXIF description.
        image: The pixels.
        metadata: Words to carry in the file.

    Raises:
        ReenactError: if the format is unknown or the file can't be written.
    """
    picture = PIL.Image.fromarray(image)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix.lower() == ".png":
            info = PngImagePlugin.PngInfo()
            for key, value in (metadata or {}).items():
                info.add_itxt(key, value)
            picture.save(temporary, pnginfo=info)
        else:
            exif = picture.getexif()
            if metadata:
                exif[270] = "; ".join(f"{key}={value}" for key, value in metadata.items())  # ImageDescription
            picture.save(temporary, quality=95, subsampling=0, exif=exif)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise ReenactError(f"{path} can't be written ({error}); give a writable .png or .jpg path") from error
    finally:
        temporary.unlink(missing_ok=True)
