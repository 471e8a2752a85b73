# SPDX-License-Identifier: Apache-2.0
"""Operations as a program in a block of memory, and what the block must hold when it has run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.aligned import AlignedBuffer
from lineconv.bus import Allocator, ByteArray, RegisterBus
from lineconv.compiler.operation import Operation
from lineconv.compiler.program import descriptors
from lineconv.control import Control
from lineconv.golden_vector import add_accumulate, apply_table, max_pool_accumulate
from lineconv.layer import OutputType
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, RESULT_OFFSET, Kind
from lineconv.report import DescriptorRun, results
from lineconv.streams import tile_stream
from lineconv.tile import Tile
from lineconv.tiling import Tiling

__all__ = ["Board", "Program", "place", "run"]

TIMEOUT_S = 600.0


class Board(RegisterBus, Allocator, Protocol):
    """Anything that has registers, memory and an interrupt."""

    def wait(self, timeout_s: float) -> bool:
        """See `lineconv.bus.Wait`."""
        ...


@dataclass(frozen=True)
class _Task:
    """An operation, its tiles, and for each part of the outputs its weights and where they lie."""

    operation: Operation
    tiling: Tiling
    streams: dict[range, tuple[int, ByteArray]]


@dataclass(frozen=True)
class Program:
    """A block of memory: tensors, weight streams, descriptors.

    Attributes:
        array: that it is made for.
        tasks: in the order of the program.
        tensors: the start of the block, in which the views of the operations count.
        start: of the descriptors.
    """

    array: Array
    tasks: tuple[_Task, ...]
    tensors: ByteArray
    start: int

    @property
    def tiles(self) -> list[Tile]:
        """One per descriptor."""
        return [tile for task in self.tasks for tile in task.tiling.tiles]

    @property
    def nbytes(self) -> int:
        """Size of the block."""
        return self.start + len(self.tiles) * DESCRIPTOR_BYTES

    def before(self, address: int) -> ByteArray:
        """The block, if the engine sees it at that address, a multiple of the descriptor size."""
        block = np.zeros(self.nbytes, np.uint8)
        block[: self.tensors.size] = self.tensors
        program = block[self.start :].view(DESCRIPTOR)
        index = 0
        for task in self.tasks:
            for at, stream in task.streams.values():
                block[at : at + stream.size] = stream
            weights = [address + task.streams[tile.out_channels][0] for tile in task.tiling.tiles]
            seen = _moved(task.operation, address)
            for entry in descriptors(seen, task.tiling, weights):
                program[index] = entry
                index += 1
        return block

    def after(self, address: int) -> ByteArray:
        """The block when the program has run, but for the results in the descriptors."""
        block = self.before(address)
        for task in self.tasks:
            operation = task.operation
            y = expected(operation, [view.array(block) for view in operation.inputs])
            operation.output.array(block)[...] = y.transpose(0, 2, 3, 1)
        return block

    def require(self, block: ByteArray, address: int) -> None:
        """The block, seen at that address, is what it must be after a run, in every byte."""
        found, wanted = block.copy(), self.after(address)
        for data in (found, wanted):
            data[self.start :].reshape(-1, DESCRIPTOR_BYTES)[:, RESULT_OFFSET:] = 0
        wrong = np.flatnonzero(found != wanted)
        assert wrong.size == 0, self._explain(found, wanted, wrong)

    def _explain(self, found: ByteArray, wanted: ByteArray, wrong: npt.NDArray[np.intp]) -> str:
        lines = [f"{wrong.size} bytes differ, the first at {wrong[0]:#x}, on {self.array}"]
        for task in self.tasks:
            operation = task.operation
            bad = operation.output.array(found) != operation.output.array(wanted)
            count = np.count_nonzero(bad)
            lines.append(f"{operation.name}: {count} of {bad.size} wrong; {operation.layer}")
            if count:
                lines.append(f"  first at {np.argwhere(bad)[0]} (image, row, column, channel)")
                lines.append(f"  {task.tiling.tiles[0]}")
        return "\n".join(lines)


def _moved(operation: Operation, address: int) -> Operation:
    """With the views of a block at that address."""
    inputs = (replace(view, offset=address + view.offset) for view in operation.inputs)
    output = replace(operation.output, offset=address + operation.output.offset)
    return replace(operation, inputs=tuple(inputs), output=output)


def place(operations: Sequence[Operation], tensors: ByteArray, array: Array) -> Program:
    """The program of some operations, whose views lie in `tensors`.

    Raises:
        InvalidLayerError: see `Operation.tiling`.
    """
    end = tensors.size
    tasks = []
    for operation in operations:
        tiling = operation.tiling(array)
        streams: dict[range, tuple[int, ByteArray]] = {}
        for tile in tiling.tiles:
            if tile.out_channels not in streams:
                stream = tile_stream(
                    tile,
                    operation.layer,
                    operation.weights,
                    operation.bias,
                    operation.scale,
                    array,
                    operation.table,
                )
                start = ceil_div(end, array.beat_bytes) * array.beat_bytes
                streams[tile.out_channels] = (start, stream)
                end = start + stream.size
        tasks.append(_Task(operation, tiling, streams))
    start = ceil_div(end, DESCRIPTOR_BYTES) * DESCRIPTOR_BYTES
    return Program(array, tuple(tasks), tensors, start)


def run(program: Program, board: Board) -> tuple[int, tuple[DescriptorRun, ...]]:
    """Run it and compare every byte: cycles of the run, and what each descriptor measured."""
    buffer = AlignedBuffer(board, program.nbytes)
    try:
        buffer.array[:] = program.before(buffer.address)
        buffer.flush()
        window = range(buffer.address, buffer.address + program.nbytes)
        control = Control(board, board.wait, "board", TIMEOUT_S)
        cycles = control.run(buffer.address + program.start, len(program.tiles), window)
        buffer.invalidate()
        program.require(buffer.array, buffer.address)
        return cycles, results(buffer.array[program.start :])
    finally:
        buffer.free()


def expected(
    operation: Operation, inputs: Sequence[npt.NDArray[np.integer[Any]]]
) -> npt.NDArray[np.integer[Any]]:
    """The result (N, O, H, W) for inputs (N, H, W, C), by the golden reference."""
    layer, bias = operation.layer, operation.bias
    images = [
        (x.view(np.uint8) ^ (0x80 if operation.unsigned else 0)).view(np.int8).transpose(0, 3, 1, 2)
        for x in inputs
    ]
    if operation.kind is Kind.ADD:
        acc = add_accumulate(images[0], images[1], operation.weights, bias)
    elif operation.kind is Kind.MAX_POOL:
        acc = max_pool_accumulate(images[0], operation.weights, bias, layer)
    else:
        acc = golden.conv2d_accumulate(images[0], operation.weights, bias, layer)
    if layer.output is OutputType.INT32:
        return acc
    y = golden.requantize(acc, operation.scale, layer)
    return y if operation.table is None else apply_table(y, operation.table)
