# SPDX-License-Identifier: Apache-2.0
"""Classical image filters on the convolution engine.

Signal processing knows two operations. *Correlation* slides the kernel over the image as it is
written; *convolution* flips it by 180 degrees first (numpy.convolve, scipy.signal.convolve2d).
Deep-learning "convolution" is correlation. Both are offered here; convolution is the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.driver import Accelerator
from lineconv.errors import InvalidFileError, InvalidInputError, InvalidTensorError
from lineconv.files import load_array
from lineconv.layer import MAX_KERNEL_HEIGHT, OutputType

__all__ = ["KERNELS", "Kernel", "filter_image", "filter_images", "load_kernel"]

MAX_SIZE = MAX_KERNEL_HEIGHT - 1  # largest odd one

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Kernel:
    """Integer kernel: pixel = clamp(round(sum(coefficient x pixel) x scale + offset), 0, 255).

    Attributes:
        coefficients: int8 (height, width), both odd and at most 15.
        scale: float32 factor.
        offset: grey level of a sum of 0; a multiple of `scale`.
    """

    coefficients: npt.NDArray[np.int8]
    scale: float = 1.0
    offset: int = 0

    def __post_init__(self) -> None:
        shape = self.coefficients.shape
        if self.coefficients.dtype != np.int8 or self.coefficients.ndim != 2:
            raise InvalidTensorError(
                f"kernel is {self.coefficients.dtype} {shape}, must be int8 (height, width)"
            )
        if any(n % 2 == 0 or n > MAX_SIZE for n in shape):
            raise InvalidTensorError(f"kernel is {shape}, sizes must be odd and at most {MAX_SIZE}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InvalidInputError(f"scale is {self.scale}, must be finite and above 0")
        if not 0 <= self.offset <= 255:
            raise InvalidInputError(f"offset is {self.offset}, must be 0..255")
        if self.offset / self.scale != round(self.offset / self.scale):
            raise InvalidInputError(
                f"offset {self.offset} is not a multiple of scale {self.scale}: "
                "the engine adds it before scaling"
            )

    def flipped(self) -> Kernel:
        """The kernel turned by 180 degrees: correlation with it is convolution with this one."""
        return Kernel(self.coefficients[::-1, ::-1].copy(), self.scale, self.offset)

    @property
    def bias(self) -> int:
        """The offset as the engine adds it, in accumulator steps."""
        return round(self.offset / self.scale)


def _kernel(rows: Sequence[Sequence[int]], scale: float = 1.0, offset: int = 0) -> Kernel:
    return Kernel(np.array(rows, np.int8), scale, offset)


_BINOMIAL_5 = np.array([1, 4, 6, 4, 1])

# Derivatives (coefficients that sum to 0) are drawn around mid-grey and scaled to fit.
KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "identity": _kernel([[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "box": _kernel([[1, 1, 1]] * 3, 1 / 9),
        "gaussian": _kernel([[1, 2, 1], [2, 4, 2], [1, 2, 1]], 1 / 16),
        "gaussian5": _kernel(np.outer(_BINOMIAL_5, _BINOMIAL_5).tolist(), 1 / 256),
        "sharpen": _kernel([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "emboss": _kernel([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
        "laplacian": _kernel([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 1.0, 128),
        "sobel-x": _kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], 1 / 4, 128),
        "sobel-y": _kernel([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], 1 / 4, 128),
        "prewitt-x": _kernel([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], 1 / 4, 128),
        "prewitt-y": _kernel([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], 1 / 4, 128),
    }
)


def load_kernel(name: str, scale: float | None = None, offset: int | None = None) -> Kernel:
    """A kernel of the table, or of a .npy file with integer coefficients in -128..127.

    Args:
        name: key of `KERNELS`, or path of a .npy file.
        scale, offset: replace those of the table; a file has scale 1 and offset 0 by itself.

    Raises:
        InvalidInputError: no such kernel or file, or coefficients that are no int8 integers.
    """
    if name in KERNELS:
        kernel = KERNELS[name]
    elif name.endswith(".npy"):
        kernel = Kernel(_load_coefficients(Path(name)))
    else:
        raise InvalidInputError(
            f"kernel {name!r} is unknown, must be a .npy file or one of {', '.join(KERNELS)}"
        )
    return Kernel(
        kernel.coefficients,
        kernel.scale if scale is None else scale,
        kernel.offset if offset is None else offset,
    )


def _load_coefficients(path: Path) -> npt.NDArray[np.int8]:
    values = load_array(path)
    if values.dtype.kind not in "iufb":
        raise InvalidFileError(f"{path}: holds {values.dtype}, must be numbers")
    wrong = values[~((values >= -128) & (values <= 127) & (values == np.rint(values)))]
    if wrong.size:
        raise InvalidFileError(
            f"{path}: coefficient {wrong.flat[0]:g} is no integer in -128..127; "
            "multiply the kernel by a constant and divide by it in the scale"
        )
    coefficients: npt.NDArray[np.int8] = values.astype(np.int8)
    return coefficients


def _operands(image: Image, kernels: Sequence[Kernel], *, flip: bool) -> dict[str, Any]:
    """Arguments of one multi-channel `conv2d` that applies every kernel to every colour.

    Kernels of different size are centred in the largest. Channels in are colours; channels out
    are kernels x colours, with zero weights between the colours.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise InvalidTensorError(
            f"image is {image.dtype} {image.shape}, "
            "must be uint8 (height, width) or (height, width, colours)"
        )
    planes = image[..., None] if image.ndim == 2 else image
    colours = planes.shape[2]
    height = max(k.coefficients.shape[0] for k in kernels)
    width = max(k.coefficients.shape[1] for k in kernels)
    w = np.zeros((len(kernels), colours, colours, height, width), np.int8)
    for index, kernel in enumerate(kernels):
        coefficients = (kernel.flipped() if flip else kernel).coefficients
        rows, columns = coefficients.shape
        top, left = (height - rows) // 2, (width - columns) // 2
        for colour in range(colours):
            w[index, colour, colour, top : top + rows, left : left + columns] = coefficients
    return {
        "x": np.ascontiguousarray(planes.transpose(2, 0, 1)),
        "w": w.reshape(-1, colours, height, width),
        "bias": np.repeat(np.array([k.bias for k in kernels], np.int32), colours),
        "scale": np.repeat(np.array([k.scale for k in kernels], np.float32), colours),
    }


def filter_images(
    accelerator: Accelerator, image: Image, kernels: Sequence[Kernel], *, flip: bool = True
) -> list[Image]:
    """Apply every kernel to an image in one run of the engine.

    Outside the image lies black (0). Each colour is filtered by itself.

    Args:
        accelerator: from `lineconv.open()`.
        image: uint8 (height, width) or (height, width, colours).
        kernels: at least one.
        flip: True convolves, False correlates.

    Returns:
        One uint8 image of the input's shape per kernel.

    Raises:
        InvalidTensorError: the image has another shape or element type.
    """
    y = accelerator.conv2d(
        **_operands(image, kernels, flip=flip), padding="same", output_type=OutputType.UINT8
    )
    planes = y.reshape(len(kernels), -1, *image.shape[:2]).transpose(0, 2, 3, 1)
    return [plane.reshape(image.shape).astype(np.uint8) for plane in planes]


def filter_image(
    accelerator: Accelerator, image: Image, kernel: Kernel, *, flip: bool = True
) -> Image:
    """`filter_images` with one kernel."""
    return filter_images(accelerator, image, [kernel], flip=flip)[0]
