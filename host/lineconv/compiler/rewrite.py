# SPDX-License-Identifier: Apache-2.0
"""Makes jobs of a graph's layers, tables with what makes their input."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lineconv.compiler.channel_order import absorb_shuffles, split_groups
from lineconv.graph import Graph
from lineconv.graph.arithmetic import as_index
from lineconv.graph.layers import (
    Add,
    AveragePool,
    ChannelShuffle,
    Convolution,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Resize,
    Table,
    Tensor,
)
from lineconv.layer import OutputType
from lineconv.presets import Array

__all__ = ["Job", "find_jobs"]

# Layers whose results go through the engine's output stage, where a table is free.
_TAKES_TABLE = (Convolution, MaxPool, AveragePool, GlobalAveragePool, Add, Resize, ChannelShuffle)


@dataclass(frozen=True, eq=False)
class Job:
    """A layer, and the table that its results go through, if any."""

    layer: Layer
    table: Table | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it reads."""
        return self.layer.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it makes."""
        return self.layer.outputs if self.table is None else self.table.outputs

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of the layers."""
        covered = (self.layer,) if self.table is None else (self.layer, self.table)
        return tuple(type(layer).__name__ for layer in covered)


def find_jobs(graph: Graph, array: Array) -> list[Job]:
    """The layers of a graph, in order, without those that others take along."""
    outputs = {tensor.name for tensor in graph.outputs}
    layers = absorb_shuffles(graph.layers, outputs)
    layers = split_groups(layers, outputs, array.output_lanes)
    layers = _compose_tables(layers, outputs)
    sole = _sole_users(layers, outputs)
    taken: set[str] = set()
    result = []
    for layer in layers:
        if layer.outputs[0].name in taken:
            continue
        table = sole.get(layer.outputs[0].name)
        if isinstance(table, Table) and _takes_table(layer):
            taken.add(table.outputs[0].name)
            result.append(Job(layer, table))
        else:
            result.append(Job(layer))
    return result


def _takes_table(layer: Layer) -> bool:
    raw = isinstance(layer, Convolution) and layer.layer.output is OutputType.INT32
    return isinstance(layer, _TAKES_TABLE) and not raw


def _sole_users(layers: Sequence[Layer], outputs: set[str]) -> dict[str, Layer]:
    """The layer that reads a tensor, for tensors which nothing else reads."""
    uses = Counter(tensor.name for layer in layers for tensor in layer.inputs)
    return {
        tensor.name: layer
        for layer in layers
        for tensor in layer.inputs
        if uses[tensor.name] == 1 and tensor.name not in outputs
    }


def _compose_tables(layers: list[Layer], outputs: set[str]) -> list[Layer]:
    """Two tables in a row as one."""
    sole = _sole_users(layers, outputs)
    merged: dict[str, Table] = {}
    result: list[Layer] = []
    for layer in layers:
        layer = merged.pop(layer.outputs[0].name, layer)
        second = sole.get(layer.outputs[0].name)
        if isinstance(layer, Table) and isinstance(second, Table):
            both = second.table[as_index(layer.table)]
            merged[second.outputs[0].name] = dataclasses.replace(
                second, inputs=layer.inputs, table=both
            )
        else:
            result.append(layer)
    return result
