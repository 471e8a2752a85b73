# SPDX-License-Identifier: Apache-2.0
"""Command line: `lineconv COMMAND`; packages bring their own commands.

Bad input, a foreign bitstream included, ends in one line on stderr and exit code 2; a device that
fails in exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lineconv
from lineconv import filters
from lineconv.bench.command import NAMES as BENCH_NAMES
from lineconv.bench.command import bench, chosen
from lineconv.bench.plots import require_plots
from lineconv.bench.whole_table import bench_networks, chosen_networks
from lineconv.commands.compile import add_parser as add_compile
from lineconv.commands.report import add_parser as add_report
from lineconv.commands.run import add_parser as add_run
from lineconv.errors import DeviceError, InvalidFileError, InvalidInputError
from lineconv.explore.command import add_parser as add_explore
from lineconv.files import load_array, open_image, pillow, require_writable
from lineconv.quantize.command import add_parser as add_quantize
from lineconv.zoo import NAMES as WHOLE_NAMES

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        result = options.run(options)
    except InvalidInputError as error:
        print(f"lineconv {options.command}: {error}", file=sys.stderr)
        return 2
    except DeviceError as error:
        print(f"lineconv {options.command}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lineconv", description="Convolutions on the lineconv FPGA engine."
    )
    parser.add_argument("--version", action="version", version=lineconv.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    devices = commands.add_parser("devices", help="list boards and virtual boards")
    devices.set_defaults(run=_devices)

    image = commands.add_parser(
        "filter",
        help="filter an image",
        description="Filter an image. The default is true convolution: the kernel is flipped by "
        "180 degrees. --correlate uses it as it is written.",
    )
    image.add_argument("image", type=Path, help="picture of any format that Pillow reads")
    image.add_argument(
        "--kernel", required=True, help=f"{', '.join(filters.KERNELS)}, or a .npy file"
    )
    flip = image.add_mutually_exclusive_group()
    flip.add_argument("--convolve", dest="flip", action="store_true", help="flip (default)")
    flip.add_argument("--correlate", dest="flip", action="store_false", help="do not flip")
    image.add_argument("--scale", type=float, help="factor on the sum; default: the kernel's own")
    image.add_argument("--offset", type=int, help="grey level of a sum of 0")
    image.add_argument("-o", "--output", type=Path, required=True, help="picture to write")
    image.set_defaults(run=_filter, flip=True)

    conv = commands.add_parser("conv", help="convolve an int8 tensor")
    conv.add_argument("--input", type=Path, required=True, help="int8 (N,C,H,W) or (C,H,W) .npy")
    conv.add_argument("--weights", type=Path, required=True, help="int8 (O,C/groups,kH,kW) .npy")
    conv.add_argument("--bias", type=Path, help="int32 (O,) .npy")
    conv.add_argument("--scale", help="number, or float32 (O,) .npy: int8 results; none: int32")
    conv.add_argument("--stride", type=_numbers, default=1, help="N or H,W")
    conv.add_argument("--padding", type=_padding, default=0, help="N, H,W, T,B,L,R, same or valid")
    conv.add_argument("--dilation", type=_numbers, default=1, help="N or H,W")
    conv.add_argument("--groups", type=int, default=1)
    conv.add_argument("--zero-point", type=int, default=0, help="zero point of the input")
    conv.add_argument("-o", "--output", type=Path, required=True, help=".npy to write")
    conv.set_defaults(run=_conv)

    benchmark = commands.add_parser(
        "bench",
        help="measure networks and typical layers",
        description="Cycles and utilisation of the convolutions of whole networks, one program "
        "each, and of typical layers alone. Random data. With --networks: whole networks, "
        "quantised and compiled, each output compared with ONNX Runtime; see docs/networks.md.",
    )
    benchmark.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(BENCH_NAMES)}; with --networks {', '.join(WHOLE_NAMES)}; default: all",
    )
    benchmark.add_argument("--networks", action="store_true", help="run whole networks")
    benchmark.add_argument(
        "--images", type=int, default=1, help="of noise for each whole network; default: 1"
    )
    benchmark.add_argument("--json", dest="json_file", type=Path, help="file for the results")
    benchmark.add_argument("--plot", type=Path, metavar="DIR", help="folder for two pictures (SVG)")
    benchmark.set_defaults(run=_bench, json=False)

    own = (devices, image, conv)
    others = tuple(add(commands) for add in (add_quantize, add_compile, add_report, add_explore))
    add_run(commands)
    for command in (*own, *others):
        command.add_argument("--json", action="store_true", help="print the result as JSON")
    for command in (image, conv, benchmark):
        command.add_argument(
            "--device", help="see `lineconv devices`; default: the first that is there"
        )
    return parser


def _numbers(text: str) -> int | tuple[int, ...]:
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of integers") from None
    return values[0] if len(values) == 1 else values


def _padding(text: str) -> Any:
    if text in ("same", "valid"):
        return text
    values = _numbers(text)
    if isinstance(values, tuple) and len(values) == 4:
        return values[:2], values[2:]
    return values


def _devices(options: argparse.Namespace) -> Any:
    found = lineconv.devices()
    if not options.json:
        for device in found:
            print(f"{device.name:<16}{device.description}")
    return [{"name": device.name, "description": device.description} for device in found]


def _filter(options: argparse.Namespace) -> Any:
    kernel = filters.load_kernel(options.kernel, options.scale, options.offset)
    image = _read_image(options.image)
    require_writable(options.output)
    with lineconv.open(options.device) as accelerator:
        result = filters.filter_image(accelerator, image, kernel, flip=options.flip)
        _write_image(options.output, result)
        return _finish(options, accelerator, result)


def _conv(options: argparse.Namespace) -> Any:
    x, w = _load(options.input), _load(options.weights)
    bias = None if options.bias is None else _load(options.bias)
    scale = _scale(options.scale)
    require_writable(options.output)
    with lineconv.open(options.device) as accelerator:
        y = accelerator.conv2d(
            x,
            w,
            bias,
            stride=options.stride,
            padding=options.padding,
            dilation=options.dilation,
            groups=options.groups,
            x_zero_point=options.zero_point,
            scale=scale,
        )
        with options.output.open("wb") as file:
            np.save(file, y)
        return _finish(options, accelerator, y)


def _bench(options: argparse.Namespace) -> None:
    names = (chosen_networks if options.networks else chosen)(options.names)
    if options.networks and (options.plot is not None or options.images < 1):
        raise InvalidInputError("--networks needs --images of at least 1, and has no --plot")
    if options.json_file is not None:
        require_writable(options.json_file)
    if options.plot is not None:
        require_plots(options.plot)
    with lineconv.open(options.device) as accelerator:
        if options.networks:
            bench_networks(accelerator, names, count=options.images, json_file=options.json_file)
            return
        bench(accelerator, names, json_file=options.json_file, plot_folder=options.plot)


def _scale(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return np.float32(text)
    except ValueError:
        return _load(Path(text))


def _load(path: Path) -> npt.NDArray[Any]:
    if not path.exists():
        raise InvalidFileError(f"{path}: no such file")
    return load_array(path)


def _read_image(path: Path) -> npt.NDArray[np.uint8]:
    picture = open_image(path)
    mode = "L" if picture.mode in ("1", "L", "I", "I;16", "F") else "RGB"
    return np.asarray(picture.convert(mode))


def _write_image(path: Path, image: npt.NDArray[np.uint8]) -> None:
    try:
        pillow().fromarray(image).save(path)
    except (OSError, ValueError) as error:
        raise InvalidFileError(f"{path}: cannot be written ({error})") from None


def _finish(
    options: argparse.Namespace, accelerator: lineconv.Accelerator, result: npt.NDArray[Any]
) -> dict[str, Any]:
    """The report of a command that ran a program; printed as one line unless JSON is asked for."""
    run = accelerator.last_run
    assert run is not None  # a conv2d has just succeeded
    report = {
        "output": str(options.output),
        "shape": list(result.shape),
        "dtype": str(result.dtype),
        "device": accelerator.name,
        "simulated": accelerator.simulated,
        "clock_hz": accelerator.clock_hz,
        "macs": run.macs,
        "cycles": run.cycles,
        "utilisation": run.utilisation,
        "seconds": run.seconds,
    }
    if not options.json:
        line = f"{options.output}: {result.dtype} {result.shape}, {run.macs:,} MACs"
        if run.seconds is not None:
            line += f", {run.cycles:,} cycles = {run.seconds * 1e3:.3f} ms"
        print(f"{line} on {accelerator.name}{' (simulated)' if accelerator.simulated else ''}")
    return report
