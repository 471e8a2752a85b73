# SPDX-License-Identifier: Apache-2.0
"""Measures whole networks and typical layers on a device: `lineconv bench`.

Only shapes matter for the cycles, so the tensors are random. A network is one program, its layers
chained in memory where nothing comes between them.
"""
