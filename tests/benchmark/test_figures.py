"""Figures of tables: curves over bins, sheets of chosen pairs, and refusals of those that cannot be drawn."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from cli import standins
from PIL import Image
from pytorch_lightning import Trainer
from safetensors.torch import save_file

from reenact.benchmark import data, figures, inputs, spec
from reenact.benchmark.chart import HEIGHT, WIDTH, Panel, choose_ticks, draw_chart
from reenact.benchmark.columns import Measured
from reenact.benchmark.curves import measure_curve
from reenact.benchmark.figure_spec import Curve
from reenact.benchmark.job import Result
from reenact.benchmark.spec import Column
from reenact.callbacks.partial_transfer import PartialTransfer
from reenact.callbacks.pictures import LABEL_HEIGHT
from reenact.cli import main
from reenact.errors import ReenactError
from reenact.metrics.distributions import compute_moments, frechet_distance, kernel_distance

OUT = Path("runs/benchmark/mini")
CURVE = {
    "kind": "curve",
    "id": "fig6",
    "title": "Scores by difference of pose",
    "columns": ["self.psnr", "self.l1"],
    "over": "pose_difference",
    "bins": [0, 10, 30],
}
SHEET = {"kind": "sheet", "id": "fig7", "title": "Pairs", "loader": "cross", "pairs": [1, 0], "rows": ["one", "other"]}
COUNT, SIZE = 60, 4


def draw_features(seed: int) -> torch.Tensor:
    return torch.randn(COUNT, SIZE, generator=torch.Generator().manual_seed(seed)) + seed


@pytest.fixture
def row(tmp_path: Path) -> Path:
    """Files of a row of 60 frames, whose yaw differences are 0, 1, 2, ... degrees."""
    folder = tmp_path / "row"
    folder.mkdir()
    columns = {
        "source_clip": ["a"] * COUNT,
        "source_frame": [0] * COUNT,
        "driving_clip": ["b"] * COUNT,
        "driving_frame": list(range(COUNT)),
        "yaw_difference": [float(number) for number in range(COUNT)],
        "csim[probe]": [float("nan") if number == 3 else number / 10 for number in range(COUNT)],
    }
    pq.write_table(pa.table(columns), folder / "frames_cross.parquet")
    features = {"probe.generated": draw_features(0), "probe.driving": draw_features(1)}
    save_file(features, folder / "features_cross.safetensors")
    return folder


def build_curve(bins: tuple[float, ...], least: int = 20) -> Curve:
    columns = ("cross.csim", "cross.fid", "cross.kid")
    return Curve(
        id="c", title="c", columns=columns, over="yaw_difference", bins=bins, rows=("row",), least_frames=least
    )


def list_columns(*metrics: str) -> list[Measured]:
    return [
        Measured(
            Column(id=f"cross.{metric.partition('[')[0]}", metric=metric, loader="cross", direction="up", decimals=2),
            metric,
        )
        for metric in metrics
    ]


COLUMNS = list_columns("csim[probe]", "fid[probe]", "kid[probe]")


def test_points_are_those_of_the_frames_in_each_bin(row):
    points = measure_curve(build_curve((0, 20, 59)), COLUMNS, row, [])
    assert [(point.column, point.lower, point.frames) for point in points[:2]] == [
        ("cross.csim", 0, 20),
        ("cross.csim", 20, 40),  # with its upper edge, since it is the last
    ]
    assert points[0].value == pytest.approx((sum(range(20)) - 3) / 10 / 19)
    assert points[0].note == "1 frames have no value"
    assert points[1].value == pytest.approx(np.arange(20, 60).mean() / 10)
    for place, rows in ((0, slice(0, 20)), (1, slice(20, 60))):
        generated, real = draw_features(0)[rows], draw_features(1)[rows]
        expected = frechet_distance(compute_moments(generated), compute_moments(real))
        assert points[2 + place].value == pytest.approx(float(expected), rel=1e-9)
        assert points[4 + place].value == pytest.approx(float(kernel_distance(generated, real)), rel=1e-9)


def test_a_bin_without_enough_frames_has_a_reason_instead_of_a_number(row):
    points = measure_curve(build_curve((-5, 10, 20.5, 20.7, 60)), COLUMNS, row, [])
    csim, fid, kid = ([point.value is None for point in points[start : start + 4]] for start in (0, 4, 8))
    assert csim == [False, False, True, False]
    assert fid == kid == [True, True, True, False]
    assert points[2].note == "no pair in this bin"
    assert points[4].note == "10 frames are too few for a distance between sets, which needs 20"


def test_points_are_measured_once(row):
    curve = build_curve((0, 59))
    first = measure_curve(curve, COLUMNS, row, [])
    cache = row / "figures" / "c.json"
    content = json.loads(cache.read_text())
    content["points"][0]["value"] = 7.0
    cache.write_text(json.dumps(content))
    assert measure_curve(curve, COLUMNS, row, [])[0].value == 7.0
    save_file(
        {"probe.generated": draw_features(2), "probe.driving": draw_features(1)}, row / "features_cross.safetensors"
    )
    again = measure_curve(curve, COLUMNS, row, [])
    assert again[0] == first[0]
    assert again[1] != first[1]


def test_frames_of_another_program_take_the_differences_of_a_row_that_was_tested(row, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    table = pq.read_table(row / "frames_cross.parquet").to_pydict()
    del table["yaw_difference"]
    pq.write_table(pa.table({name: values[::-1] for name, values in table.items()}), other / "frames_cross.parquet")
    curve = build_curve((0, 20, 59))
    assert "no face parameters" in measure_curve(curve, COLUMNS, other, [])[0].note  # before the row has scores
    first, second = (measure_curve(curve, COLUMNS, folder, [row]) for folder in (row, other))
    assert [point.value for point in second[:2]] == pytest.approx([point.value for point in first[:2]])
    assert "features of the frames are not here" in second[2].note
    assert "no face parameters" in measure_curve(build_curve((0, 1)), COLUMNS, other, [])[0].note


def test_rows_of_one_method_have_a_line_each(row, tmp_path, monkeypatch):
    panels = []
    monkeypatch.setattr(figures, "draw_chart", lambda drawn, *_: panels.extend(drawn) or np.zeros((1, 1, 3), np.uint8))
    entries = [spec.Row(id=name, method=name[0], kind="own") for name in ("a1", "a2", "b1")]
    results = [Result(row=entry, scores={"cross": {}}) for entry in entries]
    table = SimpleNamespace(rows=entries, figures=[replace(build_curve((0, 59)), rows=("a1", "a2", "b1"))])
    settings = SimpleNamespace(folder=tmp_path / "out", table=table, measured=COLUMNS, row_folder=lambda _: row)
    figures.draw_figures(settings, results)
    assert list(panels[0].lines) == ["a (a1)", "a (a2)", "b"]


def test_a_chart_shows_its_lines():
    panel = Panel(title="FID", lines={"one": [1.0, None, 3.0], "two": [2.0, 2.5, 4.0]})
    chart = draw_chart([panel, panel], ["0-10", "10-20", "20-30"], "degrees")
    assert chart.shape[1] == 2 * WIDTH
    assert chart.shape[0] > HEIGHT
    for colour in ((31, 119, 180), (214, 39, 40)):
        shown = (chart.reshape(-1, 3) == colour).all(1).sum()
        assert shown > 50
    empty = draw_chart([Panel(title="FID", lines={"one": [None]})], ["0-10"], "degrees")
    assert empty.shape[1] == WIDTH


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-3.0, 17.0), (5.0, 5.0), (0.0, 0.0), (1e-5, 3e-5)])
def test_ticks_enclose_the_values(limits):
    ticks = choose_ticks(*limits)
    assert ticks[0] <= limits[0]
    assert ticks[-1] >= limits[1]
    assert 2 <= len(ticks) <= 8


def change(table: Path, *figures: dict[str, object]) -> None:
    content = yaml.safe_load(table.read_text())
    table.write_text(yaml.safe_dump({**content, "figures": json.loads(json.dumps(figures))}, sort_keys=False))


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        (CURVE | {"columns": ["self.psrn"]}, r"fig6 names the column self.psrn.*did you mean self.psnr"),
        (CURVE | {"bins": [0, 20, 20]}, "the edges of bins must increase"),
        (CURVE | {"bins": [0]}, "bins"),
        (CURVE | {"rows": ["thre"]}, "the figure fig6 names the row thre"),
        (CURVE | {"over": "age"}, "over"),
        (SHEET | {"rows": ["two"]}, "the figure fig7 names the row two"),
        (SHEET | {"modes": ["jaw"]}, "modes"),
        (SHEET | {"modes": ["pose"], "loader": "self"}, "set its loader to cross"),
        (SHEET | {"pairs": [-1]}, "pairs"),
        (SHEET | {"id": "Fig6"}, "two figures have one id"),
        ({"kind": "pie"}, "figures"),
    ],
)
def test_figures_that_can_not_be_drawn_are_refused(table, figure, says):
    change(table, CURVE, figure) if figure.get("id") == "Fig6" else change(table, figure)
    with pytest.raises(ReenactError, match=says):
        spec.load_table(str(table))


def test_curves_of_an_embedded_table_are_over_the_true_yaw(table):
    change(table, CURVE)
    (figure,) = data.embed_table(spec.load_table(str(table))).figures
    assert figure.over == "yaw_difference"


def test_figures_of_a_table_stand_in_its_folder_and_page(table, runs, monkeypatch):
    modes = SHEET | {"id": "fig8", "modes": ["absolute", "pose"], "rows": ["one"]}
    change(table, CURVE, SHEET, modes, SHEET | {"id": "fig9", "pairs": [5]})
    assert main(["benchmark", str(table), "--row", "one"]) == 0
    assert runs.kinds == ["fit", "test", "test", "test", "test"]
    page = (OUT / "table.html").read_text()
    assert 'src="figures/fig6.png"' in page
    assert "no pose_difference: the data has no face parameters" in page
    assert "other: no pictures of it yet" in page
    assert "one: the figure fig9 shows the pair 5, and there are 2 cross pairs" in page
    with (OUT / "figures" / "fig6.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    assert {point["row"] for point in points} == {"one"}
    for name, columns in (("fig7", 3), ("fig8", 4)):  # source, driving frame, and a method or two modes of it
        with Image.open(OUT / "figures" / f"{name}.png") as sheet:
            side = sheet.size[0] // columns  # pictures of 8 pixels, enlarged for the names above them
            assert side % 8 == 0
            assert sheet.size == (columns * side, LABEL_HEIGHT + 2 * side)
    assert not (OUT / "figures" / "fig9.png").exists()
    grid = OUT / "rows" / "one" / "figures" / "fig7" / "grid.png"
    rows = pq.read_table(OUT / "rows" / "one" / "frames_cross.parquet").to_pylist()
    names = [f"{r['source_clip']}:{r['source_frame']} > {r['driving_clip']}:{r['driving_frame']}" for r in rows]
    with Image.open(grid) as picture:
        assert json.loads(picture.info["rows"]) == [names[1], names[0]]
    runs.forget()
    assert main(["benchmark", str(table), "--row", "one"]) == 0
    assert runs.kinds == []
    score = inputs.scoring_inputs
    monkeypatch.setattr(inputs, "scoring_inputs", lambda *parts: score(*parts) | {"store": "another"})
    assert main(["benchmark", str(table), "--row", "one"]) == 0
    assert runs.kinds == ["test", "test", "test", "test"]  # the pictures are of the store that gave the scores


def test_a_mode_that_a_method_does_not_have_is_refused(monkeypatch):
    monkeypatch.setattr(standins.Network, "modes", ("absolute",))
    module = standins.Method()
    PartialTransfer("absolute").setup(Trainer(logger=False), module, "test")
    assert module.transfer_mode == "absolute"
    with pytest.raises(ReenactError, match="Network knows no motion 'pose'"):
        PartialTransfer("pose").setup(Trainer(logger=False), module, "test")
    PartialTransfer("pose").setup(Trainer(logger=False), module, "fit")
