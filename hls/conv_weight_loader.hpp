// SPDX-License-Identifier: Apache-2.0
// Reads the weight stream and parts it into what the array and what the requantisation needs.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_memory.hpp"

namespace conv {

/// The stream is one run: for each group the beats of its parameters, then its words. It runs
/// ahead into the next pass as far as the buffers behind the two streams have room.
template <typename Config>
void load_weights(Memory memory, Layer layer, hls::stream<Beat>& weights,
                  hls::stream<Beat>& parameters, uint32_t& beats_read) {
    const uint32_t group_beats = Config::ParameterBeats + layer.group_words * Config::WordBeats;
    const uint32_t beats = layer.groups * group_beats;

    ReadAhead ahead;
    BurstWalk walk;
    walk.start(layer.weights_address, beats);
    uint32_t group_beat = 0;

load_weights:
    for (uint32_t beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
        if (!walk.done() && ahead.room()) ahead.request(memory, walk);
        const Beat data = ahead.read(memory);
        if (group_beat < Config::ParameterBeats) {
            parameters.write(data);
        } else {
            weights.write(data);
        }
        group_beat = group_beat + 1 == group_beats ? 0 : group_beat + 1;
    }
    beats_read = beats;
}

}  // namespace conv
