# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests."""

import os

# Before NumPy is imported: on a busy machine the threads of its BLAS wait for each other, which
# made the driver's tests five times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
