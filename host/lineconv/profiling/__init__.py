# SPDX-License-Identifier: Apache-2.0
"""What a network costs: predicted for the target, measured on a device; text, JSON, pictures."""
