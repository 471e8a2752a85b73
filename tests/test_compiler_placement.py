# SPDX-License-Identifier: Apache-2.0
"""Memory: no two tensors that are needed at the same time share a byte, and little is wasted."""

from __future__ import annotations

from itertools import pairwise

from compiled import GraphBuilder, check
from test_quantize import quantised

import lineconv
from lineconv.compiler.network import Pack, Segment, Unpack
from lineconv.graph import Graph
from lineconv.graph.importer import import_onnx
from lineconv.graph.layers import Add
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES


def chain(length: int) -> Graph:
    b = GraphBuilder(40)
    x = b.input(1, 8, 16, 16)
    for _ in range(length):
        x = b.conv(x, 8)
    return b.graph(x)


def test_a_chain_needs_two_buffers() -> None:
    image = 8 * 16 * 16
    for length in (1, 2, 7):
        network = check(chain(length), "pynq-z2")
        # The input may be folded, which makes it larger.
        pack = next(step for step in network.steps if isinstance(step, Pack))
        first = pack.target.view.image_stride
        assert network.activation_bytes == max(first + image, 2 * image * (length > 1))


def test_what_is_kept_is_used_once() -> None:
    graph = chain(5)
    small, kept = (check(graph, "pynq-z2", keep=keep) for keep in (False, True))
    assert kept.activation_bytes > small.activation_bytes
    spans = sorted(
        (layer.output.view.offset, layer.output.view.offset + layer.output.view.nbytes)
        for layer in kept.layers
    )
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_residual_stays_until_it_is_added() -> None:
    """Random data through many overlapping lives; equality says that none was overwritten."""
    for seed in range(5):
        b = GraphBuilder(seed)
        live = [b.input(1, 8, 8, 8)]
        for _ in range(12):
            first, second = b.rng.integers(0, len(live), 2)
            live.append(b.conv(live[first], 8))
            live.append(b.layer(Add, [live[second], live[-1]], (1, 8, 8, 8)))
        network = check(b.graph(live[-1], live[5]), "tiny", seed)
        check(b.graph(live[-1], live[5]), "tiny", seed, keep=True)
        assert len(network.segments) == 1


def test_addresses_lie_in_the_block() -> None:
    network = lineconv.compile(import_onnx(quantised("mobilenet_v2")[0]))
    assert network.image.size % DESCRIPTOR_BYTES == 0
    segment = network.segments[0]
    program = network.image[: segment.count * DESCRIPTOR_BYTES].view(DESCRIPTOR)
    assert (program["weights_address"] < network.image.size).all()
    for name in ("input_address", "output_address", "second_address"):
        assert (program[name] < network.nbytes).all(), name
    for step in network.steps:
        for tensor in tensors_of(step):
            assert network.image.size <= tensor.view.offset
            assert tensor.view.offset + tensor.view.nbytes <= network.nbytes


def tensors_of(step: object) -> list[lineconv.compiler.device_tensor.DeviceTensor]:
    if isinstance(step, Pack):
        return [step.target]
    if isinstance(step, Unpack):
        return [step.source]
    return [layer.output for layer in step.layers] if isinstance(step, Segment) else []
