"""`reenact import`: clips with Deep3D's coefficients that other projects have prepared, as a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from reenact.data.coefficients.rows import build_params
from reenact.data.coefficients.sources import ClipRows, CoefficientClip, find_lmdb_clips, find_mat_clips
from reenact.data.layouts.folders import identity_of
from reenact.data.prepare.job import Settings, keep_model_name, store_info
from reenact.data.store.clip_arrays import ClipArrays
from reenact.data.store.frame_file import resize_square
from reenact.data.store.manifest_writer import StoreWriteError
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import StoreWriter, build_failed_record
from reenact.errors import ReenactError
from reenact.faces.crop import Crop
from reenact.faces.model import FaceModel
from reenact.faces.registry import load_face_model
from reenact.media.video import Image
from reenact.methods.registry import find_default_crop
from reenact.paths import PathLike
from reenact.progress import open_progress_console

CHUNK = 32
"""Faces posed at once."""


def import_coefficients(
    root: PathLike,
    out: PathLike,
    *,
    coefficients: PathLike | None = None,
    size: int = 256,
    side: int = 256,
    face_model: str = "bfm",
) -> str:
    """Write clips with coefficients that the scripts of Deep3D or PIRender have estimated as a store.

    Frames and coefficients are taken as they are; landmarks are those of the posed mesh. Clips already there are kept.
    Clips whose files are damaged are recorded with the reason. The first clip is checked before anything is written.

    Args:
        root: Folder with train_list.txt, test_list.txt and the lmdb folder; with --coefficients, the folder with train/
            and test/ of the videos.
        out: Folder of the store.
        coefficients: Folder with train/VIDEO.mat and test/VIDEO.mat for the videos.
        size: Side of the stored frames in pixels.
        side: Side in pixels of the videos in which an lmdb's coefficients were estimated.
        face_model: The Basel Face Model: bfm, or the path of its file.

    Raises:
        ReenactError: if the folder has another layout or two clips of one name, the first clip is damaged, the face
            model is missing, or the store cannot be written.
    """
    for option, value in (("--size", size), ("--side", side)):
        if not 16 <= value <= 8192:
            raise ReenactError("must be from 16 to 8192", subject=f"{option} {value}")
    root, out = Path(root), Path(out)
    model = load_face_model(face_model)
    if model.camera_type != "perspective":
        raise ReenactError(f"--face-model {face_model}: these coefficients are of the Basel Face Model; give bfm")
    clips = find_lmdb_clips(root, side) if coefficients is None else find_mat_clips(root, Path(coefficients))
    _check_names(root, clips)
    rows = clips[0].read()
    build_params(rows.coefficients, rows.places, rows.side, rows.side, clips[0].source)
    writer = StoreWriter(out, store_info(_record_settings(keep_model_name(out, model.name), size, rows.fps)))
    broken = 0
    for clip in track(clips, description="clips", console=open_progress_console()):
        record = writer.finished(clip.name, "")
        if record is None or record.status != "ok":
            broken += not _add_clip(writer, model, clip, size)
    usable = f"{len(clips) - broken} of {len(clips)} clips: {out}"
    return usable if not broken else f"{usable} (`reenact prepare --status {out}` says what is wrong with the others)"


def _check_names(root: Path, clips: list[CoefficientClip]) -> None:
    """Refuse a folder without clips, or with two of one name, of which a store would keep the first alone."""
    if not clips:
        raise ReenactError(f"{root}: train_list.txt and test_list.txt name no clip")
    name, count = Counter(clip.name for clip in clips).most_common(1)[0]
    if count > 1:
        raise ReenactError(f"{root} has {count} clips of the name {name}; rename or remove one")


def _record_settings(model: str, size: int, fps: Fraction) -> Settings:
    """The settings by which `prepare` and the applications make clips alike."""
    return Settings(
        face_model=model,
        landmarks="face-alignment",
        crop=find_default_crop("videos"),
        size=size,
        parameters="deep3d",
        regressor="deep3d",
        fps=fps,
    )


def _add_clip(writer: StoreWriter, model: FaceModel, clip: CoefficientClip, size: int) -> bool:
    """Write a clip, or the reason why it can't be used; returns True if it is usable."""
    try:
        rows = clip.read()
        arrays = _build_arrays(model, rows, clip.source, size)
        record = ClipRecord(
            name=clip.name,
            split=clip.split,
            identity=identity_of(clip.name),
            status="ok",
            reason="",
            source=clip.source,
            key="",
            num_frames=len(rows.coefficients),
            fps=rows.fps,
            source_width=rows.side,
            source_height=rows.side,
            error=0.0,
            seconds={},
        )
        writer.add(record, _resize_frames(rows, clip.source, size), arrays)
    except StoreWriteError:
        raise
    except ReenactError as error:
        identity = identity_of(clip.name)
        writer.put(
            build_failed_record(
                clip.name, split=clip.split, identity=identity, source=clip.source, key="", reason=str(error)
            )
        )
        return False
    return True


def _resize_frames(rows: ClipRows, source: str, size: int) -> Iterator[Image]:
    for number, frame in enumerate(rows.frames()):
        if frame.shape[0] != frame.shape[1]:
            raise ReenactError(f"{source}: frame {number} has {frame.shape[1]}x{frame.shape[0]} pixels, no square")
        yield resize_square(frame, size)


@torch.no_grad()
def _build_arrays(model: FaceModel, rows: ClipRows, source: str, size: int) -> ClipArrays:
    params = build_params(rows.coefficients, rows.places, rows.side, rows.side, source)
    count = len(rows.coefficients)
    points = [
        model.landmarks68(model.posed(params[start : start + CHUNK]))[..., :2] for start in range(0, count, CHUNK)
    ]
    landmarks = (torch.cat(points) + 1) * (size / 2)
    crop = Crop.whole(rows.side, rows.side).to_array()[None]
    visible = np.ones(1, np.bool_)
    return ClipArrays(crop=crop, visible=visible, landmarks=landmarks.numpy(), params=params)
