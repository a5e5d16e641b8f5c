"""TensorFlow Lite files that tests write: a graph of a few operators with float weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

Options = Callable[[flatbuffers.Builder], tuple[int, int]]
"""Writes the options of an operator; returns their kind and place."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An operator of a graph; tensors are told by their numbers, 0 is the input."""

    code: int | str
    """Number of the operator, or the name of a custom one."""
    inputs: tuple[int, ...]
    output: int
    options: Options | None = None


def write_network(
    shapes: Sequence[tuple[int, ...]], constants: dict[int, NDArray[np.generic]], steps: Sequence[Step]
) -> bytes:
    """Write a graph from tensor 0 to the output of its last step.

    Args:
        shapes: of all tensors, in the file's order (1, H, W, C).
        constants: float32 or int32 values of the tensors that the file holds.
        steps: operators in order.
    """
    builder = flatbuffers.Builder()
    numbers = sorted(constants)
    empty = _write_table(builder, tflite.BufferStart, tflite.BufferEnd)
    buffers = [empty, *(_write_buffer(builder, constants[number]) for number in numbers)]
    tensors = [
        _write_tensor(builder, f"t{i}", shape, constants.get(i), numbers.index(i) + 1 if i in constants else 0)
        for i, shape in enumerate(shapes)
    ]
    codes = [_write_code(builder, step.code) for step in steps]
    operators = [_write_operator(builder, number, step) for number, step in enumerate(steps)]
    graph = _write_table(
        builder, tflite.SubGraphStart, tflite.SubGraphEnd,
        (tflite.SubGraphAddTensors, _write_offsets(builder, tensors)),
        (tflite.SubGraphAddInputs, builder.CreateNumpyVector(np.array([0], np.int32))),
        (tflite.SubGraphAddOutputs, builder.CreateNumpyVector(np.array([steps[-1].output], np.int32))),
        (tflite.SubGraphAddOperators, _write_offsets(builder, operators)),
    )  # fmt: skip
    model = _write_table(
        builder, tflite.ModelStart, tflite.ModelEnd,
        (tflite.ModelAddOperatorCodes, _write_offsets(builder, codes)),
        (tflite.ModelAddSubgraphs, _write_offsets(builder, [graph])),
        (tflite.ModelAddBuffers, _write_offsets(builder, buffers)),
    )  # fmt: skip
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())


def write_options(name: str, **values: int) -> Options:
    """Options of a kind, `Pool2D`, with values by their names in the schema."""

    def write(builder: flatbuffers.Builder) -> tuple[int, int]:
        getattr(tflite, f"{name}OptionsStart")(builder)
        for field, value in values.items():
            getattr(tflite, f"{name}OptionsAdd{field}")(builder, value)
        return getattr(tflite.BuiltinOptions, f"{name}Options"), getattr(tflite, f"{name}OptionsEnd")(builder)

    return write


def _write_table(builder, start, end, *fields) -> int:
    start(builder)
    for add, value in fields:
        add(builder, value)
    return end(builder)


def _write_offsets(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _write_buffer(builder: flatbuffers.Builder, values: NDArray[np.generic]) -> int:
    data = builder.CreateByteVector(values.tobytes())
    return _write_table(builder, tflite.BufferStart, tflite.BufferEnd, (tflite.BufferAddData, data))


def _write_tensor(builder, name: str, shape: tuple[int, ...], values: NDArray[np.generic] | None, buffer: int) -> int:
    place, title = builder.CreateNumpyVector(np.array(shape, np.int32)), builder.CreateString(name)
    whole = values is not None and values.dtype == np.int32
    kind = tflite.TensorType.INT32 if whole else tflite.TensorType.FLOAT32
    return _write_table(
        builder, tflite.TensorStart, tflite.TensorEnd, (tflite.TensorAddShape, place), (tflite.TensorAddType, kind),
        (tflite.TensorAddBuffer, buffer), (tflite.TensorAddName, title),
    )  # fmt: skip


def _write_code(builder: flatbuffers.Builder, code: int | str) -> int:
    custom = isinstance(code, str)
    name = [(tflite.OperatorCodeAddCustomCode, builder.CreateString(code))] if custom else []
    number = tflite.BuiltinOperator.CUSTOM if custom else code
    old = min(number, tflite.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    fields = (tflite.OperatorCodeAddDeprecatedBuiltinCode, old), (tflite.OperatorCodeAddBuiltinCode, number)
    return _write_table(builder, tflite.OperatorCodeStart, tflite.OperatorCodeEnd, *name, *fields)


def _write_operator(builder: flatbuffers.Builder, number: int, step: Step) -> int:
    inputs, outputs = (builder.CreateNumpyVector(np.array(v, np.int32)) for v in (step.inputs, [step.output]))
    fields = [
        (tflite.OperatorAddOpcodeIndex, number),
        (tflite.OperatorAddInputs, inputs),
        (tflite.OperatorAddOutputs, outputs),
    ]
    if step.options:
        kind, place = step.options(builder)
        fields += [(tflite.OperatorAddBuiltinOptionsType, kind), (tflite.OperatorAddBuiltinOptions, place)]
    return _write_table(builder, tflite.OperatorStart, tflite.OperatorEnd, *fields)
