// SPDX-License-Identifier: Apache-2.0
// From input rows and weights to sums: the sequencer drives line buffer, window and arrays.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_line_buffer.hpp"
#include "conv_mac_array.hpp"
#include "conv_sequencer.hpp"
#include "conv_vector_array.hpp"
#include "conv_weight_buffer.hpp"
#include "conv_window.hpp"

namespace conv {

/// Per iteration one beat of input, one beat of weights and one word through the array of the
/// layer's kind, each if it can: loading never waits for computing, nor the other way round, but
/// for room and for data.
template <typename Config>
void convolve(Layer layer, hls::stream<Beat>& rows, hls::stream<Beat>& weights,
              hls::stream<Sums<Config>>& sums, uint32_t& mac_cycles) {
    LineBuffer<Config> line_buffer;
    WeightBuffer<Config, Config::WordBeats> mac_weights;
    WeightBuffer<Config, Config::VectorWordBeats> vector_weights;
    RowRing row_ring(layer);
    WeightRing<Config> weight_ring(layer);
    Sequencer<Config> sequencer(layer);
    MacArray<Config> mac_array;
    VectorArray<Config> vector_array;
    const bool is_vector = layer.kind != Kind::kConv;
    uint32_t words = 0;

convolve:
    while (!sequencer.done() || !row_ring.done() || !weight_ring.done()) {
#pragma HLS PIPELINE II = 1
        // kRamDelay lies between the write of an address and its reads, and back.
#pragma HLS DEPENDENCE variable = line_buffer.beats_ type = inter dependent = false
#pragma HLS DEPENDENCE variable = line_buffer.beats_ type = intra dependent = false
#pragma HLS DEPENDENCE variable = mac_weights.words_ type = inter dependent = false
#pragma HLS DEPENDENCE variable = mac_weights.words_ type = intra dependent = false
#pragma HLS DEPENDENCE variable = vector_weights.words_ type = inter dependent = false
#pragma HLS DEPENDENCE variable = vector_weights.words_ type = intra dependent = false
        if (sequencer.ready(row_ring.rows_loaded(), weight_ring.words_loaded())) {
            const Word word = sequencer.next();
            const InputWord<Config> x =
                window<Config>(layer, word.offset, word.row_valid, line_buffer.read(word.address));
            if (is_vector) {
                vector_array.step(x, vector_weights.read(word.weight_word), layer.kind,
                                  word.segment, word.first);
            } else {
                mac_array.step(x, mac_weights.read(word.weight_word), word.first);
            }
            if (word.last) sums.write(is_vector ? vector_array.sums() : mac_array.sums());
            ++words;
        }
        if (row_ring.room(layer) && !rows.empty()) {
            line_buffer.write(row_ring.position(), rows.read());
            row_ring.step(layer);
        }
        if (weight_ring.room() && !weights.empty()) {
            const Beat beat = weights.read();
            if (is_vector) {
                vector_weights.write(weight_ring.word(), weight_ring.column(), beat);
            } else {
                mac_weights.write(weight_ring.word(), weight_ring.column(), beat);
            }
            weight_ring.step(layer);
        }
        row_ring.clock(sequencer.rows_free());
        weight_ring.clock(sequencer.words_free());
    }
    mac_cycles = words;
}

}  // namespace conv
