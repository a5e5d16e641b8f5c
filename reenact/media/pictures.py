"""Picture files: reading them upright in sRGB, writing them in one step."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageCms, ImageOps, PngImagePlugin

from reenact.errors import ReenactError
from reenact.media.listing import list_folder
from reenact.media.media_files import MAX_PIXELS, partial_path
from reenact.media.video import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
"""Pillow's names of the formats that are read. It knows more, one of which (EPS) starts a program to read a file."""
EXIF_DESCRIPTION = 270
"""The tag of EXIF that holds a picture's description."""
_HEIC_SUFFIXES = frozenset({".heic", ".heif"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"}) | _HEIC_SUFFIXES


@contextmanager
def open_picture(path: Path) -> Iterator[PIL.Image.Image]:
    """Open a picture of one of `FORMATS`, and HEIC where `pillow-heif` is installed; its pixels are not decoded yet.

    Raises:
        ReenactError: if the file is missing, damaged, of another format or of more than `MAX_PIXELS`, here or in the
            body of the `with` statement.
    """
    if not path.is_file():
        raise ReenactError("is not a file", subject=path, remedy="give the path of a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # the limit below is lower
            picture = PIL.Image.open(path, formats=_list_formats(path))
        with picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ReenactError(
                    f"has {picture.width} x {picture.height} pixels, more than {MAX_PIXELS / 1e6:.0f} million",
                    subject=path,
                    remedy="make it smaller",
                )
            yield picture
    except PIL.Image.DecompressionBombError as error:
        raise ReenactError(
            f"has more than {MAX_PIXELS / 1e6:.0f} million pixels", subject=path, remedy="make it smaller"
        ) from error
    except ReenactError:
        raise
    except Exception as error:  # Pillow's readers raise every kind of error on damaged files
        raise ReenactError("is not a readable picture", subject=path, remedy="give a PNG or JPEG file") from error


def read_image(path: Path) -> Image:
    """Read a picture as (H, W, 3) RGB, turned upright by its EXIF orientation, as a browser shows it.

    Colours of an embedded profile become sRGB, transparent pixels show white, and 16 bits or floats a channel become 8
    bits. The white of floats is 1, or 255 where they go up to at least 16.

    Raises:
        ReenactError: as `open_picture`; or if the values of floats have no clear white.
    """
    with open_picture(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)  # a copy of a large picture costs as much as the picture
        upright = _eight_bits(path, picture)
        colours = _convert_to_srgb(upright)
        if not upright.has_transparency_data:
            return np.array(colours)
        visible = PIL.Image.new("RGB", colours.size, "white")
        visible.paste(colours, mask=upright.convert("RGBA").getchannel("A"))
        return np.array(visible)


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
    form = PIL.Image.registered_extensions().get(path.suffix.lower())
    if form not in FORMATS:
        raise ReenactError(
            "can't be written (no picture has this suffix)", subject=path, remedy="give a writable .png or .jpg path"
        )
    temporary = partial_path(path)
    try:
        if form == "PNG":
            info = PngImagePlugin.PngInfo()
            for key, value in (metadata or {}).items():
                info.add_itxt(key, value)
            picture.save(temporary, form, pnginfo=info)
        else:
            exif = picture.getexif()
            if metadata:
                exif[EXIF_DESCRIPTION] = "; ".join(f"{key}={value}" for key, value in metadata.items())
            picture.save(temporary, form, quality=95, subsampling=0, exif=exif)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise ReenactError(
            f"can't be written ({error})", subject=path, remedy="give a writable .png or .jpg path"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _list_formats(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() not in _HEIC_SUFFIXES:
        return FORMATS
    try:
        import pillow_heif
    except ImportError as error:
        raise ReenactError("is HEIC: pip install pillow-heif, or save it as PNG or JPEG", subject=path) from error
    pillow_heif.register_heif_opener()
    return *FORMATS, "HEIF"


def _eight_bits(path: Path, picture: PIL.Image.Image) -> PIL.Image.Image:
    """Scale grey pictures of more than 8 bits, which Pillow would cut off; others are returned as they are."""
    if picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.float32) / 257
    elif picture.mode in ("I", "F"):
        values = np.asarray(picture).astype(np.float32)
        brightest = float(values.max())
        if not np.isfinite(values).all() or 1 < brightest < 16 or brightest > 255:
            raise ReenactError(
                f"has values up to {brightest:g}, which are neither 0 to 1 nor 0 to 255",
                subject=path,
                remedy="save it as 8-bit PNG",
            )
        values = values * 255 if brightest <= 1 and picture.mode == "F" else values
    else:
        return picture
    grey = PIL.Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    grey.info = {key: value for key, value in picture.info.items() if key == "icc_profile"}
    return grey


def _convert_to_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Convert to RGB, through the embedded colour profile where there is one that isn't sRGB itself."""
    data = picture.info.get("icc_profile")
    if not data:
        return picture.convert("RGB")
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(data))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[profile.profile.xcolor_space.strip()]
        # A conversion of sRGB into itself would only round.
        if mode == "RGB" and ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return picture.convert("RGB")
        if (mode == "CMYK") != (picture.mode == "CMYK"):
            return picture.convert("RGB")
        converted = ImageCms.profileToProfile(
            picture.convert(mode), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert converted is not None
        return converted
    except (ImageCms.PyCMSError, OSError, KeyError):  # a profile that can't be read is ignored, as browsers do
        return picture.convert("RGB")
