"""The form of the methods' code: short chains of classes, no method inside another, a short walk to a loss."""

import ast
import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn
from zoo import CASES, pair

import reenact
from reenact.methods.registry import list_methods
from reenact.models.common.portrait_module import PortraitModule
from reenact.nn.whole_batch import BatchDraws

ROOT = Path(reenact.__file__).parent
MODELS = ROOT / "models"
OWN = [method for method in list_methods() if str(method.class_path).startswith("reenact.")]


def length(cls: type) -> int:
    """Own classes of the longest chain that ends in a class."""
    return cls.__module__.startswith("reenact.") + max(map(length, cls.__bases__), default=0)


@pytest.mark.parametrize("method", OWN, ids=lambda method: method.name)
def test_a_method_has_at_most_three_own_classes_in_a_chain(method):
    module, _, name = method.class_path.rpartition(".")
    cls = getattr(import_module(module), name)
    assert issubclass(cls, PortraitModule)
    assert 2 <= length(cls) <= 3
    kinds = ("Config", "Losses", "Optimisation")
    settings = [value for name, value in vars(import_module(cls.__module__)).items() if name.endswith(kinds)]
    assert max(map(length, settings)) <= 3


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in MODELS.glob("*/method.py")))
def test_no_method_imports_another(folder):
    for path in (MODELS / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            others = {name.split(".")[2] for name in names if name.startswith("reenact.models.")}
            assert others <= {folder, "common"}, path


def test_from_a_batch_to_mmfa_s_loss_there_are_four_files():
    """Besides the network's: files of methods and of losses whose functions run between the result and the terms."""
    module, batch = CASES["mmfa-guided"].make().train(), pair(2)
    module.load_losses()
    module.random = lambda: BatchDraws(torch.Generator().manual_seed(0))
    result = module(batch.source, batch.driving)
    files = {Path(inspect.getfile(type(module).training_step))}
    inside = []

    def note(frame, event, argument):
        code = frame.f_code
        if isinstance(frame.f_locals.get("self"), nn.Module) and not isinstance(frame.f_locals["self"], PortraitModule):
            inside.append(1) if event == "call" else inside.pop() if event == "return" else None
        elif event == "call" and not inside:
            files.add(Path(code.co_filename))

    sys.setprofile(note)
    try:
        module.generator_losses(batch, result)
    finally:
        sys.setprofile(None)
    crossed = {path.relative_to(ROOT).as_posix() for path in files if path.is_relative_to(ROOT)}
    models = {name for name in crossed if name.startswith("models/") or name == "nn/losses.py"}
    models.discard("models/mmfa/network.py")
    own = {"models/mmfa/module.py", "models/mmfa/losses.py"}
    assert models == {"models/common/adversarial.py", "nn/losses.py", *own}
