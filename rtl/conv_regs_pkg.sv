// Generated from rtl/regs/interface.toml by `make regs`; do not edit.
// SPDX-License-Identifier: Apache-2.0

// verilator lint_off UNUSEDPARAM
package conv_regs_pkg;

  localparam int unsigned Identity = 32'h4c434e56;
  localparam int unsigned InterfaceVersion = 32'h20000;
  localparam int unsigned RegisterBytes = 32'h100;
  localparam int unsigned DescriptorBytes = 32'h100;
  localparam int unsigned DescriptorReadBytes = 32'h80;
  localparam int unsigned ResultOffset = 32'hc0;
  localparam int unsigned ResultBytes = 32'h20;
  localparam int unsigned WatchdogReset = 32'hf4240;

  // Byte offsets of the control registers.
  localparam logic [7:0] CtrlOffset = 8'h00;
  localparam logic [7:0] GierOffset = 8'h04;
  localparam logic [7:0] IpIerOffset = 8'h08;
  localparam logic [7:0] IpIsrOffset = 8'h0c;
  localparam logic [7:0] Program1Offset = 8'h10;
  localparam logic [7:0] Program2Offset = 8'h14;
  localparam logic [7:0] DescriptorCountOffset = 8'h1c;
  localparam logic [7:0] WindowBase1Offset = 8'h24;
  localparam logic [7:0] WindowBase2Offset = 8'h28;
  localparam logic [7:0] WindowLast1Offset = 8'h30;
  localparam logic [7:0] WindowLast2Offset = 8'h34;
  localparam logic [7:0] WatchdogCyclesOffset = 8'h3c;
  localparam logic [7:0] SoftResetOffset = 8'h44;
  localparam logic [7:0] StatusOffset = 8'h50;
  localparam logic [7:0] FailedIndexOffset = 8'h54;
  localparam logic [7:0] CompletedOffset = 8'h58;
  localparam logic [7:0] Cycles1Offset = 8'h60;
  localparam logic [7:0] Cycles2Offset = 8'h64;
  localparam logic [7:0] MagicOffset = 8'h80;
  localparam logic [7:0] VersionOffset = 8'h84;
  localparam logic [7:0] LanesOffset = 8'h88;
  localparam logic [7:0] WeightWordsOffset = 8'h8c;
  localparam logic [7:0] LineBufferBeatsOffset = 8'h90;
  localparam logic [7:0] MemoryOffset = 8'h94;
  localparam logic [7:0] VectorOffset = 8'h98;

  typedef enum logic [7:0] {
    KindConv = 8'd1,
    KindDepthwise = 8'd2,
    KindMaxPool = 8'd3,
    KindAdd = 8'd4
  } kind_e;

  typedef enum logic [7:0] {
    FlagInputUnsigned = 8'd1,
    FlagTable = 8'd2,
    FlagWeightsByRow = 8'd4
  } flag_e;

  typedef enum logic [7:0] {
    OutputTypeInt8 = 8'd0,
    OutputTypeUint8 = 8'd1,
    OutputTypeInt32 = 8'd2
  } output_type_e;

  typedef enum logic [7:0] {
    RoundingHalfEven = 8'd0,
    RoundingHalfUp = 8'd1,
    RoundingFloor = 8'd2
  } rounding_e;

  typedef enum logic [7:0] {
    OverflowSaturate = 8'd0,
    OverflowSaturateSymmetric = 8'd1,
    OverflowWrap = 8'd2
  } overflow_e;

  typedef enum logic [7:0] {
    ErrorOk = 8'd0,
    ErrorBadKind = 8'd1,
    ErrorBadFormat = 8'd2,
    ErrorBadShape = 8'd3,
    ErrorBadKernel = 8'd4,
    ErrorBadStride = 8'd5,
    ErrorBadTiling = 8'd6,
    ErrorBadAddress = 8'd7,
    ErrorReadError = 8'd8,
    ErrorWriteError = 8'd9,
    ErrorWatchdog = 8'd10
  } error_e;

  // The part of a descriptor that the engine reads.
  typedef struct packed {
    logic [191:0] reserved_68;
    logic [63:0] second_address;
    logic [15:0] reserved_5e;
    logic [15:0] group_step;
    logic [15:0] group_channels;
    logic [15:0] segment_words;
    logic [15:0] row_slots;
    logic [15:0] groups_per_pass;
    logic signed [15:0] clamp_max;
    logic signed [15:0] clamp_min;
    logic signed [15:0] output_zero_point;
    logic signed [15:0] input_zero_point;
    logic [15:0] pad_right;
    logic [15:0] pad_left;
    logic [15:0] pad_bottom;
    logic [15:0] pad_top;
    logic [15:0] dilation_width;
    logic [15:0] dilation_height;
    logic [7:0] stride_width;
    logic [7:0] stride_height;
    logic [7:0] kernel_width;
    logic [7:0] kernel_height;
    logic [15:0] output_width;
    logic [15:0] output_height;
    logic [31:0] output_pixel_stride;
    logic [31:0] output_row_stride;
    logic [31:0] input_pixel_stride;
    logic [31:0] input_row_stride;
    logic [15:0] output_channels;
    logic [15:0] input_channels;
    logic [15:0] input_width;
    logic [15:0] input_height;
    logic [63:0] output_address;
    logic [63:0] weights_address;
    logic [63:0] input_address;
    logic [31:0] flags;
    logic [7:0] overflow;
    logic [7:0] rounding;
    logic [7:0] output_type;
    logic [7:0] kind;
  } descriptor_t;

  // The part of a descriptor that the engine writes.
  typedef struct packed {
    logic [31:0] write_beats;
    logic [31:0] read_beats;
    logic [31:0] stall_output;
    logic [31:0] stall_weights;
    logic [31:0] stall_input;
    logic [31:0] mac_cycles;
    logic [31:0] cycles;
    logic [31:0] status;
  } result_t;

endpackage
// verilator lint_on UNUSEDPARAM
