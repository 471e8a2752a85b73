# SPDX-License-Identifier: Apache-2.0
"""`lineconv run`: a network on a device, its results to a file, what it took on the screen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import lineconv
from lineconv.commands.arrays import check_output, load_feed, save_result
from lineconv.commands.check import check
from lineconv.compiler.compile import compile as compile_network
from lineconv.compiler.container import load_network
from lineconv.compiler.feed import count_images
from lineconv.compiler.network import Network
from lineconv.device import for_target, target_of
from lineconv.errors import InvalidInputError
from lineconv.files import require_writable, write_whole
from lineconv.onnx_model import load_model
from lineconv.pictures import add_picture_options
from lineconv.profiling.plots import check_plot, save_plot
from lineconv.profiling.profile import NetworkProfile
from lineconv.profiling.results import profile_results
from lineconv.profiling.table import profile_text
from lineconv.progress import mac_bar

__all__ = ["add_parser"]


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the subparsers of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="run a network",
        description="Run a quantised network and print what each layer took. See docs/run.md.",
    )
    parser.add_argument("model", type=Path, help="int8 .onnx, or .lconv of `lineconv compile`")
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help=".npy with one or more images, .npz with all inputs by name, or a picture",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help=".npy to write, or .npz for any number of outputs",
    )
    add_picture_options(parser)
    parser.add_argument("--device", help="see `lineconv devices`; default: the first that is there")
    parser.add_argument(
        "--target", help="preset to compile an .onnx for; default: that of the device"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare each layer with ONNX Runtime; needs the .onnx"
    )
    parser.add_argument(
        "--json", dest="json_file", type=Path, metavar="FILE", help="file for what each layer took"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="picture of it: timeline and roofline"
    )
    parser.set_defaults(run=_run, json=False)
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.json_file is not None:
        require_writable(options.json_file)
    if options.plot is not None:
        check_plot(options.plot)
    network, model = _network(options)
    check_output(options.output, network.outputs)
    x = load_feed(options.input, network.inputs, options.mean, options.std)
    macs = sum(layer.macs for layer in network.layers)
    with lineconv.open(for_target(options.device, network.target)) as accelerator:
        with mac_bar(network.name, macs * count_images(network.inputs, x)) as progress:
            y = accelerator.run(network, x, progress=progress, profile=True)
        profile = accelerator.last_profile
        assert profile is not None
        save_result(options.output, network.outputs, y)
        print(profile_text(profile))
        print(_summary(options.output, profile, y))
        verdict = None
        if model is not None:
            verdict = check(accelerator, network, model, x)
            print(verdict)
    if options.json_file is not None:
        result = {"output": str(options.output), "check": verdict} | profile_results(profile)
        write_whole(options.json_file, json.dumps(result, indent=2).encode() + b"\n")
    if options.plot is not None:
        save_plot(profile, options.plot)


def _network(options: argparse.Namespace) -> tuple[Network, Any]:
    """The network, and the model that its results are checked with, if they are."""
    if options.model.suffix == ".lconv":
        if options.check:
            raise InvalidInputError(
                f"{options.model}: --check compares with ONNX Runtime and needs the model: name "
                "the .onnx instead"
            )
        return load_network(options.model), None
    model = load_model(options.model)
    target = options.target or target_of(options.device)
    network = compile_network(model, target, keep=options.check, name=options.model.stem)
    return network, model if options.check else None


def _summary(output: Path, profile: NetworkProfile, y: Any) -> str:
    results = y if isinstance(y, dict) else {"": y}
    shapes = ", ".join(
        f"{name} {array.dtype} {array.shape}".strip() for name, array in results.items()
    )
    text = f"{output}: {shapes}; {profile.device}"
    text += " (simulated)" if profile.simulated else ""
    if profile.seconds is None:
        return text
    report, count = profile.report, len(profile.images)
    return (
        f"{text}, engine {report.cycles / count:,.0f} cycles = "
        f"{report.cycles / count / profile.clock_hz * 1e3:.3f} ms an image, "
        f"{profile.seconds / count * 1e3:.3f} ms with the host"
    )
