"""The expression VAE: its losses, its MMFA, and that it does not collapse."""

import pytest
import pytorch_lightning as pl
import torch
from torch.distributions import Normal, kl_divergence
from zoo import CASES, SIZE, Pairs, loader, pair, portrait, trainer

from reenact.errors import ReenactError
from reenact.models.common.checkpoint import load_method, load_module, load_weights
from reenact.models.mmfa_vae.frozen import FrozenMMFA, check_same, load_frozen
from reenact.models.mmfa_vae.module import MMFAVAEModule, VAEOptimisation
from reenact.models.mmfa_vae.network import ExpressionVAE, Reconstruction, VAEConfig
from reenact.nn.frozen import hash_weights
from reenact.nn.probe import load_probe

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = VAEConfig(expression=8, latent=4, hidden=16)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """An untrained MMFA at toy size and a FOMM."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for case in (CASES["mmfa"], CASES["fomm"]):
        pl.seed_everything(0)
        module = case.make()
        module.image_size = SIZE
        run = trainer(folder)
        run.strategy.connect(module)
        run.save_checkpoint(folder / f"{case}.ckpt")
    return folder


def vae(checkpoints, **options) -> MMFAVAEModule:
    pl.seed_everything(0)
    return MMFAVAEModule(checkpoints / "mmfa.ckpt", **{"network": SMALL, **options})


def test_divergence_is_that_from_the_standard_normal_distribution():
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    zero = torch.zeros(3, 8)
    wanted = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(Reconstruction(zero, zero, mean, log_variance).divergence(), wanted)


def test_fits_validates_tests_and_is_read_back(checkpoints, tmp_path):
    module = vae(checkpoints)
    frozen = load_frozen(checkpoints / "mmfa.ckpt")
    run = trainer(tmp_path, max_steps=3)
    run.fit(module, Pairs())
    assert run.global_step == 3
    assert {"val/self/variance_kept", "val/self/kl_per_dimension"} <= set(run.callback_metrics)
    run.test(module, Pairs(), verbose=False)
    assert run.callback_metrics["test/self/kl_per_dimension"] > 0
    assert not [name for name in module.state_dict() if "frozen" in name or "mmfa" in name]
    run.save_checkpoint(tmp_path / "vae.ckpt")
    with pytest.raises(ReenactError, match="is of mmfa_vae, which makes no pictures"):
        load_method(tmp_path / "vae.ckpt")
    again = load_module(tmp_path / "vae.ckpt")
    assert isinstance(again, MMFAVAEModule)
    features = frozen.features(portrait(3, 1, "a").image)
    torch.testing.assert_close(again.network.code(features), module.eval().network.code(features))
    check_same(again.network, frozen.digest, checkpoints / "mmfa.ckpt")


def test_resumes_exactly(checkpoints, tmp_path):
    def fit(epochs, resume=None):
        module = vae(checkpoints)
        run = trainer(tmp_path, max_epochs=epochs, limit_val_batches=0)
        run.fit(module, Pairs(2), ckpt_path=resume)
        return run, module

    _, whole = fit(2)
    first, _ = fit(1)
    first.save_checkpoint(tmp_path / "half.ckpt")
    _, resumed = fit(2, tmp_path / "half.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_what_is_no_mmfa_of_its_own_is_refused(checkpoints, tmp_path):
    def refused(module, message):
        with pytest.raises(ReenactError, match=message):
            trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(module, Pairs())

    refused(MMFAVAEModule(network=SMALL), "name its checkpoint with --model.mmfa")
    refused(MMFAVAEModule(checkpoints / "fomm.ckpt", SMALL), "is of the method fomm: give the checkpoint of an mmfa")
    refused(MMFAVAEModule(checkpoints / "none.ckpt", SMALL), "no checkpoint")
    refused(vae(checkpoints, network=VAEConfig(expression=9)), "has expressions of 8 numbers, not 9: set --model.net")
    other = vae(checkpoints)
    other.network.digest.fill_(7)
    refused(other, "trained on another MMFA than .*mmfa.ckpt: train one on it")
    with pytest.raises(ReenactError, match=r"reads images of 32 pixels, not 64: set --data\.size 32"):
        load_frozen(checkpoints / "mmfa.ckpt").features(torch.zeros(1, 3, 64, 64))


def test_features_are_those_that_mmfa_reads(checkpoints):
    driving = portrait(2, 3, "b")
    wanted = load_method(checkpoints / "mmfa.ckpt").network.read(driving).expression
    torch.testing.assert_close(load_frozen(checkpoints / "mmfa.ckpt").features(driving.image), wanted)


@torch.no_grad()
def test_between_two_expressions_and_at_random():
    torch.manual_seed(0)
    network = ExpressionVAE(SMALL).eval()
    network.standard.running_mean.normal_()
    source, driving = torch.randn(1, 8), torch.randn(1, 8)
    for weight, end in ((0.0, source), (1.0, driving)):
        torch.testing.assert_close(network.between(source, driving, weight), network.feature(network.code(end)))
    torch.testing.assert_close(network.restored(network.standard(source)), source)
    assert torch.equal(network.sample(3), network.sample(3))
    assert not torch.equal(network.sample(3), network.sample(4))


@pytest.fixture
def known_features(monkeypatch):
    """Expressions on a curved surface of three dimensions in eight, of any size and place, read from the pixels."""
    mix = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))

    def features(self, image):
        x = image[:, 0, 0, :3]
        return 0.01 * torch.cat((x, x.sin()), dim=1) @ mix + 5

    monkeypatch.setattr(FrozenMMFA, "features", features)
    draw = torch.Generator().manual_seed(2)
    batches = [pair(64) for _ in range(10)]
    for batch in batches:
        for side in (batch.source, batch.driving):
            side.image = torch.randn(64, 3, 1, SIZE, generator=draw).expand(-1, -1, SIZE, -1)
    return batches


def test_it_does_not_collapse(checkpoints, known_features, tmp_path):
    module = vae(checkpoints, optimisation=VAEOptimisation(generator_lr=3e-3, discriminator_lr=1.5e-3))
    run = trainer(tmp_path, max_steps=300, check_val_every_n_epoch=33)  # once, in the last whole epoch
    data = Pairs(1)
    data.train_dataloader = lambda: loader(known_features[:9])
    data.val_dataloader = lambda: {"self": loader(known_features[9:]), "cross": loader([])}
    run.fit(module, data)
    assert run.callback_metrics["val/self/variance_kept"] > 0.8
    assert run.callback_metrics["val/self/kl_per_dimension"] > 0.1


def test_a_checkpoint_records_the_network_of_head_poses_and_is_refused_with_another(checkpoints, tmp_path):
    content = torch.load(checkpoints / "mmfa.ckpt", weights_only=True)
    assert content["reenact"]["frozen_parts"] == {"head_pose": hash_weights(load_probe().state_dict())}
    path = tmp_path / "changed.ckpt"
    content["reenact"]["frozen_parts"]["head_pose"] = "0" * 64
    torch.save(content, path)
    for load in (load_method, lambda path: load_weights(path, CASES["mmfa"].make())):
        with pytest.raises(ReenactError, match=r"trained with another network head_pose \(sha256 0000"):
            load(path)
    del content["reenact"]["frozen_parts"]  # as earlier versions wrote it
    torch.save(content, path)
    load_method(path)
