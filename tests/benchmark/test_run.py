"""`reenact benchmark` on a small table: its four forms, interruption, and what makes a row run again."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from cli.conftest import HERE

from reenact.benchmark import inputs, rows, spec
from reenact.benchmark.terminal import command_lines
from reenact.benchmark.work import lock_folder, run_command
from reenact.cli import main
from reenact.methods.method import Method
from reenact.runs import presets

OUT = Path("runs/benchmark/mini")


def benchmark(table: Path, *words: str) -> int:
    return main(["benchmark", str(table), *words])


def numbers(out: Path = OUT) -> dict[str, dict[str, str]]:
    with (out / "table.csv").open(newline="") as file:
        return {row["row"]: row for row in csv.DictReader(file)}


def change(table: Path, **parts: object) -> None:
    content = yaml.safe_load(table.read_text())
    table.write_text(yaml.safe_dump({**content, **parts}, sort_keys=False))


class Page(HTMLParser):
    """The cells and links of a page; fails on tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        if tag not in ("img", "meta"):
            self.open.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_columns_of_costs_are_measured_with_the_scores(table, runs, capsys):
    columns = [
        {"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2},
        {"id": "cost.seconds", "metric": "seconds", "loader": "cost", "direction": "down", "decimals": 4},
        {"id": "cost.gmacs", "metric": "gmacs", "loader": "cost", "direction": "down", "decimals": 3},
        {"id": "cost.tera", "metric": "teramacs", "loader": "cost", "direction": "down", "decimals": 3},
    ]
    content = yaml.safe_load(table.read_text())
    change(table, columns=columns, rows=[{**content["rows"][0], "values": {}}])
    assert benchmark(table) == 0
    row = numbers()["one"]
    assert float(row["cost.seconds"]) > 0
    assert float(row["cost.gmacs"]) >= 0
    assert row["cost.tera"] == ""
    assert "cost of a frame" in capsys.readouterr().out
    assert "gmacs" in (OUT / "table.md").read_text()
    assert r"{Cost of a frame}" in (OUT / "table.tex").read_text()
    assert not (OUT / "rows" / "one" / "frames_cost.parquet").exists()


def test_a_table_has_four_forms_and_is_not_run_twice(table, runs, capsys):
    assert benchmark(table) == 0
    assert runs.kinds == ["fit", "test", "fit", "test"]
    found = numbers()
    ours = float(found["one"]["self.psnr"])
    assert 5 < ours < 30
    # The stand-in's world is named synthetic and the table is a paper's: nothing may be subtracted.
    assert (found["one"]["self.psnr.paper"], found["one"]["self.psnr.difference"]) == ("20.5", "")
    assert found["fast"]["self.psnr"] != found["one"]["self.psnr"]
    assert "wanted picture" in found["one"]["notes"]
    assert found["later"]["notes"] == "its method or preset is not in the zoo yet"
    assert (found["other"]["self.l1"], found["other"]["self.l1.paper"]) == ("", "0.1")
    markdown = (OUT / "table.md").read_text()
    assert re.search(rf"\| One & only \[\d\] \| \**{ours:.2f} \(20\.50\)\** \|", markdown)
    assert "- The paper does not say more." in markdown
    assert markdown.count("**") == 4  # one best in each of two columns
    latex = (OUT / "table.tex").read_text()
    assert r"One \& only\tnote{" in latex
    assert r"Later\_1" in latex
    page = Page()
    text = (OUT / "table.html").read_text()
    page.feed(text)
    assert page.open == []
    assert page.rows == 6
    assert [str(image) for image in page.images if not (OUT / image).is_file()] == []
    assert page.images[:2] == ["comparison_self.png", "comparison_cross.png"]
    assert len(page.images) == 6
    assert "One &amp; only" in text
    assert "self-reenactment" in capsys.readouterr().out
    assert (OUT / "rows" / "one" / "frames_cross.parquet").is_file()
    runs.forget()
    assert benchmark(table) == 0
    assert runs.kinds == []
    assert numbers() == found


def test_differences_are_given_on_the_tables_own_data(table, runs):
    change(table, paper="")
    assert benchmark(table, "--row", "one") == 0
    one = numbers()["one"]
    assert float(one["self.psnr.difference"]) == pytest.approx(float(one["self.psnr"]) - 20.5)


def test_an_interrupted_table_goes_on(table, runs):
    runs.interrupt_at = 2
    assert benchmark(table) == 130
    assert numbers()["one"]["self.psnr"]
    assert not numbers()["fast"]["self.psnr"]
    runs.forget()
    assert benchmark(table) == 0
    assert runs.kinds == ["fit", "test"]
    assert numbers()["fast"]["self.psnr"]


def test_training_goes_on_from_its_last_checkpoint(table, runs, finish):
    """Interrupted in training: the folder has a checkpoint and is not marked as done."""
    finish("--row", "one")
    (run,) = Path("runs/benchmark/models").iterdir()
    (run / "done.json").unlink()
    change(table, title="Another title")
    assert benchmark(table, "--row", "one") == 0
    assert runs.words[0] == ("fit", str(run))
    assert runs.kinds == ["fit"]  # at its end already, and the same weights have their scores


def test_a_training_without_a_checkpoint_starts_again(table, runs, finish):
    finish("--row", "one")
    (run,) = Path("runs/benchmark/models").iterdir()
    (run / "done.json").unlink()
    (run / "checkpoints" / "last.ckpt").unlink()
    assert benchmark(table, "--row", "one") == 0
    assert runs.kinds[0] == "fit"
    assert (run / "checkpoints" / "last.ckpt").is_file()


def test_a_changed_option_runs_its_row_alone(table, runs, finish):
    finish()
    content = yaml.safe_load(table.read_text())
    content["rows"][1]["overrides"]["model.lr"] = 0.125
    change(table, rows=content["rows"])
    assert benchmark(table) == 0
    assert runs.kinds == ["fit", "test"]
    assert "/fast/" in runs.words[1][1]


def test_all_rows_on_the_world_are_drawn_at_the_size_of_the_scale(table, runs):
    overlay = presets.presets_folder() / "scale" / "tiny" / "standin.yaml"
    overlay.parent.mkdir()
    overlay.write_text("data: {init_args: {size: 4}}\n")
    assert benchmark(table, "--row", "one") == 0
    for _, run in runs.words:
        assert yaml.safe_load(Path(run, "config.yaml").read_text())["data"]["init_args"]["size"] == 8


def test_a_network_of_one_size_gets_that_of_the_table(table, runs, monkeypatch):
    method = Method(
        name="standin", summary="", paper="", needs="", class_path=f"{HERE}.Method", size_option="model.widths.channels"
    )
    monkeypatch.setattr(rows, "find_method_of_preset", lambda preset: method)
    assert benchmark(table, "--row", "one") == 0
    for _, run in runs.words:
        assert yaml.safe_load(Path(run, "config.yaml").read_text())["model"]["init_args"]["widths"]["channels"] == 8


def test_rows_that_were_not_asked_for_are_kept_and_say_so(table, runs, finish):
    finish()
    before = numbers()["one"]
    assert "earlier" not in before["notes"]
    assert benchmark(table, "--row", "fast") == 0
    assert numbers()["one"]["self.psnr"] == before["self.psnr"]
    assert "of an earlier call" in numbers()["one"]["notes"]
    assert "earlier" not in numbers()["fast"]["notes"]


def test_changed_metrics_score_again_without_training(table, runs, finish):
    finish("--row", "one")
    columns = yaml.safe_load(table.read_text())["columns"]
    change(table, columns=[*columns, {**columns[0], "id": "self.ssim", "metric": "ssim"}])
    assert benchmark(table, "--row", "one") == 0
    assert runs.kinds == ["test"]


def test_other_weights_are_scored_again(table, runs, finish):
    finish()
    checkpoints = [run / "checkpoints" / "last.ckpt" for run in Path("runs/benchmark/models").iterdir()]
    before = numbers()["one"]["self.psnr"]
    for checkpoint in checkpoints:
        assert benchmark(table, "--row", "one", "--checkpoint", f"one={checkpoint}") == 0
    assert "fit" not in runs.kinds
    assert numbers()["one"]["self.psnr"] != before or runs.kinds == ["test", "test"]
    assert "given checkpoint last.ckpt" in numbers()["one"]["notes"]


def test_a_training_is_repeated_for_its_methods_version_not_for_its_code(table, runs, finish, monkeypatch):
    finish("--row", "one")
    monkeypatch.setattr(inputs, "hash_code", lambda modules: "another")
    assert benchmark(table, "--row", "one") == 0
    assert runs.kinds == ["test"]
    runs.forget()
    method = Method(name="standin", summary="", paper="", needs="", class_path=f"{HERE}.Method", version=2)
    monkeypatch.setattr(inputs, "list_methods", lambda: (method,))
    assert benchmark(table, "--row", "one") == 0
    assert runs.kinds[0] == "fit"


def test_changed_code_runs_the_rows_that_use_it(tmp_path, monkeypatch):
    package = tmp_path / "reenact"
    for name, text in {
        "a.py": "from reenact import b\nimport os\n",
        "b.py": "def f():\n    import reenact.c\n",
        "c.py": "x = 1\n",
        "d/__init__.py": "from reenact.d.e import y\n",
        "d/e.py": "y = 1\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.setattr(inputs, "PACKAGE", package)

    def both() -> tuple[str, str]:
        inputs._imported_modules.cache_clear()
        inputs._plain_code.cache_clear()
        return inputs.hash_code(["reenact.a"]), inputs.hash_code(["reenact.d"])

    first, second = both()
    (package / "c.py").write_text("x = 2\n")  # imported by a function alone
    assert both() == (first, second)
    (package / "b.py").write_text('"""B."""\nimport reenact\n\n\ndef f():\n    """F."""\n    import reenact.c  # why\n')
    assert both() != (first, second)  # an import more
    (package / "b.py").write_text('"""B."""\n\n\ndef f():\n    """F."""\n    import reenact.c  # why\n')
    assert both() == (first, second)  # a docstring more, a comment more
    (package / "b.py").write_text("z = 1\n")
    assert both()[0] != first
    assert both()[1] == second
    (package / "d" / "e.py").write_text("y = 2\n")
    assert both()[1] != second


def test_without_training_rows_say_so(table, runs):
    assert benchmark(table, "--no-train") == 0
    assert runs.kinds == []
    assert "--no-train" in numbers()["one"]["notes"]


def test_a_row_that_breaks_does_not_stop_the_others(table, runs):
    content = yaml.safe_load(table.read_text())
    content["rows"][0]["overrides"] = {"model.lrr": 1}
    change(table, rows=content["rows"])
    assert benchmark(table) == 1
    assert "model.lrr: no such option" in numbers()["one"]["notes"]
    assert numbers()["fast"]["self.psnr"]


def test_with_weights_and_biases_every_run_and_the_table_are_logged(table, runs, monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    out = tmp_path / "out"  # the service that writes the files has a working folder of its own
    assert benchmark(table, "--row", "one", "--logger", "wandb", "--out", str(out)) == 0
    kept = sorted(path.relative_to(out).parts[0] for path in out.rglob("offline-run-*"))
    assert kept == ["mini", "models", "wandb"]  # the test, the training, the table


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--row", "two"], "--row two: mini has no such row"),
        (["--checkpoint", "one"], "expected ROW=FILE"),
        (["--checkpoint", "one=none.ckpt"], "there is no such file"),
        (["--scale", "huge"], "--scale huge: no such preset"),
        (["--logger", "paper"], "--logger paper: no such preset"),
    ],
)
def test_refusals(table, runs, capsys, words, says):
    assert benchmark(table, *words) == 2
    assert says in capsys.readouterr().err


def test_a_folder_serves_one_benchmark_at_a_time(table, runs, capsys):
    with lock_folder(Path("runs/benchmark")):
        assert benchmark(table) == 2
    assert "in use by another benchmark" in capsys.readouterr().err


def test_stores_that_are_missing_are_named(table, runs):
    change(table, data={"train": "voxceleb1", "test": "celebv"}, pairs="bfm_flow_celebv")
    assert benchmark(table) == 0
    assert "no store at data/voxceleb1, data/celebv" in numbers()["one"]["notes"]


def test_the_list_says_what_can_run(capsys):
    assert main(["benchmark", "--list"]) == 0
    out = capsys.readouterr().out
    for name in spec.table_names():
        assert f"\n{name}: " in f"\n{out}"
    assert "no store voxceleb1" in out
    assert "Table 1 (VoxCeleb1)" in out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_training_save_its_step_and_it_goes_on(tmp_path, number):
    """The real thing: processes, a method of the zoo, the synthetic world."""
    table = {
        "id": "real", "title": "One row", "data": {"train": "synthetic", "test": "synthetic"}, "scale": "tiny",
        "overrides": {"trainer.max_steps": 12, "data.num_test_pairs": 4, "data.num_workers": 0,
                      "trainer.log_every_n_steps": 1, "data.size": 64, "trainer.limit_val_batches": 0},
        "columns": [{"id": "self.psnr", "metric": "psnr", "loader": "self", "direction": "up", "decimals": 2}],
        "rows": [{"id": "disp", "method": "disp", "kind": "own", "model": "pwm_flame_disp"}],
    }  # fmt: skip
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(table))
    words = [sys.executable, "-m", "reenact", "benchmark", "real.yaml", "--out", "out"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 3/"):
            break
    process.send_signal(number)
    process.stdout.read()
    assert process.wait(timeout=120) == 130
    (run,) = (tmp_path / "out" / "models").iterdir()
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert not (run / "done.json").exists()
    time.sleep(0.1)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "training goes on" in done.stdout
    with (run / "metrics.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row.get("train/generator")]
    assert steps == sorted(set(steps)) == list(range(12))
    row = numbers(tmp_path / "out" / "real")["disp"]
    assert float(row["self.psnr"]) > 5
    assert "scale tiny, perceptual loss pixels; sha256" in row["notes"]


def test_scores_beside_a_row_of_the_zoo_are_not_the_rows_own(table, runs):
    """A file that somebody put there, without the mark of a finished row."""
    assert benchmark(table, "--row", "one") == 0
    (OUT / "rows" / "fast").mkdir()
    text = (OUT / "rows" / "one" / "scores.json").read_text()
    content = json.loads(text)
    content["loaders"]["self"][0]["value"] = 100.0
    content["frames"]["self"]["targets"] = "0" * 64
    (OUT / "rows" / "fast" / "scores.json").write_text(json.dumps(content))
    assert benchmark(table, "--row", "one") == 0
    assert numbers()["fast"]["self.psnr"] == ""
    assert "other driving frames than the table's" in numbers()["fast"]["notes"]


def test_frames_of_another_program_are_held_against_a_row_that_was_run(table, runs):
    assert benchmark(table, "--row", "one") == 0
    (OUT / "rows" / "other").mkdir()
    content = json.loads((OUT / "rows" / "one" / "scores.json").read_text())
    content["about"] = {"generated": "theirs"}
    (OUT / "rows" / "other" / "scores.json").write_text(json.dumps(content))
    assert benchmark(table, "--row", "other") == 0
    assert numbers()["other"]["self.l1"] == numbers()["one"]["self.l1"]
    assert "frames of theirs" in numbers()["other"]["notes"]


def test_commands_of_a_row_import_nothing_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("difflib", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)\n")
    with lock_folder(tmp_path / "out") as lock:
        outcome = run_command(["--version"], tmp_path / "log.txt", lock)
    assert outcome.done, outcome.problem


def test_the_terminal_has_80_columns_and_commands_to_copy(table, runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    columns = [{"id": f"{kind}.m{n}", "metric": "l1", "loader": kind, "direction": "down", "decimals": 5}
               for kind in ("self", "cross") for n in range(9)]  # fmt: skip
    rows = yaml.safe_load(table.read_text())["rows"]
    values = {column["id"]: 105.21612 for column in columns}
    change(table, columns=columns, rows=[{**row, "method": row["method"] * 4, "values": dict(values)} for row in rows])
    assert benchmark(table, "--no-train") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.count("105.21612") for line in lines) == len(rows) * len(columns)
    command = "reenact evaluate --generated a/b --metrics 'csim[arcface-r50]' psnr --out c"
    text = "\n".join(command_lines(command, 40))
    assert shlex.split(text.replace("\\\n", "")) == shlex.split(command)
    assert max(map(len, text.splitlines())) <= 40


def test_latex_is_a_paper_s_table(table, runs):
    assert benchmark(table) == 0
    text = (OUT / "table.tex").read_text()
    body = text[text.index(r"\begin{table*}") :]
    for name in ("table*", "threeparttable", "tabular", "tablenotes"):
        assert body.count(rf"\begin{{{name}}}") == body.count(rf"\end{{{name}}}") == 1
    for rule in ("toprule", "midrule", "bottomrule", "caption", "label"):
        assert body.count(rf"\{rule}") == 1
    assert r"\multicolumn{2}{c}{Self-reenactment} & \multicolumn{1}{c}{Cross-reenactment}" in body
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in body
    assert body.count(r"\textbf{") == (OUT / "table.md").read_text().count("**") / 2 >= 2
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "&" in line]
    assert {
        re.sub(r"\\multicolumn\{(\d)\}", lambda m: "&" * (int(m[1]) - 1), line).count("&") for line in rows[:1]
    } == {3}
    assert {re.sub(r"\\&", "", line).count("&") for line in rows[1:]} == {3}
    letters = re.findall(r"\\item\[(\w)\]", body)
    assert letters == sorted(set(letters))
    assert {letter for mark in re.findall(r"\\tnote\{([\w,]+)\}", body) for letter in mark.split(",")} == set(letters)
    assert "`" not in body
    assert "sha256" not in body
