"""Files that ask for more memory than they have bytes, and headers of every kind of damage: one sentence each."""

from __future__ import annotations

import copy
import io
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch._utils import _rebuild_tensor_v2

from reenact.errors import ReenactError
from reenact.models.common.checkpoint import check_resumable, load_module, saved_settings
from reenact.models.common.keypoints import DiscriminatorConfig
from reenact.models.common.rebuild import build_fitting, check_recorded
from reenact.models.fomm.module import FOMMModule
from reenact.models.fomm.network import FOMMConfig
from reenact.models.mmfa_vae.module import MMFAVAEModule

SMALL = FOMMConfig(
    keypoints=2,
    reduction=1,
    detector_width=2,
    detector_blocks=1,
    motion_width=2,
    motion_blocks=1,
    width=2,
    bottleneck=1,
)


def make() -> FOMMModule:
    return FOMMModule(network=SMALL, discriminator=DiscriminatorConfig([2]))


@pytest.fixture(scope="module")
def saved():
    module = make()
    checkpoint = {
        "state_dict": module.state_dict(),
        "global_step": 1,
        "pytorch-lightning_version": "2.6.0",
        "loops": {"fit_loop": {}},
        "optimizer_states": [{}],
    }
    module.on_save_checkpoint(checkpoint)
    return checkpoint


def write(path, checkpoint):
    torch.save(checkpoint, path)
    return path


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


HEADERS = {
    "side 0": (("image_size",), 0),
    "side below 0": (("image_size",), -256),
    "side huge": (("image_size",), 10**9),
    "side true": (("image_size",), True),
    "recipe": (("recipe",), 3),
    "recipe of numbers": (("recipe",), {"crop": 3}),
    "method": (("method",), ["fomm"]),
    "class": (("class",), "os.system; x"),
    "deep": (("arguments", "losses"), nested(300)),
    "long": (("arguments", "losses"), [0] * 20_000),
    "tensor": (("arguments", "losses"), torch.zeros(3)),
    "wide": (("arguments", "network", "detector_width"), 10**5),
    "many": (("arguments", "network", "bottleneck"), 10**9),
    "many levels": (("arguments", "network", "detector_blocks"), 10**5),
    "below 0": (("arguments", "network", "width"), -4),
    "text": (("arguments", "network", "width"), "wide"),
    "not finite": (("arguments", "losses", "gan"), float("nan")),
    "unknown": (("arguments", "network", "colour"), 1),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_out_of_their_limits_are_refused_before_anything_is_built(saved, tmp_path, name):
    keys, value = HEADERS[name]
    checkpoint = {**saved, "reenact": copy.deepcopy(saved["reenact"])}
    place = checkpoint["reenact"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path = write(tmp_path / "x.ckpt", checkpoint)
    for load in (load_module, saved_settings):
        with pytest.raises(ReenactError, match=r"x\.ckpt"):
            load(path)


class Longer(FOMMModule):
    def __init__(self, length: int = 3, **others: object) -> None:
        super().__init__(**others)
        self.length = length


def test_a_class_that_checkpoints_could_not_build_again_is_refused():
    check_recorded(make())
    check_recorded(MMFAVAEModule())
    with pytest.raises(ReenactError, match="Longer takes the argument length"):
        check_recorded(Longer(network=SMALL, discriminator=DiscriminatorConfig([2])))


@dataclass(frozen=True)
class Noise:
    seed: int = 0
    noise_seed: int = 0
    layers: int = 1


class Noisy(FOMMModule):
    def __init__(self, noise: Noise | None = None) -> None:
        super().__init__(network=SMALL, discriminator=DiscriminatorConfig([2]))
        self.arguments = {"noise": asdict(noise or Noise())}


@pytest.mark.parametrize(("name", "accepted"), [("seed", True), ("noise_seed", True), ("layers", False)])
def test_a_seed_is_no_size(name, accepted):
    module = Noisy(replace(Noise(), **{name: 2**31}))
    weights = dict(module.state_dict())
    if accepted:
        assert build_fitting(Noisy, module.arguments, weights, "x.ckpt").arguments == module.arguments
    else:
        with pytest.raises(ReenactError, match=r"x\.ckpt has the number 2147483648 in its settings"):
            build_fitting(Noisy, module.arguments, weights, "x.ckpt")


class Phased(FOMMModule):
    def __init__(self, losses: Noise | None = None) -> None:
        super().__init__(network=SMALL, discriminator=DiscriminatorConfig([2]))
        self.arguments = {"losses": asdict(losses or Noise())}


def test_a_step_of_the_training_is_no_size():
    module = Phased(Noise(layers=300_000))
    weights = dict(module.state_dict())
    assert build_fitting(Phased, module.arguments, weights, "x.ckpt").arguments == module.arguments


RESUMED = {
    "loops": {"loops": 3},
    "no loops": {"loops": None},
    "optimisers": {"optimizer_states": {"a": 1}},
    "version": {"pytorch-lightning_version": None},
    "step": {"global_step": "one"},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_training_that_can_not_go_on_is_refused(saved, tmp_path, name):
    path = write(tmp_path / "x.ckpt", saved | RESUMED[name])
    with pytest.raises(ReenactError, match=r"x\.ckpt .*--weights"):
        check_resumable(path, make())


class Call:
    """An object that a pickle makes by a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Storage:
    """A storage of some numbers in a pickle."""

    def __init__(self, numbers):
        self.numbers = numbers


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", torch.FloatStorage, "0", "cpu", value.numbers)
        return None


def archive(path, content, storage=b"\0" * 16, compression=zipfile.ZIP_STORED):
    structure = io.BytesIO()
    Pickler(structure, 2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in (("data.pkl", structure.getvalue()), ("version", "3\n"), ("data/0", storage)):
            file.writestr(f"x/{name}", data)
    return path


def tensor(numbers, size, stride=1):
    return Call(_rebuild_tensor_v2, Storage(numbers), 0, (size,), (stride,), False, OrderedDict())


BOMBS = {
    "compressed": ({"state_dict": {"a": tensor(2**24, 2**24)}}, bytes(2**26), zipfile.ZIP_DEFLATED),
    "larger than its storage": ({"state_dict": {"a": tensor(4, 2**33)}}, bytes(16), zipfile.ZIP_STORED),
    "storage larger than its bytes": ({"state_dict": {"a": tensor(2**33, 2**33)}}, bytes(16), zipfile.ZIP_STORED),
    "repeated": ({"state_dict": {"a": tensor(4, 2**40, 0)}}, bytes(16), zipfile.ZIP_STORED),
    "bytes by number": ({"state_dict": Call(bytearray, 2**33)}, bytes(16), zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_ask_for_more_memory_than_they_have_bytes_are_refused(saved, tmp_path, name):
    content, storage, compression = BOMBS[name]
    path = archive(tmp_path / "x.ckpt", {"reenact": saved["reenact"], **content}, storage, compression)
    tracemalloc.start()
    with pytest.raises(ReenactError, match=r"x\.ckpt"):
        load_module(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**27


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_in_a_header_gives_a_method_or_a_sentence(saved, tmp_path, data):
    checkpoint = {**saved, "reenact": copy.deepcopy(saved["reenact"])}
    place, key = checkpoint, "reenact"
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans(), "deeper"):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])), "key")
    if data.draw(st.booleans(), "removed"):
        del place[key]
    else:
        place[key] = data.draw(VALUES, "value")
    path = write(tmp_path / "x.ckpt", checkpoint)
    with suppress(ReenactError):
        load_module(path)
