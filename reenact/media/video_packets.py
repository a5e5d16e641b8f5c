"""The packets of a video stream, read without decoding: time stamps, key frames, and what the codec says of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

NO_STAMP = np.iinfo(np.int64).min
MPEG_FAMILY = frozenset({"mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs that write the type of a picture where it is easily read, and display B pictures before the reference."""
_START = re.compile(rb"\x00\x00\x01")
_H264_IDR = 5
_HEVC_IDR_WITHOUT_LEADING = 20


@dataclass(frozen=True, kw_only=True)
class PacketTable:
    """The n packets of a video stream in the order of the file, and the first picture that they decode to."""

    pts: NDArray[np.int64]
    """(n,) display times in ticks; `NO_STAMP` where the file has none."""
    dts: NDArray[np.int64]
    """(n,) decoding times in ticks; `NO_STAMP` where the file has none."""
    durations: NDArray[np.int64]
    """(n,) ticks; 0 where the file has none."""
    positions: NDArray[np.int64]
    """(n,) bytes from the start of the file; -1 where the container says none."""
    keys: NDArray[np.bool_]
    """(n,) True where the container says that decoding may start."""
    clean_keys: NDArray[np.bool_]
    """(n,) True for keys that part both orders: every packet before is displayed before, every packet after, after."""
    hidden: NDArray[np.bool_]
    """(n,) True for packets that decode to no picture on display: cut off by an edit list, or references alone."""
    types: str
    """A letter for each packet of a codec in `MPEG_FAMILY`: I, P, B, or ? where it can't be read; else empty."""
    first: tuple[int, VideoFrame] | None
    """The first picture that the decoder returns, and the number of its packet."""


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Read every packet of a stream from the start of the file; decodes up to the first picture alone."""
    codec = codec_name(stream)
    rows: list[tuple[int, int, int, int, bool, bool, bool]] = []
    types: list[str] = []
    first: tuple[int, VideoFrame] | None = None
    for number, packet in enumerate(packets_of(container, stream)):
        data = memoryview(packet)
        clean = packet.is_keyframe and _is_clean_key(codec, data, stream.codec_context.extradata)
        hidden = packet.is_discard or _is_hidden(codec, data)
        position = -1 if packet.pos is None else packet.pos
        times = (_fill_stamp(packet.pts), _fill_stamp(packet.dts), packet.duration or 0)
        rows.append((*times, position, packet.is_keyframe, clean, hidden))
        if codec in MPEG_FAMILY:
            types.append(_picture_type(codec, data))
        if first is None:
            first = next(decode_packet(stream, number, packet), None)
    if first is None:
        first = next(flush_decoder(stream), None)
    columns = list(zip(*rows, strict=True)) or [()] * 7
    pts, dts, durations, positions = (np.array(column, np.int64) for column in columns[:4])
    keys, clean_keys, hidden_packets = (np.array(column, np.bool_) for column in columns[4:])
    return PacketTable(
        pts=pts,
        dts=dts,
        durations=durations,
        positions=positions,
        keys=keys,
        clean_keys=clean_keys,
        hidden=hidden_packets,
        types="".join(types),
        first=first,
    )


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of a stream from the place where the container stands, without empty ones."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    # The packet that ends a stream and the dropped frames of an AVI file are empty.
    return (packet for packet in container.demux(stream) if packet.size)


def decode_packet(stream: VideoStream, number: int, packet: Packet[VideoStream]) -> Iterator[tuple[int, VideoFrame]]:
    """Decode a packet; each picture comes with the number that its own packet was decoded with."""
    stream.codec_context.flags |= Flags.copy_opaque
    # PyAV keys the number by its identity, which small integers share.
    packet.opaque = [number]
    for frame in stream.codec_context.decode(packet):
        yield cast("list[int]", frame.opaque)[0], frame


def flush_decoder(stream: VideoStream) -> Iterator[tuple[int, VideoFrame]]:
    """The pictures that a decoder still holds at the end of its stream, as `decode_packet` returns them."""
    for frame in stream.codec_context.decode(None):
        yield cast("list[int]", frame.opaque)[0], frame


def codec_name(stream: VideoStream) -> str:
    """FFmpeg's name of a stream's codec, whichever decoder is in use."""
    return str(stream.codec_context.codec.canonical_name)


def _fill_stamp(ticks: int | None) -> int:
    return NO_STAMP if ticks is None else ticks


def _is_hidden(codec: str, data: memoryview) -> bool:
    """Tell packets that hold a reference alone, which VP8 and VP9 write, by the bit for `show_frame`."""
    if codec == "vp8":
        return not data[0] & 0x10
    if codec == "vp9":
        bits = f"{data[0]:08b}"
        in_superframe = data[-1] & 0xE0 == 0xC0
        shift = 1 if bits[2:4] == "11" else 0  # profile 3 has a reserved bit
        repeats = bits[4 + shift] == "1"
        return not in_superframe and not repeats and bits[6 + shift : 7 + shift] == "0"
    return False


def _is_clean_key(codec: str, data: memoryview, extradata: bytes | None) -> bool:
    if codec == "h264":
        return any(byte & 0x1F == _H264_IDR for byte in _unit_headers(data, extradata, 4))
    if codec == "hevc":
        return any(byte >> 1 & 0x3F == _HEVC_IDR_WITHOUT_LEADING for byte in _unit_headers(data, extradata, 21))
    return True


def _unit_headers(data: memoryview, extradata: bytes | None, size_byte: int) -> Iterator[int]:
    """The first byte of each network abstraction layer unit of H.264 or HEVC.

    Args:
        data: The packet.
        extradata: The configuration record where units begin with their length; else start codes part them.
        size_byte: The byte of the record whose lowest two bits say how many bytes a length has.
    """
    if not extradata or len(extradata) <= size_byte or extradata[0] != 1:
        for start in _START.finditer(data):
            if start.end() < len(data):
                yield data[start.end()]
        return
    width, place = (extradata[size_byte] & 3) + 1, 0
    while place + width < len(data):
        yield data[place + width]
        place += width + int.from_bytes(data[place : place + width], "big")


def _picture_type(codec: str, data: memoryview) -> str:
    code = b"\x00\x00\x01\xb6" if codec == "mpeg4" else b"\x00\x00\x01\x00"
    headers = [match.end() for match in re.finditer(re.escape(code), data)]
    if not headers or (codec == "mpeg4" and len(headers) > 1) or headers[0] + 1 >= len(data):
        return "?"
    if codec == "mpeg4":
        return "IPBP"[data[headers[0]] >> 6]
    return "?IPB????"[data[headers[0] + 1] >> 3 & 7]
