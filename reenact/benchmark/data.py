"""The data at hand: prepared stores in one folder, named as the data presets. No torch until a store is read."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from reenact.benchmark.figure_spec import Curve
from reenact.benchmark.spec import SYNTHETIC, Row, Table
from reenact.data.store.root_files import is_prepared


def store_path(name: str, row: Row, root: Path) -> Path | None:
    """Return the folder of a data set, such as `ROOT/voxceleb1`; None for the synthetic world."""
    return None if name == SYNTHETIC else root / f"{name}{row.store}"


def missing_stores(table: Table, row: Row, root: Path) -> list[Path]:
    """The stores that a row needs and that are not there."""
    names = [table.train, table.test, *([table.sources] if table.sources else [])]
    places = [store_path(name, row, root) for name in dict.fromkeys(names)]
    return [place for place in places if place is not None and not is_prepared(place)]


def target_store(table: Table, root: Path) -> Path | None:
    """Return the store that pairs are drawn from and driving frames read from: the first variant that is there."""
    variants = dict.fromkeys(row.store for row in table.rows)
    stores = [root / f"{table.test}{variant}" for variant in variants]
    return next((store for store in stores if is_prepared(store)), None)


def portrait_store(table: Table, root: Path) -> Path | None:
    """Return where the store of source portraits is looked for; None where the table takes none."""
    return root / table.sources if table.sources else None


def hash_store_content(root: str | Path | None) -> str:
    """A hash of which clips a store has and how they were made; the synthetic world is its version.

    Clips are told apart by name, split, person and number of frames: hashing terabytes would take days.
    """
    from reenact.data.store.prepared import open_prepared
    from reenact.world.renderer import WORLD_VERSION

    if root is None:
        return f"{SYNTHETIC} {WORLD_VERSION}"
    prepared = open_prepared(root)
    table = prepared.table
    digest = hashlib.sha256(repr(prepared.info).encode())
    for part in (table.names.text, table.identities, table.identity_names.text, table.splits, table.num_frames):
        digest.update(part.tobytes())
    return digest.hexdigest()


def describe_store(root: Path | None) -> str:
    """One line about a data set for a table's footnotes."""
    from reenact.data.store.prepared import open_prepared

    if root is None:
        return "the synthetic world, drawn by this package"
    prepared = open_prepared(root)
    table, info = prepared.table, prepared.info
    settings = ", ".join(f"{key} {value}" for key, value in info.recipe.items())
    return (
        f"{root.name}: {len(table.names):,} clips of {len(table.identity_names):,} people, {info.size} px, face model"
        f" {info.face_model or 'none'} ({settings})"
    )


def embed_table(table: Table) -> Table:
    """A table on the synthetic world: same rows and columns, no lists of pairs, no stores, curves over the true yaw."""
    figures = tuple(
        replace(figure, over="yaw_difference") if isinstance(figure, Curve) else figure for figure in table.figures
    )
    name = f"{table.id}.synthetic"
    return replace(table, id=name, train=SYNTHETIC, test=SYNTHETIC, sources="", pairs="", figures=figures)
