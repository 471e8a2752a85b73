# SPDX-License-Identifier: Apache-2.0
"""The convolution layers of well-known networks: shapes only, no weights.

Pooling, additions, upsampling and fully connected layers are not listed. Rows read: name, input
channels, output channels, kernel, rows (= columns) of the input. Padding is half the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lineconv.errors import InvalidInputError
from lineconv.layer import ConvLayer

__all__ = ["NETWORKS", "Network", "NetworkLayer", "check_names"]


@dataclass(frozen=True)
class NetworkLayer:
    """One convolution of a network.

    Attributes:
        name: as its users know it.
        conv: what it computes for one image.
        reads: the layer whose result is its input, with nothing but an activation between them;
            None if pooling, an addition or the like comes before it, or nothing does.
    """

    name: str
    conv: ConvLayer
    reads: str | None = None


@dataclass(frozen=True)
class Network:
    """The convolutions of a network, in the order in which they run."""

    name: str
    description: str
    layers: tuple[NetworkLayer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.conv.macs for layer in self.layers)


def _conv(
    name: str,
    in_channels: int,
    out_channels: int,
    kernel: int,
    size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    reads: str | None = None,
) -> NetworkLayer:
    padding = (kernel // 2, kernel // 2)
    conv = ConvLayer(
        in_channels=in_channels,
        out_channels=out_channels,
        in_height=size,
        in_width=size,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(padding, padding),
        groups=groups,
    )
    return NetworkLayer(name, conv, reads)


def _basic_block(
    name: str, in_channels: int, channels: int, size: int, *, stride: int = 1
) -> list[NetworkLayer]:
    """Two 3x3 convolutions, and a 1x1 beside them where the shape changes."""
    conv1, conv2 = f"{name}.conv1", f"{name}.conv2"
    block = [
        _conv(conv1, in_channels, channels, 3, size, stride=stride),
        _conv(conv2, channels, channels, 3, size // stride, reads=conv1),
    ]
    if in_channels != channels:
        block.append(_conv(f"{name}.downsample.0", in_channels, channels, 1, size, stride=stride))
    return block


def _bottleneck(
    name: str, in_channels: int, channels: int, size: int, *, stride: int = 1
) -> list[NetworkLayer]:
    """1x1, 3x3 with the stride, 1x1 to four times the channels; 1x1 beside them as above."""
    conv1, conv2, conv3 = (f"{name}.conv{index}" for index in (1, 2, 3))
    block = [
        _conv(conv1, in_channels, channels, 1, size),
        _conv(conv2, channels, channels, 3, size, stride=stride, reads=conv1),
        _conv(conv3, channels, 4 * channels, 1, size // stride, reads=conv2),
    ]
    if in_channels != 4 * channels:
        block.append(
            _conv(f"{name}.downsample.0", in_channels, 4 * channels, 1, size, stride=stride)
        )
    return block


_VGG16 = (
    _conv("conv1_1", 3, 64, 3, 224),
    _conv("conv1_2", 64, 64, 3, 224, reads="conv1_1"),
    _conv("conv2_1", 64, 128, 3, 112),
    _conv("conv2_2", 128, 128, 3, 112, reads="conv2_1"),
    _conv("conv3_1", 128, 256, 3, 56),
    _conv("conv3_2", 256, 256, 3, 56, reads="conv3_1"),
    _conv("conv3_3", 256, 256, 3, 56, reads="conv3_2"),
    _conv("conv4_1", 256, 512, 3, 28),
    _conv("conv4_2", 512, 512, 3, 28, reads="conv4_1"),
    _conv("conv4_3", 512, 512, 3, 28, reads="conv4_2"),
    _conv("conv5_1", 512, 512, 3, 14),
    _conv("conv5_2", 512, 512, 3, 14, reads="conv5_1"),
    _conv("conv5_3", 512, 512, 3, 14, reads="conv5_2"),
)

# Names of the ResNets are those of torchvision.
_RESNET18 = (
    _conv("conv1", 3, 64, 7, 224, stride=2),
    *_basic_block("layer1.0", 64, 64, 56),
    *_basic_block("layer1.1", 64, 64, 56),
    *_basic_block("layer2.0", 64, 128, 56, stride=2),
    *_basic_block("layer2.1", 128, 128, 28),
    *_basic_block("layer3.0", 128, 256, 28, stride=2),
    *_basic_block("layer3.1", 256, 256, 14),
    *_basic_block("layer4.0", 256, 512, 14, stride=2),
    *_basic_block("layer4.1", 512, 512, 7),
)

_RESNET50 = (
    _conv("conv1", 3, 64, 7, 224, stride=2),
    *_bottleneck("layer1.0", 64, 64, 56),
    *_bottleneck("layer1.1", 256, 64, 56),
    *_bottleneck("layer1.2", 256, 64, 56),
    *_bottleneck("layer2.0", 256, 128, 56, stride=2),
    *_bottleneck("layer2.1", 512, 128, 28),
    *_bottleneck("layer2.2", 512, 128, 28),
    *_bottleneck("layer2.3", 512, 128, 28),
    *_bottleneck("layer3.0", 512, 256, 28, stride=2),
    *_bottleneck("layer3.1", 1024, 256, 14),
    *_bottleneck("layer3.2", 1024, 256, 14),
    *_bottleneck("layer3.3", 1024, 256, 14),
    *_bottleneck("layer3.4", 1024, 256, 14),
    *_bottleneck("layer3.5", 1024, 256, 14),
    *_bottleneck("layer4.0", 1024, 512, 14, stride=2),
    *_bottleneck("layer4.1", 2048, 512, 7),
    *_bottleneck("layer4.2", 2048, 512, 7),
)

# Numbered as in the darknet configuration, where pooling, routes and the like count as well.
_YOLOV3_TINY = (
    _conv("conv0", 3, 16, 3, 416),
    _conv("conv2", 16, 32, 3, 208),
    _conv("conv4", 32, 64, 3, 104),
    _conv("conv6", 64, 128, 3, 52),
    _conv("conv8", 128, 256, 3, 26),
    _conv("conv10", 256, 512, 3, 13),
    _conv("conv12", 512, 1024, 3, 13),
    _conv("conv13", 1024, 256, 1, 13, reads="conv12"),
    _conv("conv14", 256, 512, 3, 13, reads="conv13"),
    _conv("conv15", 512, 255, 1, 13, reads="conv14"),
    _conv("conv18", 256, 128, 1, 13, reads="conv13"),
    _conv("conv21", 384, 256, 3, 26),
    _conv("conv22", 256, 255, 1, 26, reads="conv21"),
)

NETWORKS: dict[str, Network] = {
    entry.name: entry
    for entry in (
        Network("vgg16", "VGG-16, 224x224", _VGG16),
        Network("resnet18", "ResNet-18, 224x224", _RESNET18),
        Network("resnet50", "ResNet-50 v1.5 (stride in the 3x3), 224x224", _RESNET50),
        Network("yolov3-tiny", "YOLOv3-tiny, 416x416", _YOLOV3_TINY),
    )
}


def check_names(names: Iterable[str], known: Sequence[str]) -> None:
    """Refuse what is not among the known names.

    Raises:
        InvalidInputError: the message lists the names that there are.
    """
    for name in names:
        if name not in known:
            raise InvalidInputError(f"unknown network {name!r}, there are: {', '.join(known)}")
