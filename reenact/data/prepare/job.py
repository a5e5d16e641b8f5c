"""Preparing one clip: track, crop, fit, write, preview; each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from reenact.data.pictures import write_image
from reenact.data.prepare.inputs import ClipInput, Frames, fingerprint, open_frames
from reenact.data.prepare.preview import Preview
from reenact.data.prepare.tracking import FaceTrack, fit_track, track_faces
from reenact.data.store import ClipRecord, StoreInfo
from reenact.data.store_writer import ClipArrays, StoreWriteError, StoreWriter, failed_record
from reenact.data.video import Image
from reenact.errors import ReenactError
from reenact.estimators.registry import FaceFinder
from reenact.faces.crop import Crop, crop_from_landmarks
from reenact.faces.model import FaceModel

OnMissing = Literal["hold", "skip", "error"]
CropChoice = Literal["fomm", "pwm", "none"]
MAX_ERROR = 0.1
"""Landmark error, as a fraction of the inter-ocular distance, above which a fit can't be right."""


@dataclass(frozen=True)
class Settings:
    """What decides the content of a prepared clip."""

    face_model: str
    """Full name of the face model."""
    landmarks: str
    """Library of the landmarks."""
    crop: CropChoice
    size: int
    on_missing: OnMissing
    face_index: int
    version: int = 1
    """Raised when `prepare` changes what it writes."""

    @property
    def recipe(self) -> dict[str, str]:
        """What the store records of them."""
        return {name: str(value) for name, value in asdict(self).items() if name not in ("face_model", "size")}


@dataclass(frozen=True)
class Tools:
    """What a worker loads once."""

    finder: FaceFinder
    face_model: FaceModel
    writer: StoreWriter


def store_info(settings: Settings) -> StoreInfo:
    """What the store holds when clips are prepared with these settings."""
    fields = ("camera", "crop", "expression", "eye_pose", "global_pose", "jaw_pose", "landmarks", "neck_pose", "shape")
    return StoreInfo(settings.face_model, settings.size, settings.recipe, (*fields, "visible"))


def look_up(clip: ClipInput, settings: Settings, writer: StoreWriter) -> tuple[str, ClipRecord | None]:
    """The fingerprint of a clip, and its row where the store has it from the same content and settings.

    The fingerprint of a file that can't be read is empty, and such a clip is never finished.
    """
    try:
        key = fingerprint(clip.path, repr(settings))
    except OSError:
        return "", None
    return key, writer.finished(clip.name, key)


def prepare_clip(
    clip: ClipInput, key: str, settings: Settings, tools: Tools, on_frame: Callable[[], None] = lambda: None
) -> ClipRecord:
    """Prepare one clip into the store; a clip that can't be used is quarantined with the reason.

    Args:
        clip: Which.
        key: Its fingerprint.
        settings: How.
        tools: With what.
        on_frame: Called after each frame that is tracked.

    Returns:
        The clip's row in the manifest.

    Raises:
        StoreWriteError: if the store can't be written.
    """
    try:
        return _prepared(clip, key, settings, tools, on_frame)
    except StoreWriteError:
        raise
    except ReenactError as error:
        reason = str(error).removeprefix(f"{clip.path} ")
        record = failed_record(
            clip.name, split=clip.split, identity=clip.identity, source=str(clip.path), key=key, reason=reason
        )
        tools.writer.quarantine(record)
        return record


def clip_crops(track: FaceTrack, rule: CropChoice, size: int) -> list[Crop]:
    """The one crop that holds for a whole clip."""
    if rule == "none":
        return [Crop.whole(track.height, track.width).resized(size)]
    return [crop_from_landmarks(track.landmarks, rule, size)]


def _prepared(clip: ClipInput, key: str, settings: Settings, tools: Tools, on_frame: Callable[[], None]) -> ClipRecord:
    seconds: dict[str, float] = {}
    frames = open_frames(clip.path)
    with _timed(seconds, "track"):
        whole = track_faces(frames.read(), tools.finder, settings.face_index, on_frame)
        track = _kept(whole.longest_shot(), settings.on_missing)
    with _timed(seconds, "fit"):
        crops = clip_crops(track, settings.crop, settings.size)
        params, errors = fit_track(track, tools.face_model, crops)
        error = float(np.nanmean(errors))
        if error > MAX_ERROR:
            raise ReenactError(f"does not fit a face: landmarks are off by {error:.0%} of the inter-ocular distance")
    record = ClipRecord(
        name=clip.name,
        split=clip.split,
        identity=clip.identity,
        status="ok",
        reason=_note(whole, track),
        source=str(clip.path.absolute()),
        key=key,
        num_frames=len(track),
        fps=frames.fps,
        source_width=track.width,
        source_height=track.height,
        error=error,
        seconds=seconds,
    )
    arrays = ClipArrays(
        crop=np.stack([crop.to_array() for crop in crops]),
        visible=track.visible,
        landmarks=crops[0].to_crop(track.landmarks),
        params=params,
    )
    preview = Preview(len(track), crops, track.landmarks)
    with _timed(seconds, "write"):
        images = preview.watch(_rows(frames, track))
        tools.writer.add(record, (crops[0].warp_to_crop(image) for image in images), arrays)
    with _timed(seconds, "preview"):
        title = f"{clip.name}: {len(track)} frames, error {error:.1%} of the inter-ocular distance"
        path = tools.writer.root / "previews" / f"{clip.name}.jpg"
        try:
            path.parent.mkdir(exist_ok=True)
            write_image(path, preview.draw(tools.face_model, params, title))
        except (OSError, ReenactError) as failure:
            raise StoreWriteError(str(failure)) from failure
    return replace(record, seconds=seconds)


def _kept(track: FaceTrack, on_missing: OnMissing) -> FaceTrack:
    """The frames to keep by the rule for frames without a face."""
    if track.visible.all() or on_missing == "hold":
        return track
    if on_missing == "skip":
        return track.rows(np.flatnonzero(track.visible))
    first = int(track.frames[~track.visible][0])
    raise ReenactError(
        f"shows no face in {int((~track.visible).sum())} frames (first {first}); "
        "use --on_missing hold or skip, or cut them out"
    )


def _note(whole: FaceTrack, track: FaceTrack) -> str:
    """What a person should know about a clip that is used."""
    notes = []
    if whole.cuts:
        notes.append(f"cut at frame {', '.join(map(str, whole.cuts))}: kept {track.frames[0]} to {track.frames[-1]}")
    if not track.visible.all():
        notes.append(f"face filled in for {int((~track.visible).sum())} frames")
    return "; ".join(notes)


def _rows(frames: Frames, track: FaceTrack) -> Iterator[Image]:
    """The frames of a track, read again."""
    wanted = set(track.frames.tolist())
    last = max(wanted)
    for number, image in enumerate(frames.read()):
        if number in wanted:
            yield image
        if number == last:
            return


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)
