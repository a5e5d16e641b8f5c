"""Windows of a video that are denoised one by one."""

from __future__ import annotations


def list_windows(count: int, window: int, overlap: int, *, wrap: bool) -> list[list[int]]:
    """Return the frames of each window, so that every frame is in one at least.

    Args:
        count: frames of the video; a video no longer than a window is one.
        window: frames of a window.
        overlap: frames that neighbouring windows share.
        wrap: fill the last window up with the first frames, as the released `uniform` scheduler does (its windows are
            the same at every step); else shift it back to end with the video.
    """
    if count <= window:
        return [list(range(count))]
    starts = list(range(0, count, window - overlap))
    if wrap:
        return [[(start + place) % count for place in range(window)] for start in starts]
    starts = [start for start in starts if start + window < count] + [count - window]
    return [list(range(start, start + window)) for start in starts]
