"""A network out of a TensorFlow Lite file, as a frozen torch module through which gradients reach its input.

Convention: a map (B, H, W, C) of the file is a tensor (B, C, H, W) here; the file's batch of 1 stands for any batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tflite
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.errors import ReenactError

TYPES = {
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.INT32: np.int32,
}
"""Element types of constants."""
ACTIVATIONS: dict[int, Callable[[Tensor], Tensor]] = {
    tflite.ActivationFunctionType.NONE: lambda x: x,
    tflite.ActivationFunctionType.RELU: F.relu,
    tflite.ActivationFunctionType.RELU6: F.relu6,
}
"""Activations that operators may include."""

Operator = Callable[..., Tensor]


class TFLiteNetwork(nn.Module):
    """The graph of a TensorFlow Lite file with float weights, in float32.

    Args:
        content: the file's bytes.
        name: the file's name, for error messages.

    Raises:
        ReenactError: if the file is damaged or has an operator that is not in `OPERATORS`.
    """

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__()
        try:
            self._read(content, name)
        except ReenactError:
            raise
        except Exception as error:  # the reader of flatbuffers raises whatever a damaged file leads it to
            raise ReenactError(f"{name} is damaged or no TensorFlow Lite file: get it again") from error
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs by name, of an input (B, C, H, W)."""
        values: dict[int, Tensor] = {self.input: image}
        # The weights are float16 rounded once already; mixed precision would round every layer.
        with torch.autocast(image.device.type, enabled=False):
            for operator, inputs, constants, output in self.steps:
                variables = [values[index] for index in inputs]
                values[output] = operator(*variables, *(getattr(self, f"constant_{index}") for index in constants))
        return {name: values[index] for name, index in self.outputs.items()}

    def _read(self, content: bytes, name: str) -> None:
        if content[4:8] != b"TFL3":
            raise ReenactError(f"{name} is no TensorFlow Lite file: get it again")
        model = tflite.Model.GetRootAsModel(content, 0)
        graph = model.Subgraphs(0)
        self.input = int(graph.Inputs(0))
        self.outputs = {graph.Tensors(i).Name().decode(): int(i) for i in graph.OutputsAsNumpy()}
        constants = _read_constants(model, graph)
        self.steps: list[tuple[Operator, list[int], list[int], int]] = []
        for index in range(graph.OperatorsLength()):
            operation = graph.Operators(index)
            inputs = [int(i) for i in operation.InputsAsNumpy()]
            (output,) = (int(i) for i in operation.OutputsAsNumpy())
            code, custom = _read_code(model, operation)
            if code == tflite.BuiltinOperator.DEQUANTIZE:
                constants[output] = constants[inputs[0]].float()
                continue
            build, lay_out = OPERATORS.get(custom or code, (None, None))
            if build is None or lay_out is None:
                raise ReenactError(
                    f"{name} has an operator that is not supported ({custom or code}): get the official file"
                )
            fixed = [i for i in inputs if i in constants]
            for number, i in enumerate(fixed):
                self.register_buffer(f"constant_{i}", lay_out(number, constants[i]), persistent=False)
            self.steps.append((build(operation), [i for i in inputs if i not in constants], fixed, output))


def _read_constants(model: Any, graph: Any) -> dict[int, Tensor]:  # noqa: ANN401 - tflite has no types
    """The tensors that the file holds, by index."""
    constants: dict[int, Tensor] = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            data = buffer.DataAsNumpy().tobytes()
            values = np.frombuffer(data, TYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
            constants[index] = torch.from_numpy(values.copy())
    return constants


def _read_code(model: Any, operation: Any) -> tuple[int, str]:  # noqa: ANN401
    """The number of an operator, which old files keep in a field of one byte, and the name of a custom one."""
    code = model.OperatorCodes(operation.OpcodeIndex())
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode())), (code.CustomCode() or b"").decode()


def _read_options(operation: Any, kind: type[Any]) -> Any:  # noqa: ANN401
    table = operation.BuiltinOptions()
    options = kind()
    options.Init(table.Bytes, table.Pos)
    return options


def _pad_same(x: Tensor, padding: int, kernel: tuple[int, int], stride: tuple[int, int], value: float = 0.0) -> Tensor:
    """Pad as TensorFlow does under SAME: the output's size is the input's over the stride, the odd pixel at the end."""
    if padding != tflite.Padding.SAME:
        return x
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    pad_top, pad_left = (total // 2 for total in totals)
    return F.pad(x, (pad_left, totals[1] - pad_left, pad_top, totals[0] - pad_top), value=value)


def _build_convolution(kind: type[Any], *, depthwise: bool) -> Callable[[Any], Operator]:
    def build(operation: Any) -> Operator:  # noqa: ANN401
        options = _read_options(operation, kind)
        stride, padding = (int(options.StrideH()), int(options.StrideW())), int(options.Padding())
        activation = ACTIVATIONS[options.FusedActivationFunction()]
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise ReenactError("a convolution of the TensorFlow Lite file is dilated: get the official file")

        def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            x = _pad_same(x, padding, (weight.shape[2], weight.shape[3]), stride)
            return activation(F.conv2d(x, weight, bias, stride, groups=x.shape[1] if depthwise else 1))

        return run

    return build


def _max_pool(operation: Any) -> Operator:  # noqa: ANN401
    options = _read_options(operation, tflite.Pool2DOptions)
    kernel = int(options.FilterHeight()), int(options.FilterWidth())
    stride, padding = (int(options.StrideH()), int(options.StrideW())), int(options.Padding())
    activation = ACTIVATIONS[options.FusedActivationFunction()]
    return lambda x: activation(F.max_pool2d(_pad_same(x, padding, kernel, stride, -torch.inf), kernel, stride))


def _pool_whole_map(operation: Any) -> Operator:  # noqa: ANN401
    options = _read_options(operation, tflite.Pool2DOptions)
    kernel = int(options.FilterHeight()), int(options.FilterWidth())
    activation = ACTIVATIONS[options.FusedActivationFunction()]

    def run(x: Tensor) -> Tensor:
        if kernel != x.shape[2:]:
            raise ReenactError("a mean in the TensorFlow Lite file is not of a whole map: get the official file")
        return activation(x.mean((2, 3), keepdim=True))

    return run


def _build_enlargement(operation: Any) -> Operator:  # noqa: ANN401
    options = _read_options(operation, tflite.ResizeBilinearOptions)
    corners, centres = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    if corners == centres:
        raise ReenactError("a map of the TensorFlow Lite file is resized in a way that is not supported")
    return lambda x, size: F.interpolate(x, size.tolist(), mode="bilinear", align_corners=corners)


def _build_transposed(_: object) -> Operator:
    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv_transpose2d(x, weight, bias, stride=weight.shape[2:])

    return run


def _build_product(operation: Any) -> Operator:  # noqa: ANN401
    activation = ACTIVATIONS[_read_options(operation, tflite.MulOptions).FusedActivationFunction()]
    return lambda a, b: activation(a * b)


def _build_add(operation: Any) -> Operator:  # noqa: ANN401
    activation = ACTIVATIONS[_read_options(operation, tflite.AddOptions).FusedActivationFunction()]
    return lambda a, b: activation(a + b)


def _build_pad(_: object) -> Operator:
    def run(x: Tensor, widths: Tensor) -> Tensor:
        _, (pad_top, pad_bottom), (pad_left, pad_right), (before, after) = widths.tolist()
        return F.pad(x, (pad_left, pad_right, pad_top, pad_bottom, before, after))

    return run


def _build_reshape(operation: Any) -> Operator:  # noqa: ANN401
    # The shape is a constant or, in files of old converters, an option.
    option = _read_options(operation, tflite.ReshapeOptions).NewShapeAsNumpy() if operation.BuiltinOptions() else ()
    sizes = [int(size) for size in option]

    def run(x: Tensor, constant: Tensor | None = None) -> Tensor:
        shape = sizes if constant is None else constant.tolist()
        # Maps are turned back to the file's order first.
        return x.permute(0, 2, 3, 1).reshape(len(x), *shape[1:])

    return run


def _build_concatenate(operation: Any) -> Operator:  # noqa: ANN401
    options = _read_options(operation, tflite.ConcatenationOptions)
    activation, axis = ACTIVATIONS[options.FusedActivationFunction()], int(options.Axis())

    def run(*parts: Tensor) -> Tensor:
        # Maps have their channels second here.
        return activation(torch.cat(parts, dim=(0, 2, 3, 1)[axis] if parts[0].dim() == 4 else axis))

    return run


def _permute_kernel(number: int, constant: Tensor) -> Tensor:
    """(O, H, W, I) to (O, I, H, W); the bias comes second."""
    return constant.permute(0, 3, 1, 2).contiguous() if number == 0 else constant


def _depthwise_kernel(number: int, constant: Tensor) -> Tensor:
    """(1, H, W, O) to (O, 1, H, W)."""
    return constant.permute(3, 0, 1, 2).contiguous() if number == 0 else constant


def _transposed_kernel(number: int, constant: Tensor) -> Tensor:
    """(O, H, W, I) to (I, O, H, W); the bias comes second."""
    return constant.permute(3, 0, 1, 2).contiguous() if number == 0 else constant


def _reshape_slope(_: int, constant: Tensor) -> Tensor:
    """Reshape a constant from (1, 1, C) to (C)."""
    return constant.reshape(-1)


def _keep_constant(_: int, constant: Tensor) -> Tensor:
    return constant


_B = tflite.BuiltinOperator
OPERATORS: dict[int | str, tuple[Callable[[Any], Operator], Callable[[int, Tensor], Tensor]]] = {
    _B.CONV_2D: (_build_convolution(tflite.Conv2DOptions, depthwise=False), _permute_kernel),
    _B.DEPTHWISE_CONV_2D: (_build_convolution(tflite.DepthwiseConv2DOptions, depthwise=True), _depthwise_kernel),
    _B.PRELU: (lambda _: F.prelu, _reshape_slope),
    _B.MAX_POOL_2D: (_max_pool, _keep_constant),
    _B.ADD: (_build_add, _keep_constant),
    _B.PAD: (_build_pad, _keep_constant),
    _B.RELU: (lambda _: F.relu, _keep_constant),
    _B.CONCATENATION: (_build_concatenate, _keep_constant),
    _B.AVERAGE_POOL_2D: (_pool_whole_map, _keep_constant),
    _B.MUL: (_build_product, _keep_constant),
    _B.HARD_SWISH: (lambda _: F.hardswish, _keep_constant),
    _B.RESIZE_BILINEAR: (_build_enlargement, _keep_constant),
    "Convolution2DTransposeBias": (_build_transposed, _transposed_kernel),
    _B.LOGISTIC: (lambda _: torch.sigmoid, _keep_constant),
    _B.RESHAPE: (_build_reshape, _keep_constant),
}
"""Operator -> what builds it of its options, and what lays out its constants."""
