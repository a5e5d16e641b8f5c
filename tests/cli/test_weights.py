from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from reenact import assets
from reenact.assets import Asset, File, collect_assets
from reenact.assets.manifest import Manifest
from reenact.cli import doctor, main
from reenact.errors import ReenactError

WEIGHTS = {"encoder.weight": torch.arange(4.0)}
PACK = {"one.onnx": b"first", "two.onnx": b"second"}


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty folders of files, and a table of four made assets."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = (
        Asset(
            name="net",
            purpose="a network",
            files=(File("net/net.pth", holds=("encoder.",)),),
            licence="research only",
            source="ask its author",
        ),
        Asset(
            name="exact",
            purpose="a file with a digest",
            files=(File("exact.bin", digest(b"content"), 7),),
            licence="MIT",
            source="get",
            free=True,
        ),
        Asset(
            name="pack",
            purpose="two networks",
            files=tuple(File(f"packs/pack/{name}", digest(content)[:10]) for name, content in PACK.items()),
            licence="research only",
            source="ask",
            elsewhere="~/library/pack",
            pack=True,
        ),
        Asset(
            name="kinds",
            purpose="one of several",
            files=(File("kinds/a.ckpt"), File("kinds/b.ckpt"), File("kinds/c.npz")),
            licence="MIT",
            source="x",
        ),
    )
    table = {asset.name: asset for asset in made}
    monkeypatch.setattr(assets, "ASSETS", table)
    return tmp_path / "home"


def run(capsys, *words, code=0):
    assert main(["weights", *map(str, words)]) == code
    captured = capsys.readouterr()
    return (captured.err if code == 2 else captured.out).strip()


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_goes_in_is_found_and_checked(home, tmp_path, capsys):
    source = tmp_path / "downloaded.pth"
    torch.save(WEIGHTS, source)
    assert run(capsys, "path", "net", code=2).endswith(
        f"a network is missing: put net/net.pth under {home} (research only; ask its author)"
    )
    assert run(capsys, "add", "net", source) == f"net: {home / 'net/net.pth'}"
    assert (home / "net/net.pth").read_bytes() == source.read_bytes()
    assert files_in(home) == ["manifest.json", "net/net.pth"]
    assert run(capsys, "path", "net") == str(home / "net/net.pth")
    assert "as when it was added" in run(capsys, "check")
    torch.save({"encoder.weight": torch.zeros(4)}, home / "net/net.pth")
    assert "has changed since it was added" in run(capsys, "check", "net", code=1)
    (home / "manifest.json").unlink()
    assert "nobody publishes its SHA-256" in run(capsys, "check", "net")
    (home / "net/net.pth").write_bytes(source.read_bytes()[:100])
    assert "is damaged or not a weight file" in run(capsys, "check", "net", code=1)


def test_wrong_files_are_refused_and_leave_nothing(home, tmp_path, capsys):
    other, damaged, long, false = (tmp_path / name for name in ("other.pth", "damaged.pth", "long.bin", "false.bin"))
    torch.save({"decoder.weight": torch.zeros(1)}, other)
    damaged.write_bytes(b"PK" + bytes(50))
    long.write_bytes(b"content and more")
    false.write_bytes(b"CONTENT")
    expected = {
        ("net", other): "is not net.pth: it holds no encoder.",
        ("net", damaged): "is damaged or not a weight file",
        ("net", tmp_path): "is a folder: give the path of net.pth",
        ("net", tmp_path / "nothing"): "does not exist",
        ("exact", long): "it has 16 bytes, not 7",
        ("exact", false): f"its SHA-256 begins with {digest(b'CONTENT')[:12]}, not {digest(b'content')[:12]}",
        ("kinds", other): "rename it to a.ckpt or b.ckpt or c.npz",
    }
    for words, sentence in expected.items():
        assert sentence in run(capsys, "add", *words, code=2)
    assert not home.exists() or files_in(home) == []


def test_alternatives_are_told_by_name_or_kind(home, tmp_path, capsys):
    for name, target in {"b.ckpt": "b.ckpt", "whatever.npz": "c.npz"}.items():
        (tmp_path / name).write_bytes(b"anything")
        assert run(capsys, "add", "kinds", tmp_path / name) == f"kinds: {home / 'kinds' / target}"
    assert assets.locate_asset("kinds") == home / "kinds" / "b.ckpt"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_packs_from_folders_and_zips_however_deep(home, tmp_path, capsys, form):
    deep = tmp_path / "unpacked" / "pack" / "pack"
    deep.mkdir(parents=True)
    for name, content in {**PACK, "other.onnx": b"not needed"}.items():
        (deep / name).write_bytes(content)
    source = tmp_path / "unpacked"
    if form == "zip":
        source = tmp_path / "pack.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in deep.iterdir():
                archive.write(path, f"pack/{path.name}")
    assert run(capsys, "add", "pack", source) == f"pack: {home / 'packs/pack'}"
    assert files_in(home) == ["manifest.json", "packs/pack/one.onnx", "packs/pack/two.onnx"]
    assert "SHA-256 as published" in run(capsys, "check", "pack")
    # once more, over the one that is there
    run(capsys, "add", "pack", source)
    (home / "packs/pack/two.onnx").write_bytes(b"damaged")
    assert "is not two.onnx" in run(capsys, "check", code=1)
    (home / "packs/pack/two.onnx").unlink()
    assert "is incomplete, it lacks two.onnx" in run(capsys, "path", "pack", code=2)


def test_bad_packs(home, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no one.onnx: give the folder or the zip of pack" in run(capsys, "add", "pack", empty, code=2)
    (empty / "one.onnx").write_bytes(b"first")
    (empty / "two.onnx").write_bytes(b"another")
    assert "two.onnx is not two.onnx: its SHA-256" in run(capsys, "add", "pack", empty, code=2)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK nothing")
    assert "is damaged or no zip" in run(capsys, "add", "pack", broken, code=2)
    assert files_in(home) == []


def test_a_pack_of_another_library_is_found(home, tmp_path):
    theirs = tmp_path / "library" / "pack"
    theirs.mkdir(parents=True)
    (theirs / "one.onnx").write_bytes(b"first")
    assert assets.locate_asset("pack") is None
    with pytest.raises(ReenactError, match=r"library/pack is incomplete, it lacks two\.onnx"):
        assets.require_asset("pack")
    (theirs / "two.onnx").write_bytes(b"second")
    assert assets.locate_asset("pack") == theirs


def test_a_place_that_cannot_be_written(home, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    source = tmp_path / "exact.bin"
    source.write_bytes(b"content")
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "file" / "home"))
    assert "can't be written" in run(capsys, "add", "exact", source, code=2)
    monkeypatch.setenv("REENACT_HOME", str(home))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert "No space left on device): make room" in run(capsys, "add", "exact", source, code=2)
    assert files_in(home) == []


def test_wrong_words(home, capsys):
    assert "'frob': expected one of list, path" in run(capsys, "frob", code=2)
    assert "packk: no such file; did you mean pack?" in run(capsys, "path", "packk", code=2)
    assert "say which file" in run(capsys, "path", code=2)
    assert "say which file to add" in run(capsys, "add", "net", code=2)
    assert "only 'reenact weights add NAME FILE' takes a file" in run(capsys, "get", "net", "x", code=2)


@pytest.fixture
def server():
    """An address whose answers a test sets: path -> content, length to claim."""
    answers = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in answers:
                self.send_error(404)
                return
            content, length = answers[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}", answers
    service.shutdown()
    service.server_close()


def offer(name, url, **changes):
    asset = assets.ASSETS[name]
    assets.ASSETS[name] = Asset(**{**asset.__dict__, "url": url, **changes})


def test_free_files_are_fetched_others_after_a_yes_that_is_remembered(home, server, capsys):
    url, answers = server
    answers["/exact.bin"] = b"content", 7
    offer("exact", f"{url}/exact.bin")
    assert run(capsys, "get", "exact") == f"exact: {home / 'exact.bin'}"
    assert run(capsys, "get", "exact") == f"exact: {home / 'exact.bin'}"

    assert "net has no address to fetch from: ask its author" in run(capsys, "get", "net", code=2)
    torch.save(WEIGHTS, home / "made.pth")
    content = (home / "made.pth").read_bytes()
    answers["/whatever.pth"] = content, len(content)
    offer("net", f"{url}/whatever.pth")
    sentence = run(capsys, "get", "net", code=2)
    assert "not free for every use (research only)" in sentence
    assert "--accept-licence" in sentence
    assert assets.locate_asset("net") is None
    assert run(capsys, "get", "net", "--accept-licence") == f"net: {home / 'net/net.pth'}"
    (home / "net/net.pth").unlink()
    run(capsys, "get", "net")
    (home / "net/net.pth").unlink()
    offer("net", f"{url}/whatever.pth", licence="a new licence")
    assert "a new licence" in run(capsys, "get", "net", code=2)
    assert json.loads((home / "manifest.json").read_text())["accepted"] == {"net": "research only"}


def test_a_pack_is_fetched_as_a_zip(home, server, tmp_path, capsys):
    url, answers = server
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for name, content in PACK.items():
            archive.writestr(f"pack/{name}", content)
    content = (tmp_path / "pack.zip").read_bytes()
    answers["/pack.zip"] = content, len(content)
    offer("pack", f"{url}/pack.zip")
    assert run(capsys, "get", "pack", "--accept-licence") == f"pack: {home / 'packs/pack'}"
    assert files_in(home) == ["manifest.json", "packs/pack/one.onnx", "packs/pack/two.onnx"]


def test_a_pack_is_fetched_file_by_file(home, server, capsys):
    url, answers = server
    answers.update({f"/{name}": (content, len(content)) for name, content in PACK.items()})
    files = tuple(replace(file, url=f"{url}/{file.name}") for file in assets.ASSETS["pack"].files)
    offer("pack", url, files=files)
    sentence = run(capsys, "get", "pack", code=2)
    assert "not free for every use (research only)" in sentence
    answers["/two.onnx"] = b"broken", 6
    assert "two.onnx is not two.onnx" in run(capsys, "get", "pack", "--accept-licence", code=2)
    assert files_in(home) == ["manifest.json"]
    answers["/two.onnx"] = PACK["two.onnx"], len(PACK["two.onnx"])
    assert run(capsys, "get", "pack") == f"pack: {home / 'packs/pack'}"
    assert files_in(home) == ["manifest.json", "packs/pack/one.onnx", "packs/pack/two.onnx"]


def test_downloads_that_fail_leave_nothing(home, server, capsys):
    url, answers = server
    answers.update({"/short": (b"con", 7), "/other": (b"CONTENT", 7)})
    expected = {
        f"{url}/missing": "answers 404",
        f"{url}/short": "broke off after 3 of 7 bytes|can't be reached",
        f"{url}/other": "is not exact.bin: its SHA-256",
        "http://127.0.0.1:9/exact.bin": "can't be reached",
        "http://nowhere.invalid/exact.bin": "can't be reached",
    }
    for address, sentences in expected.items():
        offer("exact", address)
        answer = run(capsys, "get", "exact", code=2)
        assert any(sentence in answer for sentence in sentences.split("|"))
        assert len(answer.splitlines()) == 1
    assert files_in(home) == []


def test_the_real_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    table = collect_assets()
    paths = [file.path for asset in table.values() for file in asset.files]
    assert len(set(paths)) == len(paths)
    for asset in table.values():
        assert asset.url.startswith("https://") or not asset.url
        assert len({bool(file.url) for file in asset.files}) == 1
        assert asset.url or "reenact weights get" not in asset.source
        assert not asset.pack or len({file.path.rpartition("/")[0] for file in asset.files}) == 1
        for file in asset.files:
            assert set(file.sha256) <= set("0123456789abcdef")
            # torch's names carry the first digits
            assert not file.sha256 or len(file.sha256) == 64 or file.sha256 in file.name
    shown = run(capsys, "list")
    assert all(name in shown for name in table)
    assert "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91" in run(capsys, "list", "buffalo_l")
    assert run(capsys, "check").startswith("None of the files is here")


def test_contents_of_the_kinds_of_files(tmp_path):
    import scipy.io

    from reenact.cli.weight_files import verify_file

    scipy.io.savemat(tmp_path / "a.mat", {"meanshape": np.zeros((1, 3))})
    np.savez(tmp_path / "a.npz", v_template=np.zeros((2, 3)))
    with zipfile.ZipFile(tmp_path / "a.task", "w") as archive:
        archive.writestr("face_detector.tflite", b"")
    torch.save({"fc_yaw.weight": torch.zeros(1)}, tmp_path / "new.pkl")
    torch.save({"fc_yaw.weight": torch.zeros(1)}, tmp_path / "old.pkl", _use_new_zipfile_serialization=False)
    held = {"a.mat": "meanshape", "a.npz": "v_template", "a.task": "face_", "new.pkl": "fc_yaw", "old.pkl": "fc_yaw"}
    for name, part in held.items():
        assert verify_file(File(name, holds=(part,)), tmp_path / name) == digest((tmp_path / name).read_bytes())
        with pytest.raises(ReenactError, match=f"{name} is not {name}: it holds no nothing"):
            verify_file(File(name, holds=(part, "nothing")), tmp_path / name)
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(ReenactError, match=name):
            verify_file(File(name, holds=(part,)), tmp_path / name)


def test_a_damaged_manifest_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    (tmp_path / "manifest.json").write_text('{"unknown": 1}')
    with pytest.raises(ReenactError, match=r"manifest\.json is damaged: remove it"):
        Manifest.read()


def test_the_doctor_shows_the_same_files(home, tmp_path):
    (home / "kinds").mkdir(parents=True)
    (home / "kinds" / "a.ckpt").touch()
    found = {finding.name: (finding.state, finding.detail) for finding in doctor.check_files()}
    assert found["kinds"] == ("ok", str(home / "kinds" / "a.ckpt"))
    assert found["net"] == ("absent", "a network; reenact weights list net")
