"""PWM against tensors of its released code; tolerances: 1e-4 on outputs."""

import pytest
import torch
from safetensors.torch import load_file

from reenact.models.pwm.generator import PWMGenerator, finer_displacement
from reenact.models.pwm.module import Discriminator
from reenact.nn.losses import discriminator_gan, feature_matching, generator_gan
from reenact.nn.resample import warp

WIDTHS = {"neural_codes": (16, 16, 16, 16, 32, 64), "geom_disp": (16, 16, 16, 16, 32), "both": (16, 16, 16, 16, 32)}
CHANNELS = {"neural_codes": (16, 16, False), "geom_disp": (0, 2, True), "both": (16, 18, True)}
LOSSES = {"feature_matching": 12.072007179260254, "g_ls": 1.5765429735183716, "g_hinge": 0.20623604953289032,
          "d_ls": 1.540344476699829, "d_hinge": 1.9354488849639893, "pixel": 3.28116774559021}  # fmt: skip


@pytest.fixture(scope="module")
def tensors(parity):
    return {k: v.float() if v.dtype == torch.float16 else v for k, v in load_file(parity / "pwm.safetensors").items()}


def make_generator(tensors, variant):
    generator = PWMGenerator(WIDTHS[variant], *CHANNELS[variant])
    state = state_of(tensors, variant)
    last = f"shortcut_layers.x{2 ** (len(WIDTHS[variant]) - 1)}."
    skipped = ("downsamples.", "embeds", last)
    generator.load_state_dict({k: v for k, v in state.items() if not k.startswith(skipped)})
    return generator


def state_of(tensors, fixture):
    prefix = f"{fixture}/state/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def inputs_of(tensors, variant):
    get = tensors.get
    guidance = [t for t in (get(f"{variant}/input/codes_d"), get(f"{variant}/input/flow_map")) if t is not None]
    return tensors[f"{variant}/input/img_s"], get(f"{variant}/input/codes_s"), torch.cat(guidance, dim=1)


def run_recording(generator, inputs):
    """Every tensor that the fixture names, by that name."""
    seen = {}

    def keep(name):
        return lambda module, args, output: seen.__setitem__(name, output)

    for group, name in ((generator.up_layers, "up/"), (generator.downsamples, "mod/"), (generator.down_layers, "enc/")):
        for key, module in group.items():
            module.register_forward_hook(keep(name + key))
    image, source_map, guidance = inputs
    source = generator.encode(image, source_map)
    decoded = generator.decode(source, guidance)
    seen |= {"out_img": decoded.image, "alpha": decoded.alpha}
    for stride, displacement in zip(reversed(generator.strides[:-1]), decoded.displacements, strict=True):
        seen[f"disp/x{stride}"] = displacement
    seen["warp_img"] = warp(image, decoded.displacements[-1], grid="centres")
    last = generator.strides[-1]
    displaced = seen[f"mod/x{last}"][:, -2:]
    seen[f"mesh_flow/x{last}"] = displaced if generator.displaced else torch.zeros_like(displaced)
    return seen


@pytest.mark.parametrize("variant", WIDTHS)
@torch.no_grad()
def test_every_tensor_of_the_generator(tensors, variant):
    generator = make_generator(tensors, variant).eval()
    seen = run_recording(generator, inputs_of(tensors, variant))
    prefix = f"{variant}/output/"
    wanted = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    assert len(wanted) >= 19
    for name, value in wanted.items():
        torch.testing.assert_close(seen[name], value, atol=1e-4, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("variant", WIDTHS)
@torch.no_grad()
def test_folded_generator_gives_the_official_output(tensors, variant):
    image, source_map, guidance = inputs_of(tensors, variant)
    generator = make_generator(tensors, variant).folded()
    decoded = generator.decode(generator.encode(image, source_map), guidance)
    torch.testing.assert_close(decoded.image, tensors[f"{variant}/output/out_img"], atol=1e-4, rtol=0)
    torch.testing.assert_close(decoded.displacements[-1], tensors[f"{variant}/output/disp/x1"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_training_forward_and_the_state_it_leaves(tensors):
    generator = make_generator(tensors, "neural_codes").train()
    image, source_map, guidance = inputs_of(tensors, "neural_codes")
    decoded = generator.decode(generator.encode(image, source_map), guidance)
    wanted = {k.removeprefix("neural_codes/train/"): v for k, v in tensors.items() if "neural_codes/train/" in k}
    torch.testing.assert_close(decoded.image, wanted.pop("out_img"), atol=1e-4, rtol=0)
    torch.testing.assert_close(decoded.displacements[-1], wanted.pop("disp/x1"), atol=1e-4, rtol=0)
    state = generator.state_dict()
    assert len(wanted) == 6
    for name, value in wanted.items():
        torch.testing.assert_close(state[name.removeprefix("state_after/")], value, atol=1e-5, rtol=1e-5)


def test_head_output_becomes_a_displacement(tensors):
    displacement = finer_displacement(tensors["disp_up/input/raw"])
    torch.testing.assert_close(displacement, tensors["disp_up/output/disp"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_discriminator_and_losses(tensors):
    discriminator = Discriminator((16, 32, 64)).eval()
    discriminator.load_state_dict(state_of(tensors, "discriminator"))
    real, fake = tensors["discriminator/input/real"], tensors["discriminator/input/fake"]
    (real_features, real_logits), (fake_features, fake_logits) = discriminator(real), discriminator(fake)
    outputs = {"feat_real/0": real_features[0], "feat_real/2": real_features[2]}
    outputs |= {"logit_real": real_logits, "logit_fake": fake_logits}
    for name, value in outputs.items():
        torch.testing.assert_close(value, tensors[f"discriminator/output/{name}"], atol=1e-4, rtol=0)
    losses = {
        "feature_matching": 10 * feature_matching(real_features, fake_features),
        "g_ls": generator_gan(fake_logits, "ls"),
        "g_hinge": generator_gan(fake_logits, "hinge"),
        "d_ls": discriminator_gan(real_logits, fake_logits, "ls"),
        "d_hinge": discriminator_gan(real_logits, fake_logits, "hinge"),
        "pixel": 10 * (real - fake).abs().mean(),
    }
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(LOSSES, abs=1e-4)
