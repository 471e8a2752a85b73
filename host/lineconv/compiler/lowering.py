# SPDX-License-Identifier: Apache-2.0
"""One job on its way to the engine: what the lowerings of all kinds of layers share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.memory import Memory
from lineconv.compiler.operation import Operation
from lineconv.compiler.rewrite import Job
from lineconv.compiler.view import View
from lineconv.errors import InvalidLayerError
from lineconv.graph.layers import Table, Tensor
from lineconv.layer import ConvLayer, OutputType
from lineconv.presets import Array, MemoryModel
from lineconv.regs import Kind
from lineconv.tiling import Tiling

__all__ = ["HostOnlyError", "Lowering", "Work", "engine_table", "formats", "left_to_host"]

_TOO_LARGE = "what lies under its kernel is too large for the engine's buffers"


class HostOnlyError(Exception):
    """The engine cannot compute a layer; the message is the reason."""


@contextmanager
def left_to_host(reason: str | None = None) -> Iterator[None]:
    """Leaves a layer to the host if the engine has none like it: for the reason given, or for that
    of the InvalidLayerError."""
    try:
        yield
    except InvalidLayerError as error:
        raise HostOnlyError(reason or str(error)) from None


@dataclass(frozen=True, eq=False)
class Work:
    """What the engine does for a job.

    Attributes:
        operations: with their tilings, in order; none where the bytes are right as they lie.
    """

    job: Job
    operations: tuple[tuple[Operation, Tiling], ...]
    output: DeviceTensor


class Lowering:
    """The operations of one job in the making.

    Attributes:
        memory: which tensors are where; `HostOnlyError` leaves it changed.
        array, model: what the tilings are for.
        operations: so far.
    """

    def __init__(self, job: Job, memory: Memory, array: Array, model: MemoryModel) -> None:
        self.job = job
        self.memory = memory
        self.array = array
        self.model = model
        self.operations: list[tuple[Operation, Tiling]] = []

    def trial(self) -> Lowering:
        """The same without operations, to find out what others would take."""
        return Lowering(self.job, self.memory, self.array, self.model)

    @property
    def cycles(self) -> float:
        """Predicted for all operations."""
        return sum(operation.output.batch * tiling.cycles for operation, tiling in self.operations)

    @property
    def result(self) -> Tensor:
        """The tensor that the job makes."""
        return self.job.outputs[0]

    @property
    def table(self) -> npt.NDArray[np.uint8] | None:
        """That the results of the layer go through."""
        return None if self.job.table is None else engine_table(self.job.table)

    def emit(
        self,
        kind: Kind,
        layer: ConvLayer,
        inputs: Sequence[View],
        output: View,
        weights: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32],
        scale: npt.NDArray[np.float32],
        table: npt.NDArray[np.uint8] | None,
    ) -> None:
        """Add an operation.

        Raises:
            HostOnlyError: the engine's buffers are too small for it.
        """
        operation = Operation(
            name=self.job.layer.name,
            kind=kind,
            layer=layer,
            inputs=tuple(inputs),
            output=output,
            weights=weights,
            bias=bias,
            scale=scale,
            table=table,
        )
        with left_to_host(_TOO_LARGE):
            self.operations.append((operation, operation.tiling(self.array, self.model)))


def engine_table(layer: Table) -> npt.NDArray[np.uint8]:
    """The table for bytes as bit patterns, byte 0 first; those of int8 begin with -128."""
    entries: npt.NDArray[np.uint8] = layer.table.view(np.uint8)
    return np.roll(entries, 128) if layer.inputs[0].dtype == np.int8 else entries


def formats(dtype: np.dtype[Any]) -> tuple[OutputType, int]:
    """Output type and zero point that make bytes of that type of the engine's signed ones."""
    return (OutputType.UINT8, 128) if dtype == np.uint8 else (OutputType.INT8, 0)
