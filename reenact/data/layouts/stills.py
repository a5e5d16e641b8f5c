"""Sets of still pictures, used as sources: CelebA and FFHQ; and CelebV, whose clips are folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reenact.data.layouts.base import Layout, by_name, damaged_line_error, describe_absence, read_lines
from reenact.data.layouts.clip_input import ClipInput
from reenact.errors import ReenactError
from reenact.media.listing import is_system_file
from reenact.names import check_name

PEOPLE = ("Donald_Trump", "Emmanuel_Macron", "Jack_Ma", "Kathleen", "Theresa_May")
"""CelebV's folders (wywu.github.io/projects/ReenactGAN)."""
CELEBA_FOLDERS = ("img_celeba", "img_align_celeba")
"""Folders of the pictures in the wild and aligned to 178 x 218; the first has more of the head."""
CELEBA_PEOPLE, CELEBA_PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"
CELEBA_SPLITS = {"0": "train", "1": "val", "2": "test"}
FFHQ_TRAIN = 60000
"""Pictures of FFHQ's training set; the others are for validation (NVlabs/ffhq-dataset)."""


def read_celebv(root: Path) -> list[ClipInput]:
    """One clip a person: `<person>/Image/*.jpg`, pictures of several videos; the set is for testing alone."""
    return [
        ClipInput(
            path=root / person / "Image",
            name=person,
            split="test",
            identity=f"celebv-{person}",
            album=True,
            missing="" if (root / person / "Image").is_dir() else describe_absence(f"{person}/Image"),
        )
        for person in PEOPLE
        if is_celebv(root)
    ]


def is_celebv(root: Path) -> bool:
    """Return True if a folder has one of CelebV's people."""
    return any((root / person / "Image").is_dir() for person in PEOPLE)


def read_celeba(root: Path) -> list[ClipInput]:
    """One picture a line of `identity_CelebA.txt`, in the split of `list_eval_partition.txt`."""
    lists = [_find_list(root, name) for name in (CELEBA_PEOPLE, CELEBA_PARTITION)]
    return by_name(_read_people(root, *lists)) if all(path.is_file() for path in lists) else []


def read_ffhq(root: Path) -> list[ClipInput]:
    """Every picture of `images1024x1024/00000/00000.png` and on; each is a person of its own."""
    folder = root / "images1024x1024"
    paths = [
        path for path in (*sorted(folder.rglob("*.png")), *sorted(folder.rglob("*.jpg"))) if not is_system_file(path)
    ]
    if odd := [path for path in paths if not path.stem.isdigit()]:
        raise ReenactError(f"{odd[0]} is not named by its number, as FFHQ's pictures are; keep the official names")
    return [
        ClipInput(
            path=path,
            name=f"ffhq-{path.stem}",
            split="train" if int(path.stem) < FFHQ_TRAIN else "test",
            identity=f"ffhq-{path.stem}",
        )
        for path in paths
    ]


def _read_people(root: Path, people: Path, partition: Path) -> Iterator[ClipInput]:
    splits = dict(_read_columns(partition, "file 0|1|2"))
    folder = next((root / name for name in CELEBA_FOLDERS if (root / name).is_dir()), root / CELEBA_FOLDERS[-1])
    for file, person in _read_columns(people, "file identity"):
        path = folder / check_name(file, f"A file in {people}")
        if splits.get(file) not in CELEBA_SPLITS:
            raise ReenactError(f"{partition} has no split for {file}; download it again")
        yield ClipInput(
            path=path,
            name=f"celeba-{path.stem}",
            split=CELEBA_SPLITS[splits[file]],
            identity=f"celeba-{person}",
            missing="" if path.is_file() else describe_absence(f"{folder.name}/{file}"),
        )


def _find_list(root: Path, name: str) -> Path:
    """A list of CelebA, beside the pictures or in its archive's folder."""
    places = (root / name, root / "Anno" / name, root / "Eval" / name)
    return next((path for path in places if path.is_file()), root / name)


def _read_columns(path: Path, expected: str) -> Iterator[tuple[str, str]]:
    for line in read_lines(path):
        values = line.split()
        if len(values) != 2:
            raise damaged_line_error(path, line, expected)
        yield values[0], values[1]


CELEBV = Layout(
    name="celebv",
    title="CelebV",
    expects=f"folders {', '.join(PEOPLE)}, each with Image/*.jpg",
    marks=is_celebv,
    read=read_celebv,
)
CELEBA = Layout(
    name="celeba",
    title="CelebA",
    expects=f"{CELEBA_PEOPLE}, {CELEBA_PARTITION} and img_celeba/ or img_align_celeba/",
    marks=lambda root: _find_list(root, CELEBA_PEOPLE).is_file(),
    read=read_celeba,
)
FFHQ = Layout(
    name="ffhq",
    title="FFHQ",
    expects="images1024x1024/00000/00000.png and on",
    marks=lambda root: (root / "images1024x1024").is_dir(),
    read=read_ffhq,
)
