"""The index of a video: which pictures a player shows, when, and where decoding of each may start.

It is built from packets, with the first picture alone decoded, and cached for as long as the file stays the same.
Torchcodec has such an index too, but its wheels bring no FFmpeg libraries, so that `pip install` alone does not make it
run everywhere; those of PyAV bring them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reenact.media.video_packets import MPEG_FAMILY, NO_STAMP, PacketTable, codec_name
from reenact.media.video_times import MAX_STILL, is_constant

_WITHOUT_STAMPS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "obu"})
"""Containers whose time stamps are those of decoding."""
_SEEKABLE = ("mov,", "matroska,", "avi")
"""Containers in which a seek lands on a packet that its position names."""
_REORDERING = frozenset({"h264", "hevc", "vvc", "vc1", "cavs", "rv30", "rv40"})
"""Codecs that display packets in another order, which the packets do not tell in a few bits."""


@dataclass(frozen=True, kw_only=True)
class VideoIndex:
    """The m pictures that a player shows of a stream of n packets."""

    ranks: NDArray[np.int32] | None
    """(n,) number of the picture of each packet in the order of display, -1 for what is not shown; None where only
    the decoder tells the order, which it does by the order of its output."""
    places: NDArray[np.int32]
    """(n,) place of each packet in the order of display, hidden packets included."""
    packets: NDArray[np.int32]
    """(m,) packet of each picture; in the order of the file where `ranks` is None."""
    times: NDArray[np.int64]
    """(m,) sorted display times in ticks."""
    tick: Fraction
    """Duration of a tick in seconds."""
    last: Fraction
    """Seconds for which the last picture stays."""
    keys: NDArray[np.int32]
    """(k,) packets at which decoding may start; the first is packet 0."""
    key_positions: NDArray[np.int64]
    """(k,) bytes from the start of the file; empty where seeking is not exact."""
    key_stamps: NDArray[np.int64]
    """(k, 2) display and decoding time in ticks; `NO_STAMP` where there is none."""
    exact_keys: NDArray[np.bool_]
    """(k,) False where decoding has to start one key earlier to be exact."""

    def starts(self, rank: int) -> list[int]:
        """Packets at which decoding of a picture may start, the best first; the last is the first of the file."""
        packet = int(self.packets[rank])
        keys = self.keys[: bisect_right(self.keys, packet)]
        if self.ranks is None:
            choices = keys.tolist()
        else:
            before = self.places[keys] <= self.places[packet]
            choices = keys[before].tolist()
            if choices and not self.exact_keys[np.flatnonzero(before)[-1]]:
                choices.pop()
        # Ever longer steps back bound the work where a key does not hold what it says.
        steps = [2**power for power in range(len(choices).bit_length())]
        return [*(choices[-step] for step in steps if choices[-step]), 0]

    def shown_before(self, packet: int) -> int:
        """Pictures on display whose packets stand before one in the file."""
        return int((self.packets < packet).sum())

    def key_at(self, position: int | None) -> int | None:
        """The packet at a position in the file, where decoding may start; None where there is none."""
        if position is None:
            return None
        matches = np.flatnonzero(self.key_positions == position)
        return int(self.keys[int(matches[0])]) if len(matches) else None

    def stamps_of_key(self, packet: int) -> list[int]:
        """The time stamps, in ticks, that a seek to a key may need."""
        if not len(self.key_positions):
            return []
        stamps = self.key_stamps[int(np.searchsorted(self.keys, packet))]
        return [stamp for stamp in stamps.tolist() if stamp != NO_STAMP]

    @property
    def length(self) -> Fraction:
        """Seconds from the first picture to the end of the last."""
        return int(self.times[-1] - self.times[0]) * self.tick + self.last

    def with_last(self, fps: Fraction) -> VideoIndex:
        """The index of a video of some rate: its last picture stays a frame, or as long as a variable rate says."""
        constant = is_constant(self.times, self.tick, fps) or not 0 < self.last <= MAX_STILL
        return replace(self, last=1 / fps) if constant else self

    @property
    def size(self) -> int:
        """Size of the arrays in bytes."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))


def build_index(container: InputContainer, stream: VideoStream, table: PacketTable, fps: Fraction) -> VideoIndex:
    """Order the packets of a stream as a player shows them.

    Args:
        container: The open file.
        stream: Its video stream.
        table: All packets of the stream, and the first picture that they decode to.
        fps: The rate by the header, for packets without any time stamp.
    """
    count = len(table.pts)
    tick = stream.time_base or 1 / fps
    order = _display_order(container, stream, table)
    places = np.empty(count, np.int32)
    places[np.arange(count) if order is None else order] = np.arange(count, dtype=np.int32)
    packets = np.argsort(places, kind="stable")
    packets = packets[~table.hidden[packets]]
    if order is not None and table.first is not None:
        # A decoder drops leading pictures at the start of a file, whose references are cut off.
        packets = packets[places[packets] >= places[table.first[0]]]
    ranks = np.full(count, -1, np.int32)
    ranks[packets] = np.arange(len(packets), dtype=np.int32)
    usable = table.keys if order is not None else table.clean_keys
    keys = np.flatnonzero(usable | (np.arange(count) == 0))
    seekable = container.format.name.startswith(_SEEKABLE) and len(np.unique(table.positions[keys])) == len(keys)
    return VideoIndex(
        ranks=None if order is None else ranks,
        places=places,
        packets=packets.astype(np.int32),
        times=_display_times(table, packets, order is not None and _has_display_times(container, table), fps * tick),
        tick=tick,
        last=int(table.durations[packets[-1:]].sum()) * tick,
        keys=keys.astype(np.int32),
        key_positions=table.positions[keys] if seekable else np.empty(0, np.int64),
        key_stamps=np.stack([table.pts[keys], table.dts[keys]], axis=1),
        exact_keys=table.clean_keys[keys] if codec_name(stream) == "h264" else np.ones(len(keys), np.bool_),
    )


def _display_order(container: InputContainer, stream: VideoStream, table: PacketTable) -> NDArray[np.int64] | None:
    """(n,) packets in the order of display; None where only decoding tells it."""
    codec = codec_name(stream)
    # Muxers without display times write those of decoding for both.
    in_order = bool((np.diff(table.pts) > 0).all()) and codec in _REORDERING and stream.codec_context.reorder_depth > 0
    if _has_display_times(container, table) and not in_order:
        return np.argsort(table.pts, kind="stable")
    if codec in MPEG_FAMILY:
        return None if "?" in table.types else _order_by_types(table.types)
    return None if codec in _REORDERING else np.arange(len(table.pts))


def _has_display_times(container: InputContainer, table: PacketTable) -> bool:
    return container.format.name not in _WITHOUT_STAMPS and _all_differ(table.pts[~table.hidden])


def _all_differ(stamps: NDArray[np.int64]) -> bool:
    return bool((stamps != NO_STAMP).all()) and len(np.unique(stamps)) == len(stamps)


def _display_times(
    table: PacketTable, packets: NDArray[np.int64], displayed: bool, frames_per_tick: Fraction
) -> NDArray[np.int64]:
    """(m,) sorted times in ticks: those of display, else the same set of decoding times, else at the header's rate."""
    for stamps in (table.pts,) if displayed else (table.dts, table.pts):
        if _all_differ(stamps[packets]):
            return np.sort(stamps[packets])
    return np.array([round(number / frames_per_tick) for number in range(len(packets))], np.int64)


def _order_by_types(types: str) -> NDArray[np.int64]:
    """A reference is displayed after the B pictures that follow it in the file."""
    order: list[int] = []
    reference: int | None = None
    for number, kind in enumerate(types):
        if kind == "B":
            order.append(number)
            continue
        if reference is not None:
            order.append(reference)
        reference = number
    return np.array(order if reference is None else [*order, reference], np.int64)
