"""Packs of the official names, inputs and outputs, whose networks are small enough to know what they must say.

The detector finds bright squares: a cell of 8, 16 or 32 pixels is a face if it is all white, of four cells' size, with
its five points at known places. The landmark networks always give the same points of their crop. The recogniser is a
random linear map of the crop averaged in 7 x 7 cells.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
REACH = 2.0
"""From the cell's corner to the box's edges, in cells."""
SHAPE_3D = np.stack([np.linspace(-0.5, 0.5, 68), np.linspace(0.4, -0.4, 68), np.linspace(-0.2, 0.3, 68)], 1)
"""(68, 3) of the crop's half sides, about its middle."""
SHAPE_106 = np.stack([np.linspace(-0.6, 0.6, 106), np.linspace(-0.3, 0.7, 106)], 1)


def write_pack(folder: Path, detector: str = "det_10g.onnx", recogniser: str = "w600k_r50.onnx") -> Path:
    folder.mkdir(parents=True)
    write_detector(folder / detector)
    hidden = np.zeros((1103 - 68, 3))
    write_points(folder / "1k3d68.onnx", np.concatenate([hidden, SHAPE_3D]))
    write_points(folder / "2d106det.onnx", SHAPE_106)
    write_recogniser(folder / recogniser)
    return folder


def write_detector(path: Path) -> None:
    """Scores (N, 1), boxes (N, 4) and points (N, 10) at three strides, two anchors a cell, as SCRFD's."""
    nodes, outputs, constants = [], {"score": [], "box": [], "points": []}, []

    def constant(name: str, values: object, kind: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    constant("grey", np.full((1, 3, 1, 1), 1 / 3))
    nodes.append(helper.make_node("Conv", ["input.1", "grey"], ["light"]))
    constant("column", [-1, 1], np.int64)
    for stride in STRIDES:
        n = str(stride)
        nodes += [
            helper.make_node("AveragePool", ["light"], [f"cells{n}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            # (v - 0.99) * 100 is 0.6 for white, whose value is 0.996 after normalisation
            helper.make_node("Sub", [f"cells{n}", constant(f"least{n}", 0.99)], [f"above{n}"]),
            helper.make_node("Mul", [f"above{n}", constant(f"gain{n}", 100.0)], [f"sure{n}"]),
            helper.make_node("Relu", [f"sure{n}"], [f"known{n}"]),
            helper.make_node("Reshape", [f"known{n}", "column"], [f"one{n}"]),
            helper.make_node("Concat", [f"one{n}", f"one{n}"], [f"pair{n}"], axis=1),
            helper.make_node("Reshape", [f"pair{n}", "column"], [f"score{n}"]),
        ]
        for name, values in {"box": [REACH] * 4, "points": np.tile([-1, -1, 1, -1, 0, 0, -1, 1, 1, 1], 1)}.items():
            nodes += [
                helper.make_node("Sub", [f"score{n}", f"score{n}"], [f"nothing_{name}{n}"]),
                helper.make_node("Add", [f"nothing_{name}{n}", constant(f"{name}_value{n}", [values])], [f"{name}{n}"]),
            ]
        for name, count in {"score": 1, "box": 4, "points": 10}.items():
            value = helper.make_tensor_value_info(f"{name}{n}", TensorProto.FLOAT, [f"n{n}", count])
            outputs[name].append(value)
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "height", "width"])
    _save(path, nodes, image, [*outputs["score"], *outputs["box"], *outputs["points"]], constants)


def write_points(path: Path, points: np.ndarray) -> None:
    """(1, K) of (1, 3, 192, 192): always these points."""
    flat = points.astype(np.float32).reshape(1, -1)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["fc1"]),
    ]
    constants = [
        numpy_helper.from_array(np.zeros((3, flat.shape[1]), np.float32), "weight"),
        numpy_helper.from_array(flat[0], "bias"),
    ]
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["None", 3, 192, 192])
    _save(path, nodes, image, [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, flat.shape[1]])], constants)


def write_recogniser(path: Path) -> None:
    """(1, 512) of (N, 3, 112, 112)."""
    weight = np.random.default_rng(0).normal(size=(3 * 7 * 7, 512)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["683"]),
    ]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, 112, 112])
    output = helper.make_tensor_value_info("683", TensorProto.FLOAT, ["None", 512])
    _save(path, nodes, image, [output], [numpy_helper.from_array(weight, "weight")])


def _save(path: Path, nodes: list, image: object, outputs: list, constants: list) -> None:
    graph = helper.make_graph(nodes, "made", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
