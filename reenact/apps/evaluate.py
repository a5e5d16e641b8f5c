"""`reenact evaluate`: the scores of frames or videos that any method made."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from reenact.apps.galleries import FolderGallery, Gallery, open_gallery
from reenact.apps.matches import Kind, Match, Sample, by_name, by_pairs, iterate_samples
from reenact.apps.new_folder import new_folder, unwritable_folder_error
from reenact.callbacks.pictures import describe_grid, draw_grid
from reenact.callbacks.score_files import Scores, write_rows, write_scores
from reenact.callbacks.score_text import score_text
from reenact.data.pairs.lists import read_pairs
from reenact.devices import pick_device
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.media.pictures import pictures_in, write_image
from reenact.metrics.frame_set import FrameSet, frame_set
from reenact.metrics.metric_names import check_metrics, find_reference, list_foreground, parse_metric
from reenact.metrics.network_hashes import hash_networks
from reenact.metrics.scene import Frames, Scene
from reenact.metrics.suite import Score, Suite
from reenact.paths import PathLike, to_path
from reenact.progress import open_progress_console
from reenact.provenance import mark_words
from reenact.watermark import embed_watermark

DEFAULT = ("psnr", "ssim", "l1")
MASKS = "name a store with masks as --target, written by `reenact prepare --masks` or `reenact world --masks`"
SHOWN = 4
"""Rows of the picture that shows what was scored."""


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`; as text, the table of its values."""

    out: Path
    """Folder of scores.json, of the rows of all frames and of the pictures."""
    scores: Scores
    """Loader (`self`, `cross`) -> metric -> its value with the number of frames."""
    frames: dict[str, int]
    """Loader -> frames that were scored."""

    def __str__(self) -> str:
        values = {loader: list(of.values()) for loader, of in self.scores.items()}
        return score_text(values, self.frames, shutil.get_terminal_size().columns)


@dataclass(kw_only=True)
class Part:
    """The results of one kind: of one identity, or of two."""

    kind: Kind
    generated: Gallery
    target: Gallery
    sources: Gallery | None
    matches: list[Match]
    suite: Suite
    absent: list[Score]
    """Metrics that can't be computed here, with the reason."""
    samples: list[Sample] = field(default_factory=list)

    def scores(self) -> list[Score]:
        """All metrics asked for."""
        return [*self.suite.scores(), *self.absent]


def evaluate(
    generated: PathLike,
    *,
    target: PathLike | None = None,
    pairs: PathLike | None = None,
    source: PathLike | None = None,
    cross: bool = False,
    metrics: Sequence[str] = DEFAULT,
    out: PathLike,
    batch_size: int = 8,
    device: str = "auto",
) -> Evaluation:
    """Score frames or videos that any method made.

    Args:
        generated: folder of results: pictures, videos, folders of frames, or arrays (.npy).
        target: folder or store of the driving clips. Without --pairs, of the same names as the results, and of as many
            frames; unless --cross is given they show the source's person and are the wanted results.
        pairs: list of pairs (`reenact pairs`, or FOMM's); the results belong to its lines in the order of their names.
            Clips are looked for in --target, or beside the list.
        source: folder or store of the source portraits, of the same names as the results, or one picture for all;
            with --pairs the clips that the list names, in --target by default.
        cross: whether the driving clips show other people than the sources.
        metrics: names of metrics; docs/metrics.md lists them.
        out: folder to write: scores.json, frames_self.parquet or frames_cross.parquet, pictures.
        batch_size: frames that networks read at once.
        device: `auto`, `cpu`, `cuda`, ...

    Returns:
        The values of all metrics.

    Raises:
        ReenactError: if an input can't be used; nothing is written then.
    """
    generated, out = Path(generated), Path(out)
    target, pairs, source = to_path(target), to_path(pairs), to_path(source)
    if target is None and pairs is None:
        raise ReenactError("--target is missing: name the folder of the driving clips, or a list with --pairs")
    if pairs is not None and cross:
        raise ReenactError("--cross goes with --target alone; with --pairs the identities tell")
    if batch_size < 1:
        raise ReenactError(f"--batch-size {batch_size} must be at least 1")
    check_metrics(metrics)
    chosen = pick_device(device)
    about: dict[str, object] = {"generated": str(generated), "pairs": None if pairs is None else str(pairs)}
    with new_folder(out):
        parts = _build_parts(generated, target, pairs, source, cross, metrics, chosen)
        for part in parts:
            _score_part(part, batch_size, chosen)
        try:
            _write_scores(parts, out, {**about, "networks": hash_networks(metrics)})
        except OSError as error:  # a full disk
            raise unwritable_folder_error(out, error) from error
    scores: Scores = {part.kind: {score.label: score for score in part.scores()} for part in parts}
    return Evaluation(out, scores, {part.kind: len(part.suite.rows) for part in parts})


def _build_parts(
    generated: Path,
    target: Path | None,
    pairs: Path | None,
    source: Path | None,
    cross: bool,
    metrics: Sequence[str],
    device: torch.device,
) -> list[Part]:
    results = FolderGallery(generated, "--generated")
    # A store is read at the results' size, as loaders read it for the method.
    size = _read_result_size(results)
    if pairs is None:
        assert target is not None
        clips = open_gallery(target, "--target", size)
        portraits = None if source is None else open_gallery(source, "--source", size)
        kind: Kind = "cross" if cross else "self"
        return [_build_part(kind, results, clips, portraits, by_name(results, clips, portraits), metrics, device)]
    lines = read_pairs(pairs)
    if not lines:
        raise ReenactError(f"--pairs {pairs} has no pair; make a list with `reenact pairs`")
    clips = open_gallery(target or pairs.parent, "--target", size)
    portraits = clips if source is None else open_gallery(source, "--source", size)
    return [
        _build_part(kind, pair_results, clips, clips if kind == "self" else portraits, matches, metrics, device)
        for kind, (pair_results, matches) in by_pairs(pairs, lines, generated, clips, portraits).items()
    ]


def _read_result_size(results: FolderGallery) -> int:
    """Width of the first result; of the first in `self` or `cross` where results lie in such folders."""
    first = results.names()[0]
    inner = results.folder(first)
    if inner is not None and inner.name in ("self", "cross") and not pictures_in(inner):
        results = FolderGallery(inner, "--generated")
        first = results.names()[0]
    return int(next(results.frames(first)).shape[-1])


def _build_part(
    kind: Kind,
    generated: Gallery,
    target: Gallery,
    sources: Gallery | None,
    matches: list[Match],
    metrics: Sequence[str],
    device: torch.device,
) -> Part:
    possible, absent = [], []
    for name in metrics:
        reference = find_reference(parse_metric(name))
        if kind == "cross" and reference == "target":
            absent.append(Score(name, math.nan, 0, "it needs the wanted picture, which cross-reenactment has not"))
        elif list_foreground([name]) and not target.has_masks:
            absent.append(Score(name, math.nan, 0, f"it is measured on the person: {MASKS}"))
        elif sources is None and reference == "source":
            absent.append(Score(name, math.nan, 0, "it is held against the source; name the sources with --source"))
        else:
            possible.append(name)
    suite = Suite(names=possible, same_identity=kind == "self", device=device)
    return Part(
        kind=kind, generated=generated, target=target, sources=sources, matches=matches, suite=suite, absent=absent
    )


def _score_part(part: Part, batch_size: int, device: torch.device) -> None:
    batch: list[Sample] = []
    for match in track(part.matches, f"scoring {part.kind}", console=open_progress_console(), transient=True):
        for sample in iterate_samples(part.generated, part.target, part.sources, match):
            if len(part.samples) < SHOWN and sample.result_frame == 0:
                part.samples.append(sample)
            if batch and (len(batch) == batch_size or batch[0].generated.shape != sample.generated.shape):
                _update_suite(part, batch, device)
                batch = []
            batch.append(sample)
    if batch:
        _update_suite(part, batch, device)


def _update_suite(part: Part, batch: list[Sample], device: torch.device) -> None:
    generated, target, source = (
        torch.stack(list(images)).to(device)
        for images in zip(*((s.generated, s.driving, _source_image(s)) for s in batch), strict=True)
    )
    results = ", ".join(dict.fromkeys(sample.match.result for sample in batch))
    scene = Scene(
        generated=Frames(generated, f"{part.generated.option} ({results})"),
        source=Frames(source, "the source frames"),
        driving=Frames(
            target,
            f"{part.target.option} ({', '.join(dict.fromkeys(s.match.driving for s in batch))})",
            _read_masks(part, batch, device),
        ),
        same_identity=part.kind == "self",
    )
    part.suite.update(scene, _name_rows(part, batch, source, target))


def _read_masks(part: Part, batch: Sequence[Sample], device: torch.device) -> Tensor | None:
    """Masks (B, 1, H, W) of the driving frames, if a metric reads them."""
    if not list_foreground(list(part.suite.metrics)):
        return None
    return torch.stack([part.target.mask(s.match.driving, s.driving_frame) for s in batch]).to(device)


def _name_rows(part: Part, batch: Sequence[Sample], source_image: Tensor, target: Tensor) -> PortraitPair:
    """The pair that names the rows."""
    sources = [("", -1) if s.match.source is None else s.match.source for s in batch]
    people = ["" if not clip or part.sources is None else part.sources.identity(clip) for clip, _ in sources]
    source = Portrait(
        image=source_image,
        frame=torch.tensor([frame for _, frame in sources]),
        identity=people,
        clip=[clip for clip, _ in sources],
    )
    driving = Portrait(
        image=target,
        frame=torch.tensor([sample.driving_frame for sample in batch]),
        identity=[part.target.identity(sample.match.driving) for sample in batch],
        clip=[sample.match.driving for sample in batch],
    )
    return PortraitPair(source, driving)


def _name_row(sample: Sample) -> str:
    """Name a row of a grid, as `callbacks.pictures.name_rows` does."""
    clip, frame = sample.match.source or ("", -1)
    return f"{clip}:{frame} > {sample.match.driving}:{sample.driving_frame}"


def _source_image(sample: Sample) -> Tensor:
    """The source, or in its place the driving frame: no metric that reads it is in the suite then."""
    return sample.driving if sample.source is None else sample.source


def _write_scores(parts: Iterable[Part], out: Path, about: dict[str, object]) -> None:
    (out / "pictures").mkdir()
    for part in parts:
        write_rows(part.suite.rows, out / f"frames_{part.kind}.parquet")
        size = part.samples[0].generated.shape
        samples = [sample for sample in part.samples if sample.generated.shape == size]
        columns = {
            **({} if part.sources is None else {"source": torch.stack([_source_image(s) for s in samples])}),
            "driving": torch.stack([sample.driving for sample in samples]),
            "result": torch.stack([sample.generated for sample in samples]),
        }
        rows = [_name_row(sample) for sample in samples[:SHOWN]]
        metadata = mark_words() | describe_grid(columns, rows)
        write_image(out / "pictures" / f"{part.kind}.png", embed_watermark(draw_grid(columns, SHOWN)), metadata)
    frames: dict[str, FrameSet] = {part.kind: frame_set(part.suite.keys) for part in parts}
    write_scores({part.kind: part.scores() for part in parts}, out / "scores.json", about, frames)
