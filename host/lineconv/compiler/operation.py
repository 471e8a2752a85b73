# SPDX-License-Identifier: Apache-2.0
"""One piece of work for the engine, before it is cut into descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv.compiler.view import View
from lineconv.layer import ConvLayer
from lineconv.presets import Array, MemoryModel
from lineconv.regs import Kind
from lineconv.tiling import Tiling, tile_layer

__all__ = ["Operation"]


@dataclass(frozen=True, eq=False)
class Operation:
    """What the engine does to one view, or two, for one other: the same for each image of a batch.

    Attributes:
        name: of the graph layer that it belongs to.
        kind: which unit computes it, and how.
        layer: geometry and number formats. Kinds other than CONV keep channels apart: groups,
            in_channels and out_channels are equal. ADD has a kernel of (1, 1), its sizes are those
            of one input.
        inputs: one view; ADD has two with equal strides and offsets inside a beat.
        output: of the same batch.
        weights: int8 `layer.weight_shape`; of ADD int8 (2, digits), the balanced digits of both
            coefficients, lowest first.
        bias: int32 (out_channels,). Of CONV and DEPTHWISE it is that of the layer, to which the
            program adds what the input zero point asks for (`golden.fold_zero_point`); of MAX_POOL
            and ADD it is what the engine adds.
        scale: float32 (out_channels,); all 1 for INT32 output.
        table: uint8 (256,), what stands for each byte of the result; None for the result itself.
    """

    name: str
    kind: Kind
    layer: ConvLayer
    inputs: tuple[View, ...]
    output: View
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    table: npt.NDArray[np.uint8] | None = None

    @property
    def unsigned(self) -> bool:
        """The inputs are uint8."""
        return self.inputs[0].dtype == np.uint8

    def tiling(self, array: Array, memory: MemoryModel | None = None) -> Tiling:
        """The tiles of each image, where the views lie; see `tile_layer`.

        Raises:
            InvalidLayerError: it fits no buffer, or needs the host.
        """
        source, output = self.inputs[0], self.output
        return tile_layer(
            self.layer,
            array,
            memory,
            kind=self.kind,
            digits=self.weights.shape[1] if self.kind is Kind.ADD else 1,
            host_input=False,
            input_pixel_stride=source.pixel_stride,
            output_pixel_stride=output.pixel_stride,
            input_align=source.offset % array.beat_bytes,
            output_align=output.offset % array.beat_bytes,
            table=self.table is not None,
        )
