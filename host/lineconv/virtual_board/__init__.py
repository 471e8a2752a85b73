# SPDX-License-Identifier: Apache-2.0
"""The RTL under Verilator, with a memory, as an object that a driver can use like a board."""
