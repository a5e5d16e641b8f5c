"""The transfer of a method's paper holds wherever an option is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reenact.apps import animate as animate_module
from reenact.apps import performance
from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, PortraitPair, to_tensor
from reenact.models.common.base import Mode, Transfer
from reenact.models.common.checkpoint import load_method
from reenact.models.pwm.network import PWM
from reenact.world import World

from .conftest import SIZE

PAPER = Transfer(mode="relative", parts=("expression", "jaw", "camera"), strength=0.5, adapt_scale=False)


class ChosenError(Exception):
    """The transfer is chosen."""


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Transfer:
    """A network whose paper transfers otherwise than the package does by default."""
    monkeypatch.setattr(PWM, "transfer", PAPER)
    return PAPER


def choose(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, driving: Path, **options: Any) -> Transfer:
    transfers: list[Transfer] = []

    class Spy(Animator):
        def change_transfer(self, **changes: Any) -> Spy:
            transfers.append(super().change_transfer(**changes).transfer)
            raise ChosenError

    monkeypatch.setattr(animate_module, "Animator", Spy)
    with pytest.raises(ChosenError):
        animate(checkpoint, driving.parent / "0.png", driving, driving.parent / f"absent{driving.suffix}", **options)
    return transfers[0]


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"strength": 1.0}, {"strength": 1.0}),
        ({"parts": ("pose",)}, {"parts": ("pose",)}),
        ({"adapt_scale": True}, {"adapt_scale": True}),
        ({"renormalise_scale": True}, {"renormalise_scale": True}),
        ({"renormalise_scale": False}, {"renormalise_scale": False}),
        ({"motion": "absolute"}, {"mode": "absolute"}),
    ],
)
def test_animate_changes_what_an_option_says(
    monkeypatch: pytest.MonkeyPatch, paper: Transfer, checkpoint: Path, clips: Path, options: Any, changes: Any
) -> None:
    assert choose(monkeypatch, checkpoint, clips / "1.mp4", **options) == replace(paper, **changes)


@pytest.mark.parametrize(
    ("own", "driving", "mode"),
    [
        ("absolute", "1.mp4", "relative"),
        ("absolute", "0.png", "absolute"),
        ("relative", "0.png", "absolute"),
        ("expression", "1.mp4", "expression"),
        ("expression", "0.png", "expression"),
    ],
)
def test_auto_is_the_mode_of_the_paper(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, clips: Path, own: Mode, driving: str, mode: Mode
) -> None:
    monkeypatch.setattr(PWM, "transfer", Transfer(mode=own))
    assert choose(monkeypatch, checkpoint, clips / driving).mode == mode


def test_a_followed_head_keeps_its_place_among_the_parts_of_the_paper(paper: Transfer, checkpoint: Path) -> None:
    animator = Animator(checkpoint, device="cpu")
    assert animator.transfer == paper
    assert animator.keep_place().transfer == replace(paper, parts=("expression", "jaw"))


@torch.no_grad()
def test_a_module_moves_another_person_as_the_paper_does(paper: Transfer, checkpoint: Path, world: World) -> None:
    module = load_method(checkpoint)
    faces = [world.sequence(person, 0, range(2, 4), SIZE) for person in (0, 1)]
    source, driving = (
        Portrait(to_tensor(images), params.map(torch.Tensor.float), identity=[str(person)] * 2)
        for person, (images, params, _) in enumerate(faces)
    )
    network, state = module.network, module.network.encode(source)
    image = module.reenact(PortraitPair(source, driving)).image
    moved = {
        name: network.perform(state, network.retarget(state, network.read(driving), transfer)).image
        for name, transfer in (("paper", replace(paper, mode="absolute")), ("package", Transfer()))
    }
    assert torch.equal(image, moved["paper"])
    assert not torch.equal(image, moved["package"])


@torch.no_grad()
@pytest.mark.parametrize("transfer", [Transfer("relative"), Transfer(renormalise_scale=True)], ids=str)
def test_a_score_of_another_person_depends_on_no_other_row(
    transfer: Transfer, checkpoint: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PWM, "transfer", transfer)
    module = load_method(checkpoint)
    images, params, _ = world.sequence(0, 0, range(1), SIZE)
    source = Portrait(to_tensor(images), params.map(torch.Tensor.float), identity=["0"])
    drivings = []
    for person in (1, 2):
        images, params, _ = world.sequence(person, 0, range(30, 31), SIZE)
        drivings.append(Portrait(to_tensor(images), params.map(torch.Tensor.float), identity=[str(person)]))
    together = module.reenact(PortraitPair(Portrait.cat([source, source]), Portrait.cat(drivings))).image
    alone = module.reenact(PortraitPair(source, drivings[1])).image
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("transfer", "references"),
    [(Transfer("relative"), ["driving 3"]), (Transfer(renormalise_scale=True), ["driving 3"]), (Transfer(), [])],
    ids=str,
)
def test_the_reference_frame_is_that_of_relative_motion_and_of_scale(
    transfer: Transfer, references: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "read_portrait", lambda clip, number, _: f"{clip.name} {number}")
    taken: list[str] = []
    animator = SimpleNamespace(transfer=transfer, network=SimpleNamespace(needs=None), refer_to=taken.append)
    source, driving = SimpleNamespace(name="source", fps=25), SimpleNamespace(name="driving", fps=25)
    play: Any = performance.Performance
    anchor = play(animator=animator, source=source, driving=driving, composer=None, batch_size=1)._refer_to(3, 5)
    assert taken == references
    assert anchor == ("source 5" if transfer.mode == "relative" else None)


def test_parts_of_the_place_alone_are_refused_where_the_place_is_kept(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PWM, "transfer", Transfer(parts=("camera",)))
    with pytest.raises(
        ReenactError, match="--crop per_frame leaves the parts camera, which alone should move, to the source"
    ):
        Animator(checkpoint, device="cpu").keep_place()
