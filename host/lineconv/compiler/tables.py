# SPDX-License-Identifier: Apache-2.0
"""Functions of one byte that no other layer takes along."""

from __future__ import annotations

from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.lowering import Lowering, engine_table
from lineconv.compiler.vector import copy
from lineconv.graph.layers import Table

__all__ = ["lower_table"]


def lower_table(ctx: Lowering, layer: Table) -> DeviceTensor:
    """A copy through the table."""
    x = ctx.memory.read(layer.inputs[0])
    y = ctx.memory.write(ctx.result, x.view.shape, x.outer)
    copy(ctx, x.view, y.view, engine_table(layer))
    return y
