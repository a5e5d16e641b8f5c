"""The networks of the metrics from files of the official form, against the libraries that they come from."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import resize

from metrics.made_networks import SmallI3D, write_backbone, write_i3d, write_inception, write_openface
from reenact.errors import ReenactError
from reenact.metrics import catalogue, openface, sets
from reenact.metrics.metric_names import check_metrics
from reenact.metrics.scene import Frames


def pictures(count: int, size: int, seed: int) -> torch.Tensor:
    """Smooth noise in 8 bits, in [-1, 1]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=draw)
    fine = F.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    return (fine * 255).round() / 127.5 - 1


@pytest.mark.parametrize("backbone", ["alex", "squeeze", pytest.param("vgg", marks=pytest.mark.slow)])
def test_the_package_agrees_on_lpips(backbone, home):
    lpips = pytest.importorskip("lpips")
    state = torch.load(write_backbone(home, backbone))
    reference = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
    own = {name: state[f"features.{name.partition('.')[2]}"] for name in reference.net.state_dict()}
    reference.net.load_state_dict(own)
    first, second = pictures(3, 80, 0), pictures(3, 80, 1)
    metric = catalogue.build_metric(f"lpips[{backbone}]")
    with torch.no_grad():
        wanted = reference(first, second).flatten().double()
    values = metric.values(Frames(first), Frames(second))
    torch.testing.assert_close(values, wanted, rtol=1e-5, atol=0)
    assert metric.values(Frames(first), Frames(first)).abs().max() < 1e-6
    assert not list(metric.parameters())
    assert not metric.state_dict()


def test_a_backbone_of_other_names_is_refused(home):
    path = write_backbone(home, "squeeze")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    frames = Frames(pictures(1, 64, 0))
    with pytest.raises(ReenactError, match=r"squeezenet1_1.*is not the official file, its features lacks"):
        catalogue.build_metric("lpips[squeeze]").values(frames, frames)


def test_torch_fidelity_agrees_on_inceptions_features(home):
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = write_inception(home)
    reference = fidelity.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path)
    shown = pictures(2, 64, 0)
    wanted = reference(((shown + 1) * 127.5).round().to(torch.uint8))[0]
    assert wanted.std() > 0
    torch.testing.assert_close(sets.inception_reader()(shown), wanted, rtol=1e-5, atol=1e-6)


def test_inceptions_file_is_read_without_running_it(home):
    path = write_inception(home)
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ReenactError, match="is not the official file"):
        sets.inception_reader()(pictures(1, 64, 0))
    path.write_bytes(b"no weights")
    with pytest.raises(ReenactError, match="is damaged"):
        sets.inception_reader()(pictures(1, 64, 0))


def test_clips_reach_i3d_as_bytes(home, monkeypatch):
    write_i3d(home, monkeypatch)
    clips = torch.stack([pictures(16, 32, 0), pictures(16, 32, 1)])
    with torch.no_grad():
        x = F.interpolate(clips.transpose(1, 2), size=(16, 224, 224), mode="trilinear", align_corners=False)
        wanted = SmallI3D()(x, return_features=True)
        torch.testing.assert_close(sets.i3d_reader()(clips), wanted, rtol=1e-4, atol=1e-5)


def test_another_program_is_not_run(home, monkeypatch):
    path = write_i3d(home, monkeypatch)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ReenactError, match=r"i3d_torchscript\.pt is damaged or another file"):
        sets.i3d_reader()(torch.zeros(1, 16, 3, 32, 32))


def test_openface_has_the_official_names_and_sees_the_whole_frame(home):
    state = torch.load(write_openface(home))
    assert state["layer14.seq_list.0.1_conv.weight"].shape == (96, 192, 1, 1)
    assert state["layer14.seq_list.1.4_conv.weight"].shape == (32, 16, 5, 5)
    assert state["layer14.seq_list.2.2_conv.weight"].shape == (32, 192, 1, 1)
    assert state["layer14.seq_list.3.1_conv.weight"].shape == (64, 192, 1, 1)
    assert state["layer18.seq_list.1.5_bn.running_var"].shape == (128,)
    assert not any(name.startswith("layer16.seq_list.2") for name in state)
    assert state["layer21.seq_list.2.1_conv.weight"].shape == (256, 736, 1, 1)
    shown = pictures(2, 256, 5)
    embedding = openface.openface_reader()(shown).embedding
    torch.testing.assert_close(torch.linalg.vector_norm(embedding, dim=1), torch.ones(2), atol=1e-3, rtol=0)
    # as pose-evaluation prepares a frame: B, G, R, resized by scikit-image without smoothing, in [0, 1]
    small = [resize((p.permute(1, 2, 0).numpy() + 1)[..., ::-1] / 2, (96, 96), anti_aliasing=False) for p in shown]
    network = openface._load_network()
    wanted = network(torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float())
    torch.testing.assert_close(embedding, wanted, atol=1e-5, rtol=1e-3)


def test_missing_packages_and_files_are_named(home, monkeypatch):
    with pytest.raises(ReenactError, match=r"AlexNet, for LPIPS is missing: put alexnet-owt"):
        check_metrics(["psnr", "lpips[alex]"])
    with pytest.raises(ReenactError, match="Inception of 2015-12-05, for FID and KID is missing"):
        check_metrics(["kid[inception]"])
    monkeypatch.setattr("reenact.metrics.networks.find_spec", lambda module: None)
    with pytest.raises(ReenactError, match=r"need the package torch_fidelity: pip install 'reenact-zoo\[metrics\]'"):
        check_metrics(["fid[inception]"])
