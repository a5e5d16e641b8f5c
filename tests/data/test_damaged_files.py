"""Files of stores and shards with any bytes changed give a result or the package's own error, and read nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from reenact.data.datamodules.clips import Clips
from reenact.data.store.pack import pack
from reenact.data.store.reader import Store
from reenact.data.store.root_files import INDEX, MANIFEST
from reenact.data.store.shards import Shards
from reenact.errors import ReenactError

from .made_store import made_store

CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)
CUTS = st.floats(0, 1)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5),
    st.just("../../outside.tar"), st.just("/etc/passwd"), st.just("1/0"), st.just("[" * 100_000), st.just("{}"),
)  # fmt: skip
JSON_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=3),
    st.just(["../../outside.tar"]), st.just({"a": 1}), st.just([[]]),
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("damaged") / "store", identities=3, clips=1)


@pytest.fixture(scope="module")
def shards(root):
    pack(root, out=root.parent / "shards")
    return root.parent / "shards"


def mutated(content: bytes, changes, cut=1.0) -> bytes:
    data = bytearray(content)
    for place, value in changes:
        data[int(place * len(data))] = value
    return bytes(data[: max(1, round(cut * len(data)))])


def try_everything(path: Path) -> None:
    """Read all that the loaders read; nothing but `ReenactError` may come out."""
    try:
        prepared = Shards(str(path)) if (path / INDEX).exists() else Store(path)
        if isinstance(prepared, Store):
            list(prepared.scan())
            prepared.clips(status=None)
            prepared.sources()
            prepared.waiting()
        data = Clips(path, size=8, batch_size=1, num_workers=0, num_test_pairs=2)
        for clip in data.test_clips().index.ids[:2]:
            data.test_clips().read(int(clip), [0, 1])
        prepared.table.find("p0#0")
    except ReenactError:
        pass


@settings(max_examples=60)
@given(CHANGES, CUTS)
def test_any_bytes_of_an_index(root, shards, changes, cut):
    index = shards / INDEX
    content = index.read_bytes()
    try:
        for part in (1.0, cut):
            index.write_bytes(mutated(content, changes, part))
            try_everything(shards)
    finally:
        index.write_bytes(content)


@settings(max_examples=50)
@given(st.sampled_from(["schema", "info", "splits", "shards", "sizes"]), JSON_VALUES, st.data())
def test_any_value_of_an_index(root, shards, key, value, data):
    index = shards / INDEX
    content = index.read_bytes()
    arrays = load(content)
    header = json.loads(arrays["header"].tobytes())
    if key == "info" and data.draw(st.booleans()):
        header["info"][data.draw(st.sampled_from(list(header["info"])))] = value
    else:
        header[key] = value
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    try:
        index.write_bytes(save(arrays))
        try_everything(shards)
    finally:
        index.write_bytes(content)


@pytest.mark.parametrize("name", ["../../outside.tar", "/etc/passwd", "reenact-1.tar", "..", "reenact-00000.tar/x"])
def test_an_index_names_shards_beside_it_alone(shards, tmp_path, name):
    copy = tmp_path / "shards"
    shutil.copytree(shards, copy)
    arrays = load((copy / INDEX).read_bytes())
    header = json.loads(arrays["header"].tobytes()) | {"shards": [name]}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    (copy / INDEX).write_bytes(save(arrays))
    with pytest.raises(ReenactError, match=r"clips\.safetensors is damaged"):
        Shards(str(copy))


@settings(max_examples=60)
@given(CHANGES, CUTS, st.booleans())
def test_any_bytes_of_a_clips_files(root, changes, cut, header):
    store = Store(root)
    path = store.arrays_path("p2#0") if header else store.frames_path("p2#0")
    content = path.read_bytes()
    near = [(place * min(1.0, 1500 / len(content)), value) for place, value in changes]
    try:
        for part in (1.0, cut):
            path.write_bytes(mutated(content, near if header else changes, part))
            try_everything(root)
    finally:
        path.write_bytes(content)


@settings(max_examples=60)
@given(CHANGES)
def test_any_bytes_of_a_manifest(root, changes):
    manifest = root / MANIFEST
    content = manifest.read_bytes()
    try:
        manifest.write_bytes(mutated(content, changes))
        try_everything(root)
    finally:
        manifest.write_bytes(content)


@settings(max_examples=50)
@given(
    st.sampled_from(["name", "split", "identity", "reason", "source", "num_frames", "fps", "error", "seconds", "key"]),
    VALUES,
    st.sampled_from(["schema", "face_model", "size", "recipe", "fields"]),
    VALUES,
)
def test_any_value_of_a_manifest(root, column, value, key, setting):
    manifest = root / MANIFEST
    content = manifest.read_bytes()
    for statement, values in (
        (f"UPDATE OR IGNORE clips SET {column} = ? WHERE name = 'p2#0'", (value,)),
        ("UPDATE store SET value = ? WHERE key = ?", (setting, key)),
    ):
        try:
            with closing(sqlite3.connect(manifest)) as database, database:
                database.execute(statement, values)
        except (sqlite3.Error, OverflowError, UnicodeEncodeError):
            continue
        try:
            try_everything(root)
        finally:
            manifest.write_bytes(content)


def test_a_column_whose_name_is_no_text_is_damage(root):
    manifest = root / MANIFEST
    content = manifest.read_bytes()
    assert b"source_width" in content
    try:
        manifest.write_bytes(content.replace(b"source_width", b"source_widt\xb1"))
        for read in (lambda store: list(store.scan()), lambda store: store.clips(), lambda store: store.clip("p2#0")):
            with pytest.raises(ReenactError, match="is damaged"):
                read(Store(root))
    finally:
        manifest.write_bytes(content)


def test_a_picture_that_states_a_huge_size_is_damaged(root):
    store = Store(root)
    path = store.frames_path("p2#0")
    content = path.read_bytes()
    mark = content.index(b"\xff\xc0")
    try:
        path.write_bytes(content[: mark + 5] + b"\xff\xff\xff\xff" + content[mark + 9 :])
        with pytest.raises(ReenactError, match="is damaged"):
            store.read(store.clip("p2#0"), [0])
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_of_a_store_have_the_rights_that_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        root = made_store(tmp_path / "store", identities=1, clips=1)
    finally:
        os.umask(before)
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".manifest.lock"]
    assert {path.suffix for path in files} >= {".mov", ".safetensors", ".sqlite"}
    # SQLite makes its file with 0644, and the lock's mode is its own.
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in files if path.suffix != ".sqlite"}
    assert set(modes.values()) == {0o666 & ~mask}
