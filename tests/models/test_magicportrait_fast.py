"""The distillation of MagicPortrait's sampler to few steps."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from zoo import portrait, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from reenact.errors import ReenactError
from reenact.faces.portrait import PortraitPair
from reenact.models.magicportrait.distillation import Trajectory, find_velocity, take_step
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.sampler import draw_noise, sample_latents
from reenact.models.magicportrait.toys import build_toy
from reenact.models.magicportrait.training import MagicPortraitLosses, MagicPortraitOptimisation

pytestmark = pytest.mark.filterwarnings("ignore")


class Clips(pl.LightningDataModule):
    def train_dataloader(self):
        pair = PortraitPair(portrait(2, 0, "a"), portrait(8, 1, "a").split(4))
        return torch.utils.data.DataLoader([pair], batch_size=None)


def build_student(teacher, *, steps=2, teacher_steps=3, guidance=1.5):
    """A student of the toy's sizes."""
    network = build_toy(temporal=True).network.config
    return MagicPortraitModule(
        face_model="head",
        network=replace(network, sampling=replace(network.sampling, steps=steps)),
        losses=MagicPortraitLosses(drop=0.0, teacher_steps=teacher_steps, teacher_guidance=guidance),
        optimisation=MagicPortraitOptimisation(lr=1e-2, trained="denoiser"),
        teacher=teacher,
    )


def fit(module, folder, steps, **options):
    run = trainer(folder, max_steps=steps, limit_val_batches=0)
    run.fit(module, Clips(), **options)
    run.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    return fit(build_toy(temporal=True), tmp_path_factory.mktemp("teacher"), 1)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_step_with_the_found_velocity_ends_where_the_teacher_does(place):
    torch.manual_seed(1)
    trajectory = Trajectory("linear", 4, 5)
    noisy, weight = torch.randn(2, 3, 2, 4, 4), torch.randn(3, 3)

    def teach(latents, timesteps):
        return torch.einsum("kc,bcfhw->bkfhw", weight, latents) * (timesteps / 1000)[:, None, None, None, None]

    latents = noisy
    for number in range(5 * place, 5 * place + 5):
        share, following = trajectory.alphas[number].expand(2), trajectory.alphas[number + 1].expand(2)
        latents = take_step(latents, teach(latents, trajectory.timesteps[number].expand(2)), share, following)
    start = trajectory.list_starts()[place].expand(2)
    velocity = trajectory.find_target(teach, noisy, start)
    share, following = trajectory.alphas[5 * place].expand(2), trajectory.alphas[5 * place + 5].expand(2)
    torch.testing.assert_close(take_step(noisy, velocity, share, following), latents, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(find_velocity(noisy, latents, share, following), velocity)


def test_steps_are_those_of_the_sampler():
    trajectory, scheduler = Trajectory("linear", 4, 5), build_toy()._scheduler
    scheduler.set_timesteps(4)
    assert torch.equal(trajectory.list_starts(), scheduler.timesteps)


def test_the_student_starts_as_its_teacher_and_trains_the_denoiser_alone(teacher, tmp_path):
    module = build_student(teacher)
    assert module.reaches_all
    fit(module, tmp_path, 1)
    before = torch.load(teacher, weights_only=False)["state_dict"]
    after = module.network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(before[f"network.{name}"], value)}
    assert changed
    assert all(name.startswith("denoiser.") for name in changed)
    assert not any(name.startswith("_teacher") for name in module.state_dict())


def test_a_student_without_substeps_and_guidance_has_nothing_to_learn(teacher, tmp_path):
    module = build_student(teacher, steps=4, teacher_steps=1, guidance=1.0)
    fit(module, tmp_path, 0)
    module.on_fit_start()
    pair = next(iter(Clips().train_dataloader()))
    assert module.eval().check_velocities(pair) < 1e-8


@torch.no_grad()
def test_the_student_s_targets_lead_where_the_teacher_s_guided_sampler_does(teacher, tmp_path):
    module = build_student(teacher, steps=2, teacher_steps=2, guidance=2.5)
    fit(module, tmp_path, 0)
    module.eval().on_fit_start()
    source, driving = portrait(1, 0, "a"), portrait(4, 1, "a").split(4)
    network, config = module.network, module.network.config
    state, noise = network.encode(source), draw_noise(0, range(4), (48, 8, 8))
    features = network.guide(state, network.read(driving)).features

    def follow(noisy, timesteps, frames):
        return module._follow_teacher(noisy, timesteps, features[:, :, frames], state.bank)

    ends = {"targets": network.autoencoder.decode(sample_latents(follow, noise, config.sampling)[0].transpose(0, 1))}
    for name, scale in (("guided", 2.5), ("unguided", 1.0)):
        sampling = replace(config.sampling, steps=4, guidance=scale, seed=0)
        network.config = replace(config, sampling=sampling)
        ends[name] = network.perform(state, network.read(driving)).image[0]
    torch.testing.assert_close(ends["targets"].clamp(-1, 1), ends["guided"], atol=1e-4, rtol=0)
    assert (ends["guided"] - ends["unguided"]).abs().max() > 0.01


def test_a_training_goes_on_with_its_own_teacher_alone(teacher, tmp_path):
    first = fit(build_student(teacher), tmp_path / "first", 1)
    whole = fit(build_student(teacher), tmp_path / "whole", 2)
    resumed = fit(build_student(teacher), tmp_path / "resumed", 2, ckpt_path=first)
    weights = [torch.load(path, weights_only=False)["state_dict"] for path in (whole, resumed)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    other = fit(build_toy(temporal=True), tmp_path / "other", 1)
    with pytest.raises(ReenactError, match="this training began with another teacher than"):
        fit(build_student(other), tmp_path / "refused", 2, ckpt_path=first)


def test_a_missing_teacher_and_one_of_another_stage_are_refused(teacher, tmp_path):
    with pytest.raises(ReenactError, match=r"name it with --model\.teacher"):
        fit(build_student(None), tmp_path, 1)
    still = tmp_path / "still.ckpt"
    content = torch.load(teacher, weights_only=False)
    content["state_dict"] = {name: value for name, value in content["state_dict"].items() if "motion" not in name}
    torch.save(content, still)
    with pytest.raises(ReenactError, match=r"still.ckpt has denoiser\..* of the shape None, .*preset magicportrait"):
        fit(build_student(still), tmp_path, 1)
