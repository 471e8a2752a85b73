// SPDX-License-Identifier: Apache-2.0

/// Width of the memory path: a design has one of the versions of this package, and everything else
/// follows from it. This one is for AXI ports of 128 data bits.
package conv_beat_pkg;

  localparam int unsigned BeatBytes = 16;  // one AXI beat

endpackage
