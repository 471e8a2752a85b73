// SPDX-License-Identifier: Apache-2.0
// Writes runs of beats to memory.
#pragma once

#include <hls_stream.h>

#include <cstdint>
#include <type_traits>

#include "conv_memory.hpp"
#include "conv_output_packer.hpp"

namespace conv {

/// Returns when the memory has answered every burst, so that all is in memory then.
inline void write_runs(Memory memory, hls::stream<Run>& runs, hls::stream<StrobedBeat>& beats,
                       uint32_t& beats_written) {
    BurstWalk walk;
    bool last_run = false;
    uint32_t burst_beats = 0;
    uint32_t unanswered = 0;
    uint32_t written = 0;

write_runs:
    while (!last_run || !walk.done() || burst_beats != 0) {
#pragma HLS PIPELINE II = 1
        if (burst_beats == 0) {
            if (walk.done()) {
                const Run run = runs.read();
                last_run = run.last;
                walk.start(run.address, run.beats);
            }
            burst_beats = walk.length();
            memory.write_request(walk.index(), burst_beats);
            walk.step();
        }
        const StrobedBeat beat = beats.read();
        memory.write(beat.data, static_cast<std::make_signed_t<Strobe>>(beat.strobe));
        ++written;
        if (--burst_beats == 0) {
            if (unanswered == kMaxBursts) {
                memory.write_response();
            } else {
                ++unanswered;
            }
        }
    }
    beats_written = written;

await_responses:
    for (; unanswered != 0; --unanswered) memory.write_response();
}

}  // namespace conv
