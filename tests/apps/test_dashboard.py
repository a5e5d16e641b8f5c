"""The views of a Weights & Biases project, looked at without sending them."""

from __future__ import annotations

import json

import pytest

from reenact.cli import main
from reenact.methods.registry import list_methods

pytest.importorskip("wandb_workspaces")


def panels(view: dict) -> dict[str, list[dict]]:
    return {section["name"]: section["panels"] for section in view["spec"]["section"]["panelBankConfig"]["sections"]}


@pytest.fixture
def views(tmp_path):
    out = tmp_path / "views.json"
    assert main(["dashboard", "--project", "faces", "--entity", "team", "-o", str(out)]) == 0
    return {view["displayName"]: view for view in json.loads(out.read_text())}


def test_one_view_compares_methods_and_one_shows_each(views):
    assert set(views) == {"Methods compared", *(f"Method {method.name}" for method in list_methods())}
    assert {(view["entity"], view["project"]) for view in views.values()} == {("team", "faces")}


def test_the_comparison_groups_runs_by_method(views):
    view = views["Methods compared"]
    (runs,) = view["spec"]["section"]["runSets"]
    assert [key["name"] for key in runs["grouping"]] == ["method.value"]
    shown = panels(view)
    bars = [panel["config"] for panel in shown["Test numbers by method"]]
    assert {"test/self/psnr", "test/cross/fid[probe]"} <= {bar["metrics"][0] for bar in bars}
    assert {bar["groupBy"] for bar in bars} == {"method.value"}
    assert "table/quick" in json.dumps(shown["Tables"])


def test_a_method_has_its_runs_losses_pictures_and_videos(views):
    view = views["Method pwm"]
    assert "pwm" in json.dumps(view["spec"]["section"]["runSets"][0]["filters"])
    shown = panels(view)
    assert list(shown) == ["Losses", "Metrics", "Pictures", "Videos", "Rows"]
    assert shown["Losses"][0]["config"]["metricRegex"] == "^train/.*"
    keys = [panel["config"]["mediaKeys"][0] for panel in shown["Pictures"]]
    assert {"pictures/val_self", "pictures/test_cross_worst"} <= set(keys)
    assert "videos/test_cross" in [panel["config"]["mediaKeys"][0] for panel in shown["Videos"]]


def test_the_views_are_printed(capsys):
    assert main(["dashboard", "--dry-run"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(list_methods()) + 1


def test_a_file_that_can_not_be_written_is_refused(tmp_path, capsys):
    assert main(["dashboard", "-o", str(tmp_path / "none" / "views.json")]) == 2
    assert "can't be written (No such file or directory)" in capsys.readouterr().err


def test_without_a_key_nothing_is_sent(monkeypatch, tmp_path, capsys):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert main(["dashboard"]) == 2
    assert "wandb login" in capsys.readouterr().err
