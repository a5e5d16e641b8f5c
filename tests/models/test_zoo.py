"""What every method of the zoo must do."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from zoo import FIRST, Pairs, loader, pair, portrait, trainer

from reenact.errors import ReenactError
from reenact.faces.windows import list_window
from reenact.models.common.base import Transfer
from reenact.models.common.checkpoint import load_method
from reenact.models.common.module import ReenactmentModule

pytestmark = pytest.mark.filterwarnings("ignore")


LONG = pytest.mark.parametrize("case", FIRST, ids=str)
"""For proofs that train: a case of each method."""


@dataclass
class Training:
    """A case after three steps."""

    run: pl.Trainer
    module: ReenactmentModule
    checkpoint: Path


@pytest.fixture(scope="module")
def training(case, tmp_path_factory):
    """One training of each case, which tests read and don't go on with."""
    folder = tmp_path_factory.mktemp("training")
    pl.seed_everything(0)
    module = case.make()
    run = trainer(folder, max_steps=3, limit_val_batches=0)
    run.fit(module, Pairs(2))
    run.save_checkpoint(folder / "method.ckpt")
    return Training(run, module, folder / "method.ckpt")


def test_global_step_counts_iterations(training):
    assert training.run.global_step == 3


def test_validates_tests_and_predicts(training, tmp_path):
    run, module = trainer(tmp_path, fast_dev_run=True), training.module
    run.validate(module, Pairs(), verbose=False)
    assert {"val/self/psnr", "val/self/l1"} <= set(run.callback_metrics)
    assert not any(name.startswith("val/cross") for name in run.callback_metrics)
    run.test(module, Pairs(), verbose=False)
    assert "test/self/psnr" in run.callback_metrics
    own, cross = run.predict(module, Pairs())
    assert own[0].image.shape == cross[0].image.shape == (4, 3, 32, 32)


@LONG
def test_validates_while_it_trains(module, tmp_path):
    run = trainer(tmp_path, fast_dev_run=True)
    run.fit(module, Pairs())
    assert run.global_step == 1
    assert {"val/self/psnr", "val/self/l1"} <= set(run.callback_metrics)


def test_pictures_are_images_in_range_with_the_result_last(module):
    batch = pair(2)
    result = module.eval()(batch.source, batch.driving)
    pictures = result.pictures()
    assert list(pictures)[-1] == "result"
    for name, picture in (pictures | result.pictures_of(batch.driving.image)).items():
        assert picture.shape == (2, 3, 32, 32), name
        assert picture.abs().max() <= 1, name


def test_checkpoint_round_trip(training):
    batch = pair(2, seed=9)
    with torch.no_grad():
        wanted = training.module.eval()(batch.source, batch.driving).image
        loaded = load_method(training.checkpoint, fold=False)
        assert torch.equal(loaded(batch.source, batch.driving).image, wanted)
        loaded.network = loaded.network.folded()
        torch.testing.assert_close(loaded(batch.source, batch.driving).image, wanted, atol=2e-4, rtol=0)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_checkpoint_holds_no_mesh(module):
    if not module.needs.params:
        pytest.skip("has no face model")
    vertices = len(module.network.face_model.mean_vertices)
    learned = {tuple(p.shape) for p in module.parameters()}
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert not [name for name, shape in shapes.items() if vertices in shape and shape not in learned]


@LONG
def test_resumes_exactly(case, tmp_path):
    half = tmp_path / "half.ckpt"

    class SaveFirstEpoch(pl.Callback):
        def on_train_epoch_end(self, run, module):
            if run.current_epoch == 0:
                run.save_checkpoint(half)

    def fit(callbacks, resume=None):
        pl.seed_everything(0)
        module = case.make()
        run = trainer(tmp_path, max_epochs=2, limit_val_batches=0, callbacks=callbacks)
        run.fit(module, Pairs(2), ckpt_path=resume)
        assert run.global_step == 4
        return module

    whole = fit([SaveFirstEpoch()])
    assert torch.load(half, weights_only=True)["global_step"] == 2
    resumed = fit([], half)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


class StopsWhenLearned(pl.Callback):
    """Ends a training at the step at which a batch is reconstructed to a share of an error."""

    def __init__(self, batch, share):
        self.batch, self.share = batch, share
        self.before = torch.nn.functional.l1_loss(batch.source.image, batch.driving.image).item()
        self.errors = []

    @torch.no_grad()
    def on_train_batch_end(self, run, module, *_):
        if run.global_step % 5 == 0:
            result = module.eval()(self.batch.source, self.batch.driving).image
            module.train()
            self.errors.append(torch.nn.functional.l1_loss(result, self.batch.driving.image).item())
            run.should_stop = self.errors[-1] < self.share * self.before


@LONG
def test_learns_a_batch(module, tmp_path):
    """Better than one blurred picture for all, which leaves two thirds of the error of the copied source."""
    stop = StopsWhenLearned(pair(4), 0.6)
    run = trainer(tmp_path, max_steps=120, limit_val_batches=0, callbacks=[stop])
    run.fit(module.train(), loader([stop.batch]))
    assert min(stop.errors) < stop.share * stop.before


@torch.no_grad()
def test_encoding_once_equals_the_whole_network(module):
    module.eval()
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "a")
    state = module.network.encode(source)
    together = module.network.drive(state, driving).image
    for i in range(3):
        alone = module.network(source, driving[i : i + 1]).image
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_video_is_played_as_its_frames_are_performed(module):
    """Frame by frame for methods that know nothing of time, window by window for others, whatever the batches."""
    network = module.eval().network
    source, driving = portrait(1, 0, "a"), portrait(5, 1, "a")
    state, motion = network.encode(source), network.read(driving)
    if module.needs.window:
        rows = torch.from_numpy(list_window(range(5), module.needs.window, 5))
        driving = replace(driving, window=driving.params[rows])
    shown = network.read_window(driving)
    for size in (1, 3):
        starts = range(0, 5, size)
        played = torch.cat([result.image for result in network.play((state, motion[at : at + size]) for at in starts)])
        performed = torch.cat([network.perform(state, shown[at : at + size]).image for at in starts])
        assert torch.equal(played, performed)
        torch.testing.assert_close(played, network.perform(state, shown).image, atol=1e-5, rtol=0)


@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(module):
    module.eval()
    batch = pair(3)
    together = module(batch.source, batch.driving).image
    changed = replace(batch, driving=pair(3, seed=7).driving)
    mixed = replace(batch, driving=type(batch.driving).cat([batch.driving[:1], changed.driving[1:]]))
    torch.testing.assert_close(module(mixed.source, mixed.driving).image[:1], together[:1], atol=1e-6, rtol=0)


@torch.no_grad()
def test_relative_motion_of_a_face_against_itself_does_nothing(module):
    network = module.eval().network
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    state = network.encode(source)
    for strength in (1.0, 1.7):
        motion = network.retarget(state, network.read(source), Transfer(mode="relative", strength=strength))
        assert torch.equal(network.perform(state, motion).image, network.drive(state, source).image)
    same = network.read(driving[1:2])
    motion = network.retarget(state, same, Transfer(mode="relative"), same)
    assert torch.equal(network.perform(state, motion).image, network.drive(state, source).image)


@torch.no_grad()
def test_absolute_motion_goes_from_the_source_to_the_driving_face(module):
    network = module.eval().network
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    state = network.encode(source)
    none, full = (network.retarget(state, network.read(driving), Transfer(strength=k)) for k in (0.0, 1.0))
    still = network.drive(state, source).image
    torch.testing.assert_close(network.perform(state, none).image, still.expand(3, -1, -1, -1), atol=1e-3, rtol=0)
    assert not torch.equal(network.perform(state, full).image, still.expand(3, -1, -1, -1))


def test_unknown_parts_and_modes_are_refused(module):
    network = module.network
    with pytest.raises(ReenactError, match=r"has no part 'nose': choose from \w"):
        network.check_transfer(Transfer(parts=("nose",)))
    with pytest.raises(ReenactError, match="knows no motion 'sideways'"):
        network.check_transfer(Transfer(mode="sideways"))


@torch.no_grad()
def test_a_renormalised_scale_moves_the_face_or_is_refused(module):
    network = module.eval().network
    transfer = Transfer(renormalise_scale=True)
    if "camera" not in network.parts:
        with pytest.raises(ReenactError, match="no camera whose scale changes: leave out --renormalise-scale"):
            network.check_transfer(transfer)
        return
    state, driving = network.encode(portrait(1, 0, "a")), network.read(portrait(1, 1, "b"))
    driving = replace(driving, camera=1.2 * driving.camera)
    network.check_transfer(transfer)
    renormalised = network.retarget(state, driving, transfer)
    torch.testing.assert_close(renormalised.camera[:, 0], state.motion.camera[:, 0])
    plain = network.retarget(state, driving, replace(transfer, renormalise_scale=False))
    assert torch.equal(plain.camera, driving.camera)


def test_not_a_number_stops_the_run_and_names_the_clips(module, tmp_path):
    batches = Pairs(2)
    batches.batches[1].driving.image[2, 0, 0, 0] = math.nan
    before = {}

    class Keep(pl.Callback):
        def on_train_batch_start(self, run, module, batch, batch_idx):
            before.update({name: p.detach().clone() for name, p in module.named_parameters()})

    run = trainer(tmp_path, max_epochs=1, limit_val_batches=0, callbacks=[Keep()])
    sentence = r"nan at step 1 in a batch of the clips .*a/clip2.*: look at these clips or lower the learning rate"
    with pytest.raises(ReenactError, match=sentence):
        run.fit(module, batches)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_no_loss_weight_rewards_the_error(case):
    module = case.make()
    losses = module.arguments.get("losses") or {}
    weights = [name for name, value in losses.items() if isinstance(value, float)]
    for name in weights:
        module.arguments["losses"] = {**losses, name: -1.0}
        with pytest.raises(ReenactError, match=rf"--model\.losses\.{name} -1 would reward the error: give 0"):
            module.check_losses()
    module.arguments["losses"] = losses
    module.check_losses()
