# SPDX-License-Identifier: Apache-2.0
"""Which layers the engine computes, which the host, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lineconv.compiler import add, convolutions, moves, pooling, tables, transposed
from lineconv.compiler.lowering import HostOnlyError, Lowering, Work
from lineconv.compiler.memory import Memory
from lineconv.compiler.network import HostStep, Pack, Unpack
from lineconv.compiler.parts import find_homes
from lineconv.compiler.rewrite import Job, find_jobs
from lineconv.errors import InvalidInputError
from lineconv.graph import Graph, layers
from lineconv.graph.layers import Layer, Tensor
from lineconv.presets import Preset

__all__ = ["Item", "Schedule", "schedule"]

Item: TypeAlias = Pack | Work | Unpack | HostStep

_LOWER: dict[type[Layer], Callable[[Lowering, Any], Any]] = {
    layers.Convolution: convolutions.lower_convolution,
    layers.TransposedConvolution: transposed.lower_transposed,
    layers.MaxPool: pooling.lower_max_pool,
    layers.AveragePool: pooling.lower_average_pool,
    layers.GlobalAveragePool: pooling.lower_global_average_pool,
    layers.Add: add.lower_add,
    layers.Table: tables.lower_table,
    layers.Concat: moves.lower_concat,
    layers.Resize: moves.lower_resize,
    layers.Reshape: moves.lower_reshape,
    layers.Transpose: moves.lower_transpose,
    layers.Slice: moves.lower_slice,
    layers.Pad: moves.lower_pad,
    layers.ChannelShuffle: moves.lower_channel_shuffle,
}
_REASONS: dict[type[Layer], str] = {
    layers.Quantize: "converts float32, which the engine does not know",
    layers.Dequantize: "converts to float32, which the engine does not know",
    layers.Mul: "the engine cannot multiply two tensors",
}


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is done, in order.

    Attributes:
        items: Works that follow each other are one program.
        memory: the buffers that they use.
    """

    items: tuple[Item, ...]
    memory: Memory


def schedule(graph: Graph, preset: Preset) -> Schedule:
    """Engine and host by turns, each as long as it finds work, so that programs are few.

    Raises:
        InvalidInputError: a tensor is read that nothing makes before.
    """
    _check_order(graph)
    pending = find_jobs(graph, preset.array)
    memory = Memory(
        preset.array.beat_bytes,
        graph.constants,
        find_homes(pending, graph.constants),
        {tensor.name for tensor in graph.inputs},
    )
    items: list[Item] = []
    refused: dict[Job, str] = {}
    while pending:
        works, memory = _engine_turn(pending, refused, memory, preset)
        items += [*memory.packs, *works]
        memory.packs.clear()
        memory.engine_has_run |= bool(works)
        items += _host_turn(pending, refused, memory)
    for tensor in graph.outputs:
        items += _unpack([tensor], memory)
    return Schedule(tuple(items), memory)


def _check_order(graph: Graph) -> None:
    known = {tensor.name for tensor in graph.inputs} | set(graph.constants)
    for layer in graph.layers:
        for tensor in layer.inputs:
            if tensor.name not in known:
                raise InvalidInputError(
                    f"{type(layer).__name__} {layer.name!r}: nothing before it makes its input "
                    f"{tensor.name!r}"
                )
        known |= {tensor.name for tensor in layer.outputs}
    for tensor in graph.outputs:
        if tensor.name not in known:
            raise InvalidInputError(f"nothing makes the output {tensor.name!r}")


def _engine_turn(
    pending: list[Job], refused: dict[Job, str], memory: Memory, preset: Preset
) -> tuple[list[Work], Memory]:
    """Lower what can be; remember why the rest cannot."""
    works = []
    for job in list(pending):
        if job in refused or not all(_is_known(tensor, memory) for tensor in job.inputs):
            continue
        trial = Lowering(job, memory.copy(), preset.array, preset.memory)
        try:
            output = _lower(trial, job.layer)
        except HostOnlyError as error:
            refused[job] = str(error)
            continue
        memory = trial.memory
        memory.tensors[output.tensor.name] = output
        works.append(Work(job, tuple(trial.operations), output))
        pending.remove(job)
    return works, memory


def _lower(ctx: Lowering, layer: Layer) -> Any:
    if isinstance(layer, layers.Host):
        raise HostOnlyError(layer.reason)
    if type(layer) in _REASONS:
        raise HostOnlyError(_REASONS[type(layer)])
    only_bytes = not isinstance(layer, (layers.Reshape, layers.Transpose))
    for tensor in layer.inputs:
        if only_bytes and tensor.dtype not in (np.int8, np.uint8):
            raise HostOnlyError(f"its input {tensor.name!r} is {tensor.dtype}")
    return _LOWER[type(layer)](ctx, layer)


def _host_turn(pending: list[Job], refused: dict[Job, str], memory: Memory) -> list[Item]:
    """What the engine refused, as far as the inputs are known."""
    items: list[Item] = []
    for job in list(pending):
        if job not in refused or not all(_is_known(tensor, memory) for tensor in job.inputs):
            continue
        items += _unpack(job.inputs, memory)
        items.append(HostStep(job.layer, refused[job]))
        memory.host |= {tensor.name for tensor in job.layer.outputs}
        if job.table is None:
            pending.remove(job)
        else:  # maybe for the engine, in the next turn
            pending[pending.index(job)] = Job(job.table)
    return items


def _is_known(tensor: Tensor, memory: Memory) -> bool:
    name = tensor.name
    return name in memory.tensors or name in memory.host or name in memory.constants


def _unpack(tensors: Sequence[Tensor], memory: Memory) -> list[Item]:
    """Make host values of tensors that the host does not have."""
    items: list[Item] = []
    for tensor in tensors:
        if tensor.name not in memory.host and tensor.name not in memory.constants:
            items.append(Unpack(memory.tensors[tensor.name]))
            memory.host.add(tensor.name)
    return items
