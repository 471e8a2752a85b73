// SPDX-License-Identifier: Apache-2.0
// Reads the weight stream and parts it into what an array and what the requantisation needs.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_memory.hpp"
#include "conv_table.hpp"

namespace conv {

/// The stream is one run: the table, if there is one, then for each group the beats of its
/// parameters and its words. It runs ahead into the next pass as far as the buffers behind the two
/// streams have room. The table leads the parameters.
inline void load_weights(Memory memory, Layer layer, hls::stream<Beat>& weights,
                         hls::stream<Beat>& parameters, uint32_t& beats_read) {
    const uint32_t table_beats = layer.has_table ? kTableBeats : 0;
    const uint32_t parameter_beats = layer.slices_per_group * kSliceParameterBeats;
    const uint32_t word_beats = layer.group_words * layer.word_beats;
    const uint32_t beats = table_beats + layer.groups * (parameter_beats + word_beats);

    ReadAhead ahead;
    BurstWalk walk;
    walk.start(layer.weights_address, beats);
    uint32_t parameters_left = table_beats + parameter_beats;
    uint32_t words_left = word_beats;

load_weights:
    for (uint32_t beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
        if (!walk.done() && ahead.room()) ahead.request(memory, walk);
        const Beat data = ahead.read(memory);
        if (parameters_left != 0) {
            parameters.write(data);
            --parameters_left;
        } else {
            weights.write(data);
            if (--words_left == 0) {
                parameters_left = parameter_beats;
                words_left = word_beats;
            }
        }
    }
    beats_read = beats;
}

}  // namespace conv
