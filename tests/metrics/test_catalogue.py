"""Metrics by name."""

from pathlib import Path

import pytest

from reenact.errors import ReenactError
from reenact.metrics.catalogue import PIXEL_METRICS, add_frame_metric, build_metric
from reenact.metrics.metric_names import PARTS, PIXELS, Name, find_reference, parse_metric
from reenact.metrics.networks import FACE_PARTS, NETWORKS


def test_a_name_is_taken_apart():
    assert parse_metric("aed.expression[probe].l2@driving") == Name(
        family="aed", part="expression", network="probe", norm="l2", reference="driving"
    )
    assert parse_metric("csim[arcface,fan]") == parse_metric("csim[arcface-r50,face-alignment]")  # earlier names
    assert parse_metric("psnr") == Name(family="psnr", part=None, network=None, norm=None, reference=None)
    assert parse_metric("p_rmse.rotation[probe]").family == "p_rmse"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("psnrr", "There is no metric 'psnrr'; did you mean psnr?"),
        ("csim", "needs the network it is measured with: one of"),
        ("csim[vgg]", "needs the network it is measured with: one of"),
        ("psnr[probe]", r"There is no metric 'psnr\[probe\]'; write psnr or psnr\.foreground$"),
        ("l1.foreground", "There is no metric 'l1.foreground'; write l1$"),
        ("fid.foreground[probe]", "fid has no such variant"),
        ("lpips.foreground", "needs the network it is measured with: one of"),
        ("flicker.more", r"write flicker or flicker\.excess"),
        ("csim[arcface-r50].l1", r"csim has no such variant; docs/metrics\.md"),
        ("lpips[alex]@source", "lpips has no such variant"),
        ("jitter.rotation[probe]", "jitter has no such variant"),
        ("fvd[inception]", "needs the network it is measured with: one of probe, i3d"),
        (
            "csim[arcface-r50,insightface]",
            "'arcface-r50' can't be measured on faces found by 'insightface': name one of face-al",
        ),
        ("aed.expression[deca,face-alignment].l1", "name one of mediapipe, dlib, or none"),
        ("fid[inception,dlib]", "write inception alone"),
        ("akd[dlib,face-alignment]", "The landmarks of .* are the finder's own; name one network"),
        ("aed.expression[deca].degrees", r"takes a norm: \.l1, \.sum, \.l2, \.l2sq$"),
        ("apd.pose[deca].l1", "one of deep3d"),
        ("aed[probe].l1", "must say what it compares: expression or identity"),
        ("aed.expression[probe]", "takes a norm: .l1"),
        ("e_rmse.expression[probe].l1", "takes no norm"),
        ("a b", "There is no metric 'a b'"),
    ],
)
def test_other_names_are_refused_with_the_way_out(text, sentence):
    with pytest.raises(ReenactError, match=sentence):
        parse_metric(text)


def test_metrics_without_a_network_have_their_names():
    assert set(PIXEL_METRICS) == set(PIXELS)


@pytest.mark.parametrize("name", ["psnr", "lpips", "aed", "../edges", "Edges"])
def test_a_metric_of_ones_own_takes_no_name_of_ours(name):
    with pytest.raises(ReenactError, match="metric"):
        add_frame_metric(name, "target", PIXEL_METRICS["l1"])
    assert set(PIXEL_METRICS) == set(PIXELS)


def every_name() -> list[str]:
    """One of each class, part and network."""
    names = [*PIXELS]
    for family, networks in NETWORKS.items():
        names += [f"{family}[{network}]" for network in networks]
    names += [f"jitter.excess[{network}]" for network in NETWORKS["jitter"]]
    for family, parts in PARTS.items():
        norms = [""] if family.endswith("rmse") else [".l1", ".sum", ".l2", ".l2sq"]
        names += [
            f"{family}.{part}[{network}]{norm}" for part in parts for network in FACE_PARTS[part] for norm in norms
        ]
    return [*names, "apd.rotation[deca].degrees", "aed.expression[deca,dlib].l1", "csim[arcface-r50,dlib]"]


@pytest.mark.parametrize("name", every_name())
def test_a_metric_has_its_name_and_no_network_inside(name):
    metric = build_metric(name)
    assert metric.label == name
    assert metric.reference == find_reference(parse_metric(name))
    assert not metric.state_dict()
    assert not list(metric.parameters())
    assert not list(metric.children())


def test_every_name_is_on_the_page():
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    families = {name.partition("[")[0] for name in every_name()}
    networks = {network for known in (NETWORKS, FACE_PARTS) for names in known.values() for network in names}
    assert {name for name in families if f"`{name}" not in page} == set()
    assert {name for name in networks if f"`{name}`" not in page and f"[{name}]" not in page} == set()
