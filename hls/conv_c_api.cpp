// SPDX-License-Identifier: Apache-2.0
// The C simulation as a shared library: one run on memory that the caller owns.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>

#include "conv_top.hpp"

namespace {

struct Registers {  // lineconv.hls_model.Registers
    uint64_t program;
    uint64_t window_base;
    uint64_t window_last;
    uint32_t descriptor_count;
    uint32_t watchdog_cycles;
    // Outputs.
    uint64_t cycles;
    conv::OutcomeRegisters outcome;
    conv::IdentityRegisters identity;
};

}  // namespace

#define CONV_EXPORT __attribute__((visibility("default")))

extern "C" {

/// Runs the program that the registers name. Memory is `bytes` bytes that the engine finds at
/// `base`, both multiples of kBeatBytes. The window is narrowed to it: nothing answers elsewhere,
/// and the C simulation has no bus that could say so.
///
/// Returns nullptr, or what the core did wrong on its AXI ports, valid until the next call of the
/// same thread.
CONV_EXPORT const char* conv_hls_run(uint8_t* memory, uint64_t bytes, uint64_t base,
                                     Registers* registers) {
    thread_local char message[256];
    try {
        const auto port = [&] {
            return conv::Memory(reinterpret_cast<conv::Beat*>(memory), base / conv::kBeatBytes,
                                bytes / conv::kBeatBytes);
        };
        const conv::Memory ports[] = {port(), port(), port()};
        conv_top(ports[0], ports[1], ports[2], registers->program, registers->descriptor_count,
                 std::max(registers->window_base, base),
                 std::min(registers->window_last, base + bytes - 1), registers->watchdog_cycles,
                 &registers->outcome, &registers->cycles, &registers->identity);
        for (const conv::Memory& each : ports) {
            if (!each.idle()) return "the core left a burst unfinished";
        }
        return nullptr;
    } catch (const std::exception& error) {
        std::strncpy(message, error.what(), sizeof(message) - 1);
        return message;
    }
}

/// The error code that a descriptor of 128 bytes gets, without running it.
CONV_EXPORT uint32_t conv_hls_check(const uint8_t* descriptor, uint64_t window_base,
                                    uint64_t window_last) {
    conv::Beat beats[conv::kDescriptorBeats];
    std::memcpy(beats, descriptor, sizeof(beats));
    conv::Layer layer = {};
    conv::Checker<conv::Config> checker(conv::unpack_descriptor(beats), {window_base, window_last});
    return static_cast<uint32_t>(checker.check(layer));
}

}  // extern "C"
