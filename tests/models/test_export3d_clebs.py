"""CLeBS: the basis, both forms of the contrast, and its training."""

import math
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional
from zoo import SIZE, Pairs, loader, portrait, trainer

from reenact.data.pairs.sampling import TrainingPairs
from reenact.data.synthetic.clips import SyntheticClips
from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.faces.portrait import PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.common.checkpoint import load_method, load_module, load_weights
from reenact.models.common.expression_basis import BasisConfig, ExpressionBasis, orthonormalise_columns
from reenact.models.export3d_clebs import CLeBSModule
from reenact.models.export3d_clebs.alignment import align_faces, locate_faces
from reenact.models.export3d_clebs.losses import compare_codes, compute_contrast, count_matches
from reenact.models.export3d_clebs.module import CLeBSOptimisation, Contrast
from reenact.models.export3d_clebs.network import CLeBSConfig, ContrastiveEncoders

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = CLeBSConfig(components=3, width=8, hidden=8, image_widths=[4, 8], image_blocks=1, reduction=2)
FRAMES = 5


def clips(count: int, seed: int) -> PortraitPair:
    """Clips of smooth random pictures with random face parameters, and a source each."""
    driving = portrait(count * FRAMES, seed, "a").split(FRAMES)
    return PortraitPair(portrait(count, seed + 1, "a"), driving)


class Clips(Pairs):
    """Fixed batches of clips."""

    def __init__(self, batches: int = 2) -> None:
        super().__init__(1)
        self.batches = [clips(2, 10 * number) for number in range(batches)]
        around = portrait(FRAMES, 7, "a").split(FRAMES)
        self.cross = [PortraitPair(portrait(1, 5, "a"), portrait(1, 6, "b"), around)]


def build(**options) -> CLeBSModule:
    pl.seed_everything(0)
    contrast = Contrast(frames=FRAMES, **options)
    return CLeBSModule(network=SMALL, contrast=contrast, optimisation=CLeBSOptimisation(lr=1e-3))


@pytest.fixture
def basis() -> ExpressionBasis:
    torch.manual_seed(0)
    return ExpressionBasis(load_face_model("head"), BasisConfig(components=4, width=12, hidden=8))


def test_columns_are_orthonormal_and_their_signs_are_fixed():
    torch.manual_seed(0)
    matrix = torch.randn(12, 4, dtype=torch.double)
    columns = orthonormalise_columns(matrix)
    torch.testing.assert_close(columns.mT @ columns, torch.eye(4, dtype=torch.double))
    rest = columns.mT @ matrix
    torch.testing.assert_close(columns @ rest, matrix)
    torch.testing.assert_close(rest.tril(-1), torch.zeros_like(rest))
    assert (rest.diagonal() > 0).all()
    # Gram and Schmidt's way, which divides by positive lengths, has no signs to choose.
    for number in range(4):
        column = matrix[:, number] - columns[:, :number] @ columns[:, :number].mT @ matrix[:, number]
        torch.testing.assert_close(columns[:, number], functional.normalize(column, dim=0))


def test_a_code_is_as_long_as_its_weights(basis):
    params = portrait(6, 0, "a").params
    weights, code = basis.weigh(params), basis(params)
    assert code.shape == (6, 12)
    torch.testing.assert_close(code.norm(dim=-1), weights.norm(dim=-1))
    clip = params.split(3)
    torch.testing.assert_close(basis(clip), code.view(2, 3, 12))


def test_the_gain_enlarges_coefficients_and_weights(basis):
    params = portrait(3, 0, "a").params
    larger = ExpressionBasis(load_face_model("head"), BasisConfig(components=4, width=12, hidden=8, gain=5.0))
    larger.load_state_dict(basis.state_dict())
    scaled = {name: 5 * getattr(params, name) for name in ("expression", "jaw_pose", "eye_pose")}
    torch.testing.assert_close(larger.weigh(params), 5 * basis.weigh(replace(params, **scaled)))


def test_head_pose_camera_and_shape_are_no_expression(basis):
    params = portrait(3, 0, "a").params
    other = replace(params, shape=params.shape + 1, global_pose=params.global_pose + 1, camera=params.camera * 2)
    assert torch.equal(basis(other), basis(params))
    for name in ("expression", "jaw_pose", "eye_pose"):
        moved = replace(params, **{name: getattr(params, name) + 0.1})
        assert not torch.allclose(basis(moved), basis(params))


def test_a_frozen_basis_is_the_one_that_was_saved(basis):
    params = portrait(3, 0, "a").params
    with torch.no_grad():
        basis.matrix.add_(torch.randn_like(basis.matrix))
    code = basis(params)
    state = {name: value.clone() for name, value in basis.state_dict().items()}
    torch.testing.assert_close(state["basis"], orthonormalise_columns(state["matrix"]))
    frozen = ExpressionBasis(load_face_model("head"), BasisConfig(components=4, width=12, hidden=8))
    frozen.load_state_dict(state)
    frozen.requires_grad_(False)
    assert torch.equal(frozen(params), code)
    # Another device's decomposition has no say: a frozen network does not read the matrix.
    frozen.matrix.zero_()
    assert torch.equal(frozen(params), code)
    assert torch.equal(frozen.state_dict()["basis"], state["basis"])


def test_infonce_is_the_cross_entropy_and_the_printed_form_lacks_the_positive():
    torch.manual_seed(0)
    expressions, pictures = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    cosines = compare_codes(expressions, pictures)
    assert cosines[1, 2, 3] == pytest.approx(
        functional.cosine_similarity(expressions[1, 2], pictures[1, 3], dim=0).item(), abs=1e-6
    )
    targets = torch.arange(5).expand(2, 5)
    entropy = functional.cross_entropy((cosines / 0.07).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(compute_contrast(cosines, 0.07, "infonce"), entropy)
    terms = []
    for clip in cosines.tolist():
        for row, values in enumerate(clip):
            others = sum(math.exp(value / 0.07) for column, value in enumerate(values) if column != row)
            terms.append(-math.log(math.exp(values[row] / 0.07) / others))
    assert compute_contrast(cosines, 0.07, "printed").item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_matches_are_counted_among_the_pictures_of_a_clip():
    expressions = torch.eye(4)[None]
    assert count_matches(compare_codes(expressions, torch.eye(4)[None])) == 1
    assert count_matches(compare_codes(expressions, torch.eye(4)[[1, 0, 2, 3]][None])) == 0.5
    # The second expression's picture is the most similar to the first expression, too.
    cosines = torch.tensor([[[0.5, 0.6, 0.0], [0.1, 0.9, 0.0], [0.2, 0.1, 0.3]]])
    assert count_matches(cosines) == pytest.approx(2 / 3)


def landmarks_in_squares(params: FaceParams) -> torch.Tensor:
    """Landmarks (N, 68, 2) of resting faces in the squares that `locate_faces` puts around them."""
    model = load_face_model("head")
    corners = model.vertices(params, model.landmark_vertices.flatten())
    points = model.project(corners, params.camera)[..., :2].unflatten(1, (68, -1))
    points = (points * model.landmark_weights[..., None]).sum(2)
    sampling = locate_faces(model, params)
    return (points - sampling[:, None, :, 2]) @ sampling[:, :, :2].inverse().mT


def test_squares_hold_faces_upright_whatever_their_place_size_and_tilt():
    still = load_face_model("head").neutral(4)
    camera = still.camera * torch.tensor([[1.0, 1, 1], [0.6, 1, 1], [1, 1, 1], [1, 1, 1]])
    camera[2, 1:] += torch.tensor([0.02, -0.03])
    tilt = torch.tensor([[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0.4]])
    points = landmarks_in_squares(replace(still, camera=camera, global_pose=tilt))
    torch.testing.assert_close(points, points[:1].expand_as(points), atol=1e-3, rtol=0)
    assert points[0, 33].abs().max() < 1e-5
    assert points[0].abs().max() < 1
    eyes = points[0, 36:48].mean(0)
    assert eyes[0].abs() < 0.02
    assert eyes[1] < -0.3


def test_the_expression_does_not_move_the_square():
    params = portrait(3, 0, "a").params
    moved = replace(params, expression=params.expression + 1, jaw_pose=params.jaw_pose + 0.2)
    model = load_face_model("head")
    assert torch.equal(locate_faces(model, moved), locate_faces(model, params))
    turned = replace(params, global_pose=params.global_pose + 0.2)
    assert not torch.allclose(locate_faces(model, turned), locate_faces(model, params))


def test_pictures_are_cut_to_faces_where_a_side_is_given():
    params, image = portrait(2, 0, "a").params, torch.rand(2, 3, 32, 32)
    encoders = ContrastiveEncoders(load_face_model("head"), replace(SMALL, face_side=24)).eval()
    square = align_faces(load_face_model("head"), image, params, 24)
    assert square.shape == (2, 3, 24, 24)
    torch.testing.assert_close(encoders.encode_pictures(image, params), encoders.image(square))
    whole = ContrastiveEncoders(load_face_model("head"), SMALL).eval()
    torch.testing.assert_close(whole.encode_pictures(image, params), whole.image(image))


def test_fits_validates_tests_and_is_read_back(tmp_path):
    module = build(form="printed")
    run = trainer(tmp_path, max_steps=3)
    run.fit(module, Clips())
    assert run.global_step == 3
    logged = run.callback_metrics
    assert {"val/self/matches", "val/self/contrast", "train/matches"} <= set(logged)
    assert not any(name.startswith("val/cross") for name in logged)
    torch.testing.assert_close(logged["train/loss"], logged["train/printed"])
    assert logged["train/infonce"] > logged["train/printed"]
    run.test(module, Clips(), verbose=False)
    assert "test/self/contrast" in run.callback_metrics
    run.save_checkpoint(tmp_path / "clebs.ckpt")
    with pytest.raises(ReenactError, match="is of export3d_clebs, which makes no pictures"):
        load_method(tmp_path / "clebs.ckpt")
    again = load_module(tmp_path / "clebs.ckpt")
    params = portrait(3, 1, "a").params
    assert torch.equal(again.network.expression(params), module.eval().network.expression(params))


def test_the_frames_around_a_picture_are_evaluated(tmp_path):
    module = build().eval()
    run = trainer(tmp_path)
    data = Clips()
    data.val_dataloader = lambda: {"self": loader(data.cross), "cross": loader(data.cross)}
    run.validate(module, data, verbose=False)
    cosines = module.compare_frames(data.cross[0].around)
    torch.testing.assert_close(run.callback_metrics["val/self/matches"], count_matches(cosines))


def test_relative_codes_do_not_tell_what_all_frames_share():
    clip = clips(2, 0).driving
    plain, relative = build().eval(), build(relative=True).eval()
    with torch.no_grad():
        before = [module.compare_frames(clip) for module in (plain, relative)]
        for module in (plain, relative):
            module.network.image.last.bias.add_(torch.randn(SMALL.width))
        after = [module.compare_frames(clip) for module in (plain, relative)]
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    torch.testing.assert_close(before[1], after[1], atol=1e-4, rtol=0)
    assert not torch.allclose(before[1], before[0], atol=1e-2)


def test_a_held_out_clip_shorter_than_the_contrast_has_no_number(tmp_path):
    module = build().eval()
    run = trainer(tmp_path)
    data = Clips()
    short = portrait(FRAMES - 1, 7, "a").split(FRAMES - 1)
    pairs = [PortraitPair(data.cross[0].source, data.cross[0].driving, short)]
    data.val_dataloader = lambda: {"self": loader(pairs), "cross": loader(pairs)}
    run.validate(module, data, verbose=False)
    assert "val/self/matches" not in run.callback_metrics


def test_resumes_exactly(tmp_path):
    def fit(epochs, resume=None):
        module = build()
        run = trainer(tmp_path, max_epochs=epochs, limit_val_batches=0)
        run.fit(module, Clips(), ckpt_path=resume)
        return run, module

    _, whole = fit(2)
    first, _ = fit(1)
    first.save_checkpoint(tmp_path / "half.ckpt")
    _, resumed = fit(2, tmp_path / "half.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_not_a_number_stops_the_run_and_names_the_clips(tmp_path):
    data = Clips()
    data.batches[1].driving.image[1, 0, 0, 0, 0] = math.nan
    with pytest.raises(ReenactError, match=r"nan at step 1 in a batch of the clips .*a/clip"):
        trainer(tmp_path, max_epochs=1, limit_val_batches=0).fit(build(), data)


def test_a_clip_shorter_than_the_contrast_is_refused():
    needs = CLeBSModule(network=SMALL).needs
    assert (needs.clip_length, needs.clip_stride, needs.test_stride, needs.mirrors) == (33, 3, 3, False)
    assert CLeBSModule(network=SMALL, contrast=Contrast(stride=0)).needs.test_stride == 1
    TrainingPairs(SyntheticClips(0, range(1), 1, 97, SIZE), 0, 0.0, needs)
    with pytest.raises(ReenactError, match="No clip has the 97 frames that training needs; prepare longer clips"):
        TrainingPairs(SyntheticClips(0, range(1), 1, 96, SIZE), 0, 0.0, needs)


def test_weights_of_another_basis_and_settings_that_make_no_sense_are_refused(tmp_path):
    module = build()
    run = trainer(tmp_path)
    run.strategy.connect(module)
    run.save_checkpoint(tmp_path / "clebs.ckpt")
    for change in ({"components": 4}, {"width": 9}):
        with pytest.raises(ReenactError, match="weights differ"):
            load_weights(tmp_path / "clebs.ckpt", CLeBSModule(network=replace(SMALL, **change)))
    for contrast, option in (
        (Contrast(frames=1), "frames 1 leaves no negatives"),
        (Contrast(stride=-1), "stride -1 goes backwards"),
        (Contrast(temperature=0.0), "temperature 0.0 is not positive"),
    ):
        with pytest.raises(ReenactError, match=option):
            CLeBSModule(network=SMALL, contrast=contrast)
