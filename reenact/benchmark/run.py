"""`reenact benchmark`: makes a table again, or goes on where the last call stopped. No torch until a table runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from reenact.benchmark import listing
from reenact.choices import check_choices
from reenact.errors import ReenactError
from reenact.paths import PathLike


@check_choices
def benchmark(
    table: str = "",
    *,
    list: bool = False,
    world: Literal["data", "synthetic"] = "data",
    root: PathLike = Path("data"),
    row: Sequence[str] = (),
    add: Sequence[str] = (),
    train: bool = True,
    checkpoint: Sequence[str] = (),
    scale: str | None = None,
    logger: str = "",
    out: PathLike = Path("runs/benchmark"),
) -> int:
    """Make a table of a paper again: train what has no checkpoint, score it, write the numbers beside the paper's.

    Finished rows are kept until their settings, data, checkpoint, metrics or code that measures change, trainings until
    their settings, data or the version of their method change. Interrupt it anywhere; the same command goes on.

    Args:
        table: id of a table (--list shows them), or a YAML file of your own.
        list: show the tables and what can run with the data at hand.
        world: `synthetic` runs a paper's table on the embedded world, with the probe in place of other networks.
        root: folder of the stores, each named as its data preset: ROOT/voxceleb1.
        row: rows to run, by their ids; all by default.
        add: rows of your own beside the table's, as ID=PRESET, or as ID alone for frames scored by `reenact evaluate`.
        train: train rows that have no checkpoint.
        checkpoint: trained weights for rows, as ROW=FILE.
        scale: scale of the presets; by default the table's own, else tiny on the synthetic world and paper elsewhere.
        logger: logger of the runs and of the table, such as wandb.
        out: folder of all tables; trained models are shared between them.

    Returns:
        The exit code: 1 where a row broke.

    Raises:
        ReenactError: for unknown tables, rows, presets and checkpoints.
    """
    root, out = Path(root), Path(out)
    if list:
        listing.print_tables(root)
        return 0
    if not table:
        raise ReenactError("TABLE is missing: name a table, or see them with --list")
    from reenact.benchmark.table_run import run_table

    return run_table(
        table, world=world, root=root, row=row, add=add, train=train, checkpoint=checkpoint, scale=scale,
        logger=logger, out=out,
    )  # fmt: skip
