"""Latents that a training keeps, so that Stable Diffusion's autoencoder reads each picture once."""

import numpy as np
import pytest
import torch
from zoo import pair, trainer

pytest.importorskip("diffusers", reason="needs the extra diffusion")

from small_autoencoder import build_latent_toy, save_autoencoder

from reenact.errors import ReenactError
from reenact.models.magicportrait.autoencoder import StableDiffusionAutoencoder
from reenact.models.magicportrait.latent_cache import LatentCache
from reenact.models.magicportrait.module import MagicPortraitModule
from reenact.models.magicportrait.toys import build_toy

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def images():
    levels = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    return levels / 127.5 - 1


@pytest.fixture
def autoencoder(tmp_path, monkeypatch):
    """An untrained autoencoder of Stable Diffusion's form, saved as the asset."""
    monkeypatch.setenv("REENACT_HOME", str(tmp_path / "home"))
    save_autoencoder()
    return StableDiffusionAutoencoder()


def count_readings(autoencoder, monkeypatch):
    """Numbers of pictures that the network reads, one for each call."""
    network, counts = autoencoder.frozen.load(), []
    encode = network.encode

    def count(image):
        counts.append(len(image))
        return encode(image)

    monkeypatch.setattr(network, "encode", count)
    return counts


def test_kept_latents_are_those_of_the_autoencoder(autoencoder, images, tmp_path, monkeypatch):
    noise = torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    exact = [autoencoder.encode(images, value) for value in (None, noise)]
    counts = count_readings(autoencoder, monkeypatch)
    autoencoder.cache = LatentCache(tmp_path / "latents")
    first = autoencoder.encode(images[:3])
    assert counts == [3]
    for value, expected in zip((None, noise), exact, strict=True):
        torch.testing.assert_close(autoencoder.encode(images, value), expected, atol=1e-3, rtol=1e-3)
    assert counts == [3, 2], "pictures that were read before are not read again"
    assert torch.equal(autoencoder.encode(images)[:3], first)
    autoencoder.encode(images.flip(-1))
    assert counts == [3, 2, 5], "a mirrored picture has latents of its own"


def test_a_second_cache_of_a_folder_reads_what_the_first_wrote(images, tmp_path):
    first = LatentCache(tmp_path / "latents").read(images, lambda image: image[:, :2, :4, :4])
    second = LatentCache(tmp_path / "latents").read(images, lambda image: pytest.fail("a picture is encoded again"))
    assert torch.equal(first, second)
    assert not list(tmp_path.rglob("*.part"))


def test_a_damaged_file_is_named(images, tmp_path):
    cache = LatentCache(tmp_path / "latents")
    cache.read(images, lambda image: image)
    file = next(tmp_path.rglob("*.npy"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ReenactError, match=rf"{file.name} is damaged: remove it"):
        cache.read(images, lambda image: image)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReenactError, match=r"--model.latents: .*file/x cannot be written"):
        LatentCache(tmp_path / "file" / "x")


def test_a_training_keeps_latents_of_its_autoencoder_alone(autoencoder, tmp_path):
    module = build_latent_toy(tmp_path / "latents")
    module.trainer = trainer(tmp_path / "run")
    module.on_fit_start()
    batch = pair()
    module.compute_losses(batch)
    (folder,) = (tmp_path / "latents").iterdir()
    assert folder.name == autoencoder.frozen.digest[:16]
    files = list(folder.rglob("*.npy"))
    assert files
    assert np.load(files[0]).dtype == np.float16
    module.compute_losses(batch)
    assert sorted(folder.rglob("*.npy")) == sorted(files)
    module.on_fit_end()
    assert module.network.autoencoder.cache is None


def test_an_autoencoder_that_is_no_network_keeps_no_latents(tmp_path):
    toy = build_toy()
    module = MagicPortraitModule("head", toy.network.config, toy.losses, toy.optimisation, latents=tmp_path / "latents")
    module.trainer = trainer(tmp_path / "run")
    with pytest.raises(ReenactError, match="this network has none: leave it out"):
        module.on_fit_start()
