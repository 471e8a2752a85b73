# SPDX-License-Identifier: Apache-2.0
"""Image filters: operands against SciPy, files, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import scipy.ndimage

from lineconv import Accelerator, golden
from lineconv.errors import InvalidInputError
from lineconv.filters import KERNELS, Kernel, filter_image, filter_images, load_kernel
from lineconv.layer import ConvLayer


class GoldenAccelerator:
    """conv2d by the reference: these tests are about the operands, not about the engine."""

    def conv2d(self, x: Any, w: Any, bias: Any = None, **options: Any) -> Any:
        scale = options.pop("scale")
        output = options.pop("output_type")
        # uint8 data are int8 data moved by 128, and so is the zero point.
        signed = (x ^ 0x80).view(np.int8)[None]
        layer = ConvLayer.from_shapes(
            signed.shape, w.shape, x_zero_point=-128, output=output, **options
        )
        return golden.conv2d(signed, w, bias, scale, layer)[0]


ACCELERATOR = cast(Accelerator, GoldenAccelerator())


def reference(image: Any, kernel: Kernel, *, flip: bool) -> Any:
    operate = scipy.ndimage.convolve if flip else scipy.ndimage.correlate
    planes = image[..., None] if image.ndim == 2 else image
    out = np.empty(planes.shape, np.uint8)
    for c in range(planes.shape[2]):
        total = operate(planes[..., c].astype(np.int64), kernel.coefficients, mode="constant")
        scaled = (total + kernel.bias).astype(np.float32) * np.float32(kernel.scale)
        out[..., c] = np.clip(np.rint(scaled), 0, 255)
    return out.reshape(image.shape)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("shape", [(17, 23), (9, 12, 3)])
def test_all_kernels_in_one_run(shape: tuple[int, ...], flip: bool) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    results = filter_images(ACCELERATOR, image, list(KERNELS.values()), flip=flip)
    for (name, kernel), result in zip(KERNELS.items(), results, strict=True):
        assert np.array_equal(result, reference(image, kernel, flip=flip)), name


def test_convolution_of_an_impulse_draws_the_kernel() -> None:
    kernel = Kernel(np.arange(1, 10, dtype=np.int8).reshape(3, 3))
    image = np.zeros((5, 5), np.uint8)
    image[2, 2] = 1
    convolved = filter_image(ACCELERATOR, image, kernel)
    correlated = filter_image(ACCELERATOR, image, kernel, flip=False)
    assert np.array_equal(convolved[1:4, 1:4], kernel.coefficients)
    assert np.array_equal(correlated[1:4, 1:4], kernel.coefficients[::-1, ::-1])


def test_kernel_from_file(tmp_path: Path) -> None:
    path = tmp_path / "k.npy"
    np.save(path, np.array([[1.0, 2.0, -3.0]]))
    kernel = load_kernel(str(path), scale=0.5, offset=128)
    assert kernel.coefficients.tolist() == [[1, 2, -3]]
    assert (kernel.scale, kernel.offset, kernel.bias) == (0.5, 128, 256)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0.11]]), "0.11 is no integer in -128..127"),
        (np.array([[128]]), "128 is no integer in -128..127"),
        (np.array([[np.nan]]), "nan is no integer"),
        (np.ones((2, 3)), r"\(2, 3\), sizes must be odd"),
        (np.ones((17, 1)), "at most 15"),
        (np.ones(3), r"must be int8 \(height, width\)"),
        (np.array([["a"]]), "must be numbers"),
    ],
)
def test_bad_kernel_file(values: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "k.npy"
    np.save(path, values)
    with pytest.raises(InvalidInputError, match=message):
        load_kernel(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sobel", "kernel 'sobel' is unknown, must be a .npy file or one of identity, box"),
        ("missing.npy", "missing.npy: cannot be read"),
    ],
)
def test_unknown_kernel(name: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_kernel(name)


@pytest.mark.parametrize(
    ("scale", "offset", "message"),
    [
        (0.0, 0, "scale is 0.0"),
        (float("nan"), 0, "scale is nan"),
        (1.0, 256, "offset is 256"),
        (1 / 9, 100.5, "not a multiple of scale"),
    ],
)
def test_bad_scale(scale: float, offset: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Kernel(np.ones((3, 3), np.int8), scale, offset)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_bad_image(image: Any) -> None:
    with pytest.raises(InvalidInputError, match="must be uint8"):
        filter_image(ACCELERATOR, image, KERNELS["box"])
