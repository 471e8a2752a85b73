# SPDX-License-Identifier: Apache-2.0
"""A quantised network as a graph of integer layers that NumPy runs as ONNX Runtime does.

`lineconv.graph.importer.import_onnx` makes it of an ONNX model. The importer needs the extra
`onnx`; graphs themselves need NumPy alone, and ONNX Runtime only for some host layers.
"""

from lineconv.graph.graph import Graph

__all__ = ["Graph"]
