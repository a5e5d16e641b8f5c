"""PIRenderer's own: sizes, official files, windows, stages, and the warp of the released code."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from faces.made_bfm import write_bfm
from released_pirenderer import name_officially, run_generator
from zoo import CASES, Pairs, loader, pair, portrait, trainer

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.faces.registry import load_face_model
from reenact.faces.vector import MotionVector
from reenact.models.common.base import Transfer
from reenact.models.common.checkpoint import load_method
from reenact.models.common.convert import convert
from reenact.models.pirenderer.editing import EditingNetwork
from reenact.models.pirenderer.module import PIRendererLosses, PIRendererModule, PIRendererOptimisation
from reenact.models.pirenderer.mouth import compare_mouths, locate_mouths
from reenact.models.pirenderer.network import PIRenderer, PIRendererConfig
from reenact.models.pirenderer.released_grid import warp_as_released
from reenact.nn.layout import has_inner_channels
from reenact.nn.losses import to_unit
from reenact.nn.warping import MappingNetwork, WarpingNetwork, add_coordinates
from reenact.nn.winograd import WinogradConv

pytestmark = pytest.mark.filterwarnings("ignore")

WIDE = {"code": 16, "warping_width": 8, "warping_halvings": 3, "warping_doublings": 2, "editing_width": 64,
        "editing_halvings": 2, "residual_blocks": 1, "largest": 128, "initial_std": None}  # fmt: skip


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def toy():
    pl.seed_everything(0)
    return CASES["pirenderer"].make().eval()


def test_the_network_has_the_published_sizes_without_its_dead_convolutions():
    editing = EditingNetwork()
    parts = {"first": 19_008, "down0": 74_112, "down1": 295_680, "down2": 590_592}
    assert {name: count(editing.encoder.get_submodule(name)) for name in parts} == parts
    parts = {"up2": 590_592, "jump2": 590_592, "up1": 295_296, "jump1": 147_840, "up0": 73_920, "jump0": 37_056}
    parts["final"] = 9_411
    assert {name: count(editing.decoder.get_submodule(name)) for name in parts} == parts
    # The released blocks hold twice as many: a convolution and a norm of each are never heard.
    parts = {"res2": 2_756_096, "res1": 2_756_096, "res0": 854_016}
    assert {name: 2 * count(editing.decoder.get_submodule(name)) for name in parts} == parts
    whole = count(editing) + sum(parts.values()) / 2 + count(MappingNetwork(73)) + count(WarpingNetwork())
    assert round(whole / 1e6, 2) == 22.52


@torch.no_grad()
def test_zero_flow_shrinks_the_picture_as_released():
    side = 64
    columns = torch.arange(side, dtype=torch.float32).expand(1, 3, side, side).contiguous()
    warped = warp_as_released(columns, torch.zeros(1, 2, 16, 16))
    inner = torch.arange(2, side - 2)
    # Position -1 + 2 (x / 4 - 3 / 8) / 15 in pixels of the picture: 16 / 15 of the way from the centre.
    expected = (inner - 31.5) * 16 / 15 + 31.5
    torch.testing.assert_close(warped[0, 0, 32, 2:-2], expected.clamp(0, side - 1), atol=1e-3, rtol=0)
    # At the border half of the sample is zero.
    torch.testing.assert_close(warped[0, 0, 32, -1], columns[0, 0, 0, -1] / 2, atol=1e-3, rtol=0)


@torch.no_grad()
def test_the_flow_says_where_the_driving_pixel_lies_in_the_source():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    right = torch.zeros(2, 2, 32, 32)
    right[1, 0] = 2 * 4 / 31  # four pixels of the flow's own grid
    still, moved = warp_as_released(picture, right)
    torch.testing.assert_close(moved[:, 2:-2, 2:-6], still[:, 2:-2, 6:-2], atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def bfm(tmp_path_factory):
    return str(write_bfm(tmp_path_factory.mktemp("models") / "bfm"))


CONFIG = PIRendererConfig(
    code=16, warping_width=8, warping_halvings=3, warping_doublings=2, editing_width=8, editing_halvings=2,
    residual_blocks=2, largest=24, initial_std=None,
)  # fmt: skip
SETTINGS = "data: {resolution: 64, semantic_radius: 13}\ngen: {param: {common: {use_spect: false}}}\n"


def write_official(module, path):
    weights = name_officially(module.network)
    averaged = {name: value.clone() for name, value in weights.items()}
    current = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"net_G": current, "net_G_ema": averaged, "current_epoch": 190, "current_iteration": 400000}, path)
    path.with_suffix(".yaml").write_text(SETTINGS)
    return path


@torch.no_grad()
def test_a_converted_file_gives_the_released_output(bfm, tmp_path, caplog):
    pl.seed_everything(1)
    module = PIRendererModule(bfm, CONFIG, PIRendererLosses(perceptual="pixels")).eval()
    path = write_official(module, tmp_path / "official.pt")
    out = convert(path, tmp_path / "ours.ckpt", bfm, path.with_suffix(".yaml"))
    assert "left out: 32 weights of the released residual blocks" in caplog.text
    converted = load_method(out)
    assert converted.image_size == 64
    params = module.network.face_model.neutral(2)
    draw = torch.Generator().manual_seed(0)
    params = replace(params, expression=torch.randn(params.expression.shape, generator=draw))
    image = 2 * torch.rand(2, 3, 64, 64, generator=draw) - 1
    result = converted(Portrait(image, params=params), Portrait(image, params=params))
    vector = MotionVector(module.network.face_model).of(params)
    warped, final = run_generator(name_officially(module.network), image, vector[..., None].expand(-1, -1, 27))
    torch.testing.assert_close(result.warped, warped, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.image, final, atol=2e-4, rtol=0)


def test_official_files_that_do_not_fit_are_refused_in_one_sentence(bfm, tmp_path):
    module = PIRendererModule(bfm, CONFIG, PIRendererLosses(perceptual="pixels"))
    path = write_official(module, tmp_path / "official.pt")
    config, out = path.with_suffix(".yaml"), tmp_path / "ours.ckpt"
    with pytest.raises(ReenactError, match="reads 73 coefficients of a frame and head has 57: give --face-model bfm"):
        convert(path, out, "head", config)
    with pytest.raises(ReenactError, match=r"other sizes than the released files"):
        convert(path, out, bfm)
    changes = {
        "does not fit pirenderer: Unexpected": lambda weights: weights.update({"mapping_net.extra": torch.zeros(1)}),
        "does not fit pirenderer: Missing": lambda weights: weights.pop("mapping_net.encoder1.1.bias"),
        "no official checkpoint of PIRenderer .*: it lacks": lambda weights: weights.pop(
            "warpping_net.hourglass.encoder.input_layer.bias"
        ),
        "no official checkpoint that is known here": lambda weights: weights.pop("mapping_net.first.0.weight"),
    }
    for message, change in changes.items():
        official = torch.load(path, weights_only=True)
        change(official["net_G_ema"])
        torch.save(official, tmp_path / "changed.pt")
        with pytest.raises(ReenactError, match=message):
            convert(tmp_path / "changed.pt", out, bfm, config)
    assert not out.exists()


def test_windows_of_another_length_are_refused(toy):
    source = portrait(1, 0, "a")
    window = source.params[[0] * 5].map(lambda value: value[None])
    with pytest.raises(ReenactError, match="windows of 27 frames, not 5"):
        toy.network.perform(toy.network.encode(source), window)


@torch.no_grad()
def test_a_frame_follows_the_frames_around_it(toy):
    source, driving = portrait(1, 0, "a"), portrait(27, 1, "a")
    state = toy.network.encode(source)
    window = driving.params.map(lambda value: value[None])
    alone = toy.network.perform(state, driving.params[13:14]).image
    assert not torch.allclose(alone, toy.network.perform(state, window).image, atol=1e-4)
    still = driving.params[[13] * 27].map(lambda value: value[None])
    torch.testing.assert_close(alone, toy.network.perform(state, still).image, atol=1e-5, rtol=0)


@torch.no_grad()
def test_without_a_window_coefficients_are_standardised_and_a_frame_stands_alone():
    network = CASES["pirenderer-one-way"].make().eval().network
    assert network.needs.window == 0
    source, driving = portrait(1, 0, "a"), portrait(8, 1, "a")
    state = network.encode(source)
    with pytest.raises(ReenactError, match="windows of 25 frames, not 8"):
        network.perform(state, driving.params.map(lambda value: value[None]))
    alone = network.perform(state, driving.params[:1]).image
    torch.testing.assert_close(network.perform(state, driving.params).image[:1], alone, atol=1e-5, rtol=0)
    network.train().perform(state, driving.params)
    means = [network.vector.of(params).mean(0) for params in (driving.params, source.params)]
    torch.testing.assert_close(network.standard.mean, (means[0] + means[1]) / 2)
    assert not torch.allclose(network.eval().perform(state, driving.params[:1]).image, alone, atol=1e-3)


@torch.no_grad()
def test_the_source_s_coefficients_and_the_places_of_pixels_are_read_where_asked():
    source, driving = portrait(1, 0, "a"), portrait(2, 1, "a")
    turned = replace(source, params=replace(source.params, global_pose=source.params.global_pose + 0.2))
    for name, reads in (("pirenderer", False), ("pirenderer-one-way", True)):
        network = CASES[name].make().eval().network
        state, motion = network.encode(source), network.repeat_motion(network.read(driving))
        result = network.perform(state, motion).image
        other = network.perform(network.encode(turned), motion).image
        assert torch.equal(result, other) is not reads
        assert network.warpping_net.hourglass.encoder.input_layer.in_channels == (5 if reads else 3)


@pytest.mark.parametrize("initial_std", [None, 0.02])
@torch.no_grad()
def test_a_residual_result_begins_as_the_warped_source(initial_std):
    torch.manual_seed(0)
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "a")
    for residual in (True, False):
        config = replace(CONFIG, window=0, residual_editing=residual, initial_std=initial_std)
        result = PIRenderer(config, load_face_model("head")).eval()(source, driving)
        assert ((result.image - result.warped).abs().mean().item() < 0.05) is residual
        assert result.image.abs().max() < 1


@pytest.mark.parametrize("window", [0, 13])
@torch.no_grad()
def test_driving_coefficients_are_their_change_against_the_source_s(window):
    source, driving, read = portrait(1, 0, "a"), portrait(3, 1, "a"), []
    network = PIRenderer(replace(CONFIG, window=window, source_coefficients=True), load_face_model("head")).eval()
    network.mapping_net.register_forward_pre_hook(lambda _, arguments: read.append(arguments[0]))
    network.perform(network.encode(source), network.repeat_motion(driving.params))
    still, moved = network.vector.of(source.params), network.vector.of(driving.params)
    expected = torch.cat((moved - still, still.expand_as(moved)), 1)[..., None].expand(-1, -1, network.config.frames)
    torch.testing.assert_close(read[0], expected)


def test_the_place_of_a_pixel_lies_behind_its_colour():
    picture = torch.rand(2, 3, 4, 8)
    wide = add_coordinates(picture)
    assert torch.equal(wide[:, :3], picture)
    torch.testing.assert_close(wide[1, 3, 2], torch.linspace(-7 / 8, 7 / 8, 8))
    torch.testing.assert_close(wide[1, 4, :, 5], torch.linspace(-3 / 4, 3 / 4, 4))


def test_the_first_stage_trains_the_warp_alone(tmp_path):
    module = CASES["pirenderer"].make()
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    run = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    run.fit(module, Pairs(2))
    assert set(run.callback_metrics) == {"train/loss", "train/loss/warped", "train/loss/pixel"}
    changed = {
        name.split(".")[0] for name, value in module.network.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"mapping_net", "warpping_net"}
    run = trainer(tmp_path, max_steps=2, limit_val_batches=0)
    run.fit(module, Pairs(2))
    assert {"train/loss/final", "train/loss/final_style"} <= set(run.callback_metrics)
    assert not module.reaches_all


def test_the_first_stage_may_be_a_share_of_the_training(tmp_path):
    steps = 4
    module = CASES["pirenderer"].make()
    module.optimisation = replace(module.optimisation, warp_steps=0.5)
    seen = []

    class Note(pl.Callback):
        def on_train_batch_end(self, run, module, outputs, batch, batch_idx):
            seen.append("final" if "train/loss/final" in run.callback_metrics else "warped")

    trainer(tmp_path, max_steps=steps, limit_val_batches=0, callbacks=[Note()]).fit(module, Pairs(4))
    assert seen == ["warped"] * (steps // 2) + ["final"] * (steps // 2)
    with pytest.raises(ReenactError, match=r"warp_steps 0\.5 is a share of --trainer\.max_steps, which is not set"):
        trainer(tmp_path, max_steps=-1, max_epochs=1, limit_val_batches=0).fit(module, Pairs(2))


def test_both_directions_train_on_both_pictures(tmp_path, monkeypatch):
    for name, rows in (("pirenderer", 8), ("pirenderer-one-way", 4)):
        module, seen = CASES[name].make(), []
        compare = module.image_losses.compare_scales

        def note(fake, real, *words, compare=compare, seen=seen, **options):
            seen.append(real)
            return compare(fake, real, *words, **options)

        monkeypatch.setattr(module.image_losses, "compare_scales", note)
        batch = pair(4)
        trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(module, loader([batch]))
        assert len(seen[0]) == rows
        assert torch.equal(seen[0][:4], (batch.driving.image + 1) / 2)
        assert rows == 4 or torch.equal(seen[0][4:], (batch.source.image + 1) / 2)


def test_the_average_of_the_weights_is_what_is_saved_and_used(tmp_path):
    pl.seed_everything(0)
    module = CASES["pirenderer-one-way"].make()
    steps = [module.network.mapping_net.first[0].bias.detach().clone()]

    class Note(pl.Callback):
        def on_train_batch_end(self, run, module, outputs, batch, batch_idx):
            steps.append(module.network.mapping_net.first[0].bias.detach().clone())

    run = trainer(tmp_path, max_steps=3, limit_val_batches=0, callbacks=[Note()])
    run.fit(module, Pairs(3))
    average = steps[1]
    for bias in steps[2:]:
        average = 0.5 * average + 0.5 * bias
    torch.testing.assert_close(module.network.mapping_net.first[0].bias.detach(), average)
    run.save_checkpoint(tmp_path / "pir.ckpt")
    saved = load_method(tmp_path / "pir.ckpt", fold=False).network.mapping_net.first[0].bias
    torch.testing.assert_close(saved, average)


def test_settings_that_fit_nothing_are_refused():
    with pytest.raises(ReenactError, match=r"11 frames and 3 mapping layers read 25: set 0, 12 or more"):
        PIRendererConfig(window=5)
    with pytest.raises(ReenactError, match=r"warping_doublings 5 must be at least 1 and less than"):
        PIRendererConfig(warping_doublings=5)
    with pytest.raises(ReenactError, match=r"average 1\.0 must be"):
        PIRendererOptimisation(average=1.0)
    with pytest.raises(ReenactError, match=r"warp_steps -1 must be at least 0"):
        PIRendererOptimisation(warp_steps=-1)
    with pytest.raises(ReenactError, match=r"perceptual none leaves no loss"):
        PIRendererModule("head", CONFIG, PIRendererLosses(perceptual="none")).check_losses()


@pytest.mark.parametrize("side", [8, 36])
def test_pictures_of_other_sizes_are_refused(toy, side):
    source = replace(portrait(1, 0, "a"), image=torch.zeros(1, 3, side, side))
    with pytest.raises(ReenactError, match=f"multiples of 8, 16 or more, not {side}x{side}"):
        toy.network.encode(source)


@torch.no_grad()
def test_the_scale_of_another_face_is_renormalised_unless_the_transfer_says_not(toy):
    network = toy.network
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    sizes = torch.tensor([1.0, 1.2, 1.4])[:, None]
    camera = torch.cat((sizes * driving.params.camera[:, :1], driving.params.camera[:, 1:]), 1)
    driving = replace(driving, params=replace(driving.params, camera=camera))
    state, motion = network.encode(source), network.read(driving)
    assert network.transfer.renormalise_scale
    taken = network.retarget(state, motion, network.transfer, motion[:1])
    torch.testing.assert_close(taken.camera[:, :1], sizes * source.params.camera[:, :1])
    plain = network.retarget(state, motion, Transfer())
    torch.testing.assert_close(plain.camera, camera)


def test_the_coefficients_are_those_of_the_face_model(bfm):
    head = load_face_model("head")
    lengths = {"head": len(MotionVector(head)), bfm: 73}
    for name, length in lengths.items():
        module = PIRendererModule(name, CONFIG, PIRendererLosses(perceptual="pixels"))
        assert module.network.mapping_net.first[0].in_channels == length


@torch.no_grad()
def test_wide_networks_paint_the_same_by_fewer_products():
    """Several frames at once on the processor, and each alone."""
    torch.manual_seed(0)
    network = PIRenderer(PIRendererConfig(**WIDE), load_face_model("head")).eval()
    folded = network.folded()
    assert any(isinstance(part, WinogradConv) for part in folded.modules())
    source, driving = portrait(1, 0, "a"), portrait(3, 1, "b")
    images = network(source, driving).image
    state = folded.encode(source)
    assert has_inner_channels(state.image)
    torch.testing.assert_close(folded.perform(state, folded.read(driving)).image, images, atol=1e-4, rtol=0)
    alone = folded.perform(state, folded.read(driving[1:2])).image
    torch.testing.assert_close(alone, images[1:2], atol=1e-4, rtol=0)


def test_a_source_with_another_camera_is_refused():
    source = portrait(1, 0, "a")
    source.params = replace(source.params, camera=torch.ones(1, 7))
    with pytest.raises(ReenactError, match="have 7 camera values where 3 are read: prepare them with"):
        CASES["pirenderer"].make().eval().network.encode(source)


@torch.no_grad()
def test_the_loss_of_the_mouth_looks_at_the_lips_alone():
    face_model, driving, real = load_face_model("head"), portrait(2, 0, "a"), torch.zeros(2, 3, 64, 64)
    mouths = locate_mouths(face_model, driving.params)
    lips = (face_model.landmarks68(face_model.posed(driving.params))[0, 48:, :2] + 1) * 32
    (left, top), (right, bottom) = lips.amin(0).int().tolist(), lips.amax(0).int().tolist()
    around, between = real.clone(), real.clone()
    around[0] = 1
    around[0, :, top - 12 : bottom + 12, left - 12 : right + 12] = 0
    between[0, :, top:bottom, left:right] = 1
    assert compare_mouths(around, real, mouths) == 0
    assert compare_mouths(between, real, mouths) > 0.1


@torch.no_grad()
@pytest.mark.parametrize("alone", [False, True])
def test_the_mouth_is_compared_in_each_picture_that_is_trained(alone, monkeypatch):
    losses = PIRendererLosses(perceptual="none", mouth=2.0, both_directions=False)
    module = PIRendererModule("head", CONFIG, losses).eval()
    monkeypatch.setattr(module, "_trains_the_warp_alone", lambda: alone)
    batch = pair(2)
    result = module.network(batch.source, batch.driving)
    real, mouths = to_unit(batch.driving.image), locate_mouths(module.network.face_model, batch.driving.params)
    images = [result.warped] if alone else [result.warped, result.image]
    expected = 2 * sum(compare_mouths(to_unit(image), real, mouths) for image in images)
    losses = module.compute_losses(batch)
    assert set(losses) == {"mouth"}
    torch.testing.assert_close(losses["mouth"], expected)
