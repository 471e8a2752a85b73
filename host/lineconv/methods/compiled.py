# SPDX-License-Identifier: Apache-2.0
"""Compiled graphs of the layer methods, kept for the next call with equal arguments."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from lineconv.compiler.compile import compile as compile_graph
from lineconv.compiler.network import Network
from lineconv.errors import InvalidLayerError
from lineconv.graph import Graph
from lineconv.presets import Preset

__all__ = ["CompiledGraphs"]

_MOST_BYTES = 64 << 20  # of weights and programs that are kept


class CompiledGraphs:
    """Those compiled last for one preset."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._networks: OrderedDict[Hashable, Network] = OrderedDict()

    def network(self, graph: Graph) -> Network:
        """A graph as a network without host layers.

        Raises:
            InvalidLayerError: the engine cannot compute it; the message says why.
        """
        key = _fingerprint(graph)
        if key not in self._networks:
            network = compile_graph(graph, self._preset, name=graph.layers[-1].name)
            for step in network.host_steps:
                raise InvalidLayerError(
                    f"{step.layer.name}: the engine cannot compute it: {step.reason}"
                )
            self._networks[key] = network
        self._networks.move_to_end(key)
        while sum(network.image.size for network in self._networks.values()) > _MOST_BYTES:
            oldest, network = next(iter(self._networks.items()))
            if oldest == key:
                return self._networks.pop(key)
            del self._networks[oldest]
        return self._networks[key]


def _fingerprint(value: Any) -> Hashable:
    """Equal for equal values; of arrays it keeps a hash of their bytes."""
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=32).digest()
        return (value.shape, value.dtype.str, digest)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return (type(value), *(_fingerprint(getattr(value, field.name)) for field in fields))
    if isinstance(value, Mapping):
        return tuple((name, _fingerprint(entry)) for name, entry in value.items())
    if isinstance(value, tuple):
        return tuple(map(_fingerprint, value))
    hashable: Hashable = value
    return hashable
