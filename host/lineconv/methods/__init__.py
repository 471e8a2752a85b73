# SPDX-License-Identifier: Apache-2.0
"""The layers of an accelerator as methods on NumPy arrays; docs/layers.md lists them."""

from lineconv.methods.convolution import ConvolutionMethods
from lineconv.methods.elementwise import ElementwiseMethods
from lineconv.methods.functions import FunctionMethods
from lineconv.methods.moves import MoveMethods
from lineconv.methods.pooling import PoolingMethods

__all__ = ["LayerMethods"]


class LayerMethods(
    ConvolutionMethods, PoolingMethods, FunctionMethods, ElementwiseMethods, MoveMethods
):
    """All of them."""
