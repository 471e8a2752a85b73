# SPDX-License-Identifier: Apache-2.0
"""The memory image of a program: descriptors, weights, inputs and results of its layers.

One block keeps the window that the engine may touch tight, and is one allocation to give back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.bus import ByteArray
from lineconv.errors import InvalidLayerError, InvalidTensorError
from lineconv.job import ConvJob, Layout
from lineconv.operands import Operands
from lineconv.presets import Array
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Kind
from lineconv.report import LayerRun, results
from lineconv.tiling import Tiling, tile_layer

__all__ = ["Block", "tile_operands"]


class Block:
    """Layers that run as one program, in the given order.

    Attributes:
        count: descriptors of the program, which lies at the start of the block.
        nbytes: size of the block.
        macs: multiply-accumulates per descriptor.

    Raises:
        InvalidTensorError: a layer reads a result of another shape or element type.
        InvalidLayerError: a layer reads a result that does not exist yet, or that is not one
            tensor in memory.
    """

    def __init__(self, layers: Sequence[Operands], array: Array) -> None:
        if not layers:
            raise InvalidLayerError("a program needs at least one layer, got none")
        tilings = [tile_operands(operands, array) for operands in layers]
        self.count = sum(
            operands.shape[0] * len(tiling.tiles)
            for operands, tiling in zip(layers, tilings, strict=True)
        )
        layout = Layout(self.count * DESCRIPTOR_BYTES)
        self._jobs: list[ConvJob] = []
        done: dict[Operands, ConvJob] = {}
        for operands, tiling in zip(layers, tilings, strict=True):
            source = None
            if isinstance(operands.x, Operands):
                _check_source(operands, operands.x)
                source = done.get(operands.x)
                if source is None:
                    raise InvalidLayerError(
                        f"{operands.name} reads the result of {operands.x.name}, which is no "
                        "earlier layer of the program"
                    )
            done[operands] = ConvJob(operands, tiling, array, layout, source)
            self._jobs.append(done[operands])
        self.nbytes = layout.nbytes
        self.macs = [macs for job in self._jobs for macs in job.macs]

    def write(self, block: ByteArray, address: int) -> None:
        """Fill the block, which the engine sees at `address`, a multiple of the descriptor size."""
        program = block[: self.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
        index = 0
        for job in self._jobs:
            for descriptor in job.descriptors(address):
                program[index] = descriptor
                index += 1
            job.write(block)

    def read(self, block: ByteArray) -> list[npt.NDArray[np.integer[Any]]]:
        """The results (N, O, H, W) of all layers, once the program has run."""
        return [job.read(block) for job in self._jobs]

    def measurements(self, block: ByteArray) -> tuple[LayerRun, ...]:
        """What the engine measured, layer by layer, once the program has run."""
        runs = iter(results(block[: self.count * DESCRIPTOR_BYTES]))
        return tuple(
            LayerRun(job.operands.name, sum(job.macs), tuple(islice(runs, job.count)))
            for job in self._jobs
        )


def tile_operands(operands: Operands, array: Array) -> Tiling:
    """The tiles of a layer in a program; of one with a group for each channel, those of the MAC
    array or of the vector unit, whichever is quicker.

    Raises:
        InvalidLayerError: it reads the result of another layer, and fits no buffer.
    """
    layer, host_input = operands.layer, not isinstance(operands.x, Operands)
    candidates = [partial(tile_layer, layer, array, host_input=host_input)]
    if 1 < layer.groups == layer.in_channels == layer.out_channels:
        candidates.append(partial(tile_layer, layer, array, kind=Kind.DEPTHWISE, host_input=False))
    tilings = []
    for tile in candidates:
        try:
            tilings.append(tile())
        except InvalidLayerError as error:
            problem = error
    if not tilings:
        raise problem
    return min(tilings, key=lambda tiling: tiling.cycles)


def _check_source(operands: Operands, source: Operands) -> None:
    layer = operands.layer
    shape = (source.shape[0], layer.in_channels, layer.in_height, layer.in_width)
    if source.shape != shape or source.dtype not in (np.int8, np.uint8):
        raise InvalidTensorError(
            f"{operands.name} needs int8 or uint8 {shape}, the result of {source.name} is "
            f"{source.dtype} {source.shape}"
        )
