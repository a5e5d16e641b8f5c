"""The tables that the package ships say what the papers print."""

from __future__ import annotations

import pytest
import yaml

from reenact.benchmark import spec
from reenact.benchmark.columns import assign_metrics, on_probe
from reenact.errors import ReenactError
from reenact.methods.registry import collect_pair_plans, find_method_of_preset, list_methods
from reenact.metrics.metric_names import COST_METRICS, parse_metric
from reenact.runs import presets
from reenact.runs.arguments import expand_request
from reenact.runs.request import parse_request

OURS = {"quick", "zoo"}


@pytest.fixture(scope="module")
def printed(request):
    path = request.config.rootpath / "tests" / "data" / "paper_tables.yaml"
    return {table["id"]: table for table in yaml.safe_load(path.read_text())["tables"]}


def test_every_table_of_the_papers_is_there(printed):
    assert set(spec.table_names()) - OURS == set(printed)


@pytest.mark.parametrize("name", sorted(set(spec.table_names()) - OURS))
def test_numbers_are_the_papers(printed, name):
    table, source = spec.load_table(name), printed[name]
    assert [row.method for row in table.rows] == ([row["method"] for row in source["rows"]] or source["expected_rows"])
    for row, other in zip(table.rows, source["rows"], strict=bool(source["rows"])):
        assert row.values == other["values"], row.id
        assert row.kind == other["kind"], row.id
    if source["columns"]:
        wanted = [(column["id"], column["direction"], column["decimals"]) for column in source["columns"]]
        assert [(column.id, column.direction, column.decimals) for column in table.columns] == wanted
    assert set(source["notes"]) <= set(table.notes)
    assert table.id == name
    assert table.pairs in collect_pair_plans()


@pytest.mark.parametrize("name", spec.table_names())
def test_columns_are_metrics_and_loaders_fit(name):
    for column in spec.load_table(name).columns:
        loader = column.id.partition(".")[0]
        assert column.loader == (loader if loader in ("cross", "cost") else "self")
        if loader == "cost":
            assert column.metric in COST_METRICS
        else:
            parse_metric(column.metric)


@pytest.mark.parametrize("name", spec.table_names())
def test_rows_of_the_zoo_have_options_that_their_presets_know(name):
    table = spec.load_table(name)
    for row in table.rows:
        if row.model in presets.preset_names("model"):
            words = [w for k, v in row.overrides.items() for w in (f"--{k}", str(v))]
            assert expand_request(
                parse_request("fit", ["--model", row.model, "--data", table.train, *words, "--out", "x"])
            )
    assert set(spec.table_names()) >= {table.id}


def test_the_quick_table_has_every_method_of_the_zoo():
    models = [row.model for row in spec.load_table("quick").rows]
    assert models == [next(iter(method.presets)) for method in list_methods() if method.makes_pictures]


@pytest.mark.parametrize(
    ("metric", "probe"),
    [
        ("psnr", "psnr"),
        ("csim[arcface-r50]", "csim[probe]"),
        ("fid[inception]@source", "fid[probe]@source"),
        ("apd.pose[deep3d].l2", "apd.rotation[probe].l2"),
        ("aed.identity[openface].l1@target", "aed.identity[probe].l1@target"),
        ("e_rmse.expression[deep3d]", "e_rmse.expression[probe]"),
        ("fvd[i3d]", "fvd[probe]"),
    ],
)
def test_the_probe_stands_for_networks_of_photographs(metric, probe):
    assert on_probe(metric) == probe
    parse_metric(probe)


def test_what_can_not_be_measured_has_a_reason():
    column = spec.Column(id="cross.pose", metric="apd.pose[deca].l1", loader="cross", direction="down", decimals=2)
    wanted = spec.Column(id="cross.psnr", metric="psnr", loader="cross", direction="up", decimals=2)
    pose, pixels = assign_metrics((column, wanted), synthetic=False)
    assert "one of deep3d" in pose.problem
    assert "wanted picture" in pixels.problem


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(ReenactError, match="There is no table quik; did you mean quick"):
        spec.load_table("quik")
    path = tmp_path / "t.yaml"
    for text, says in (("id: x\n", "no table"), ("[", "can't be read"), ("", "no table")):
        path.write_text(text)
        with pytest.raises(ReenactError, match=says):
            spec.load_table(str(path))
    with pytest.raises(ReenactError, match="can't be read"):
        spec.load_table(str(tmp_path / "none.yaml"))


def test_a_value_needs_its_column(tmp_path):
    content = yaml.safe_load(spec.find_table("pwm.table1.vox1").read_text())
    content["rows"][0]["values"]["same.psnr"] = 1.0
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ReenactError, match="column that there is not"):
        spec.load_table(str(path))


def test_the_readme_s_table_is_the_quick_table(request):
    text = (request.config.rootpath / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Comparison") :].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    table = spec.load_table("quick")
    head, _, *body = rows
    # A row may be that of another preset of the method, which the text above the table then says.
    presets = [row[0].strip(" `") for row in body]
    assert [find_method_of_preset(preset) for preset in presets] == [
        find_method_of_preset(row.model) for row in table.rows
    ]
    assert all(
        f"`{preset}`" in section.partition("|")[0] for preset in set(presets) - {row.model for row in table.rows}
    )
    assert len(head) - 1 == len(table.columns)
    for row in body:
        decimals = [len(cell.strip().partition(".")[2]) for cell in row[1:]]
        assert decimals == [column.decimals for column in table.columns]
