"""Base of the batched dataclasses: fields are tensors, other such dataclasses, or None."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass
class TensorFields:
    """A dataclass whose fields share their leading (batch) dimensions.

    Lightning moves it and a DataLoader pins it because it has `to` and `pin_memory`; `stack` is its collation.
    Tuples of tensors (feature pyramids) count as tensors; lists of strings (names of clips and identities) ride along
    unchanged.
    """

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to every tensor, nested ones included."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changes[field.name] = function(value)
            elif isinstance(value, TensorFields):
                changes[field.name] = value.map(function)
            elif isinstance(value, tuple):
                changes[field.name] = tuple(function(tensor) for tensor in value)
        return replace(self, **changes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Move every tensor to a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Copy every tensor into page-locked memory."""
        return self.map(Tensor.pin_memory)

    def detach(self) -> Self:
        """Cut every tensor from the autograd graph."""
        return self.map(Tensor.detach)

    def merged(self) -> Self:
        """Merge the first two dimensions of every tensor, (B, T, ...) to (B * T, ...); repeat each name T times."""
        length = self.first_tensor().shape[1]
        return self._reshape(
            lambda tensor: tensor.flatten(0, 1), lambda names: [name for name in names for _ in range(length)]
        )

    def split(self, length: int) -> Self:
        """Undo `merged`: (B * T, ...) to (B, T, ...) with T = `length`; of T names the first is taken."""
        return self._reshape(
            lambda tensor: tensor.reshape(-1, length, *tensor.shape[1:]), lambda names: names[::length]
        )

    def first_tensor(self) -> Tensor:
        """Return the first tensor among the fields; all share its leading dimensions.

        Raises:
            ValueError: if there is none.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                return value
            if isinstance(value, TensorFields):
                return value.first_tensor()
            if isinstance(value, tuple) and value:
                first: Tensor = value[0]
                return first
        raise ValueError(f"{type(self).__name__} holds no tensor, so it has no leading dimensions")

    def _reshape(self, function: Callable[[Tensor], Tensor], rename: Callable[[list[str]], list[str]]) -> Self:
        """Apply one function to every tensor and another to every list of names, nested ones included."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, TensorFields):
                changes[field.name] = value._reshape(function, rename)
            elif isinstance(value, list):
                changes[field.name] = rename(value)
        return replace(self.map(function), **changes)

    def __getitem__(self, index: int | slice | Tensor | tuple[int | slice | Tensor, ...]) -> Self:
        """Index the leading dimension(s) of every tensor; name lists are indexed by ints and slices alone.

        Raises:
            TypeError: for another index where there are names.
        """
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor | TensorFields):
                changes[field.name] = value[index]
            elif isinstance(value, tuple):
                changes[field.name] = tuple(tensor[index] for tensor in value)
            elif isinstance(value, list) and value:
                if not isinstance(index, int | slice):
                    raise TypeError(f"{type(self).__name__}.{field.name} holds names: index it with an int or a slice")
                changes[field.name] = value[index] if isinstance(index, slice) else [value[index]]
        return replace(self, **changes)

    @classmethod
    def stack(cls, items: Sequence[Self]) -> Self:
        """Stack samples along a new leading dimension; name lists are joined.

        Raises:
            ValueError: if a field is set in some items and None in others.
        """
        return cls._merge(items, torch.stack)

    @classmethod
    def cat(cls, items: Sequence[Self]) -> Self:
        """Concatenate batches along their leading dimension; name lists are joined."""
        return cls._merge(items, torch.cat)

    @classmethod
    def _merge(cls, items: Sequence[Self], join: Callable[[list[Tensor]], Tensor]) -> Self:
        merged: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(item, field.name) for item in items]
            missing = sum(value is None for value in values)
            if missing and missing != len(values):
                raise ValueError(f"{cls.__name__}.{field.name} is set in some items of a batch and None in others")
            first = values[0]
            if isinstance(first, Tensor):
                merged[field.name] = join(values)
            elif isinstance(first, TensorFields):
                merged[field.name] = type(first)._merge(values, join)
            elif isinstance(first, tuple):
                merged[field.name] = tuple(join(list(level)) for level in zip(*values, strict=True))
            elif isinstance(first, list):
                merged[field.name] = [name for value in values for name in value]
            else:
                merged[field.name] = first
        return cls(**merged)
