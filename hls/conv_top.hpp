// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "conv_control_regs.hpp"
#include "conv_memory.hpp"

/// The IP. Memories are indexed by address / 8, from address 0 on.
void conv_top(conv::Memory gmem0_read, conv::Memory gmem0_write, conv::Memory gmem1,
              uint64_t program, uint32_t descriptor_count, uint64_t window_base,
              uint64_t window_last, uint32_t watchdog_cycles, conv::OutcomeRegisters* outcome,
              uint64_t* cycles, conv::IdentityRegisters* identity);
