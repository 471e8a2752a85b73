// SPDX-License-Identifier: Apache-2.0

/// What conv_check and its table of steps share.
package conv_check_pkg;

  typedef logic [51:0] wide_t;  // holds 32 bits x 18 bits, and an address on top
  typedef logic [32:0] part_t;  // holds two addresses on top of each other

  // In the order in which they run, which is that of the error codes.
  typedef enum logic [4:0] {
    Kind,
    Format,
    Shape,
    GroupStep,
    KernelRows,
    FitHeight,
    KernelColumns,
    FitWidth,
    Kernel,
    Stride,
    Walk,
    PadLeft,
    PixelStep,
    SegmentStep,
    RowBytes,
    RowBeats,
    SegmentBytes,
    SegmentWords,
    RingBeats,
    KernelRowStep,
    OutputRowStep,
    PadTopStep,
    RowWords,
    GroupWords,
    PassWords,
    InputEnd,
    SecondEnd,
    GroupBytes,
    WeightsEnd,
    OutputRow,
    OutputEnd
  } step_e;

  // Whether the fields hold by themselves, by error code.
  typedef struct packed {
    logic kind;
    logic format;
    logic shape;
    logic kernel;
    logic stride;
    logic tiling;
    logic address;
  } legal_t;

  function automatic logic has(logic [31:0] flags, conv_regs_pkg::flag_e flag);
    return |(flags & 32'(flag));
  endfunction

  // Bytes written per output pixel.
  function automatic logic [17:0] pixel_bytes(logic [7:0] output_type, logic [15:0] channels);
    return output_type == conv_regs_pkg::OutputTypeInt32 ? {channels, 2'b00} : {2'b00, channels};
  endfunction

  // A step holds if `legal`, low <= a * b + c and, if `limited`, a * b + c <= high; `code` names the
  // error if not.
  typedef struct packed {
    logic legal;
    conv_regs_pkg::error_e code;
    logic [31:0] a;
    logic [17:0] b;
    part_t c;
    logic [22:0] low;
    logic limited;
    part_t high;
  } condition_t;

  // Sums that are kept, for layer_t or for later steps.
  typedef struct packed {
    logic [23:0] kernel_rows;  // dilation_height x kernel_height
    logic [23:0] kernel_columns;  // dilation_width x kernel_width
    logic [23:0] pad_left_bytes;
    logic [23:0] pixel_step;
    logic [23:0] segment_step;
    logic [21:0] row_bytes;
    logic [19:0] row_beats;
    logic [22:0] segment_bytes;
    logic [23:0] ring_beats;
    logic [23:0] kernel_row_step;
    logic [23:0] output_row_step;
    logic [23:0] pad_top_step;
    logic [22:0] row_words;  // segments x segment_words
    logic [26:0] group_words;
    logic [31:0] group_bytes;
    logic [31:0] output_row;  // bytes from the first to the last of an output row
  } derived_t;

endpackage
