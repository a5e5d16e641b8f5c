"""Cost of MagicPortrait at paper scale, from its sizes alone: multiply-accumulates, parameters, and peak memory.

Nothing is computed: tensors have shapes and no content. Multiply-accumulates are counted operator by operator, memory
as the peak of what lives at once in a training step (weights, gradients, moments of Adam, activations), without what a
GPU's libraries and allocator add, and without Stable Diffusion's autoencoder, which runs before the rest.

    python benchmarks/magicportrait_cost.py
"""

from __future__ import annotations

import argparse
import itertools
import weakref
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from reenact.models.magicportrait.config import MagicPortraitConfig, Trained
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.network import MagicPortrait
from reenact.models.magicportrait.training import MagicPortraitOptimisation
from reenact.nn.half_weights import HalfWeights

GIB = 1 << 30


def build_module(trained: Trained, *, temporal: bool, checkpointing: bool, halved: bool = False) -> MagicPortraitModule:
    """Return the module of paper scale in which the render is drawn from the built-in head.

    Args:
        trained: part that is trained.
        temporal: True for the second stage.
        checkpointing: compute activations again in the backward pass.
        halved: keep what is not trained in bf16, as the training does.
    """
    optimisation = MagicPortraitOptimisation(trained=trained, checkpointing=checkpointing)
    module = MagicPortraitModule("head", MagicPortraitConfig(temporal=temporal), optimisation=optimisation).train()
    if halved:
        HalfWeights(module, torch.bfloat16)
    return module


def count_macs(call: Callable[[], object]) -> float:
    """Return the tera multiply-accumulates of a call."""
    # Attention counts where it is written as products.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        call()
    return float(counter.get_total_flops()) / 2e12


def list_costs(network: MagicPortrait, size: int, frames: int) -> dict[str, float]:
    """Return the TMAC of the parts of sampling."""
    config, side = network.config, size // network.config.factor
    reference, noisy = torch.zeros(1, 4, side, side), torch.zeros(1, 4, frames, side, side)
    maps = {kind: torch.zeros(frames, 3, size, size) for kind in config.guidance.maps}
    features = torch.zeros(1, config.unet.channels[0], frames, side, side)
    timestep, prompt = torch.zeros(1, dtype=torch.long), network.prompt
    bank = network.appearance(reference, prompt)
    costs = {
        "AppearanceNet, once a video": count_macs(lambda: network.appearance(reference, prompt)),
        f"guidance encoders, {frames} frames": count_macs(lambda: network.guidance(maps)),
        f"denoiser, {frames} frames": count_macs(lambda: network.denoiser(noisy, timestep, prompt, features, bank)),
        f"denoiser without the reference, {frames} frames": count_macs(
            lambda: network.denoiser(noisy, timestep, prompt, features, None)
        ),
    }
    plain, guided = (list(costs.values())[place] for place in (3, 2))
    encoders = list(costs.values())[1]
    sampling = config.sampling
    windows = frames / (sampling.window - sampling.overlap)
    costs["a frame of a long video, 20 steps with guidance, 3.5"] = (
        sampling.steps * (plain + guided + encoders) * windows / frames
    )
    costs["a frame of a long video, 4 steps without"] = 4 * (guided + encoders) * windows / frames
    return costs


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counter of the bytes of all tensors that live at once.

    Args:
        module: its weights live from the start.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.present = self.peak = 0
        self._seen = WeakIdKeyDictionary()
        for tensor in (*module.parameters(), *module.buffers()):
            self._add(tensor)

    def __torch_dispatch__(  # types as torch has them
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Run an operator and count the tensors that it made."""
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._add, result)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen[storage] = size = storage.nbytes()
        self.present += size
        self.peak = max(self.peak, self.present)
        weakref.finalize(storage, self._remove, size)

    def _remove(self, size: int) -> None:
        self.present -= size


def measure_peak(module: MagicPortraitModule, size: int, count: int, frames: int) -> dict[str, float]:
    """Return the memory in GiB of weights, and the peak in two training steps with bf16 autocast."""
    network, side = module.network, size // module.network.config.factor
    optimiser = torch.optim.AdamW([parameter for parameter in module.parameters() if parameter.requires_grad])
    with PeakMemory(module) as memory:
        weights = memory.present
        for _ in range(2):
            take_step(network, optimiser, size, side, count, frames)
    return {"weights": weights / GIB, "peak": memory.peak / GIB}


def take_step(
    network: MagicPortrait, optimiser: torch.optim.Optimizer, size: int, side: int, count: int, frames: int
) -> None:
    """Take one step on clips of the form of training."""
    maps = {kind: torch.zeros(count * frames, 3, size, size) for kind in network.config.guidance.maps}
    noisy, timestep = torch.zeros(count, 4, frames, side, side), torch.zeros(count, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16):
        bank = network.appearance(torch.zeros(count, 4, side, side), network.prompt)
        encoded = network.guidance(maps)
        features = encoded.view(count, frames, *encoded.shape[1:]).transpose(1, 2)
        velocity: Tensor = network.denoiser(noisy, timestep, network.prompt, features, bank)
        loss = velocity.float().square().mean()
    torch.autograd.backward(loss)
    optimiser.step()
    optimiser.zero_grad()


def print_rows(title: str, rows: dict[str, float]) -> None:
    """Print numbers with their names."""
    print(title)
    for name, value in rows.items():
        print(f"  {name:55s} {value:8.2f}")


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=512, help="side of the pictures")
    parser.add_argument("--frames", type=int, default=12, help="frames of a window or clip")
    options = parser.parse_args()
    with FakeTensorMode():
        video = build_module("temporal", temporal=True, checkpointing=False)
        print_rows("TMAC", list_costs(video.network.eval(), options.size, options.frames))
        counts = {
            name: sum(p.numel() for p in part.parameters()) / 1e9 for name, part in video.network.named_children()
        }
        print_rows("billion parameters", counts)
        for checkpointing, halved in itertools.product((False, True), (False, True)):
            word = "with" if checkpointing else "without"
            rest = "bf16" if halved else "float32"
            module = build_module("temporal", temporal=True, checkpointing=checkpointing, halved=halved)
            peak = measure_peak(module, options.size, 1, options.frames)
            print_rows(f"GiB, stage 2, batch 1, bf16, {word} checkpointing, frozen weights in {rest}", peak)
        module = build_module("image", temporal=False, checkpointing=True)
        print_rows("GiB, stage 1, batch 1, bf16, with checkpointing", measure_peak(module, options.size, 1, 1))


if __name__ == "__main__":
    main()
