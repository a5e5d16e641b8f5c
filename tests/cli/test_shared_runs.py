"""Run folders and files from somebody else: nothing in them runs, and one sentence says what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
import yaml

from reenact.cli import main
from reenact.errors import ReenactError
from reenact.methods.registry import scan_methods
from reenact.models.common.checkpoint import load_method
from reenact.packages import allow_packages
from reenact.runs.arguments import expand_request
from reenact.runs.request import parse_request
from reenact.runs.run_folder import checkpoint_of, record_run

from .conftest import HERE, save
from .standins import Method

POPEN = {"class_path": "subprocess.Popen", "init_args": {"args": "touch attacked", "shell": True}}
HANDLER = {
    "class_path": "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler",
    "init_args": {
        "entrypoint": "touch",
        "args": ["attacked"],
        "env": {},
        "stdout": "",
        "stderr": "",
        "local_rank_id": 0,
    },
}
DDP = "pytorch_lightning.strategies.DDPStrategy"
CORPUS = {
    "any": {"trainer": {"strategy": {"class_path": DDP, "init_args": {"ddp_comm_state": POPEN}}}},
    "any, of torch": {"trainer": {"strategy": {"class_path": DDP, "init_args": {"ddp_comm_state": HANDLER}}}},
    "callable": {"trainer": {"strategy": {"class_path": DDP, "init_args": {"ddp_comm_hook": "os.system"}}}},
    "list": {"trainer": {"callbacks": [POPEN]}},
    "logger": {"trainer": {"logger": POPEN}},
    "text": {"trainer": {"logger": "intruder.Logger"}},
    "text of a class": {"trainer": {"logger": '{"class_path": "intruder.Logger"}'}},
    "plugins": {"trainer": {"plugins": ["intruder.Plugin"]}},
    "file": {"trainer": {"strategy": "more.yaml"}},
    "data": {"data": {"class_path": "intruder.Data"}},
    "value of data": {"data": {"class_path": f"{HERE}.NoiseData", "init_args": {"size": POPEN}}},
    "pictures": {"pictures": {"every_n_steps": POPEN}},
}
"""Settings that name what must not run."""


@pytest.fixture
def trap(place, monkeypatch):
    """A module that tells by a file that it was imported, and a file with more settings."""
    (place / "intruder.py").write_text("import pathlib\npathlib.Path('attacked').touch()\n")
    (place / "more.yaml").write_text(yaml.safe_dump({"class_path": "intruder.Strategy"}))
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop("intruder", None)


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("command", ["fit", "test"])
def test_settings_beside_a_checkpoint_are_values(trap, refuse, command, name):
    save(trap / "shared" / "checkpoints" / "last.ckpt", Method())
    (trap / "shared" / "config.yaml").write_text(yaml.safe_dump(CORPUS[name]))
    sentence = refuse(command, "--ckpt_path", "shared/checkpoints/last.ckpt", "--out", "new")
    assert "shared/config.yaml: " in sentence
    assert "may hold values alone" in sentence
    assert not (trap / "attacked").exists()
    assert not (trap / "new").exists()


@pytest.mark.parametrize("name", sorted(set(CORPUS) - {"any, of torch"}))
def test_files_that_a_person_passes_name_classes_of_a_few_packages(trap, refuse, name):
    (trap / "settings.yaml").write_text(yaml.safe_dump(CORPUS[name]))
    refuse("fit", "--model", "standin", "-c", "settings.yaml", "--out", "new")
    assert not (trap / "attacked").exists()


def test_parts_of_torch_that_start_programs_are_refused(trap, refuse):
    (trap / "settings.yaml").write_text(yaml.safe_dump(CORPUS["any, of torch"]))
    assert "SubprocessHandler" in refuse("fit", "--model", "standin", "-c", "settings.yaml", "--out", "new")


def test_named_packages_and_the_presets_classes_are_values(trap):
    save(trap / "run" / "checkpoints" / "last.ckpt", Method(lr=0.25))
    data = {"class_path": f"{HERE}.NoiseData", "init_args": {"size": 16}}
    (trap / "run" / "config.yaml").write_text(yaml.safe_dump({"model": {"class_path": "intruder.Model"}, "data": data}))
    request = parse_request("test", ["--ckpt_path", "run/checkpoints/last.ckpt"])
    expand_request(request)
    assert request.saved["data"] == data
    assert request.saved["model"]["class_path"] == f"{HERE}.Method"
    assert request.saved["model"]["init_args"]["lr"] == 0.25


def test_a_configuration_beside_no_run_is_not_read(place):
    save(place / "x.ckpt", Method())
    (place / "config.yaml").write_text("trainer: [nonsense")
    request = parse_request("test", ["--ckpt_path", "x.ckpt"])
    expand_request(request)
    assert set(request.saved) == {"model"}


def test_last_is_the_newest_run_wherever_it_lies(place):
    for age, run in enumerate(
        (place / "runs" / "standin" / "old", place / "elsewhere", place / "runs" / "other" / "x")
    ):
        save(run / "checkpoints" / "last.ckpt", Method())
        os.utime(run / "checkpoints" / "last.ckpt", (1000 + 10 * age, 1000 + 10 * age))
    record_run(place / "elsewhere", "standin")
    assert checkpoint_of("--checkpoint", "last", title="standin") == Path("elsewhere/checkpoints/last.ckpt")
    assert checkpoint_of("--checkpoint", "last") == Path("runs/other/x/checkpoints/last.ckpt")
    assert checkpoint_of("--checkpoint", "last", "elsewhere") == Path("elsewhere/checkpoints/last.ckpt")
    with pytest.raises(ReenactError, match="no checkpoint in empty/checkpoints"):
        checkpoint_of("--checkpoint", "last", "empty")


def test_last_falls_back_to_the_newest_whole_checkpoint(place):
    folder = place / "runs" / "standin" / "run" / "checkpoints"
    for step in (1, 2):
        save(folder / f"step_{step}.ckpt", Method())
        os.utime(folder / f"step_{step}.ckpt", (1000 + step, 1000 + step))
    whole = (folder / "step_2.ckpt").read_bytes()
    (folder / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    assert checkpoint_of("--checkpoint", "last").name == "step_2.ckpt"
    with pytest.raises(ReenactError, match=r"damaged.*the newest whole one is .*step_2\.ckpt"):
        load_method(folder / "last.ckpt")


def test_a_run_past_its_steps_says_so(place, capsys):
    assert main(["fit", "--model", "standin", "--out", "run"]) == 0
    before = sorted((path, path.stat().st_mtime) for path in (place / "run").rglob("*"))
    capsys.readouterr()
    assert main(["fit", "--ckpt_path", "last"]) == 0
    assert "nothing to train: run/checkpoints/last.ckpt is at 4 of 4 steps" in "".join(capsys.readouterr())
    assert before == sorted((path, path.stat().st_mtime) for path in (place / "run").rglob("*"))


class Wider(Method):
    """Inherits the method's name, and makes another picture."""

    def __init__(self, face_model: str = "head", lr: float = 1e-3) -> None:
        super().__init__(face_model, None, lr)
        self.arguments.pop("widths")


def test_a_subclass_is_loaded_as_itself_and_never_as_another(place):
    save(place / "x.ckpt", Wider())
    assert type(load_method("x.ckpt", fold=False)) is Wider
    with pytest.raises(ReenactError, match=r"of the class .*Wider, not .*Method"):
        Method().on_load_checkpoint(torch.load("x.ckpt", weights_only=True))


@pytest.fixture(autouse=True)
def _scan_anew():
    yield
    scan_methods.cache_clear()


OWN = """
from {here} import Method
class Own(Method):
    method = "own"
"""
OFFERED = """
from reenact import methods
METHOD = methods.Method(name="own", summary="", paper="", needs="", class_path="own_installed.Own")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make a module of a method that this process has not imported, with a checkpoint of it."""

    def make(name, text):
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / f"{name}.py").write_text(text)
        save(tmp_path / "own.ckpt", Method("noise-face"), **{"class": f"{name}.Own", "method": "own"})
        return tmp_path / "own.ckpt"

    return make


def offer(site, name):
    """Install a module as an entry point."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[reenact.methods]\nown = {name}:METHOD\n")
    scan_methods.cache_clear()


def test_a_method_of_ones_own_is_imported_where_a_person_names_its_package(package, place):
    checkpoint = package("own_allowed", OWN.format(here=HERE))
    with pytest.raises(ReenactError, match=r"own_allowed.Own, .* add --allow-package own_allowed"):
        load_method(checkpoint)
    assert "own_allowed" not in sys.modules
    assert type(load_method(checkpoint, allow_package=["own_allowed"])).__name__ == "Own"
    assert main(["validate", "--ckpt_path", str(checkpoint), "--allow-package", "own_allowed", "--out", "v"]) == 0


def test_a_method_of_ones_own_is_imported_where_it_is_an_entry_point(package, tmp_path):
    checkpoint = package("own_installed", OWN.format(here=HERE) + OFFERED)
    offer(tmp_path / "site", "own_installed")
    assert type(load_method(checkpoint)).__name__ == "Own"


def test_a_checkpoint_of_a_package_that_is_left_out_says_why(package, tmp_path):
    checkpoint = package("own_left_out", "1 / 0")
    offer(tmp_path / "site", "own_left_out")
    with pytest.raises(ReenactError, match=r"own_left_out.Own, and the entry point own = .* \(ZeroDivisionError"):
        load_method(checkpoint)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("import absent_module", "No module named 'absent_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "has no method"),
    ],
)
def test_what_breaks_in_the_users_module_is_shown(package, place, refuse, text, part):
    name = f"own_broken_{len(text)}"
    checkpoint = package(name, text)
    with pytest.raises(ReenactError, match=part):
        load_method(checkpoint, allow_package=[name])
    if text:
        assert part in refuse("fit", "--model", f"{name}.Own")


@pytest.mark.parametrize("name", ["subprocess", "os", "jsonargparse", "a-b", ""])
def test_packages_of_python_itself_can_not_be_allowed(name):
    with pytest.raises(ReenactError, match="--allow-package"), allow_packages([name]):
        pass
