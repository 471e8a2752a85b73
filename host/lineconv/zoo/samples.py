# SPDX-License-Identifier: Apache-2.0
"""Data to calibrate the networks with, and to run them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.onnx_model import inputs
from lineconv.zoo import TRAINED
from lineconv.zoo.digits import split

__all__ = ["CALIBRATION_SAMPLES", "calibration_samples", "noise"]

CALIBRATION_SAMPLES = 16

Images = npt.NDArray[np.float32]


def noise(model: Any, count: int, seed: int) -> Images:
    """Normal noise for the only input of a model: (count, ...) float32."""
    shape = inputs(model)[0].shape[1:]
    return np.random.default_rng(seed).standard_normal((count, *shape), dtype=np.float32)


def calibration_samples(name: str, model: Any) -> Images:
    """The training images of `digits`, else 16 samples of noise."""
    return split()[0] if name == TRAINED else noise(model, CALIBRATION_SAMPLES, seed=0)
