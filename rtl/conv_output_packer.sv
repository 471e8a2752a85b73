// SPDX-License-Identifier: Apache-2.0

/// Slices of output elements to memory: addresses, and beats at any byte alignment.
///
/// A slice becomes a chunk of BeatBytes, or 4 of them if its elements are int32. Elements beyond
/// the last output channel are cut off. Chunks that lie one behind the other in memory are a run:
/// those of a pixel in a pass, or of a whole output row if every pixel is written at once (one
/// pass) and the next one follows directly.
///
/// A chunk per cycle, from a dozen cycles after the start on at the latest; runs whose last chunk
/// crosses a beat cost a cycle more. A run is offered on `run_*` no later than its first beat on `data_*`: the address of that beat and the number of
/// beats in which the run has bytes. `done_o` pulses when the last slice of the layer was taken and
/// all runs and beats were handed over.
module conv_output_packer
  import conv_pkg::*;
(
  input logic clk_i,
  input logic rst_ni,

  input logic start_i,
  // verilator lint_off UNUSEDSIGNAL
  input layer_t layer_i,  // a stage uses its part of the layer
  // verilator lint_on UNUSEDSIGNAL
  output logic done_o,

  // The output type of the layer tells which of the two is meant.
  input logic in_valid_i,
  output logic in_ready_o,
  input logic [SliceLanes-1:0][7:0] in_bytes_i,
  input logic [SliceLanes-1:0][31:0] in_words_i,

  output logic run_valid_o,
  input logic run_ready_i,
  output address_t run_address_o,  // multiple of BeatBytes
  output beats_t run_beats_o,

  output logic data_valid_o,
  input logic data_ready_i,
  output beat_t data_o,
  output strobe_t strobe_o
);

  localparam int unsigned WordsPerChunk = BeatBytes / 4;
  localparam logic [1:0] LastPart = 2'(SliceLanes / WordsPerChunk - 1);

  /// Bytes of the last chunk, from the low bits of the number of all.
  function automatic bytes_t tail_bytes(align_t bytes);
    return {bytes == '0, bytes};
  endfunction

  // --- The layer, in chunks of a beat ------------------------------------------------------------

  // The stage begins when all of this is known: a few cycles after start_i.
  logic measuring_d, measuring_q, measured, begin_d, begin_q;
  logic int32_d, int32_q, whole_rows_d, whole_rows_q;
  logic [31:0] pixel_bytes, pass_bytes;
  // verilator lint_off UNUSEDSIGNAL
  logic [23:0] pass_slices;  // less than 2^16
  // verilator lint_on UNUSEDSIGNAL
  count_t pixel_chunks_d, pixel_chunks_q, pass_chunks;
  beats_t row_chunks_q;
  bytes_t tail_bytes_d, tail_bytes_q;  // of the last chunk of a pixel
  bytes_t row_tail_bytes_q;
  assign int32_d = layer_i.output_type == conv_regs_pkg::OutputTypeInt32;
  assign pixel_bytes = int32_q ? {14'b0, layer_i.output_channels, 2'b00}
                               : {16'b0, layer_i.output_channels};
  assign pixel_chunks_d = 16'((pixel_bytes + 32'(BeatBytes - 1)) >> AlignBits);
  assign tail_bytes_d = tail_bytes(pixel_bytes[AlignBits-1:0]);
  assign pass_bytes = 32'(pass_slices[15:0]) << (int32_q ? AlignBits + 2 : AlignBits);
  assign pass_chunks = pass_bytes[AlignBits+:16];
  assign measuring_d = start_i || (measuring_q && !measured);
  assign begin_d = measuring_q && measured;
  assign whole_rows_d = layer_i.passes == 16'd1 && layer_i.output_pixel_stride == pixel_bytes;

  conv_multiply_add #(
    .AWidth(16),
    .BWidth($bits(slices_t)),
    .SumWidth($bits(pass_slices))
  ) u_pass_slices (
    .clk_i,
    .rst_ni,
    .start_i,
    .a_i(layer_i.groups_per_pass),
    .b_i(layer_i.slices_per_group),
    .c_i('0),
    .done_o(measured),
    .sum_o(pass_slices)
  );

  // --- Where the slice stands --------------------------------------------------------------------

  logic step, walking, last_slice, last_group, last_pixel, last_row;
  conv_output_walk u_walk (
    .clk_i,
    .rst_ni,
    .start_i(begin_q),
    .output_height_i(layer_i.output_height),
    .output_width_i(layer_i.output_width),
    .groups_i(layer_i.groups),
    .groups_per_pass_i(layer_i.groups_per_pass),
    .slices_per_group_i(layer_i.slices_per_group),
    .step_i(step),
    .busy_o(walking),
    .last_slice_o(last_slice),
    .last_group_o(last_group),
    .last_pixel_o(last_pixel),
    .last_row_o(last_row)
  );

  // --- Chunks ------------------------------------------------------------------------------------

  // `left`: chunks of a pixel of the whole layer from this one on, of which `ends` is the last and
  // `over` none; `pass_left`, `pass_ends`: the same at the first chunk of the pass. `part` counts
  // the chunks of an int32 slice.
  count_t left_d, left_q, pass_left_d, pass_left_q;
  logic ends_d, ends_q, over_d, over_q, pass_ends_d, pass_ends_q;
  logic [1:0] part_d, part_q;
  logic advance, chunk_free, slice_end, pixel_end, fresh_d, fresh_q;

  assign slice_end = !int32_q || part_q == LastPart || ends_q || over_q;
  assign pixel_end = slice_end && last_slice && last_group;
  assign advance = walking && in_valid_i && chunk_free;
  assign in_ready_o = walking && chunk_free && slice_end;
  assign step = advance && slice_end;

  always_comb begin
    left_d = left_q;
    ends_d = ends_q;
    over_d = over_q;
    pass_left_d = pass_left_q;
    pass_ends_d = pass_ends_q;
    part_d = part_q;
    fresh_d = fresh_q;
    if (advance) begin
      left_d = left_q - 16'd1;
      ends_d = left_q == 16'd2;
      over_d = ends_q || over_q;
      part_d = slice_end ? '0 : part_q + 1'b1;
      fresh_d = 1'b0;
      if (pixel_end) begin
        over_d = 1'b0;
        fresh_d = !whole_rows_q || last_pixel;
        if (last_pixel && last_row) begin
          pass_left_d = left_d;
          pass_ends_d = ends_d;
        end else begin
          left_d = pass_left_q;
          ends_d = pass_ends_q;
        end
      end
    end
    if (begin_q) begin
      left_d = pixel_chunks_q;
      ends_d = pixel_chunks_q == 16'd1;
      over_d = 1'b0;
      pass_left_d = pixel_chunks_q;
      pass_ends_d = pixel_chunks_q == 16'd1;
      part_d = '0;
      fresh_d = 1'b1;
    end
  end

  // The address of the pixel in this pass, of the next row and of the next pass.
  address_t address_d, address_q, next_row_d, next_row_q, next_pass_d, next_pass_q;
  always_comb begin
    address_d = address_q;
    next_row_d = next_row_q;
    next_pass_d = next_pass_q;
    if (advance && pixel_end) begin
      address_d = address_q + layer_i.output_pixel_stride;
      if (last_pixel) begin
        address_d = last_row ? next_pass_q : next_row_q;
        next_row_d = (last_row ? next_pass_q : next_row_q) + layer_i.output_row_stride;
        if (last_row) next_pass_d = next_pass_q + pass_bytes;
      end
    end
    if (begin_q) begin
      address_d = layer_i.output_address;
      next_row_d = layer_i.output_address + layer_i.output_row_stride;
      next_pass_d = layer_i.output_address + pass_bytes;
    end
  end

  typedef struct packed {
    beat_t data;
    bytes_t bytes;
    logic first;  // of its run
    logic last;
    address_t address;  // of the pixel in this pass
    count_t pixel_chunks;  // of the pixel in this pass
    logic crosses;  // the last chunk of the run into another beat
  } chunk_t;

  /// Do `bytes` from byte `align` of a beat on reach into the next one?
  function automatic logic crosses(align_t align, bytes_t bytes);
    return 32'(align) + 32'(bytes) > BeatBytes;
  endfunction

  chunk_t next_chunk, chunk;
  logic chunk_valid, last_pass;
  assign last_pass = pass_left_q <= pass_chunks;
  always_comb begin
    next_chunk.data = in_words_i[WordsPerChunk*part_q+:WordsPerChunk];
    if (!int32_q) next_chunk.data = in_bytes_i;
    next_chunk.bytes = ends_q ? tail_bytes_q : bytes_t'(BeatBytes);
    next_chunk.first = fresh_q;
    next_chunk.last = (ends_q || pixel_end) && (!whole_rows_q || last_pixel);
    next_chunk.address = address_q;
    next_chunk.pixel_chunks = last_pass ? pass_left_q : pass_chunks;
    next_chunk.crosses = address_q[AlignBits-1:0] != '0;
    if (whole_rows_q) next_chunk.crosses = crosses(address_q[AlignBits-1:0], row_tail_bytes_q);
    else if (last_pass) next_chunk.crosses = crosses(address_q[AlignBits-1:0], tail_bytes_q);
  end

  // Cuts the path from the memory side's ready to the counters above.
  logic chunk_ready;
  logic [1:0] unused_chunk_usage;
  conv_fifo #(
    .Width($bits(chunk_t)),
    .Depth(2)
  ) u_chunks (
    .clk_i,
    .rst_ni,
    .valid_i(advance && !over_q),
    .ready_o(chunk_free),
    .data_i(next_chunk),
    .valid_o(chunk_valid),
    .ready_i(chunk_ready),
    .data_o(chunk),
    .usage_o(unused_chunk_usage)
  );

  // --- Runs and beats ----------------------------------------------------------------------------

  // The n chunks of a run cover n beats, and one more if the last one crosses into it.
  beats_t run_beats;
  logic run_free, run_ready, aligner_ready, aligner_idle;
  assign run_beats = (whole_rows_q ? row_chunks_q : beats_t'(chunk.pixel_chunks)) +
                     beats_t'(chunk.crosses);
  assign run_ready = run_free || !chunk.first;
  assign chunk_ready = run_ready && aligner_ready;

  logic [2:0] unused_run_usage;
  conv_fifo #(
    .Width(AddressBits - AlignBits + $bits(beats_t)),
    .Depth(4)
  ) u_runs (
    .clk_i,
    .rst_ni,
    .valid_i(chunk_valid && chunk.first && aligner_ready),
    .ready_o(run_free),
    .data_i({chunk.address[AddressBits-1:AlignBits], run_beats}),
    .valid_o(run_valid_o),
    .ready_i(run_ready_i),
    .data_o({run_address_o[AddressBits-1:AlignBits], run_beats_o}),
    .usage_o(unused_run_usage)
  );
  assign run_address_o[AlignBits-1:0] = '0;

  conv_byte_aligner u_aligner (
    .clk_i,
    .rst_ni,
    .in_valid_i(chunk_valid && run_ready),
    .in_ready_o(aligner_ready),
    .in_data_i(chunk.data),
    .in_bytes_i(chunk.bytes),
    .in_first_i(chunk.first),
    .in_last_i(chunk.last),
    .in_align_i(chunk.address[AlignBits-1:0]),
    .out_valid_o(data_valid_o),
    .out_ready_i(data_ready_i),
    .out_data_o(data_o),
    .out_strobe_o(strobe_o),
    .idle_o(aligner_idle)
  );

  logic running_d, running_q;
  assign done_o = running_q && !walking && !chunk_valid && aligner_idle && !run_valid_o;
  assign running_d = begin_q || (running_q && !done_o);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      measuring_q <= 1'b0;
      begin_q <= 1'b0;
      running_q <= 1'b0;
    end else begin
      measuring_q <= measuring_d;
      begin_q <= begin_d;
      running_q <= running_d;
    end
    int32_q <= int32_d;
    whole_rows_q <= whole_rows_d;
    pixel_chunks_q <= pixel_chunks_d;
    tail_bytes_q <= tail_bytes_d;
    row_chunks_q <= beats_t'((layer_i.output_row_bytes + 32'(BeatBytes - 1)) >> AlignBits);
    row_tail_bytes_q <= tail_bytes(layer_i.output_row_bytes[AlignBits-1:0]);
    left_q <= left_d;
    ends_q <= ends_d;
    over_q <= over_d;
    pass_left_q <= pass_left_d;
    pass_ends_q <= pass_ends_d;
    part_q <= part_d;
    fresh_q <= fresh_d;
    address_q <= address_d;
    next_row_q <= next_row_d;
    next_pass_q <= next_pass_d;
  end

endmodule
