"""A batch is divided over processes."""

import pytest

from reenact.data.datamodules import Synthetic
from reenact.errors import ReenactError


def test_a_batch_is_the_total_over_processes_and_refused_where_it_does_not_divide():
    data = Synthetic(batch_size=16)
    assert [data.process_batch_size(processes) for processes in (1, 2, 4, 16)] == [16, 8, 4, 1]
    with pytest.raises(ReenactError, match=r"--data.batch_size 16 cannot be divided over 3 processes"):
        data.process_batch_size(3)
    assert Synthetic(batch_size=16, batch_size_per_process=5).process_batch_size(3) == 5
