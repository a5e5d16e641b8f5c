"""Pictures side by side and in labelled grids."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from reenact.media.video import Image

LABEL_HEIGHT = 18
"""Pixels above each picture of a grid for its label."""
ROWS_PER_LABEL = 24
"""Rows of a large picture for one row of its label, so that labels can be read in full frames."""


def side_by_side(images: Sequence[Image], labels: Sequence[str]) -> Image:
    """Pictures in one row, all resized to the height of the tallest, each with its label above, on white."""
    height = max(image.shape[0] for image in images)
    row = np.concatenate([_to_height(image, height) for image in images], axis=1)
    label_height = max(LABEL_HEIGHT, height // ROWS_PER_LABEL)
    strip = PIL.Image.new("RGB", (row.shape[1], label_height), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(label_height * 2 // 3)
    x = 0
    for image, label in zip(images, labels, strict=True):
        draw.text((x + 4, 1), label, fill="black", font=font)
        x += _width_at(image, height)
    return np.concatenate([np.asarray(strip), row])


def _to_height(image: Image, height: int) -> Image:
    if image.shape[0] == height:
        return image
    return np.asarray(cv2.resize(image, (_width_at(image, height), height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _width_at(image: Image, height: int) -> int:
    width: int = round(image.shape[1] * height / image.shape[0])
    return width


def labelled_grid(images: Sequence[Image], labels: Sequence[str], columns: int) -> Image:
    """Pictures of one size in rows of `columns`, each with its label above, on white."""
    height, width = images[0].shape[:2]
    cell_height = height + LABEL_HEIGHT
    rows = -(-len(images) // columns)
    sheet = PIL.Image.new("RGB", (columns * width, rows * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        x, y = index % columns * width, index // columns * cell_height
        draw.text((x + 4, y + 1), label, fill="black", font=font)
        sheet.paste(PIL.Image.fromarray(image), (x, y + LABEL_HEIGHT))
    return np.asarray(sheet)
