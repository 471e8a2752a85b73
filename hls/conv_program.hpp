// SPDX-License-Identifier: Apache-2.0
// Runs a program: fetches each descriptor, checks it, runs the layer, writes its result block.
#pragma once

#include <cstdint>

#include "conv_check.hpp"
#include "conv_core.hpp"
#include "conv_descriptor.hpp"
#include "conv_layer.hpp"
#include "conv_memory.hpp"
#include "conv_regs.hpp"

namespace conv {

/// How a run ended; `completed` is also the index of the descriptor that failed.
struct Outcome {
    Error status;
    uint32_t completed;
};

inline void fetch_descriptor(Memory memory, uint32_t address, Beat (&beats)[kDescriptorBeats]) {
    static_assert(kDescriptorBeats <= kBurstBeats);
    memory.read_request(address / kBeatBytes, kDescriptorBeats);
fetch:
    for (uint32_t i = 0; i < kDescriptorBeats; ++i) {
#pragma HLS PIPELINE II = 1
        beats[i] = memory.read();
    }
}

inline void write_result(Memory memory, uint32_t address, const Result& result) {
    const uint32_t words[] = {result.status,      result.cycles,        result.mac_cycles,
                              result.stall_input, result.stall_weights, result.stall_output,
                              result.read_beats,  result.write_beats};
    constexpr uint32_t kBeats = kResultBytes / kBeatBytes;
    constexpr uint32_t kWords = kBeatBytes / 4;
    memory.write_request((address + kResultOffset) / kBeatBytes, kBeats);
write:
    for (uint32_t i = 0; i < kBeats; ++i) {
#pragma HLS PIPELINE II = 1
        Beat beat = 0;
    words:
        for (uint32_t word = 0; word < kWords; ++word) {
#pragma HLS UNROLL
            beat |= static_cast<Beat>(words[kWords * i + word]) << (32 * word);
        }
        memory.write(beat);
    }
    memory.write_response();
}

/// A run ends after the last descriptor, or at the first that fails.
///
/// The tool's AXI ports neither count cycles nor show error responses: cycles and stalls in a
/// result block are 0, and READ_ERROR, WRITE_ERROR and WATCHDOG do not occur.
template <typename Config>
Outcome run_program(Memory rows_memory, Memory program_memory, Memory output_memory,
                    uint64_t program, uint32_t descriptor_count, Window window) {
    Outcome outcome = {Error::kOk, 0};

program:
    while (outcome.status == Error::kOk && outcome.completed < descriptor_count) {
        const uint64_t address = program + uint64_t(outcome.completed) * kDescriptorBytes;
        if (address % kDescriptorBytes != 0 || !window.holds(address, kDescriptorBytes)) {
            outcome.status = Error::kBadAddress;
            break;
        }
        Beat beats[kDescriptorBeats];
#pragma HLS ARRAY_PARTITION variable = beats complete
        fetch_descriptor(program_memory, static_cast<uint32_t>(address), beats);

        Layer layer = {};
        uint32_t input_beats = 0;
        uint32_t weight_beats = 0;
        uint32_t mac_cycles = 0;
        uint32_t output_beats = 0;
        outcome.status = Checker<Config>(unpack_descriptor(beats), window).check(layer);
        if (outcome.status == Error::kOk) {
            run_layer<Config>(rows_memory, program_memory, output_memory, layer, input_beats,
                              weight_beats, mac_cycles, output_beats);
            ++outcome.completed;
        }
        Result result = {};
        result.status = static_cast<uint32_t>(outcome.status);
        result.mac_cycles = mac_cycles;
        result.read_beats = kDescriptorBeats + input_beats + weight_beats;
        result.write_beats = output_beats;
        write_result(output_memory, static_cast<uint32_t>(address), result);
    }
    return outcome;
}

}  // namespace conv
