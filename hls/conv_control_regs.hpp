// SPDX-License-Identifier: Apache-2.0
// What a run leaves in the control registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "conv_program.hpp"

namespace conv {

// Registers that follow each other are one output, because the tool puts a register of its own
// behind each output.

struct OutcomeRegisters {
    uint32_t status;
    uint32_t failed_index;
    uint32_t completed;
};
static_assert(offsetof(OutcomeRegisters, failed_index) == kFailedIndexOffset - kStatusOffset);
static_assert(offsetof(OutcomeRegisters, completed) == kCompletedOffset - kStatusOffset);

struct IdentityRegisters {
    uint32_t magic;
    uint32_t version;
    uint32_t lanes;
    uint32_t weight_words;
    uint32_t line_buffer_beats;
    uint32_t memory;
    uint32_t vector;
};
static_assert(offsetof(IdentityRegisters, version) == kVersionOffset - kMagicOffset);
static_assert(offsetof(IdentityRegisters, lanes) == kLanesOffset - kMagicOffset);
static_assert(offsetof(IdentityRegisters, weight_words) == kWeightWordsOffset - kMagicOffset);
static_assert(offsetof(IdentityRegisters, line_buffer_beats) ==
              kLineBufferBeatsOffset - kMagicOffset);
static_assert(offsetof(IdentityRegisters, memory) == kMemoryOffset - kMagicOffset);
static_assert(offsetof(IdentityRegisters, vector) == kVectorOffset - kMagicOffset);

/// One run, from the arguments to the outputs.
template <typename Config>
void run(Memory rows_memory, Memory output_memory, Memory program_memory, uint64_t program,
         uint32_t descriptor_count, Window window, OutcomeRegisters* outcome, uint64_t* cycles,
         IdentityRegisters* identity) {
#pragma HLS INLINE
    const Outcome ended = run_program<Config>(rows_memory, program_memory, output_memory, program,
                                              descriptor_count, window);
    *outcome = {static_cast<uint32_t>(ended.status), ended.completed, ended.completed};
    *cycles = 0;  // the core has no cycle counter
    *identity = {kIdentity,
                 kInterfaceVersion,
                 Config::InputLanes | Config::OutputLanes << 16,
                 Config::WeightWords,
                 Config::LineBufferBeats,
                 kBeatBytes | kAddressBits << 8 | Config::WeightWords << 16,
                 Config::VectorLanes};
}

}  // namespace conv
