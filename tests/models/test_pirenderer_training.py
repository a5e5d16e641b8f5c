"""What `reenact fit --model pirenderer` learns of people of the synthetic world; ten minutes of one core.

The world is written as a store first, so that no time goes into drawing while the network trains. The bounds are the
goals; `docs/methods/pirenderer.md` has what was measured.
"""

import pytest
import strangers

from reenact.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
WORLD = "--identities 300 --test-identities 10 --clips-per-identity 2 --frames-per-clip 12 --every 8 --size 64"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pirenderer")
    store, run = str(folder / "store"), folder / "run"
    assert main(["world", "--out", store, *WORLD.split()]) == 0
    data = ["--data", "clips", "--data.root", store, "--scale", "tiny"]
    assert main(["fit", "--model", "pirenderer", *data, "--out", str(run)]) == 0
    network = strangers.load_network(run)
    return strangers.measure_pairs(network, strangers.read_strangers(network.needs.window))


def test_beats_copying_the_source_of_strangers(numbers):
    assert numbers["psnr"].mean() > numbers["copied_psnr"].mean() + 2
    assert numbers["error"].mean() < numbers["copied_error"].mean() / 2


def test_mouths_open_as_the_driving_mouths(numbers):
    assert strangers.slope_within_clips(numbers) > 0.5
