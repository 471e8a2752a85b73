# SPDX-License-Identifier: Apache-2.0
"""Compares arrays for a board over whole networks, by the cycle model."""

from lineconv.explore.footprint import Footprint, footprint
from lineconv.explore.search import Candidate, explore

__all__ = ["Candidate", "Footprint", "explore", "footprint"]
