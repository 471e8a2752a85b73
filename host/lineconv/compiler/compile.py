# SPDX-License-Identifier: Apache-2.0
"""The whole way from a model to a network; docs/compiler.md tells it in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lineconv.compiler.build import build
from lineconv.compiler.network import HostStep, Network
from lineconv.compiler.schedule import Schedule, schedule
from lineconv.errors import HostLayerError
from lineconv.graph import Graph, layers
from lineconv.presets import Preset, preset

__all__ = ["compile"]


def compile(
    model: Any,
    target: str | Preset = "pynq-z2",
    *,
    strict: bool = False,
    keep: bool = False,
    name: str | None = None,
) -> Network:
    """A quantised model as programs for the engine.

    Args:
        model: a `lineconv.graph.Graph`; or a quantised `onnx.ModelProto`, or a path to one.
        target: the preset to compile for, or its name.
        strict: refuse layers that the host would compute, but for conversions from and to float32.
        keep: use no memory twice, so that the result of each layer can be read after a run.
        name: of the network; None is that of the file.

    Raises:
        InvalidFileError: the file is missing or no valid model.
        InvalidInputError: there is no such target, the model cannot be imported, or it reads a
            tensor that nothing makes; the message names the node or tensor.
        HostLayerError: `strict`, and layers are left to the host; the message names them.
    """
    chosen = target if isinstance(target, Preset) else preset(target)
    if name is None:
        name = Path(model).stem if isinstance(model, (str, Path)) else "network"
    graph = model if isinstance(model, Graph) else _imported(model)
    planned = schedule(graph, chosen)
    host_layers = [item.layer for item in planned.items if isinstance(item, HostStep)]
    if strict:
        _refuse(name, planned)
    image, nbytes, steps = build(planned, chosen, keep=keep)
    read = {tensor.name for layer in host_layers for tensor in layer.inputs}
    read |= {tensor.name for tensor in graph.outputs}
    return Network(
        name=name,
        target=chosen.name,
        array=chosen.array,
        image=image,
        nbytes=nbytes,
        inputs=graph.inputs,
        outputs=graph.outputs,
        constants={name: array for name, array in graph.constants.items() if name in read},
        steps=steps,
        kept=keep,
    )


def _imported(model: Any) -> Graph:
    from lineconv.graph.importer import import_onnx  # needs more than NumPy

    return import_onnx(model)


def _refuse(name: str, planned: Schedule) -> None:
    left = [
        f"{type(item.layer).__name__} {item.layer.name!r}: {item.reason}"
        for item in planned.items
        if isinstance(item, HostStep)
        and not isinstance(item.layer, (layers.Quantize, layers.Dequantize))
    ]
    if left:
        raise HostLayerError(f"{name}: the host would compute {'; '.join(left)}")
