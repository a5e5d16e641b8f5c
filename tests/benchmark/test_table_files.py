"""Files of tables: what is read, what is refused, and that nothing else ever happens."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reenact.benchmark import forms, report, spec
from reenact.benchmark.columns import assign_metrics
from reenact.benchmark.job import Result
from reenact.benchmark.page import render_page
from reenact.benchmark.terminal import write_text
from reenact.errors import ReenactError

TEXTS = {name: spec.find_table(name).read_text(encoding="utf-8") for name in spec.table_names()}
PLACES = ["id", "rows.0.id", "rows.0.model", "columns.0.id", "data.train", "data.test", "data.sources",
          "scale", "pairs"]  # fmt: skip


def changed(place: str, value: object, name: str = "mmfa.table1") -> str:
    content = yaml.safe_load(TEXTS[name])
    *way, last = place.split(".")
    part = content
    for step in way:
        part = part[int(step)] if step.isdigit() else part.setdefault(step, {})
    part[last] = value
    return yaml.safe_dump(content)


def load(folder: Path, text: str | bytes) -> spec.Table:
    path = folder / "t.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return spec.load_table(str(path))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ["../../x", "/abs/x", "..", ".x", "a/b", "a b", "a\\b", "a:b", "x" * 300, "a\nb"])
def test_ids_of_tables_are_names(tmp_path, place, value):
    with pytest.raises(ReenactError, match="is no table"):
        load(tmp_path, changed(place, value))


@pytest.mark.parametrize("value", ["/../x", "/x", "_b/..", "a b", "a\nb"])
def test_what_is_added_to_a_stores_name_is_part_of_a_name(tmp_path, value):
    with pytest.raises(ReenactError, match=r"is no table: rows\.0\.store"):
        load(tmp_path, changed("rows.0.store", value))


@pytest.mark.parametrize("place", ["overrides", "rows.0.overrides"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("config", "x.yaml"),
        ("out", "/tmp/x"),
        ("ckpt_path", "x.ckpt"),
        ("trainer.strategy.class_path", "subprocess.Popen"),
        ("trainer.strategy", {"class_path": "subprocess.Popen"}),
        ("trainer.strategy", "{class_path: subprocess.Popen}"),
        ("trainer.callbacks", ["{class_path: subprocess.Popen}"]),
        ("trainer.callbacks", [{"class_path": "subprocess.Popen"}]),
        ("data.size", "--config"),
        ("data.size --config", "x"),
    ],
)
def test_options_of_tables_are_values(tmp_path, place, option, value):
    with pytest.raises(ReenactError, match="is no table"):
        load(tmp_path, changed(place, {option: value}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed("columns.0.decimals", 10**9), "less than or equal to 8"),
        (changed("rows.0.values", {"same.fid": float("nan")}), "finite"),
        (changed("rows.0.values", {"same.fid": "9"}), "valid number"),
        (changed("rows.0.value", {}), "rows.*value: Extra inputs"),
        (changed("seed", -1), "seed: "),
        (changed("title", "two\nlines"), "title: "),
        (changed("rows", "none"), "rows"),
        (TEXTS["quick"] + "rows: zoo\n", "rows stands twice"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("[" * 5000, "can't be read"),
        ("id: 2024-13-45\n", "can't be read"),
        (b"\xff\xfe\x00", "can't be read"),
        (b"# " + b"x" * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path, text, says):
    with pytest.raises(ReenactError, match=says):
        load(tmp_path, text)


@pytest.mark.parametrize("ids", [("a", "a"), ("a", "A")])
def test_two_rows_need_two_folders(tmp_path, ids):
    rows = [{"id": name, "method": "x", "kind": "own"} for name in ids]
    with pytest.raises(ReenactError, match="two rows have one id"):
        load(tmp_path, changed("rows", rows))


def spoiled(text: str, number: int) -> bytes:
    """A table with a few changes: parts replaced by other values, or its bytes cut, flipped and repeated."""
    draw = random.Random(number)
    values = [None, True, -1, 0, 1e308, float("nan"), "", "x", "../x", "zoo", [], {}, [[]], "a\x00b", "\ud800", 10**30,
              "[bold]x[/nope]", "<b>&", "\\input{x}", {"class_path": "os.system"}, b"x", {1: 2}]  # fmt: skip
    content = yaml.safe_load(text)
    for _ in range(draw.randint(1, 3)):
        part = content
        while True:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(part[key], dict | list) and draw.random() < 0.7:
                part = part[key]
                continue
            part[key] = draw.choice(values)
            break
    if draw.random() < 0.6:
        return yaml.safe_dump(content).encode("utf-8", "surrogatepass")
    data = bytearray(text.encode())
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(data))
        stop = min(len(data), start + draw.randint(1, 40))
        data[start:stop] = draw.choice([b"", bytes(draw.randrange(256) for _ in range(4)), data[start:stop] * 2])
    return bytes(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(set(TEXTS) - {"quick"})), number=st.integers(0, 2**32))
def test_a_spoiled_table_is_a_table_or_a_sentence(tmp_path, name, number):
    try:
        table = load(tmp_path, spoiled(TEXTS[name], number))
        measured = assign_metrics(table.columns, synthetic=True)
    except ReenactError:
        return
    results = [Result(row=row, scores={}, problem="not run") for row in table.rows]
    made = report.build_report(table, measured, results, tmp_path, ["x"], own_data=True)
    for text in (
        forms.render_markdown(made),
        forms.comma_separated(made),
        forms.render_latex(made),
        render_page(made, tmp_path),
    ):
        text.encode()
    out = io.StringIO()
    write_text(made, out, 80)
    assert max(map(len, out.getvalue().splitlines())) <= 80
