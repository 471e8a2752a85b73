# SPDX-License-Identifier: Apache-2.0
"""Predicts what the engine's counters will show for a tile; docs/cycle-model.md tells how."""

from lineconv.cycle_model.prediction import Bound, Prediction, predict

__all__ = ["Bound", "Prediction", "predict"]
