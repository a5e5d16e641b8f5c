"""Bar-code videos of every container and codec that FFmpeg writes: frame k shows k in eight bars, lowest bit left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

SIDE = 64
COUNT = 40


@dataclass(frozen=True)
class Kind:
    """A container and codec with its settings."""

    suffix: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    container: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    fps: Fraction = Fraction(25)
    times: tuple[int, ...] | None = None
    """Display times in milliseconds."""
    start: int = 0
    """Frames cut off before the first by an edit list or time stamps, without encoding again."""


def bar_code(number: int) -> np.ndarray:
    """(SIDE, SIDE, 3)"""
    bits = np.array([number >> bit & 1 for bit in range(8)], np.uint8)
    image = np.repeat(bits * 200 + 28, SIDE // 8)[None, :, None].repeat(SIDE, 0).repeat(3, 2)
    # Motion, so that encoders predict.
    image[(number * 3) % (SIDE - 8) :][:8] //= 2
    return image


def number_in(image: np.ndarray) -> int:
    width = image.shape[1]
    middle = image.mean(2)[:, width // 16 :: width // 8]
    return sum(int(np.median(middle[:, bit]) > 110) << bit for bit in range(8))


def write_coded(path: Path, kind: Kind, count: int = COUNT) -> Path:
    with av.open(str(path), "w", format=kind.format, container_options=kind.container) as container:
        stream = container.add_stream(kind.codec, rate=kind.fps, options=kind.options)
        stream.width = stream.height = SIDE
        stream.pix_fmt = kind.pixels
        if kind.times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            frame = VideoFrame.from_ndarray(bar_code(number), format="rgb24")
            if kind.times:
                frame.pts, frame.time_base = kind.times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def behead_coded(path: Path, target: Path) -> Path:
    """Copy packets from the second key on, in the order of the file, as recorders cut."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        keys = 0
        for packet in source.demux(stream):
            keys += packet.is_keyframe
            if packet.dts is not None and keys > 1:
                packet.stream = copy
                container.mux(packet)
    return target


def hide_coded(path: Path, target: Path, hidden: int) -> Path:
    """Copy VP8 packets, one of them as a reference that is not shown, and those after it a frame earlier."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        copy = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is None:
                continue
            data = bytearray(bytes(packet))
            if number == hidden:
                data[0] &= ~0x10
            changed = Packet(bytes(data))
            changed.pts = changed.dts = packet.pts - (20 if number == hidden else 40 * (number > hidden))
            changed.time_base, changed.is_keyframe, changed.stream = packet.time_base, packet.is_keyframe, copy
            container.mux(changed)
    return target


def trim_coded(path: Path, target: Path, frames: int, fps: Fraction) -> Path:
    """Copy packets into a QuickTime file that shows none before a number of frames, as editors trim without loss."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        shift = round(Fraction(frames) / fps / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                container.mux(packet)
    return target


X264 = {"g": "12", "bf": "3", "x264-params": "keyint=12:min-keyint=12:scenecut=0"}
OPEN264 = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1:b-adapt=0"}
INTRA264 = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:intra-refresh=1:bframes=0"}
# Without loss: otherwise a busy machine makes it write a picture in place of another one once in a hundred files.
X265 = {"x265-params": "keyint=12:min-keyint=12:open-gop=1:bframes=4:log-level=0:scenecut=0:lossless=1"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
SMALL_FRAGMENTS = {"movflags": "empty_moov+default_base_moof", "frag_duration": "200000"}
GOP = {"g": "12"}
B_FRAMES = {"g": "12", "bf": "2"}
VP8 = {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime", "cpu-used": "8"}
VP9 = {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime", "cpu-used": "8"}
AV1 = {"preset": "12", "svtav1-params": "keyint=12"}
AV1_OPEN = {"preset": "12", "svtav1-params": "keyint=12:irefresh-type=1"}
AVI_CODECS = "ffv1 huffyuv ffvhuff utvideo rawvideo msmpeg4 msmpeg4v2 wmv2 cinepak msvideo1 png zmbv flv magicyuv snow"
MATROSKA_CODECS = "ffv1 msmpeg4 snow"
QUICKTIME_CODECS = "prores_ks qtrle svq1 rpza png rawvideo jpeg2000 cfhd"
PIXELS = {
    "huffyuv": "yuv422p",
    "rawvideo": "rgb24",
    "cinepak": "rgb24",
    "msvideo1": "rgb555le",
    "png": "rgb24",
    "zmbv": "bgr0",
    "prores_ks": "yuv422p10le",
    "qtrle": "rgb24",
    "svq1": "yuv410p",
    "rpza": "rgb555le",
    "jpeg2000": "rgb24",
    "cfhd": "yuv422p10le",
}
PHONE = tuple(40 * n + (13 * (n % 3)) for n in range(COUNT))
JUMPS = tuple(50 * n if n < 20 else 1000 + 200 * (n - 20) for n in range(COUNT))
NTSC = Fraction(30000, 1001)


def _kinds() -> Iterator[tuple[str, Kind]]:
    h264 = {"plain": X264, "open": OPEN264, "intra": INTRA264, "one_group": {"bf": "2"}}
    for name, options in h264.items():
        for suffix in ("mp4", "mov", "m4v", "mkv", "avi", "ts", "flv", "mpg", "3gp", "nut", "mxf"):
            yield f"h264_{name}.{suffix}", Kind(suffix, "libx264", options)
        yield f"h264_{name}_fragments.mp4", Kind("mp4", "libx264", options, container=FRAGMENTS)
    yield "h264_small_fragments.mp4", Kind("mp4", "libx264", X264, container=SMALL_FRAGMENTS)
    for suffix in ("mp4", "mkv", "ts", "mov", "flv"):
        yield f"hevc.{suffix}", Kind(suffix, "libx265", X265)
    yield "hevc_fragments.mp4", Kind("mp4", "libx265", X265, container=FRAGMENTS)
    for suffix in ("webm", "mkv", "avi", "mp4"):
        yield f"vp9.{suffix}", Kind(suffix, "libvpx-vp9", VP9)
        if suffix != "mp4":
            yield f"vp8.{suffix}", Kind(suffix, "libvpx", VP8)
    for suffix in ("mp4", "webm", "mkv"):
        yield f"av1.{suffix}", Kind(suffix, "libsvtav1", AV1)
        yield f"av1_open.{suffix}", Kind(suffix, "libsvtav1", AV1_OPEN)
    for suffix in ("mp4", "avi", "mkv", "mov", "mpg", "ts"):
        yield f"mpeg4_b.{suffix}", Kind(suffix, "mpeg4", B_FRAMES)
        yield f"mpeg4.{suffix}", Kind(suffix, "mpeg4", GOP)
    for codec in ("mpeg1video", "mpeg2video"):
        for suffix in ("mpg", "mkv", "avi", "ts", "mp4", "mov"):
            yield f"{codec}_b.{suffix}", Kind(suffix, codec, B_FRAMES)
    yield "vob.mpg", Kind("mpg", "mpeg2video", B_FRAMES, format="vob")
    for suffix in ("mov", "avi", "mkv", "mp4"):
        yield f"mjpeg.{suffix}", Kind(suffix, "mjpeg", pixels="yuvj420p")
    for suffix, names in (("avi", AVI_CODECS), ("mkv", MATROSKA_CODECS), ("mov", QUICKTIME_CODECS)):
        for codec in names.split():
            strict = {"strict": "-2"} if codec == "snow" else {}
            yield f"{codec}.{suffix}", Kind(suffix, codec, GOP | strict, PIXELS.get(codec, "yuv420p"))
    yield "gif.gif", Kind("gif", "gif", pixels="rgb8")
    yield "wmv2.wmv", Kind("wmv", "wmv2", GOP, format="asf")
    for suffix in ("mp4", "mkv", "mov"):
        yield f"variable.{suffix}", Kind(suffix, "libx264", X264, times=PHONE)
        yield f"jumps.{suffix}", Kind(suffix, "libx264", X264, times=JUMPS)
    yield "ntsc.mkv", Kind("mkv", "libx264", X264, fps=NTSC)
    yield "ntsc.avi", Kind("avi", "libx264", X264, fps=NTSC)
    yield "ntsc.webm", Kind("webm", "libvpx-vp9", VP9, fps=NTSC)
    yield "late.mkv", Kind("mkv", "libx264", X264, times=tuple(400 + 40 * n for n in range(COUNT)))
    yield "late.mp4", Kind("mp4", "libx264", X264, times=tuple(400 + 40 * n for n in range(COUNT)))
    for cut in (5, 13):
        yield f"trim_{cut}.mp4", Kind("mp4", "libx264", X264, start=cut)
        yield f"trim_open_{cut}.mp4", Kind("mp4", "libx264", OPEN264, start=cut)
        yield f"trim_hevc_{cut}.mov", Kind("mov", "libx265", X265, start=cut)


KINDS = dict(_kinds())
