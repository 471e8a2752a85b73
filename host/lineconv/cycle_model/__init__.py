# SPDX-License-Identifier: Apache-2.0
"""Predicts what the engine's counters will show for a program; docs/cycle-model.md tells how."""

from lineconv.cycle_model.prediction import (
    Bound,
    Prediction,
    ProgramPrediction,
    predict,
    predict_program,
)
from lineconv.cycle_model.work import Work, work

__all__ = [
    "Bound",
    "Prediction",
    "ProgramPrediction",
    "Work",
    "predict",
    "predict_program",
    "work",
]
