"""Long videos of MagicPortrait: memory that does not grow, and runs that go on after a kill."""

import multiprocessing
import os
import signal
from dataclasses import replace

import pytest
import torch
from zoo import portrait

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.models.magicportrait.toys import build_toy

pytestmark = pytest.mark.filterwarnings("ignore")
FRAMES = 10


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_toy(temporal=True).eval().network.requires_grad_(False)
    network.config = replace(
        network.config, sampling=replace(network.config.sampling, steps=3, overlap=1, guidance=2.0, decode_chunk=4)
    )
    return network


def play(network, count, work=None, progress=lambda fraction: None):
    source, driving = portrait(1, 0, "a"), portrait(count, 1, "a")
    state, motion = network.encode(source), network.read(driving)
    pieces = ((state, motion[at : at + 4]) for at in range(0, count, 4))
    return torch.cat([result.image for result in network.play(pieces, progress, work)])


@pytest.fixture(scope="module")
def whole(network):
    with torch.no_grad():
        return play(network, FRAMES)


def die(network, work, fraction):
    """Play until a fraction of the work, and be killed."""

    def progress(finished):
        if finished >= fraction:
            os.kill(os.getpid(), signal.SIGKILL)

    play(network, FRAMES, work, progress)


@torch.no_grad()
@pytest.mark.parametrize(("fraction", "step"), [(0.1, 0), (0.5, 1), (1.0, 2)])
def test_a_killed_run_goes_on_to_the_same_bytes(network, whole, tmp_path, fraction, step):
    work = tmp_path / "out.mp4.work" / "shot-0"
    process = multiprocessing.get_context("fork").Process(target=die, args=(network, work, fraction))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in work.glob("*.latents")] == [f"step-{step}.latents"]
    fractions = []
    assert torch.equal(play(network, FRAMES, work, fractions.append), whole)
    assert fractions[0] == pytest.approx((step + 0.25) / 3)
    assert fractions[-1] == 1


@torch.no_grad()
def test_finished_latents_are_decoded_again(network, whole, tmp_path):
    assert torch.equal(play(network, FRAMES, tmp_path), whole)
    fractions = []
    assert torch.equal(play(network, FRAMES, tmp_path, fractions.append), whole)
    assert not fractions


@torch.no_grad()
def test_the_device_holds_a_window_whatever_the_length(network, tmp_path, monkeypatch):
    largest = {}

    def watch(module, name):
        plain = getattr(module, name)

        def watched(*args):
            sizes = [args[0].numel()] if isinstance(args[0], torch.Tensor) else [m.numel() for m in args[0].values()]
            largest[name] = max(largest.get(name, 0), *sizes)
            return plain(*args)

        monkeypatch.setattr(module, name, watched)

    watch(network.denoiser, "forward")
    watch(network.guidance, "forward")
    watch(network.autoencoder, "decode")
    sizes = []
    for count in (8, 24):
        largest.clear()
        play(network, count, tmp_path / str(count))
        sizes.append(dict(largest))
    assert sizes[0] == sizes[1]
