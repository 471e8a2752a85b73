# SPDX-License-Identifier: Apache-2.0
"""Layers that are measured alone: those that people ask about, and the awkward ones."""

from __future__ import annotations

from lineconv.layer import ConvLayer

__all__ = ["SINGLE_LAYERS", "shape_name"]


def _square(
    kernel: int, stride: int, padding: int, in_channels: int, out_channels: int, size: int
) -> ConvLayer:
    return ConvLayer(
        in_channels=in_channels,
        out_channels=out_channels,
        in_height=size,
        in_width=size,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=((padding, padding), (padding, padding)),
    )


SINGLE_LAYERS = (
    _square(3, 1, 1, 64, 64, 56),
    _square(3, 2, 1, 64, 128, 56),
    _square(3, 1, 1, 512, 512, 14),
    _square(5, 1, 2, 48, 128, 27),
    _square(1, 1, 0, 256, 64, 56),
    # The two that write the most bytes per MAC: requantisation and output must keep up.
    _square(1, 1, 0, 32, 64, 56),
    _square(1, 1, 0, 32, 256, 28),
    # A megabyte of weights for 49 pixels.
    _square(1, 1, 0, 512, 2048, 7),
    # Few channels, as in the first layers of networks.
    _square(7, 2, 3, 3, 64, 224),
    _square(11, 4, 0, 3, 96, 227),
    _square(3, 1, 1, 3, 64, 224),
    _square(3, 1, 1, 3, 16, 416),
    # Image filters.
    _square(3, 1, 1, 1, 1, 480),
    ConvLayer(1, 1, 1080, 1920, (3, 3), padding=((1, 1), (1, 1))),
)


def shape_name(layer: ConvLayer) -> str:
    """Kernel, stride, padding, channels and size of a layer with equal sides."""
    return (
        f"{layer.kernel[0]}x{layer.kernel[1]} s{layer.stride[0]} p{layer.padding[0][0]} "
        f"{layer.in_channels}->{layer.out_channels} {layer.in_width}x{layer.in_height}"
    )
