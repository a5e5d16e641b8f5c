"""Comparison sheets have a row for each pair that all methods show, and a column for each method."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reenact.benchmark.comparison import draw_comparison, write_comparisons
from reenact.callbacks.pictures import LABEL_HEIGHT, describe_grid, draw_grid, measure_label
from reenact.callbacks.whole_files import write_picture

SIDE = 64


def write_grid(path: Path, pairs: list[int], level: float, between: bool = False) -> Path:
    """A grid whose pictures are grey: the sources as bright as their pair, the results as their method."""

    def grey(*levels: float) -> torch.Tensor:
        return torch.tensor(levels)[:, None, None, None].expand(-1, 3, SIDE, SIDE)

    columns = {"source": grey(*(pair / 10 for pair in pairs)), "driving": grey(*(-pair / 10 for pair in pairs))}
    columns |= {"flow": grey(*(0.9 for _ in pairs))} if between else {}
    columns |= {"result": grey(*(level + pair / 20 for pair in pairs)), "error": grey(*(1.0 for _ in pairs))}
    write_picture(draw_grid(columns, 4), path, False, describe_grid(columns, [f"a:{n} > b:{n}" for n in pairs]))
    return path


def cell(sheet: np.ndarray, row: int, column: int) -> float:
    centre = sheet[LABEL_HEIGHT + row * SIDE + SIDE // 2, column * SIDE + SIDE // 2]
    return float(centre.mean()) / 127.5 - 1


def test_pairs_and_methods_stand_in_rows_and_columns(tmp_path):
    grids = {
        "one": write_grid(tmp_path / "one.png", [1, 2, 3], 0.1),
        "two": write_grid(tmp_path / "two.png", [3, 1], 0.4, between=True),
    }
    sheet = draw_comparison(grids)
    assert sheet.shape == (LABEL_HEIGHT + 2 * SIDE, 4 * SIDE, 3)
    for row, pair in enumerate((1, 3)):
        expected = [pair / 10, -pair / 10, 0.1 + pair / 20, 0.4 + pair / 20]
        assert [cell(sheet, row, column) for column in range(4)] == pytest.approx(expected, abs=0.01)


def test_small_pictures_grow_until_the_names_above_them_fit(tmp_path):
    name = "pirenderer expression only"
    sheet = draw_comparison({name: write_grid(tmp_path / "one.png", [1, 2], 0.1)}, least=1)
    times = -(-measure_label(name) // SIDE)
    assert times > 1
    assert sheet.shape == (LABEL_HEIGHT + 2 * times * SIDE, 3 * times * SIDE, 3)
    label = sheet[:LABEL_HEIGHT, 2 * times * SIDE :].min((0, 2))
    assert (label[-2:] == 255).all()
    second = sheet[LABEL_HEIGHT + times * SIDE + times * SIDE // 2, 2 * times * SIDE + times * SIDE // 2]
    assert second.mean() / 127.5 - 1 == pytest.approx(0.1 + 2 / 20, abs=0.01)


def test_no_sheet_of_one_method_or_of_other_pairs(tmp_path):
    one, two = write_grid(tmp_path / "one.png", [1], 0.1), write_grid(tmp_path / "two.png", [2], 0.1)
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "old.png")
    assert draw_comparison({"one": one}) is None
    assert draw_comparison({"one": one, "two": two}) is None
    assert draw_comparison({"one": one, "old": tmp_path / "old.png"}) is None


def test_an_older_sheet_goes(tmp_path):
    grids = {name: write_grid(tmp_path / f"{name}.png", [1], 0.1) for name in ("one", "two")}
    rows = {name: {"self": path} for name, path in grids.items()}
    assert write_comparisons(rows, tmp_path) == {"self": tmp_path / "comparison_self.png"}
    assert (tmp_path / "comparison_self.png").is_file()
    assert write_comparisons({}, tmp_path) == {}
    assert not (tmp_path / "comparison_self.png").exists()


def test_a_grid_names_its_columns_and_pairs(tmp_path):
    path = write_grid(tmp_path / "one.png", [1, 2], 0.1)
    with Image.open(path) as picture:
        assert json.loads(picture.info["columns"])[0] == "source"
        assert json.loads(picture.info["rows"]) == ["a:1 > b:1", "a:2 > b:2"]
