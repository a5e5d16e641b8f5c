"""Metrics by name."""

import pytest

from reenact.errors import ReenactError
from reenact.metrics.catalogue import Name, parse


def test_a_name_is_taken_apart():
    assert parse("aed.expression[probe].l2@driving") == Name("aed", "expression", "probe", "l2", "driving")
    assert parse("psnr") == Name("psnr", None, None, None, None)
    assert parse("p_rmse.rotation[probe]").family == "p_rmse"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("psnrr", "There is no metric 'psnrr'; did you mean psnr?"),
        ("csim", "needs the network it is measured with: one of"),
        ("csim[vgg]", "needs the network it is measured with: one of"),
        ("psnr[probe]", "has no variants"),
        ("aed[probe].l1", "needs the network|must say what it compares"),
        ("aed.expression[probe]", "takes a norm: .l1"),
        ("e_rmse.expression[probe].l1", "takes no norm"),
        ("a b", "There is no metric 'a b'"),
    ],
)
def test_other_names_are_refused_with_the_way_out(text, sentence):
    with pytest.raises(ReenactError, match=sentence):
        parse(text)
