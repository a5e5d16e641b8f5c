"""PWM's own training: what only PWM has."""

import pytest
import pytorch_lightning as pl
import torch
from torchvision.models import vgg19
from zoo import CASES, SIZE, Pairs, loader, pair, trainer

from reenact.errors import ReenactError
from reenact.metrics.images import psnr
from reenact.models.pwm.generator import PWMGenerator
from reenact.models.pwm.module import DiscriminatorConfig, PWMLosses, PWMModule, PWMOptimisation
from reenact.models.pwm.network import PWMConfig
from reenact.nn.perceptual import LEAST_SIDES, VGG19_CUTS, VggFeatures

pytestmark = pytest.mark.filterwarnings("ignore")


def test_generator_losses_leave_the_discriminator_alone_and_the_reverse(tmp_path):
    module = CASES["pwm-both"].make().train()
    module.load_losses()
    batch = pair(2)
    result = module(batch.source, batch.driving)
    sum(module.discriminator_losses(batch, result.detach()).values()).backward()
    assert all(p.grad is None for p in module.network.parameters())
    assert all(p.grad is not None for p in module.discriminator.parameters())


@pytest.mark.parametrize(
    ("widths", "perceptual", "least"),
    [([8] * 6, "imagenet", 256), ([8] * 5, "imagenet", 128), ([8] * 6, "probe", 16), ([8] * 6, "vggface", 256)],
)
def test_images_that_the_perceptual_network_cannot_read_are_refused(widths, perceptual, least):
    module = PWMModule("head", PWMConfig(widths=widths), DiscriminatorConfig([8]), PWMLosses(perceptual=perceptual))
    assert module.least_image_size == least
    module.check_image_size(least)
    with pytest.raises(ReenactError, match=f"at least {least} pixels, not {least // 2}"):
        module.check_image_size(least // 2)


def test_the_least_image_size_is_what_vgg_can_read():
    layers = VggFeatures(vgg19(weights=None, init_weights=False).features, VGG19_CUTS, [0.0] * 3, [1.0] * 3)
    side = LEAST_SIDES["imagenet"]
    assert all(layer.numel() for layer in layers(torch.zeros(1, 3, side, side)))
    with pytest.raises(RuntimeError):
        layers(torch.zeros(1, 3, side - 1, side - 1))


def test_learning_rates_fall_at_the_milestones(tmp_path):
    options = PWMOptimisation(generator_lr=1e-3, discriminator_lr=1e-4, milestones=[2], head_lr_factor=10)
    module = PWMModule(
        "head", PWMConfig(widths=[8, 8, 8]), DiscriminatorConfig([8]), PWMLosses(perceptual="none"), options
    )
    run = trainer(tmp_path, max_steps=3, limit_val_batches=0)
    run.fit(module, Pairs(3))
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in run.optimizers]
    assert rates == [pytest.approx([1e-4, 1e-3]), pytest.approx([1e-5])]


def test_accumulated_batches_are_one_step_and_draw_different_numbers(tmp_path, monkeypatch):
    numbers, run_network = [], PWMModule.run_network

    def draw_first(self, batch, random):
        numbers.append(random.normal(1).item())
        return run_network(self, batch, random)

    monkeypatch.setattr(PWMModule, "run_network", draw_first)
    options = PWMOptimisation(accumulate=2, clip_norm=1.0)
    module = PWMModule(
        "head", PWMConfig(widths=[8, 8, 8]), DiscriminatorConfig([8]), PWMLosses(perceptual="none"), options
    )
    run = trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    run.fit(module, Pairs(4))
    assert run.global_step == 2
    assert len(set(numbers)) == 4


def test_displacement_gain_changes_modulation_and_not_the_warp():
    torch.manual_seed(0)
    plain, loud = (PWMGenerator([8, 8, 8], 0, 2, True, gain) for gain in (1.0, 10.0))
    loud.load_state_dict(plain.state_dict())
    source = plain.eval().encode(torch.rand(1, 3, SIZE, SIZE), None)
    guidance = torch.full((1, 2, SIZE, SIZE), 0.1)
    loud.eval()
    loud.gain /= 10
    assert torch.equal(plain.decode(source, guidance).image, loud.decode(source, guidance).image)
    loud.gain *= 10
    assert not torch.equal(plain.decode(source, guidance).image, loud.decode(source, guidance).image)


@pytest.mark.slow
def test_overfits_one_clip_of_eight_frames(tmp_path):
    from reenact.data.synthetic.clips import SyntheticClips
    from reenact.faces.portrait import PortraitPair

    clip = SyntheticClips(0, range(7, 8), 1, 64, 64).read(0, range(0, 64, 8))
    pairs = [PortraitPair(clip[:4], clip[4:]), PortraitPair(clip[4:], clip[:4])]
    pl.seed_everything(0)
    module = PWMModule(
        "head",
        PWMConfig(widths=[16, 24, 32, 64], code_channels=8, displacement_gain=10.0),
        DiscriminatorConfig([8, 16]),
        PWMLosses(perceptual="pixels", gan=0.1, feature_matching=1.0, warped=30.0),
        PWMOptimisation(generator_lr=2e-3, head_lr_factor=30.0, milestones=[400, 550], gamma=0.3),
    )
    run = trainer(tmp_path, max_steps=600, limit_val_batches=0)
    run.fit(module, loader(pairs))
    module.eval()
    with torch.no_grad():
        scores = [psnr(module(p.source, p.driving).image, p.driving.image).mean().item() for p in pairs]
    copied = psnr(clip[:4].image, clip[4:].image).mean().item()
    assert sum(scores) / 2 > copied + 5
