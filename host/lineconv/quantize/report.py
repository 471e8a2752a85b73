# SPDX-License-Identifier: Apache-2.0
"""What quantisation has done to a model, in numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidInputError

__all__ = ["FloatNode", "Nodes", "OutputError", "OutputMeter", "QuantizeReport", "node_report"]


@dataclass(frozen=True)
class OutputError:
    """Error of one output of the int8 model against the float model.

    Attributes:
        name: of the output.
        shape: with the batch.
        snr_db: signal to noise ratio; None where there is no noise at all, or no signal.
        max_abs_error: largest difference.
        top1_agreement: share of samples whose largest class is the same; None if the output is
            not (N, classes).
    """

    name: str
    shape: tuple[int, ...]
    snr_db: float | None
    max_abs_error: float
    top1_agreement: float | None


@dataclass(frozen=True)
class FloatNode:
    """A node that stays in float."""

    name: str
    op_type: str


@dataclass(frozen=True)
class Nodes:
    """What became of the nodes, BatchNorm and the like folded before.

    Attributes:
        quantized: names of nodes whose tensors are all int8.
        fused: names of ReLU and Clip nodes that the range of their int8 tensor does the work of.
        left_in_float: the others.
    """

    quantized: tuple[str, ...]
    fused: tuple[str, ...]
    left_in_float: tuple[FloatNode, ...]


@dataclass(frozen=True)
class QuantizeReport:
    """Result of `lineconv.quantize.quantize`."""

    runs: int
    outputs: tuple[OutputError, ...]
    nodes: Nodes

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """A table of the outputs, and the nodes left in float."""
        nodes = self.nodes
        lines = [
            f"{len(nodes.quantized)} nodes quantised, {len(nodes.fused)} fused into them, "
            f"{len(nodes.left_in_float)} left in float"
        ]
        lines += [f"  float: {node.op_type} {node.name}" for node in nodes.left_in_float]
        lines.append(f"int8 against float over {self.runs} runs of calibration data:")
        width = max(len("output"), *(len(output.name) for output in self.outputs))
        lines.append(f"  {'output':<{width}}  {'SNR':>8}  {'max error':>10}  {'same top-1':>10}")
        for output in self.outputs:
            snr = "-" if output.snr_db is None else f"{output.snr_db:.1f} dB"
            top1 = "-" if output.top1_agreement is None else f"{output.top1_agreement:.2%}"
            lines.append(
                f"  {output.name:<{width}}  {snr:>8}  {output.max_abs_error:>10.4g}  {top1:>10}"
            )
        return "\n".join(lines)


class OutputMeter:
    """Collects the error of one output, run by run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shape: tuple[int, ...] = ()
        self._signal = self._noise = self._largest = 0.0
        self._samples = self._same = 0

    def add(self, expected: npt.NDArray[Any], measured: npt.NDArray[Any]) -> None:
        """Results of the float and of the int8 model for the same input.

        Raises:
            InvalidInputError: their shapes differ, or are not those of the runs before.
        """
        self._shape = self._shape or expected.shape
        for shape in (expected.shape, measured.shape):
            if shape != self._shape:
                raise InvalidInputError(
                    f"output {self._name!r} changes its shape with the input: {self._shape} and "
                    f"{shape}; only fixed shapes can be compared"
                )
        reference = expected.astype(np.float64)
        difference = measured.astype(np.float64) - reference
        self._signal += float(np.square(reference).sum())
        self._noise += float(np.square(difference).sum())
        self._largest = max(self._largest, float(np.abs(difference).max(initial=0)))
        if self._is_classifier():
            self._samples += len(expected)
            self._same += int((expected.argmax(1) == measured.argmax(1)).sum())

    def result(self) -> OutputError:
        """Over all runs so far."""
        has_ratio = self._signal > 0 and self._noise > 0
        return OutputError(
            self._name,
            self._shape,
            10 * math.log10(self._signal / self._noise) if has_ratio else None,
            self._largest,
            self._same / self._samples if self._is_classifier() else None,
        )

    def _is_classifier(self) -> bool:
        return len(self._shape) == 2 and self._shape[1] > 1


def node_report(model: Any, quantised: Any, op_types: frozenset[str]) -> Nodes:
    """Sort the nodes of a float model by what they are in its QDQ form."""
    graph = quantised.graph
    dequantised = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    to_float = {name for n in graph.node if n.op_type != "QuantizeLinear" for name in n.input} | {
        output.name for output in graph.output
    }
    constants = {constant.name for constant in graph.initializer}
    int8, in_float = [], []
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        read = [name for name in node.input if name and name not in constants]
        is_int8 = set(read) <= dequantised and not to_float.intersection(node.output)
        if node.op_type in op_types and is_int8:
            int8.append(node.name)
        else:
            in_float.append(FloatNode(node.name, node.op_type))
    kept = {node.name for node in graph.node}
    fused = tuple(node.name for node in model.graph.node if node.name not in kept)
    return Nodes(tuple(int8), fused, tuple(in_float))
