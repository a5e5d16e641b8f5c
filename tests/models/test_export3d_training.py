"""Export3D's training: its phases, its camera labels, and the foundation that it stands on."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional
from zoo import CASES, Pairs, pair, portrait, trainer

from reenact.errors import ReenactError
from reenact.faces.camera import mirror_camera
from reenact.faces.registry import load_face_model
from reenact.models.common.checkpoint import load_method
from reenact.models.common.expression_basis import BasisConfig
from reenact.models.export3d.discriminator import DiscriminatorConfig
from reenact.models.export3d.head_space import weigh_features
from reenact.models.export3d.module import Export3DModule, count_label, label_cameras
from reenact.models.export3d_clebs.module import CLeBSModule
from reenact.models.export3d_clebs.network import CLeBSConfig

pytestmark = pytest.mark.filterwarnings("ignore")
BASIS = {"components": 3, "width": 8, "hidden": 8}


def save_foundation(folder, seed: int, **changes):
    pl.seed_everything(seed)
    module = CLeBSModule(network=CLeBSConfig(image_widths=[4], image_blocks=1, **{**BASIS, **changes}))
    run = trainer(folder)
    run.strategy.connect(module)
    run.save_checkpoint(folder / "clebs.ckpt")
    return folder / "clebs.ckpt", module


def build(clebs=None, **changes) -> Export3DModule:
    pl.seed_everything(0)
    toy = CASES["export3d"].make()
    network = replace(toy.network.config, expression="clebs", **changes)
    judge = DiscriminatorConfig(base=128, largest=8, layers=2)
    return Export3DModule("head", clebs, network, losses=toy.losses, discriminator=judge)


def fit(module, folder, resume=None, steps=1):
    run = trainer(folder, max_steps=steps, limit_val_batches=0)
    run.fit(module, Pairs(2), ckpt_path=resume)
    return run


def test_the_foundations_encoder_is_taken_frozen_and_goes_into_the_checkpoint(tmp_path):
    path, foundation = save_foundation(tmp_path, 1)
    module = build(path)
    run = fit(module, tmp_path)
    params = portrait(3, 0, "a").params
    codes = foundation.requires_grad_(False).network.expression(params)
    assert torch.equal(module.network.expression(params), codes)
    run.save_checkpoint(tmp_path / "export3d.ckpt")
    assert torch.equal(load_method(tmp_path / "export3d.ckpt").network.expression(params), codes)
    fit(build(), tmp_path, tmp_path / "export3d.ckpt", steps=2)  # the checkpoint has the encoder
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ReenactError, match="was trained with another export3d_clebs than"):
        fit(build(save_foundation(other, 2)[0]), tmp_path, tmp_path / "export3d.ckpt", steps=2)


@pytest.mark.parametrize(("name", "value"), [("components", 4), ("width", 9), ("hidden", 7)])
def test_a_foundation_of_other_sizes_is_refused(name, value, tmp_path):
    path, _ = save_foundation(tmp_path, 1, **{name: value})
    with pytest.raises(ReenactError, match=r"clebs\.ckpt has .* of the shape .*: give both the same components"):
        fit(build(path), tmp_path)


def test_a_foundation_of_another_gain_is_refused(tmp_path):
    path, foundation = save_foundation(tmp_path, 1, gain=3.0)
    with pytest.raises(
        ReenactError, match=r"trained with --model\.network\.gain 3, and this .*basis\.gain 1: give both"
    ):
        fit(build(path), tmp_path)
    module = build(path, basis=BasisConfig(**BASIS, gain=3.0))
    fit(module, tmp_path)
    params = portrait(3, 0, "a").params
    foundation.requires_grad_(False)
    assert torch.equal(module.network.expression(params), foundation.network.expression(params))


def test_what_is_no_foundation_is_refused(tmp_path):
    with pytest.raises(ReenactError, match=r"name it with --model\.clebs"):
        fit(build(), tmp_path)
    run = trainer(tmp_path)
    run.strategy.connect(CASES["fomm"].make())
    run.save_checkpoint(tmp_path / "fomm.ckpt")
    with pytest.raises(ReenactError, match=r"is of the method fomm: give a checkpoint of export3d_clebs"):
        fit(build(tmp_path / "fomm.ckpt"), tmp_path)


def test_the_discriminator_joins_in_the_second_phase(tmp_path):
    pl.seed_everything(0)
    module, logged = CASES["export3d"].make(), []
    assert module.losses.first_phase == 2
    before = {name: value.clone() for name, value in module.discriminator.state_dict().items()}

    class Note(pl.Callback):
        def on_train_batch_end(self, run, module, outputs, batch, batch_idx):
            same = all(torch.equal(value, before[name]) for name, value in module.discriminator.state_dict().items())
            logged.append(("train/generator/gan" in run.callback_metrics, same))

    run = trainer(tmp_path, max_steps=4, limit_val_batches=0, callbacks=[Note()])
    run.fit(module, Pairs(4))
    assert logged == [(False, True), (False, True), (True, False), (True, False)]
    names = {"raw", "full", "enlarged", "raw_perceptual", "full_perceptual", "gan"}
    assert {name.rpartition("/")[2] for name in run.callback_metrics if "generator/" in name} >= names


def test_the_depth_of_the_mesh_is_compared_where_it_is_seen():
    toy = CASES["export3d"].make()
    arguments = {"network": replace(toy.network.config, unposed=True), "losses": replace(toy.losses, depth=2.0)}
    module, batch = Export3DModule("head", **arguments), pair(2)
    result = module.network(batch.source, batch.driving)
    depth, seen = module.network.draw_mesh_depth(batch.driving.params)
    assert 0.1 < seen.float().mean() < 1
    shifted = torch.where(seen, depth + 0.1, 9.0)
    result = replace(result, depth=shifted, opacity=torch.where(seen, 0.75, 0.0))
    losses = module.generator_losses(batch, result)
    assert losses["depth"].item() == pytest.approx(2 * (0.1 + 0.25), rel=1e-4)
    assert "depth" not in CASES["export3d"].make().generator_losses(batch, result)


def test_what_rays_beside_the_head_meet_is_pushed_to_the_far_wall():
    toy = CASES["export3d"].make()
    module = Export3DModule("head", network=toy.network.config, losses=replace(toy.losses, background=2.0))
    batch = pair(2)
    result = module.network(batch.source, batch.driving)
    room, beside = module.network.measure_room(batch.driving.params)
    depth, seen = module.network.draw_mesh_depth(batch.driving.params)
    assert 0.1 < beside.mean() < 0.9
    assert not (seen & (beside == 1)).any()
    assert (room > depth)[seen].all()
    near = replace(result, depth=torch.where(beside == 1, room - 0.1, -9.0))
    assert module.generator_losses(batch, near)["background"].item() == pytest.approx(0.2, rel=1e-4)
    assert "background" not in toy.generator_losses(batch, result)


def test_features_weigh_the_eyes_and_the_mouth_of_the_driving_face():
    head = load_face_model("head")
    params = head.neutral(2)
    near = weigh_features(head, params, 64)
    places = head.landmarks68(head.posed(params))[..., :2]
    at = functional.grid_sample(near, places[:, None], align_corners=False)[:, 0, 0]
    assert at[:, 36:].min() > 0.7  # between pixels
    assert at[:, :17].max() < 0.3  # the jaw line
    assert 0.01 < near.mean() < 0.15
    toy, batch = CASES["export3d"].make(), pair()
    module = Export3DModule("head", None, toy.network.config, losses=replace(toy.losses, features=2.0))
    result = module.network(batch.source, batch.driving)
    losses = module.generator_losses(batch, result)
    weights = weigh_features(head, batch.driving.params, 32)
    error = ((result.image - batch.driving.image).square() * weights).sum() / (3 * weights.sum())
    torch.testing.assert_close(losses["full_features"], 2 * error)


def test_labels_tell_pose_and_camera_also_of_mirrored_pictures():
    head, params = load_face_model("head"), pair(3).driving.params
    label = label_cameras(head, params)
    assert label.shape == (3, count_label(head))
    turned = label_cameras(head, replace(params, global_pose=params.global_pose + 0.2))
    assert torch.equal(turned[:, 12:], label[:, 12:])
    assert not torch.allclose(turned[:, :9], label[:, :9])
    mirrored = label_cameras(head, replace(params, mirrored=torch.ones(3, dtype=torch.bool)))
    assert torch.equal(mirrored[:, 12:], mirror_camera(params.camera))
    signs = torch.tensor([1.0, -1, -1, -1, -1, 1, 1, 1, -1, 1, 1, 1])  # of EG3D's label of a mirrored picture
    torch.testing.assert_close(mirrored[:, :12], label[:, :12] * signs)
