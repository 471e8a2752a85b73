# SPDX-License-Identifier: Apache-2.0
"""Compiles a graph of integer layers to programs for the engine; docs/compiler.md tells how."""
