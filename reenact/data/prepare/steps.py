"""Functions of the stages: each reads the clip's file and earlier results, and returns its own.

Raises `ReenactError` where the clip can't be used, and `StoreWriteError` where the disk refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from reenact.data.prepare.job import Tools
from reenact.data.prepare.preview import draw_preview, preview_rows, preview_tiles
from reenact.data.prepare.results import (
    all_frames,
    crop_of,
    frames_at,
    frames_of,
    kept_track,
    params_of,
    shot_of,
)
from reenact.data.prepare.work import Hand, Result
from reenact.data.store.reader import ClipRecord
from reenact.data.store.writer import ClipArrays, StoreWriteError, make_folder, param_arrays
from reenact.errors import ReenactError
from reenact.estimators.base import FaceBox
from reenact.faces.camera import carry_camera
from reenact.faces.crop import Crop, crop_from_landmarks, crop_of_region
from reenact.faces.landmarks import inter_ocular_distance
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.media.pictures import write_image
from reenact.media.video import Image
from reenact.methods.choices import CropChoice
from reenact.tracking.face_clip import OnMissing
from reenact.tracking.face_track import FaceTrack, assemble_track
from reenact.tracking.face_tracker import CutFinder, FaceTracker
from reenact.tracking.landmark_placer import LandmarkPlacer

INNER = slice(17, 68)
"""Landmarks without the jaw line, which in pictures slides to the silhouette."""


def probe(hand: Hand, tools: Tools) -> Result:
    """Facts `fps` and `still`: what the file says of itself."""
    frames = frames_of(hand)
    return Result({"fps": str(frames.fps), "still": frames.still})


def cuts(hand: Hand, tools: Tools) -> Result:
    """Facts `width` and `height`; arrays `changed` and `dark` (T,): which frames may begin a shot, which are black."""
    finder = CutFinder()
    looks: list[tuple[bool, bool]] = []
    shape: tuple[int, ...] = ()
    for number, image in enumerate(frames_of(hand).read()):
        if shape not in ((), image.shape):
            sizes = f"{shape[1]} x {shape[0]}, frame {number} is {image.shape[1]} x {image.shape[0]}"
            raise ReenactError(f"has frames of several sizes (the first is {sizes}); cut it up")
        shape = image.shape
        looks.append(finder.step(image))
    if not looks:
        raise ReenactError("has no frame")
    changed, dark = np.array(looks, np.bool_).T
    if dark.all():
        raise ReenactError("is black from beginning to end")
    return Result({"width": shape[1], "height": shape[0]}, {"changed": changed, "dark": dark})


def track(hand: Hand, tools: Tools) -> Result:
    """Array `boxes` (T, 5): left, top, right, bottom and score of the face in frame pixels, NaN where it isn't seen."""
    changed = hand.work["cuts"].arrays["changed"]
    tracker = FaceTracker(tools.detector, hand.settings.face_index, hand.clip.region)
    boxes = np.full((len(changed), 5), np.nan)
    for row, image in enumerate(all_frames(hand)):
        box = tracker.step(image, bool(changed[row]))
        if box is not None:
            boxes[row] = box.left, box.top, box.right, box.bottom, box.score
        hand.on_frame()
    tracker.check()
    return Result({}, {"boxes": boxes})


def landmarks(hand: Hand, tools: Tools) -> Result:
    """The longest shot as a `FaceTrack`, and where the cuts are; of an album all of it, without black ends."""
    looks, boxes = hand.work["cuts"], hand.work["track"].arrays["boxes"]
    placer = LandmarkPlacer(tools.finder.landmarks, hand.settings.max_error)
    for image, box, changed in zip(all_frames(hand), boxes.tolist(), looks.arrays["changed"], strict=True):
        # Pictures of an album do not follow each other: each is checked by itself.
        fresh = bool(changed) or hand.clip.album
        placer.step(image, None if np.isnan(box[0]) else _own_box(image, FaceBox(*box), hand, tools), fresh)
    try:
        points = placer.collect_points()
    except ReenactError as error:
        remedy = "" if ";" in str(error) else "; use other --landmarks, or a larger --max-error"
        raise ReenactError(f"{error}{remedy}") from error
    whole = assemble_track(points, looks.arrays["changed"], looks.facts["width"], looks.facts["height"])
    shot = whole if hand.clip.album else whole.longest_shot()
    lit = np.flatnonzero(~looks.arrays["dark"][shot.frames] | shot.visible)
    black = len(shot) - (lit[-1] + 1 - lit[0])
    shot = shot.rows(slice(lit[0], lit[-1] + 1))
    arrays = {"landmarks": shot.landmarks, "visible": shot.visible, "frames": shot.frames}
    left_out = [] if hand.clip.album else [int(cut) for cut in whole.cuts]
    return Result({"cuts": left_out, "black": int(black)}, arrays)


def crop(hand: Hand, tools: Tools) -> Result:
    """Arrays `rows` (N,) of the shot that are kept, and `crop` (1, 4), the square that holds for all of them."""
    shot, settings = shot_of(hand), hand.settings
    rows = _kept_rows(shot, settings.on_missing)
    square = clip_crop(shot.rows(rows), settings.crop, settings.size, hand.clip.region)
    return Result({}, {"rows": rows, "crop": square.to_array()[None]})


def camera(hand: Hand, tools: Tools) -> Result:
    """Face parameters of the kept frames, with cameras of the stored crop; fact `error` says how well they fit."""
    parameters, stored = hand.work["parameters"].arrays, crop_of(hand)
    if hand.settings.parameters == "fit":
        params = params_of({name: array for name, array in parameters.items() if name != "error"})
        error = parameters["error"]
    else:
        shot, rows = shot_of(hand), hand.work["crop"].arrays["rows"]
        params = params_of({name: array[rows] for name, array in parameters.items()})
        params.camera = carry_camera(params.camera, Crop.whole(shot.height, shot.width), stored)
        error = _landmark_errors(kept_track(hand), stored, tools.face_model, params)
    mean = float(np.nanmean(error))
    # not `>`: a network's numbers may be no numbers
    if not mean <= hand.settings.max_error:
        raise ReenactError(f"does not fit a face: landmarks are off by {mean:.0%} of the inter-ocular distance")
    return Result({"error": mean}, param_arrays(params))


def write(hand: Hand, tools: Tools) -> Result:
    """Writes the clip's files; array `tiles` is what the preview needs of the frames."""
    track, stored = kept_track(hand), crop_of(hand)
    arrays = ClipArrays(
        crop=hand.work["crop"].arrays["crop"],
        visible=track.visible,
        landmarks=stored.to_crop(track.landmarks),
        params=params_of(hand.work["camera"].arrays),
    )
    preview_numbers = set(preview_rows(len(track)))
    tiles: list[NDArray[np.uint8]] = []

    def pictures() -> Iterator[Image]:
        for row, image in enumerate(frames_at(hand, track.frames)):
            if row in preview_numbers:
                tiles.append(preview_tiles(image, stored))
            yield stored.warp_to_crop(image, outside="edge")

    tools.writer.write(record_of(hand), pictures(), arrays, hand.work.folder)
    return Result({}, {"tiles": np.stack(tiles)})


def preview(hand: Hand, tools: Tools) -> Result:
    """Writes the picture by which a person judges the clip."""
    track, stored = kept_track(hand), crop_of(hand)
    rows = torch.tensor(preview_rows(len(track)))
    name, error = hand.clip.name, hand.work["camera"].facts["error"]
    sheet = draw_preview(
        hand.work["write"].arrays["tiles"],
        stored.to_crop(track.landmarks[rows.numpy()]) / stored.size,
        tools.face_model,
        params_of(hand.work["camera"].arrays)[rows],
        f"{name}: {len(track)} frames, error {error:.1%} of the inter-ocular distance",
    )
    picture, path = hand.work.folder / "preview.jpg", tools.writer.root / "previews" / f"{name}.jpg"
    with tools.writer.guarded():
        make_folder(path.parent)
        try:
            write_image(picture, sheet)
        except ReenactError as failure:
            raise StoreWriteError(str(failure)) from failure
        picture.replace(path)
    return Result()


def record_of(hand: Hand) -> ClipRecord:
    """The row of a clip whose stages up to `camera` are finished."""
    clip, track = hand.clip, kept_track(hand)
    return ClipRecord(
        name=clip.name,
        split=clip.split,
        identity=clip.identity,
        status="ok",
        reason=_describe_track(hand, track),
        source=clip.source,
        key=hand.key,
        num_frames=len(track),
        fps=Fraction(hand.work["probe"].facts["fps"]),
        source_width=track.width,
        source_height=track.height,
        error=hand.work["camera"].facts["error"],
        seconds=hand.work.seconds(),
    )


def clip_crop(
    track: FaceTrack, rule: CropChoice, size: int, region: tuple[float, float, float, float] | None = None
) -> Crop:
    """The one crop that holds for a whole clip.

    Raises:
        ReenactError: if the data set's own box is wanted, and it has none for this clip.
    """
    if rule == "dataset":
        if region is None:
            raise ReenactError("has no box of the data set's own; use another --crop")
        return crop_of_region(region, track.height, track.width, size)
    if rule == "none":
        return Crop.whole(track.height, track.width).resized(size)
    return crop_from_landmarks(track.landmarks, rule, size)


def _own_box(image: Image, box: FaceBox, hand: Hand, tools: Tools) -> FaceBox | None:
    """The box of the landmark network's own detector, which its landmarks expect, None where it sees no face."""
    return box if hand.settings.detector is None else tools.finder.detector.detect_near(image, box)


def _kept_rows(track: FaceTrack, on_missing: OnMissing) -> NDArray[np.int64]:
    """The rows to keep by the rule for frames without a face."""
    if track.visible.all() or on_missing == "hold":
        return np.arange(len(track))
    if on_missing == "skip":
        return np.flatnonzero(track.visible)
    first = int(track.frames[~track.visible][0])
    raise ReenactError(
        f"shows no face in {int((~track.visible).sum())} frames (first {first}); "
        "use --on_missing hold or skip, or cut them out"
    )


def _landmark_errors(track: FaceTrack, crop: Crop, face_model: FaceModel, params: FaceParams) -> NDArray[np.float64]:
    """(T,) distance of the mesh's landmarks to the found ones, in inter-ocular distances; NaN where none was seen."""
    # of the vertices around the landmarks alone: all of BFM's, of a long clip, are gigabytes
    near = face_model.vertices(params, face_model.landmark_vertices.flatten())
    corners = face_model.project(near, params.camera)[..., :2].reshape(len(near), 68, -1, 2)
    mesh = (corners * face_model.landmark_weights[..., None]).sum(2).double().cpu().numpy()
    placed = crop.to_frame(crop.from_ndc(mesh))[:, INNER]
    distances = np.linalg.norm(placed - track.landmarks[:, INNER], axis=-1).mean(1)
    return np.where(track.visible, distances / inter_ocular_distance(track.landmarks), np.nan)


def _describe_track(hand: Hand, track: FaceTrack) -> str:
    """Return a remark about a usable clip."""
    notes, facts = [], hand.work["landmarks"].facts
    if facts["cuts"]:
        notes.append(f"cut at frame {', '.join(map(str, facts['cuts']))}: kept {track.frames[0]} to {track.frames[-1]}")
    if facts["black"]:
        notes.append(f"{facts['black']} black frames left out")
    if not track.visible.all():
        notes.append(f"face filled in for {int((~track.visible).sum())} frames")
    return "; ".join(notes)


STEPS: dict[str, Callable[[Hand, Tools], Result]] = {
    step.__name__: step for step in (probe, cuts, track, landmarks, crop, camera, write, preview)
}
"""Function of each stage; `parameters` work on several clips together, see `find_parameters`."""
