# SPDX-License-Identifier: Apache-2.0
"""Calibration data: sample inputs of a model, from .npz files or folders."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv.errors import InvalidFileError, InvalidInputError, InvalidTensorError
from lineconv.files import load_array, open_image, pillow
from lineconv.onnx_model import ModelInput
from lineconv.pictures import picture_shape, scale_picture

__all__ = ["Calibration", "load_calibration"]

Array = npt.NDArray[Any]


class Calibration:
    """Feeds for a model: iterating yields one dictionary from input name to array per run."""

    def __init__(
        self, arrays: Mapping[str, Array], inputs: Sequence[ModelInput], source: str = "calibration"
    ) -> None:
        """Check arrays whose first axis counts the samples.

        Args:
            arrays: one for each input of the model, by name.
            inputs: of the model. With a batch of B, each run takes B samples.
            source: where the arrays come from, for messages.

        Raises:
            InvalidTensorError: names, shapes, element types, sample counts or values do not fit.
        """
        if not inputs:
            raise InvalidTensorError("the model has no inputs, there is nothing to calibrate")
        if set(arrays) != {spec.name for spec in inputs}:
            raise InvalidTensorError(
                f"{source}: has the arrays {sorted(arrays)}, the inputs of the model are "
                f"{[spec.name for spec in inputs]}"
            )
        runs = {spec.name: _check(arrays[spec.name], spec, source) for spec in inputs}
        if len(set(runs.values())) > 1:
            raise InvalidTensorError(f"{source}: sample counts differ between inputs: {runs}")
        self._arrays = {spec.name: arrays[spec.name].reshape(-1, *spec.shape) for spec in inputs}
        self._runs = runs[inputs[0].name]

    def __len__(self) -> int:
        """Number of runs."""
        return self._runs

    def __iter__(self) -> Iterator[dict[str, Array]]:
        for index in range(len(self)):
            yield {name: array[index] for name, array in self._arrays.items()}


def load_calibration(
    path: Path,
    inputs: Sequence[ModelInput],
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> Calibration:
    """Read a .npz file or a folder.

    Args:
        path: a .npz file with one array per model input, samples along the first axis; or a folder
            of .npy files and pictures, one sample each, for a model with one input.
        inputs: of the model.
        mean, std: one value or one per channel. Pictures are cut to the shape of the model's input
            and resized, brought to 0..1, then to `(x - mean) / std`.

    Raises:
        InvalidFileError: path is neither, or a file in it cannot be read.
        InvalidTensorError: the data do not fit the model, or hold NaN or infinity.
    """
    if path.is_dir():
        return _load_folder(path, inputs, mean, std)
    if not path.exists():
        raise InvalidFileError(f"{path}: no such file or folder")
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise InvalidFileError(f"{path}: is one array, must be an .npz file or a folder")
        with file:
            arrays = {name: file[name] for name in file.files}
    except InvalidFileError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFileError(f"{path}: cannot be read as an .npz file ({error})") from None
    return Calibration(arrays, inputs, str(path))


def _check(array: Array, spec: ModelInput, source: str) -> int:
    """Number of runs in an array; raises if it does not fit."""
    where = f"{source}: array {spec.name!r}"
    if array.dtype != spec.dtype:
        raise InvalidTensorError(f"{where} is {array.dtype}, the model needs {spec.dtype}")
    batch, *sample = spec.shape if spec.shape else (1,)
    if not spec.shape or array.ndim != len(spec.shape) or array.shape[1:] != tuple(sample):
        raise InvalidTensorError(
            f"{where} has shape {array.shape}, must be {('samples', *sample)}".replace("'", "")
        )
    if len(array) == 0 or len(array) % batch:
        raise InvalidTensorError(
            f"{where} has {len(array)} samples, must be a multiple of {batch} and not 0"
        )
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InvalidTensorError(f"{where} holds {array[index]} at {index}, must be finite")
    return len(array) // batch


def _load_folder(
    folder: Path, inputs: Sequence[ModelInput], mean: Sequence[float], std: Sequence[float]
) -> Calibration:
    if len(inputs) != 1:
        raise InvalidInputError(
            f"{folder}: a folder can feed one input, the model has "
            f"{[spec.name for spec in inputs]}; use an .npz file"
        )
    spec = inputs[0]
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise InvalidFileError(f"{folder}: holds no .npy files and no pictures")
    samples = []
    for path in files:
        if path.suffix == ".npy":
            sample = load_array(path)
            sample = sample if sample.ndim == len(spec.shape) else sample[None]
        else:
            sample = _picture(path, spec, mean, std)
        Calibration(
            {spec.name: sample},
            [ModelInput(spec.name, (1, *spec.shape[1:]), spec.dtype)],
            str(path),
        )
        samples.append(sample)
    return Calibration({spec.name: np.concatenate(samples)}, inputs, str(folder))


def _picture(
    path: Path, spec: ModelInput, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """(1, C, H, W) of a picture, cut at the centre to the proportions of the input."""
    channels, height, width = picture_shape(path, spec.name, spec.shape)
    resampling = pillow().Resampling.BILINEAR
    from PIL import ImageOps

    picture = open_image(path).convert("L" if channels == 1 else "RGB")
    picture = ImageOps.fit(picture, (width, height), resampling)
    pixels = np.asarray(picture).reshape(height, width, channels)
    return scale_picture(pixels, mean, std)
