"""Decoding of a video from any picture on, by its index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reenact.errors import ReenactError
from reenact.media.media_ends import bytes_stated
from reenact.media.media_files import MAX_PIXELS, open_media
from reenact.media.video_index import VideoIndex
from reenact.media.video_packets import decode_packet, flush_decoder, packets_of

Ranked = tuple[int, VideoFrame]
"""The number of a picture in the order of display, and the picture."""
_LOST_AT_THE_END = 3
"""Pictures that a whole file may lack at its end, where the encoder was stopped."""


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream.

    Raises:
        ReenactError: if the file is missing, empty, cut off, not a video, or its pictures are too large; inside, if
            reading fails.
    """
    _check_file(path)
    try:
        container = open_media(path)
    except (FFmpegError, OSError) as error:
        raise ReenactError(
            f"is not a readable video ({error.strerror})", subject=path, remedy="copy or download it again"
        ) from error
    with container:
        stream = _video_stream(path, container)
        try:
            yield container, stream
        except FFmpegError as error:
            raise ReenactError(
                f"is damaged ({error.strerror})", subject=path, remedy="copy or download it again"
            ) from error


def decode_pictures(path: Path, index: VideoIndex, rank: int, threads: int) -> Iterator[Ranked]:
    """Decode the pictures from one on, in the order of display.

    Decoding starts at a key frame before; where the picture does not come of it, at an earlier one, and in the end at
    the start of the file. Pictures before `rank` come only where it has none of its own.

    Args:
        path: The file.
        index: Its index.
        rank: The first picture.
        threads: Decoder threads; 0 lets the decoder choose.

    Raises:
        ReenactError: if the file is damaged.
    """
    *starts, _ = index.starts(rank)
    for start in starts:
        pictures = _drop_late_pictures(_decode_from(path, index, start, threads))
        try:
            picture = next(item for item in pictures if item[0] >= rank)
        except (StopIteration, ReenactError):
            continue
        if picture[0] == rank and not picture[1].is_corrupt:
            yield from chain([picture], pictures)
            return
    pictures = _drop_late_pictures(_decode_from(path, index, 0, threads))
    earlier: Ranked | None = None
    for picture in pictures:
        if picture[0] >= rank:
            first = [picture] if picture[0] == rank or earlier is None else [earlier, picture]
            yield from chain(first, pictures)
            return
        earlier = picture
    if earlier is not None:
        yield earlier


def pictures_by_rank(path: Path, index: VideoIndex, ranks: Iterable[int], threads: int) -> Iterator[VideoFrame]:
    """Decode pictures by sorted numbers; one that the decoder does not give is the one before it.

    Raises:
        ReenactError: as `decode_pictures`; if the file ends before its last picture.
    """
    pictures: Iterator[Ranked] | None = None
    current: Ranked | None = None
    coming: Ranked | None = None
    for rank in ranks:
        pictures = pictures or decode_pictures(path, index, rank, threads)
        while current is None or current[0] < rank:
            coming = coming or next(pictures, None)
            if coming is None or (current is not None and coming[0] > rank):
                break
            current, coming = coming, None
        if current is None or (coming is None and current[0] < rank - _LOST_AT_THE_END):
            count = 0 if current is None else current[0] + 1
            raise ReenactError(
                f"is damaged: it gives {count} of {len(index.packets)} pictures",
                subject=path,
                remedy="copy or download it again",
            )
        yield current[1]


def _drop_late_pictures(pictures: Iterable[Ranked]) -> Iterator[Ranked]:
    """Leave out pictures that come after a later one, which a player has no time for."""
    latest = -1
    for rank, frame in pictures:
        if rank > latest:
            latest = rank
            yield rank, frame


def _decode_from(path: Path, index: VideoIndex, start: int, threads: int) -> Iterator[Ranked]:
    """Decode from a packet on; a picture's rank is that of its packet, else its turn in the decoder's output."""
    with open_video(path) as (container, stream):
        packets = _packets_from(container, stream, index, start)
        if packets is not None:
            yield from _decode_packets(stream, index, start, packets, threads)
            return
    with open_video(path) as (container, stream):
        packets = islice(packets_of(container, stream), start, None)
        yield from _decode_packets(stream, index, start, packets, threads)


def _decode_packets(
    stream: VideoStream, index: VideoIndex, start: int, packets: Iterator[Packet[VideoStream]], threads: int
) -> Iterator[Ranked]:
    stream.thread_count = threads
    decoded = chain.from_iterable(decode_packet(stream, number, packet) for number, packet in enumerate(packets, start))
    frames = chain(decoded, flush_decoder(stream))
    if index.ranks is None:
        yield from enumerate((frame for _, frame in frames), index.shown_before(start))
        return
    for number, frame in frames:
        if number == start and start and not frame.key_frame:
            return  # the container calls a key what is none
        if number < len(index.ranks) and index.ranks[number] >= 0:
            yield int(index.ranks[number]), frame


def _packets_from(
    container: InputContainer, stream: VideoStream, index: VideoIndex, start: int
) -> Iterator[Packet[VideoStream]] | None:
    """Seek to a packet; None where no seek lands on it or on a key before it."""
    if start == 0:
        return packets_of(container, stream)
    for stamp in index.stamps_of_key(start):
        try:
            container.seek(stamp, stream=stream, backward=True)
        except FFmpegError:
            continue
        packets = packets_of(container, stream)
        first = next(packets, None)
        number = None if first is None else index.key_at(first.pos)
        if first is not None and number is not None and number <= start:
            return islice(chain([first], packets), start - number, None)
    return None


def check_is_file(path: Path) -> None:
    """Refuse a path that is missing, a folder or a pipe."""
    if not path.is_file():
        raise ReenactError("is not a file", subject=path, remedy="give the path of a video")


def _check_file(path: Path) -> None:
    check_is_file(path)
    size = path.stat().st_size
    if size == 0:
        raise ReenactError("is empty", subject=path, remedy="copy or download it again")
    try:
        stated = bytes_stated(path)
    except OSError as error:
        raise ReenactError(f"can't be read ({error.strerror})", subject=path, remedy="make it readable") from error
    # A RIFF chunk of odd size may lack its last, empty byte.
    if stated is not None and size < stated - 1:
        raise ReenactError(
            f"is truncated: it has {size:,} of {stated:,} bytes", subject=path, remedy="copy or download it again"
        )


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    name = container.format.name
    # FFmpeg also opens single pictures and plain text as "videos" of one frame.
    if name.endswith("_pipe") or name in ("image2", "tty"):
        raise ReenactError(f"is not a video (its content is {name})", subject=path, remedy="give a video file")
    streams = [item for item in container.streams.video if not item.disposition & item.disposition.attached_pic]
    if not streams:
        raise ReenactError("has no video stream", subject=path, remedy="give a video file")
    stream = streams[0]
    if stream.codec_context is None:
        raise ReenactError("is of a codec that can't be decoded", subject=path, remedy="convert it to H.264")
    if not 0 < stream.codec_context.width * stream.codec_context.height <= MAX_PIXELS:
        raise ReenactError(
            f"has no picture size, or one of more than {MAX_PIXELS // 10**6} megapixels",
            subject=path,
            remedy="scale it down",
        )
    return stream
