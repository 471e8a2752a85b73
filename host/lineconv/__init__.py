# SPDX-License-Identifier: Apache-2.0
"""Open FPGA convolution accelerator: int8 convolutions, exact to the last bit.

>>> accelerator = lineconv.open()
>>> y = accelerator.conv2d(x, w, bias, padding="same", scale=0.01)
"""

from lineconv import errors
from lineconv.compiler.compile import compile
from lineconv.device import devices, open
from lineconv.driver import Accelerator
from lineconv.layer import ConvLayer

__all__ = ["Accelerator", "ConvLayer", "__version__", "compile", "devices", "errors", "open"]

__version__ = "0.1.0"
