"""Triton kernels for CUDA, by the rules of `torch_reference`.

One program draws one face of one frame into a table of keys with an atomic minimum; a second kernel turns keys into
fragments. A key holds the depth's float32 bits, made to order as an integer does, above the face index: the least key
is the nearest face, and among equals the lowest, whatever order programs run in. Fused multiply-add is off: it would
round unlike the other backends. With `TRITON_INTERPRET=1` set before this module is imported, CPU tensors work too.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.raster.torch_reference import pixel_points, signed_areas

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ReenactError("the rasteriser 'triton' needs the package triton; install it or choose 'reference'") from error

_BACKGROUND = torch.iinfo(torch.int64).max
_BLOCK = 64  # pixels of a face's bounding box tested at a time; a face of a head mesh at 256 px has about 20
_SIZES = ["face_count", "vertex_count", "height", "width", "total"]
_PIXELS = 256  # pixels resolved by one program


@triton.jit
def _load_corner(vertex, mask):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """x, y and z of the vertices that pointers show."""
    x, y = tl.load(vertex, mask=mask, other=0.0), tl.load(vertex + 1, mask=mask, other=0.0)
    return x, y, tl.load(vertex + 2, mask=mask, other=0.0)


@triton.jit
def _compute_weights(x0, y0, x1, y1, x2, y2, x, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The corner weights of pixel centres (x, y), not divided by the area."""
    dx0, dx1, dx2 = x0 - x, x1 - x, x2 - x
    dy0, dy1, dy2 = y0 - y, y1 - y, y2 - y
    return dx1 * dy2 - dx2 * dy1, dx2 * dy0 - dx0 * dy2, dx0 * dy1 - dx1 * dy0


# A size of 1 must stay a tensor, or `.to` fails on it.
@triton.jit(do_not_specialize=_SIZES)  # type: ignore[untyped-decorator]
def _draw_keys(  # type: ignore[no-untyped-def]  # noqa: ANN202
    points,  # noqa: ANN001
    faces,  # noqa: ANN001
    valid,  # noqa: ANN001
    keys,  # noqa: ANN001
    face_count,  # noqa: ANN001
    vertex_count,  # noqa: ANN001
    height,  # noqa: ANN001
    width,  # noqa: ANN001
    block: tl.constexpr,
):
    """Lower the keys of the pixels that one face covers."""
    program = tl.program_id(0).to(tl.int64)
    is_valid = tl.load(valid + program) != 0
    if is_valid:
        frame, face = program // face_count, program % face_count
        mesh = points + frame * vertex_count * 3
        x0, y0, z0 = _load_corner(mesh + tl.load(faces + face * 3) * 3, is_valid)
        x1, y1, z1 = _load_corner(mesh + tl.load(faces + face * 3 + 1) * 3, is_valid)
        x2, y2, z2 = _load_corner(mesh + tl.load(faces + face * 3 + 2) * 3, is_valid)
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        sign = tl.where(area > 0, 1.0, -1.0)
        scale = 1.0 / area
        last_x, last_y = width.to(tl.float64) - 1.0, height.to(tl.float64) - 1.0
        x_min = tl.maximum(tl.math.ceil(tl.minimum(tl.minimum(x0, x1), x2) - 0.5), 0.0)
        y_min = tl.maximum(tl.math.ceil(tl.minimum(tl.minimum(y0, y1), y2) - 0.5), 0.0)
        x_max = tl.minimum(tl.math.floor(tl.maximum(tl.maximum(x0, x1), x2) - 0.5), last_x)
        y_max = tl.minimum(tl.math.floor(tl.maximum(tl.maximum(y0, y1), y2) - 0.5), last_y)
        if (x_min <= x_max) & (y_min <= y_max):
            first_column, first_row = x_min.to(tl.int64), y_min.to(tl.int64)
            columns = x_max.to(tl.int64) - first_column + 1
            count = columns * (y_max.to(tl.int64) - first_row + 1)
            for start in range(0, count, block):
                number = start + tl.arange(0, block)
                column, row = first_column + number % columns, first_row + number // columns
                e0, e1, e2 = _compute_weights(
                    x0, y0, x1, y1, x2, y2, column.to(tl.float64) + 0.5, row.to(tl.float64) + 0.5
                )
                inside = (e0 * sign >= 0) & (e1 * sign >= 0) & (e2 * sign >= 0) & (number < count)
                # Adding 0 turns -0, whose bits would order before 0, into 0.
                depth = ((e0 * z0 + e1 * z1 + e2 * z2) * scale + 0.0).to(tl.float32)
                bits = depth.to(tl.int32, bitcast=True).to(tl.int64)
                bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
                pixel = (frame * height + row) * width + column
                tl.atomic_min(keys + pixel, (bits << 32) | face, mask=inside)


@triton.jit(do_not_specialize=_SIZES)  # type: ignore[untyped-decorator]
def _resolve_keys(  # type: ignore[no-untyped-def]  # noqa: ANN202
    points,  # noqa: ANN001
    faces,  # noqa: ANN001
    away,  # noqa: ANN001
    keys,  # noqa: ANN001
    face_index,  # noqa: ANN001
    barycentric,  # noqa: ANN001
    depth,  # noqa: ANN001
    face_count,  # noqa: ANN001
    vertex_count,  # noqa: ANN001
    height,  # noqa: ANN001
    width,  # noqa: ANN001
    total,  # noqa: ANN001
    background: tl.constexpr,
    cull: tl.constexpr,
    block: tl.constexpr,
):
    """Turn keys into fragments; `barycentric` comes as zeros, `face_index` as -1 and `depth` as inf."""
    pixel = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    key = tl.load(keys + pixel, mask=pixel < total, other=background)
    covered = key != background
    face = tl.where(covered, key & 0xFFFFFFFF, 0)
    frame = pixel // (height * width)
    if cull:
        covered = covered & (tl.load(away + frame * face_count + face, mask=covered, other=0) == 0)
    column, row = pixel % width, (pixel // width) % height
    mesh = points + frame * vertex_count * 3
    a = mesh + tl.load(faces + face * 3, mask=covered, other=0) * 3
    b = mesh + tl.load(faces + face * 3 + 1, mask=covered, other=0) * 3
    c = mesh + tl.load(faces + face * 3 + 2, mask=covered, other=0) * 3
    x0, y0, z0 = _load_corner(a, covered)
    x1, y1, z1 = _load_corner(b, covered)
    x2, y2, z2 = _load_corner(c, covered)
    e0, e1, e2 = _compute_weights(x0, y0, x1, y1, x2, y2, column.to(tl.float64) + 0.5, row.to(tl.float64) + 0.5)
    scale = 1.0 / tl.where(covered, e0 + e1 + e2, 1.0)
    tl.store(face_index + pixel, face, mask=covered)
    tl.store(barycentric + pixel * 3, e0 * scale, mask=covered)
    tl.store(barycentric + pixel * 3 + 1, e1 * scale, mask=covered)
    tl.store(barycentric + pixel * 3 + 2, e2 * scale, mask=covered)
    tl.store(depth + pixel, (e0 * z0 + e1 * z1 + e2 * z2) * scale, mask=covered)


def rasterize(
    vertices: Tensor, faces: Tensor, height: int, width: int, cull_backfaces: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Face index (B, H, W), barycentric (B, H, W, 3) and depth (B, H, W), both `dtype`, of vertices (B, V, 3).

    Raises:
        ReenactError: for tensors that aren't on a CUDA device, unless Triton interprets.
    """
    if vertices.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ReenactError(f"the rasteriser 'triton' works on CUDA, not on {vertices.device}; choose 'numba' or 'auto'")
    shape = (len(vertices), height, width)
    face_index = torch.full(shape, -1, dtype=torch.int64, device=vertices.device)
    barycentric = torch.zeros((*shape, 3), dtype=dtype, device=vertices.device)
    depth = torch.full(shape, torch.inf, dtype=dtype, device=vertices.device)
    if not len(faces) or not len(vertices):
        return face_index, barycentric, depth
    points, faces = pixel_points(vertices, height, width).contiguous(), faces.contiguous()
    corners = points[:, faces]
    area = signed_areas(corners)
    valid = area.isfinite() & (area != 0) & corners[..., 2].isfinite().all(dim=-1)
    keys = torch.full_like(face_index, _BACKGROUND)
    face_count, vertex_count = len(faces), points.shape[1]
    # The device of a launch is the current one, which need not be the tensors'.
    with torch.cuda.device_of(vertices):  # type: ignore[no-untyped-call]
        _draw_keys[(len(points) * face_count,)](
            points, faces, valid.to(torch.int8), keys, face_count, vertex_count, height, width,
            block=_BLOCK, num_warps=1, enable_fp_fusion=False,
        )  # fmt: skip
        _resolve_keys[(triton.cdiv(keys.numel(), _PIXELS),)](
            points, faces, (area > 0).to(torch.int8), keys, face_index, barycentric, depth, face_count, vertex_count,
            height, width, keys.numel(), background=_BACKGROUND, cull=cull_backfaces, block=_PIXELS,
            enable_fp_fusion=False,
        )  # fmt: skip
    return face_index, barycentric, depth
