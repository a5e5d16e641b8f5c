from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest
import torch
import webdataset
from safetensors.numpy import load

from reenact.data.datamodules.clips import Clips
from reenact.data.store import pack as packing
from reenact.data.store.pack import pack, parse_size
from reenact.data.store.prepared import open_prepared
from reenact.data.store.reader import Store
from reenact.data.store.root_files import INDEX, MANIFEST
from reenact.data.store.shards import Shards
from reenact.data.store.writer import build_failed_record
from reenact.errors import ReenactError

from .made_store import add_clip, made_store, made_writer

SHARD = "20KB"  # some clips each


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("shards") / "store", identities=5, clips=2)


@pytest.fixture(scope="module")
def shards(root):
    out = root.parent / "shards"
    pack(root, out=out, shard_size=SHARD)
    return out


@pytest.fixture
def copy(root, tmp_path):
    pack(root, out=tmp_path / "shards", shard_size=SHARD)
    return tmp_path / "shards"


def samples(where, workers=0):
    data = Clips(where, size=24, batch_size=3, num_workers=workers, pairs_per_epoch=30, num_val_pairs=6)
    loaders = [data.train_dataloader(), *data.val_dataloader().values()]
    return [batch for loader in loaders for batch in islice(loader, 4)]


def same(first, second):
    return len(first) == len(second) and all(
        (a.source.clip, a.source.identity, a.driving.clip) == (b.source.clip, b.source.identity, b.driving.clip)
        and torch.equal(a.source.frame, b.source.frame)
        and torch.equal(a.source.image, b.source.image)
        and torch.equal(a.driving.image, b.driving.image)
        and torch.equal(a.source.landmarks, b.source.landmarks)
        and torch.equal(a.driving.params.expression, b.driving.params.expression)
        for a, b in zip(first, second, strict=True)
    )


def test_shards_give_the_samples_of_the_store(root, shards):
    assert len(list(shards.glob("*.tar"))) > 2
    store = samples(root)
    assert same(samples(shards), store)
    assert same(samples(shards, workers=2), store)
    assert Shards(str(shards)).info == Store(root).info


def test_shards_behind_a_url(root, shards, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.put(f"{shards}/", "/bucket/shards/", recursive=True)
    store = samples(root)
    assert same(samples("memory://bucket/shards"), store)
    assert same(samples("memory://bucket/shards/", workers=2), store)
    memory.rm("/bucket", recursive=True)


class Ranges(SimpleHTTPRequestHandler):
    """Serves parts of files, as object storage does."""

    def log_message(self, *words):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None or not path.is_file():
            return super().do_GET()
        with path.open("rb") as file:
            file.seek(int(wanted[1]))
            part = file.read(int(wanted[2]) + 1 - int(wanted[1]))
        self.send_response(206)
        last = int(wanted[1]) + len(part) - 1
        self.send_header("Content-Range", f"bytes {wanted[1]}-{last}/{path.stat().st_size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        return None


@contextmanager
def served(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_connections_are_made_in_each_loading_process(root, shards):
    with served(shards) as url:
        assert same(samples(url), samples(root))
        assert same(samples(url, workers=2), samples(root))


def test_a_chained_url_keeps_whole_shards_in_a_folder(root, shards, tmp_path, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "filecache", {"cache_storage": str(tmp_path / "kept")})
    with served(shards) as url:
        assert same(samples(f"filecache::{url}"), samples(root))
        kept = {path.stat().st_size for path in (tmp_path / "kept").iterdir()}
    assert kept >= {path.stat().st_size for path in shards.glob("*.tar")}


def test_the_webdataset_package_reads_shards(root, shards):
    store, seen = Store(root), []
    urls = sorted(str(path) for path in shards.glob("*.tar"))
    for sample in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False):
        described = json.loads(sample["json"])
        record = store.clip(described["name"])
        assert (described["identity"], described["num_frames"]) == (record.identity, record.num_frames)
        assert sample["mov"] == store.frames_path(record.name).read_bytes()
        first, length = load(sample["safetensors"])["places"][3]
        image = cv2.imdecode(np.frombuffer(sample["mov"][first : first + length], np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.array_equal(image, ((store.read(record, [3]).image[0] + 1) * 127.5).round().permute(1, 2, 0))
        seen.append(record.name)
    assert sorted(seen) == [clip.name for clip in store.clips()] != seen


def test_packing_again_does_nothing(root, copy):
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in copy.glob("*.tar")}
    index = (copy / INDEX).read_bytes()
    pack(root, out=copy, shard_size=SHARD)
    assert before == {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in copy.glob("*.tar")}
    assert index == (copy / INDEX).read_bytes()


def test_an_interrupted_run_goes_on(root, shards, tmp_path, monkeypatch):
    out, plain = tmp_path / "out", packing._write_shard

    def until_the_third(path, members):
        if path.name == "reenact-00002.tar":
            (out / "reenact-00002.tar.part").write_bytes(b"half")  # as a kill leaves it
            raise KeyboardInterrupt
        return plain(path, members)

    monkeypatch.setattr(packing, "_write_shard", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        pack(root, out=out, shard_size=SHARD)
    assert not (out / INDEX).exists()
    with pytest.raises(ReenactError, match="is not a store"):
        open_prepared(out)
    written = []
    monkeypatch.setattr(
        packing, "_write_shard", lambda path, members: written.append(path.name) or plain(path, members)
    )
    pack(root, out=out, shard_size=SHARD)
    assert written[0] == "reenact-00002.tar"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in shards.iterdir()
    }


def test_a_store_that_grew_or_changed_is_packed_again(tmp_path):
    store = made_store(tmp_path / "store", identities=4)
    out = tmp_path / "out"
    pack(store, out=out, shard_size=SHARD)
    writer = made_writer(store)
    writer.put(build_failed_record("bad", split="train", identity="bad", source="", key="", reason="no face"))
    add_clip(writer, "p9#0", 14)
    pack(store, out=out, shard_size=SHARD)
    assert same(samples(out), samples(store))
    with closing(sqlite3.connect(store / MANIFEST)) as database, database:
        database.execute("UPDATE clips SET key = 'yek' WHERE name = 'p0#0'")
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    pack(store, out=out, shard_size=SHARD)
    assert sum(path.stat().st_mtime_ns != before[path.name] for path in out.glob("*.tar")) == 1
    pack(store, out=out)
    assert [path.name for path in sorted(out.iterdir())] == [INDEX, "reenact-00000.tar"]
    assert same(samples(out), samples(store))


def sentence(run, words):
    with pytest.raises(ReenactError, match=words) as error:
        run()
    assert "\n" not in str(error.value)


def test_damaged_shards_are_named(root, copy):
    shard = copy / "reenact-00001.tar"
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2])
    sentence(lambda: Shards(str(copy)), r"reenact-00001.tar has \d+ bytes instead of \d+; copy the shards again")
    shard.unlink()
    sentence(lambda: Shards(str(copy)), "reenact-00001.tar is missing; copy")
    shard.write_bytes(bytes(len(data)))
    sentence(lambda: samples(copy), "reenact-00001.tar of clip p.* is damaged; copy the shards again")
    index = (copy / INDEX).read_bytes()
    for damage in (index[:-40], b"", index[:100] + bytes(len(index) - 100)):
        (copy / INDEX).write_bytes(damage)
        sentence(lambda: open_prepared(copy), f"{INDEX} is damaged")
    (copy / INDEX).write_bytes(index.replace(b'"schema": 1', b'"schema": 9'))
    sentence(lambda: open_prepared(copy), "has schema 9, this version reads 1")


def test_a_shard_half_uploaded_or_gone(shards):
    memory = fsspec.filesystem("memory")
    memory.put(f"{shards}/", "/half/", recursive=True)
    memory.pipe_file("/half/reenact-00001.tar", (shards / "reenact-00001.tar").read_bytes()[:3000])
    sentence(lambda: samples("memory://half"), "reenact-00001.tar of clip p.* is damaged")
    memory.rm("/half/reenact-00001.tar")
    sentence(lambda: samples("memory://half"), "memory://half can't be read")
    memory.rm("/half", recursive=True)


@pytest.mark.parametrize("url", ["memory://nowhere", "http://127.0.0.1:9/shards", "nothing://x", "abfs://c/x"])
def test_urls_that_lead_nowhere(url):
    sentence(lambda: Clips(url), url)


def test_what_pack_refuses(root, tmp_path):
    sentence(lambda: pack(tmp_path / "nowhere", out=tmp_path / "out"), "is not a store")
    sentence(lambda: pack(root, out=root), "holds other files .* give a new folder")
    (tmp_path / "file").touch()
    sentence(lambda: pack(root, out=tmp_path / "file"), "is a file")
    sentence(lambda: pack(root, out=tmp_path / "file" / "below"), "can't be used")
    sentence(lambda: pack(made_store(tmp_path / "empty", identities=0), out=tmp_path / "out"), "no usable clip")
    broken = made_store(tmp_path / "broken", identities=2)
    Store(broken).frames_path("p1#0").unlink()
    sentence(lambda: pack(broken, out=tmp_path / "out2"), "of clip p1#0 is missing; prepare the clip again")
    busy = tmp_path / "busy"
    busy.mkdir()
    descriptor = os.open(busy, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    sentence(lambda: pack(root, out=busy), "Another `reenact pack`")
    os.close(descriptor)


def test_sizes():
    assert [parse_size(text) for text in ("1GB", "500 MB", "1.5kb", "2GiB", "12")] == [
        10**9,
        5 * 10**8,
        1500,
        2**31,
        12,
    ]
    for text in ("", "big", "0MB", "-1GB", "1XB"):
        sentence(partial(parse_size, text), "is no size")


def test_lengths_that_disagree_are_named(root, shards):
    prepared = Shards(str(shards))
    place = replace(prepared.place(0), num_frames=99)
    sentence(lambda: prepared.reader.arrays(place, [3]), "has 99 frames but 12 rows")
