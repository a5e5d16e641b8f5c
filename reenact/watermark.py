"""The invisible watermark of generated files, in the `dwtDctSvd` format of the library `invisible-watermark`.

A 32-bit word is repeated over the 8x8-pixel blocks of every frame. A block holds its bit in the largest singular value
of its blue-difference (U) low band: quantised to a cell of `SCALE`, 0 at a quarter of the cell, 1 at three quarters.
Writing is vectorised here, six times as fast as the library's loop over blocks; the format's cosine transform is
orthonormal, leaves singular values alone and is left out. Marks of the library are read here, and marks of here by the
library, which refuses pictures of fewer pixels than 256 x 256. The mark survives H.264 at the frame's own size, not
resizing or cropping.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

WORD = tuple(int(bit) for bit in f"{0x9E2D71C4:032b}")
"""The mark: 16 ones and 16 zeros, so that flat pictures, which read as all equal bits, match half of it."""
SCALE = 36.0
"""Quantisation step of the singular value: the library's default."""
BLOCK = 8
"""Pixels per side of a block: a 4x4 patch of the half-size low band."""
THRESHOLD = 28
"""Matching bits of 32 that count as present: an unmarked file reaches it with probability 1e-5."""


FEW_PIXELS = 128 * 128
"""Fewer leave less than 8 blocks a frame for a bit."""


@dataclass(frozen=True)
class Reading:
    """Watermark reading of a file."""

    matching_bits: int
    """Bits of the 32 that equal the mark's, each by vote over all blocks and frames."""
    frames: int
    """Frames that voted."""

    @property
    def present(self) -> bool:
        """Tell if the file carries the mark."""
        return self.matching_bits >= THRESHOLD


def choose_crf(width: int, height: int) -> int:
    """Return the quality of x264 at which a marked video of one frame reads back: 17, or 8 for frames of few pixels."""
    return 17 if width * height >= FEW_PIXELS else 8


def embed_watermark(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mark one picture.

    Args:
        image: (H, W, 3) RGB; rows and columns beyond the last whole 8x8 block stay as they are.

    Returns:
        A marked copy.
    """
    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    if not height or not width:
        return image.copy()
    low = _low_band(image)
    change = np.repeat(np.repeat(_compute_change(low) / 2, 2, 0), 2, 1)
    marked = image.astype(np.float32)
    # What a change of U means in RGB, inverse of cv2's matrix (ITU-R BT.601).
    marked[:height, :width] += change[..., None] * np.array([0.0, -0.395, 2.032], np.float32)
    return np.clip(np.rint(marked), 0, 255).astype(np.uint8)


def _compute_change(low: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the change of the low band (h, w) with which every 4x4 patch's largest singular value holds its bit."""
    rows, columns = low.shape[0] // 4, low.shape[1] // 4
    patches = _cut_patches(low)
    left_vectors, value, right = _leading_singular(patches)
    bits = np.resize(np.array(WORD, np.float32), len(patches))
    # The nearest value that tells the bit, in whichever cell; the library stays in its cell and changes a third more
    offset = 0.25 + 0.5 * bits
    target_values = (np.rint(value / SCALE - offset) + offset) * SCALE
    change = (target_values - value)[:, None, None] * left_vectors[:, :, None] * right[:, None, :]
    return np.asarray(change.reshape(rows, columns, 4, 4).swapaxes(1, 2).reshape(low.shape), np.float32)


def _leading_singular(
    patches: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Leading singular triplets of (N, 4, 4) patches by power iteration.

    U is stored with an offset of 128, so the constant vector is almost the leading one and four rounds are exact to
    float32.
    """
    right = np.full(patches.shape[:2], 0.5, np.float32)
    for _ in range(4):
        left_vectors = (patches * right[:, None, :]).sum(2)
        left_vectors /= np.maximum(np.linalg.norm(left_vectors, axis=1, keepdims=True), 1e-6)
        right = (patches * left_vectors[:, :, None]).sum(1)
        value = np.linalg.norm(right, axis=1)
        right = right / np.maximum(value, 1e-6)[:, None]
    return left_vectors, value, right


def read_frames(frames: Iterable[NDArray[np.uint8]]) -> Reading:
    """Look for the mark in (H, W, 3) RGB frames of one file; their blocks vote together."""
    totals = np.zeros((2, len(WORD)))
    count = 0
    for count, frame in enumerate(frames, 1):  # noqa: B007 - the number is that of frames read
        bits = read_bits(frame)
        places = np.arange(len(bits)) % len(WORD)
        totals += np.bincount(places, bits, len(WORD)), np.bincount(places, minlength=len(WORD))
    ones, votes = totals
    matching = (votes > 0) & ((ones > votes / 2) == np.array(WORD, np.bool_))
    return Reading(int(matching.sum()), count)


def read_bits(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Read the bit of every 8x8 block (N,) of a (H, W, 3) RGB frame, row by row."""
    patches = _cut_patches(_low_band(frame))
    value = np.linalg.svd(patches, compute_uv=False)[:, 0]
    return np.asarray(value % SCALE > SCALE / 2)


def _low_band(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Low band (h, w) of the Haar transform of U, over whole blocks."""
    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    if not height or not width:
        return np.zeros((0, 0), np.float32)
    u = cv2.cvtColor(image[:height, :width], cv2.COLOR_RGB2YUV)[..., 1].astype(np.float32)
    return np.asarray(u.reshape(height // 2, 2, width // 2, 2).sum((1, 3)) / 2, np.float32)


def _cut_patches(low: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the low band into patches (N, 4, 4)."""
    rows, columns = low.shape[0] // 4, low.shape[1] // 4
    return low.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(-1, 4, 4)
