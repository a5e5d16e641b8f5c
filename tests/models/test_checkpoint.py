"""Files that are no checkpoint of ours get one sentence; nothing in them is run."""

import os
import pickle
from types import SimpleNamespace

import pytest
import torch
from zoo import ZOO, Pairs, trainer

from reenact.errors import ReenactError
from reenact.models.common import checkpoint
from reenact.models.common.checkpoint import (
    check_foundation,
    check_resumable,
    load_method,
    load_weights,
    read_checkpoint,
)
from reenact.models.common.header import check_header, check_same_class


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    run = trainer(folder, max_steps=1, limit_val_batches=0)
    run.fit(ZOO[0].make(), Pairs(1))
    run.save_checkpoint(folder / "good.ckpt")
    return folder / "good.ckpt"


def altered(saved, tmp_path, change):
    checkpoint = torch.load(saved, weights_only=True)
    change(checkpoint)
    path = tmp_path / "altered.ckpt"
    torch.save(checkpoint, path)
    return path


CHANGES = {
    "was not written by reenact": lambda c: c.pop("reenact"),
    "format 99": lambda c: c["reenact"].update(format=99),
    "'unheard_of'": lambda c: c["reenact"].update(method="unheard_of"),
    "does not know": lambda c: c["reenact"]["arguments"]["network"].update(colour="red"),
    "does not fit pwm": lambda c: c["state_dict"].pop("network.embeds"),
    "differ in network.embeds and 0 more": lambda c: c["state_dict"].update({"network.embeds": torch.zeros(3, 3)}),
    "holds no weights": lambda c: c.pop("state_dict"),
    "lacks the settings": lambda c: c["reenact"].pop("arguments"),
    "lacks the settings of": lambda c: c["reenact"].pop("image_size"),
    "reenact convert": lambda c: (c.clear(), c.update(generator={}, discriminator={})),
}


@pytest.mark.parametrize("message", CHANGES)
def test_altered_checkpoints_are_refused(saved, tmp_path, message):
    with pytest.raises(ReenactError, match=message):
        load_method(altered(saved, tmp_path, CHANGES[message]))


def test_a_checkpoint_of_another_method_is_refused(saved):
    header = check_header(torch.load(saved, weights_only=True), "x.ckpt")
    with pytest.raises(ReenactError, match="of the method pwm, not mmfa"):
        check_same_class(header, "mmfa", str(header.class_path), "x.ckpt")


def test_a_run_goes_on_from_a_whole_checkpoint_of_its_own_alone(saved, tmp_path):
    check_resumable(saved, ZOO[0].make())
    with pytest.raises(ReenactError, match="does not fit pwm"):
        check_resumable(saved, ZOO[1].make())
    weights = altered(saved, tmp_path, lambda c: c.update(loops={}))
    with pytest.raises(ReenactError, match=r"holds weights alone.*--weights"):
        check_resumable(weights, ZOO[0].make())
    other = ZOO[0].make()
    load_weights(weights, other)
    wanted = torch.load(saved, weights_only=True)["state_dict"]
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


def test_weights_of_another_face_model_are_refused_though_they_fit(saved, tmp_path, monkeypatch):
    models = {"head": SimpleNamespace(name="head"), "flame": SimpleNamespace(name="flame2020-0a1b2c3d")}
    monkeypatch.setattr("reenact.models.common.checkpoint.load_face_model", models.__getitem__)
    other = altered(saved, tmp_path, lambda c: c["reenact"]["arguments"].update(face_model="flame"))
    for check in (check_resumable, load_weights):
        with pytest.raises(ReenactError, match="of the face model flame and the data has those of head"):
            check(other, ZOO[0].make())


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, save in (("zip.ckpt", torch.save), ("plain.ckpt", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        save({"reenact": Attack()}, tmp_path / name)
        with pytest.raises(ReenactError, match=name):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "file.ckpt"
    path.write_bytes(content)
    with pytest.raises(ReenactError, match=r"file\.ckpt"):
        read_checkpoint(path)
    with pytest.raises(ReenactError, match="no checkpoint"):
        read_checkpoint(tmp_path / "absent.ckpt")


def test_a_checkpoint_in_shards_is_refused_with_the_command_that_joins_it(tmp_path):
    (tmp_path / "step.ckpt").mkdir()
    (tmp_path / "step.ckpt" / ".metadata").touch()
    with pytest.raises(ReenactError, match=r"join it with python -m \S+consolidate_checkpoint \S+step\.ckpt"):
        read_checkpoint(tmp_path / "step.ckpt")


def test_a_foundation_of_another_method_or_face_model_is_refused(saved, monkeypatch):
    check_foundation(saved, "model.base", "pwm", "head")
    with pytest.raises(ReenactError, match=r"--model\.base \S+good\.ckpt is of the method pwm: give .* of mmfa"):
        check_foundation(saved, "model.base", "mmfa", "head")
    names = {"head": "head", "other": "other"}
    monkeypatch.setattr(checkpoint, "load_face_model", lambda spec: SimpleNamespace(name=names[spec]))
    with pytest.raises(ReenactError, match="the face model head and the data has those of other"):
        check_foundation(saved, "model.base", "pwm", "other")
