# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: a photograph and a CNN layer through the engine, every value compared.

`python -m lineconv.demo --output DIRECTORY` writes two pictures there. Needs the extras sim, plot
and dev (scikit-learn brings the photograph, SciPy the independent answer).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lineconv
from lineconv import golden
from lineconv.errors import LineconvError
from lineconv.filters import KERNELS, Kernel, filter_image, filter_images
from lineconv.layer import ConvLayer

FILTERS = ("gaussian", "sharpen", "emboss", "laplacian", "sobel-x", "sobel-y")
Image = npt.NDArray[np.uint8]


def photograph() -> Image:
    """uint8 (427, 640, 3): a photograph that scikit-learn ships."""
    from sklearn.datasets import load_sample_image

    picture: Image = load_sample_image("china.jpg")
    return picture


def scipy_filter(image: Image, kernel: Kernel) -> Image:
    """The same filter by scipy.ndimage.convolve, colour by colour."""
    from scipy.ndimage import convolve

    sums = np.stack(
        [
            convolve(image[..., colour].astype(np.int64), kernel.coefficients, mode="constant")
            for colour in range(image.shape[2])
        ],
        axis=-1,
    )
    scaled = (sums + kernel.bias).astype(np.float32) * np.float32(kernel.scale)
    filtered: Image = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return filtered


def run_filters(accelerator: lineconv.Accelerator, image: Image) -> list[Image]:
    """All filters as one multi-channel convolution, compared with SciPy.

    Raises:
        SystemExit: a value differs.
    """
    results = filter_images(accelerator, image, [KERNELS[name] for name in FILTERS])
    for name, result in zip(FILTERS, results, strict=True):
        require_equal(f"{name} against SciPy", result, scipy_filter(image, KERNELS[name]))
    return results


def run_cnn_layer(accelerator: lineconv.Accelerator) -> None:
    """3x3, 64 to 64 channels, 56x56, per-channel scales, ReLU, compared with the golden model.

    Raises:
        SystemExit: a value differs.
    """
    rng = np.random.default_rng(2024)
    x = rng.integers(-128, 128, (1, 64, 56, 56), dtype=np.int8)
    w = rng.integers(-128, 128, (64, 64, 3, 3), dtype=np.int8)
    bias = rng.integers(-(2**16), 2**16, 64, dtype=np.int32)
    scale = rng.uniform(1e-4, 4e-4, 64).astype(np.float32)
    y = accelerator.conv2d(
        x, w, bias, padding=1, x_zero_point=-5, scale=scale, y_zero_point=-128, clamp=(-128, 127)
    )
    layer = ConvLayer.from_shapes(
        x.shape, w.shape, padding=1, x_zero_point=-5, y_zero_point=-128, clamp=(-128, 127)
    )
    require_equal("3x3 64->64 against golden", y, golden.conv2d(x, w, bias, scale, layer))


def require_equal(what: str, ours: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    """Print how many values were compared; end the program if one differs."""
    wrong = int(np.count_nonzero(ours != expected))
    print(f"  {what}: {expected.size:,} values, {wrong} different")
    if wrong:
        raise SystemExit(f"{what}: {wrong} of {expected.size} values differ")


def run_both_kinds(accelerator: lineconv.Accelerator, image: Image) -> dict[str, Image]:
    """Convolution and correlation with an asymmetric kernel, on a part of the image.

    Raises:
        SystemExit: a value differs from SciPy's.
    """
    part, kernel = image[40:254, 150:470], KERNELS["emboss"]
    convolved = filter_image(accelerator, part, kernel)
    correlated = filter_image(accelerator, part, kernel, flip=False)
    require_equal("emboss, convolved, against SciPy", convolved, scipy_filter(part, kernel))
    flipped = scipy_filter(part, kernel.flipped())
    require_equal("emboss, correlated, against SciPy", correlated, flipped)
    return {"original": part, "convolution": convolved, "correlation": correlated}


def save_strip(path: Path, tiles: Mapping[str, Image], columns: int) -> None:
    """Pictures side by side, each under its name."""
    from PIL import Image as pillow
    from PIL import ImageDraw, ImageFont

    width, height, gap, title = 320, 214, 8, 22
    rows = -(-len(tiles) // columns)
    strip = pillow.new(
        "RGB", (gap + columns * (width + gap), rows * (height + title + gap) + gap), "white"
    )
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    for index, (name, tile) in enumerate(tiles.items()):
        row, column = divmod(index, columns)
        x, y = gap + column * (width + gap), gap + row * (height + title + gap)
        draw.text((x, y), name, fill="black", font=font)
        strip.paste(pillow.fromarray(tile).resize((width, height)), (x, y + title))
    path.parent.mkdir(parents=True, exist_ok=True)
    strip.save(path)


def table_row(name: str, shape: str, accelerator: lineconv.Accelerator) -> str:
    """One line of the result table, from the counters of the last run."""
    run = accelerator.last_run
    if run is None or run.utilisation is None or run.seconds is None:
        raise SystemExit(f"{accelerator.name} does not count cycles")
    rate = run.macs / run.cycles
    return (
        f"{name:<18}{shape:<30}{run.cycles:>10,}{rate:>11.1f}{run.utilisation:>10.1%}"
        f"{run.seconds * 1e3:>10.2f} ms"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineconv.demo", description=__doc__)
    parser.add_argument("--device", default="sim:pynq-z2", help="see `lineconv devices`")
    parser.add_argument("--output", type=Path, default=Path("build/demo"))
    options = parser.parse_args(arguments)
    try:
        with lineconv.open(options.device) as accelerator:
            demonstrate(accelerator, options.output)
    except LineconvError as error:
        print(f"lineconv.demo: {error}", file=sys.stderr)
        return 1
    return 0


def demonstrate(accelerator: lineconv.Accelerator, directory: Path) -> None:
    """Both jobs on an open device, with the table and the picture."""
    array = accelerator.array
    print(
        f"{accelerator.name}: {array.input_lanes} x {array.output_lanes} lanes, "
        f"{array.macs_per_cycle} MAC/cycle"
    )
    image = photograph()
    height, width, colours = image.shape
    started = time.monotonic()
    print(f"Photograph {width}x{height}, {len(FILTERS)} filters on {colours} colours ...")
    results = run_filters(accelerator, image)
    outputs = len(FILTERS) * colours
    rows = [table_row("image filters", f"3x3 {colours}->{outputs} {height}x{width}", accelerator)]
    print("CNN layer ...")
    run_cnn_layer(accelerator)
    rows.append(table_row("CNN layer", "3x3 64->64 56x56", accelerator))
    picture = directory / "filters.png"
    save_strip(picture, {"original": image, **dict(zip(FILTERS, results, strict=True))}, 4)
    print("Convolution and correlation ...")
    save_strip(directory / "convolution-correlation.png", run_both_kinds(accelerator, image), 3)

    where = "Simulated" if accelerator.simulated else "Measured on the board"
    about = {device.name: device.description for device in lineconv.devices()}
    print(f"\n{where}: {about[accelerator.name]}, at {accelerator.clock_hz / 1e6:g} MHz")
    print(f"{'job':<18}{'layer':<30}{'cycles':>10}{'MAC/cycle':>11}{'of array':>10}{'time':>13}")
    print("\n".join(rows))
    print(f"\nPictures are in {directory}; {time.monotonic() - started:.0f} s of wall-clock time")


if __name__ == "__main__":
    sys.exit(main())
