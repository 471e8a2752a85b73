// SPDX-License-Identifier: Apache-2.0
// One layer: the stages, joined by streams.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_datapath.hpp"
#include "conv_layer.hpp"
#include "conv_memory.hpp"
#include "conv_output_packer.hpp"
#include "conv_requantize.hpp"
#include "conv_row_loader.hpp"
#include "conv_weight_loader.hpp"
#include "conv_write_master.hpp"

namespace conv {

/// All stages run at once and wait for each other only through their streams, which lead forward.
/// The counts are separate because each has its own writer.
template <typename Config>
void run_layer(Memory rows_memory, Memory weights_memory, Memory output_memory, Layer layer,
               uint32_t& input_beats, uint32_t& weight_beats, uint32_t& mac_cycles,
               uint32_t& output_beats) {
#pragma HLS DATAFLOW
    hls::stream<Beat> rows("rows");
#pragma HLS STREAM variable = rows depth = 32
    hls::stream<Beat> weights("weights");
#pragma HLS STREAM variable = weights depth = 32
    hls::stream<Beat> parameters("parameters");
#pragma HLS STREAM variable = parameters depth = 32
    hls::stream<Sums<Config>> sums("sums");
#pragma HLS STREAM variable = sums depth = 16
    hls::stream<ResultSlice> results("results");
#pragma HLS STREAM variable = results depth = 16
    hls::stream<Run> runs("runs");
#pragma HLS STREAM variable = runs depth = 16
    hls::stream<StrobedBeat> beats("beats");
#pragma HLS STREAM variable = beats depth = 64

    load_rows(rows_memory, layer, rows, input_beats);
    load_weights(weights_memory, layer, weights, parameters, weight_beats);
    convolve<Config>(layer, rows, weights, sums, mac_cycles);
    requantize<Config>(layer, parameters, sums, results);
    pack_output(layer, results, runs, beats);
    write_runs(output_memory, runs, beats, output_beats);
}

}  // namespace conv
