// SPDX-License-Identifier: Apache-2.0

/// Types shared by the stages of the engine.
///
/// `layer_t` is a checked descriptor with everything that the stages need already derived, so that
/// no stage multiplies at run time. Distances inside an input row are in bytes, distances between
/// rows of the line buffer are in beats.
// Each module uses only part of the package.
// verilator lint_off UNUSEDPARAM
package conv_pkg;

  localparam int unsigned AddressBits = 32;  // AXI address: the HP ports of Zynq-7000
  localparam int unsigned BeatBytes = conv_beat_pkg::BeatBytes;  // one AXI beat
  localparam int unsigned BeatBits = 8 * BeatBytes;
  localparam int unsigned AlignBits = $clog2(BeatBytes);
  localparam int unsigned SliceLanes = BeatBytes;  // output lanes that leave the array per cycle
  localparam int unsigned BurstBeats = 16;  // AXI3 limit of the HP ports
  localparam int unsigned LineBufferLatency = 5;  // cycles from a byte address to its bytes

  typedef logic [AddressBits-1:0] address_t;
  typedef logic [BeatBits-1:0] beat_t;
  typedef logic [BeatBytes-1:0] strobe_t;
  typedef logic [AlignBits-1:0] align_t;  // byte of a beat
  typedef logic [AlignBits:0] bytes_t;  // number of bytes, at most a beat
  typedef logic signed [23:0] offset_t;  // byte position in an input row; negative is left padding
  typedef logic [15:0] count_t;
  typedef logic [7:0] slices_t;  // number of slices of a group
  typedef logic [1:0] digit_t;  // of a weight of ADD
  typedef logic [23:0] beats_t;  // number of beats of a transfer, or a beat position
  // Input row, or a count of rows over all passes. Counts wrap: compare them by the sign of their
  // difference, which stays within 2 x 65535.
  typedef logic signed [17:0] row_t;

  typedef struct packed {
    conv_regs_pkg::kind_e kind;
    // Input rows in memory and in the line buffer. Those of ADD are of two tensors in turn, with
    // one alignment: row 0 of the first, row 0 of the second, row 1 of the first, ...
    address_t input_address;  // of row 0, rounded down to a beat
    address_t second_address;  // ADD: the same of the second tensor
    address_t input_row_stride;
    align_t input_align;  // bytes of the first beat before the row
    logic input_unsigned;
    logic signed [7:0] input_zero_point;
    count_t input_height;
    offset_t row_bytes;  // bytes of a row that are data
    beats_t row_beats;  // beats of a row in memory = beats of a row slot
    count_t row_slots;
    beats_t ring_beats;  // row_slots x row_beats
    logic resident;  // all rows fit the ring: they are loaded once, not once per pass
    // Kernel: kernel_height x segments x segment_words words are accumulated per output.
    logic [4:0] kernel_height;
    logic [6:0] segments;  // contiguous byte runs per kernel row: 1 or kernel_width
    count_t segment_words;  // array words per segment
    count_t dilation_height;  // input rows from one kernel row to the next
    beats_t kernel_row_step;  // the same, in beats of the ring
    offset_t segment_step;  // bytes from one segment to the next
    offset_t group_step;  // input bytes from one group to the next, over all passes
    // Walk over the output.
    count_t output_height;
    count_t output_width;
    count_t output_channels;
    logic [3:0] stride_height;  // input rows per output row
    beats_t output_row_step;  // the same, in beats of the ring
    offset_t pixel_step;  // input bytes per output column
    offset_t pad_left_bytes;
    count_t pad_top;
    beats_t pad_top_step;  // pad_top in beats of the ring
    // Weights: groups of OutputLanes channels (CONV) or VectorLanes channels, each its parameters
    // and kernel_height x row_words words.
    address_t weights_address;
    logic has_table;  // the stream begins with a table
    logic weights_by_row;  // the words of a kernel row, not of a group, are held at once
    logic [12:0] word_beats;  // beats of one word in the stream
    slices_t slices_per_group;
    count_t row_words;  // segments x segment_words
    count_t group_words;  // kernel_height x row_words; cut off, and not used, if weights_by_row
    count_t groups;
    count_t groups_per_pass;
    count_t passes;
    // Output.
    address_t output_address;
    address_t output_row_stride;
    address_t output_pixel_stride;
    address_t output_row_bytes;  // from the first to the last byte of an output row
    conv_regs_pkg::output_type_e output_type;
    conv_regs_pkg::rounding_e rounding;
    conv_regs_pkg::overflow_e overflow;
    logic signed [15:0] output_zero_point;
    logic signed [15:0] clamp_min;
    logic signed [15:0] clamp_max;
  } layer_t;

  // Loops of the sequencer inside an output row, from the outside in.
  typedef struct packed {
    logic column;
    logic group;
    logic kernel_row;
    logic segment;
    logic word;
  } loops_t;

  // Bias and multiplier of one output channel, as they lie in memory.
  typedef struct packed {
    logic [31:0] multiplier;  // float32
    logic signed [31:0] bias;
  } parameter_t;

  // What a beat of a weight stream is.
  typedef enum logic [1:0] {
    WeightTable,
    WeightParameter,
    WeightWord
  } weight_e;

  localparam int unsigned TableBeats = 256 / BeatBytes;
  localparam int unsigned BeatParameters = BeatBits / $bits(parameter_t);
  localparam int unsigned SliceParameterBeats = SliceLanes / BeatParameters;

  // conv_requantize_lane: cycles from an accumulator to its results, and to its multiplier.
  localparam int unsigned SumLatency = 1;
  localparam int unsigned MultiplierDelay = SumLatency + 5;
  localparam int unsigned ByteLatency = MultiplierDelay + 11;

  // How a requantised value becomes a byte: the number format of the output in layer_t, made ready.
  typedef struct packed {
    logic half_up;  // rounding: half to even if neither
    logic floor;
    logic wrap;  // keep the low 8 bits instead of saturating
    logic is_unsigned;
    logic signed [8:0] zero_point;
    logic signed [8:0] low;
    logic signed [8:0] high;
  } byte_format_t;

endpackage
// verilator lint_on UNUSEDPARAM
