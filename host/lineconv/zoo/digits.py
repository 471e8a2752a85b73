# SPDX-License-Identifier: Apache-2.0
"""`lenet` trained on the 8x8 digits of scikit-learn, and the data it was trained on.

The images are the test set of Alpaydin and Kaynak's optical recognition of handwritten digits (UCI
repository, 1998), 1,797 of them; scikit-learn brings them along.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.extras import require
from lineconv.onnx_session import int8_session
from lineconv.zoo.classic import lenet

__all__ = ["accuracy", "lenet_digits", "parameters", "split"]

WEIGHTS = Path(__file__).with_name("digits.npz")
TEST_IMAGES = 360  # a fifth, drawn at random once and for all

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]


def lenet_digits() -> Any:
    """The trained network as an `onnx.ModelProto`: (1, 1, 8, 8) in 0..1 to (1, 10) logits."""
    onnx = require("onnx", "onnx")
    model = lenet()
    with np.load(WEIGHTS) as trained:
        for constant in model.graph.initializer:
            constant.CopyFrom(onnx.numpy_helper.from_array(trained[constant.name], constant.name))
    return model


def parameters(model: Any) -> dict[str, Images]:
    """The weights of a model by name, as arrays that may be written to."""
    onnx = require("onnx", "onnx")
    return {c.name: onnx.numpy_helper.to_array(c).copy() for c in model.graph.initializer}


def split() -> tuple[Images, Labels, Images, Labels]:
    """Training images and labels, test images and labels; images are (N, 1, 8, 8) in 0..1."""
    data = require("sklearn.datasets", "dev").load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    labels = data.target.astype(np.intp)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:-TEST_IMAGES], order[-TEST_IMAGES:]
    return images[train], labels[train], images[test], labels[test]


def accuracy(model: Any, images: Images, labels: Labels) -> float:
    """Share of images that a model of batch 1, float or quantised, puts into the right class."""
    session = int8_session(model)
    right = sum(
        int(session.run(None, {"input": image[None]})[0].argmax()) == label
        for image, label in zip(images, labels, strict=True)
    )
    return float(right / len(images))
