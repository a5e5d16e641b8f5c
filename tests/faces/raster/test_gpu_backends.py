"""Triton's kernels, interpreted on the CPU and compiled for CUDA; PyTorch3D where it is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reenact.errors import ReenactError
from reenact.faces.raster import antialias, interpolate, rasterize, render_attributes

from .meshes import soup, sphere

HAS_TRITON = importlib.util.find_spec("triton") is not None
HAS_PYTORCH3D = importlib.util.find_spec("pytorch3d") is not None
needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="needs the package triton")

INTERPRETED = """
import torch
from reenact.faces.raster import rasterize
from meshes import soup

count = 0
for seed, size, dtype, cull in (
    (0, (12, 17), torch.float32, False),
    (1, (9, 8), torch.float64, True),
    (2, (1, 20), torch.float32, False),
):
    vertices, faces = soup(seed, faces=16, dtype=dtype)
    vertices[1, 3] = float("nan")
    vertices[0, 5] *= 1e6
    # Twice the same face: the lower index has to win whatever the order of writes.
    faces = torch.cat([faces, faces[:4]])
    found = rasterize(vertices, faces, size, cull_backfaces=cull, backend="triton")
    expected = rasterize(vertices, faces, size, cull_backfaces=cull, backend="reference")
    assert torch.equal(found.face_index, expected.face_index), seed
    torch.testing.assert_close(found.barycentric, expected.barycentric, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.depth, expected.depth)
    assert found.covered.any()
    count += 1
flat = torch.tensor([[[-1.0, -1, -0.0], [-1, 3, -0.0], [3, -1, -0.0], [-1, -1, 0], [-1, 3, 0], [3, -1, 0]]])
ties = rasterize(flat, torch.tensor([[3, 4, 5], [0, 1, 2]]), 3, backend="triton")
assert (ties.face_index == 0).all()
one = rasterize(flat, torch.tensor([[3, 4, 5]]), 1, backend="triton")
assert (one.face_index == 0).all()
empty = rasterize(torch.zeros(2, 0, 3), torch.zeros(0, 3, dtype=torch.int64), 4, backend="triton")
assert not empty.covered.any()
print("compared", count)
"""

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from reenact.faces.raster import triton_cuda as kernels

sizes = {"face_count": "i32", "vertex_count": "i32", "height": "i32", "width": "i32"}
mesh = {"points": "*fp64", "faces": "*i64"}
draw = {**mesh, "valid": "*i8", "keys": "*i64", **sizes, "block": "constexpr"}
resolve = {
    **mesh, "away": "*i8", "keys": "*i64", "face_index": "*i64", "barycentric": "*fp32", "depth": "*fp32", **sizes,
    "total": "i32", "background": "constexpr", "cull": "constexpr", "block": "constexpr",
}
for kernel, signature, constants in (
    (kernels._draw, draw, {"block": 64}),
    (kernels._resolve, resolve, {"background": 2**63 - 1, "cull": True, "block": 256}),
):
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    built = compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False})
    assert "fma" not in built.asm["ptx"]
    print("built", len(built.asm["cubin"]) > 0, "min.s64" in built.asm["ptx"])
"""


def run(script: str, cache: Path, **environment: str) -> str:
    """Output of a script in a fresh Python: Triton reads its switches when it is first imported."""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": paths, "TRITON_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@needs_triton
def test_triton_interpreted_equals_the_reference(tmp_path):
    assert "compared 3" in run(INTERPRETED, tmp_path, TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its assembler on Linux")
def test_triton_kernels_compile_for_cuda(tmp_path):
    assert run(COMPILED, tmp_path).splitlines() == ["built True True", "built True False"]


@needs_triton
def test_triton_refuses_the_cpu():
    with pytest.raises(ReenactError, match="'triton' works on CUDA, not on cpu"):
        rasterize(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), 4, backend="triton")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cull", [False, True])
def test_cuda_equals_the_cpu(cull):
    vertices, faces = soup(0, vertices=200, faces=400)
    codes = torch.rand(200, 6)
    expected = rasterize(vertices, faces, (70, 50), cull_backfaces=cull)
    found = rasterize(vertices.cuda(), faces.cuda(), (70, 50), cull_backfaces=cull)
    assert torch.equal(found.face_index.cpu(), expected.face_index)
    torch.testing.assert_close(found.barycentric.cpu(), expected.barycentric)
    torch.testing.assert_close(found.depth.cpu(), expected.depth)
    image = interpolate(found, faces.cuda(), codes.cuda())
    smooth = antialias(image, found, vertices.cuda(), faces.cuda())
    torch.testing.assert_close(smooth.cpu(), render_attributes(vertices, faces, codes, (70, 50), cull_backfaces=cull))


@pytest.mark.skipif(HAS_PYTORCH3D, reason="pytorch3d is installed")
def test_missing_pytorch3d_says_what_to_do():
    with pytest.raises(ReenactError, match=r"needs the package pytorch3d.*build it from.*or choose 'auto'"):
        rasterize(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), 4, backend="pytorch3d")


@pytest.mark.skipif(not HAS_PYTORCH3D, reason="needs the package pytorch3d")
@pytest.mark.parametrize("size", [(48, 48), (40, 64), (64, 40)])
@pytest.mark.parametrize("cull", [False, True])
def test_pytorch3d_equals_the_reference(size, cull):
    vertices, faces = sphere()
    noise = torch.randn(2, *vertices.shape, generator=torch.Generator().manual_seed(0))
    expected = rasterize(vertices + 0.02 * noise, faces, size, cull_backfaces=cull, backend="reference")
    found = rasterize(vertices + 0.02 * noise, faces, size, cull_backfaces=cull, backend="pytorch3d")
    assert (found.face_index == expected.face_index).float().mean() > 0.995
    same = found.face_index == expected.face_index
    torch.testing.assert_close(found.barycentric[same], expected.barycentric[same], atol=1e-4, rtol=0)


def test_pytorch3d_conversion_of_coordinates():
    from reenact.faces.raster.pytorch3d_backend import to_pytorch3d

    vertices = torch.tensor([[[-1.0, -1.0, -3.0], [1.0, 1.0, torch.nan]]])
    wide = to_pytorch3d(vertices, 100, 200)
    torch.testing.assert_close(wide[0, 0], torch.tensor([2.0, 1.0, 1.0]))
    tall = to_pytorch3d(vertices, 300, 100)
    torch.testing.assert_close(tall[0, 0], torch.tensor([1.0, 3.0, 1.0]))
    assert tall[0, 1, 2].isnan()
