// SPDX-License-Identifier: Apache-2.0
#include "conv_top.hpp"

// Offsets are those of conv_regs.hpp, as numbers because that is what the pragma is documented to
// take; tests/test_hls.py compares them. gmem0 is two arguments, one per direction, because no two
// processes of a dataflow region may share one.
void conv_top(conv::Memory gmem0_read, conv::Memory gmem0_write, conv::Memory gmem1,
              uint64_t program, uint32_t descriptor_count, uint64_t window_base,
              uint64_t window_last, [[maybe_unused]] uint32_t watchdog_cycles,
              conv::OutcomeRegisters* outcome, uint64_t* cycles,
              conv::IdentityRegisters* identity) {
#pragma HLS INTERFACE mode = m_axi port = gmem0_read bundle = gmem0 offset = off depth = 65536
#pragma HLS INTERFACE mode = m_axi port = gmem0_write bundle = gmem0 offset = off depth = 65536
#pragma HLS INTERFACE mode = m_axi port = gmem1 bundle = gmem1 offset = off depth = 65536
#pragma HLS INTERFACE mode = s_axilite port = return bundle = control
#pragma HLS INTERFACE mode = s_axilite port = program bundle = control offset = 0x10
#pragma HLS INTERFACE mode = s_axilite port = descriptor_count bundle = control offset = 0x1c
#pragma HLS INTERFACE mode = s_axilite port = window_base bundle = control offset = 0x24
#pragma HLS INTERFACE mode = s_axilite port = window_last bundle = control offset = 0x30
#pragma HLS INTERFACE mode = s_axilite port = watchdog_cycles bundle = control offset = 0x3c
#pragma HLS INTERFACE mode = s_axilite port = outcome bundle = control offset = 0x50
#pragma HLS INTERFACE mode = s_axilite port = cycles bundle = control offset = 0x60
#pragma HLS INTERFACE mode = s_axilite port = identity bundle = control offset = 0x80
#pragma HLS AGGREGATE variable = outcome compact = bit
#pragma HLS AGGREGATE variable = identity compact = bit
    conv::run<conv::Config>(gmem0_read, gmem0_write, gmem1, program, descriptor_count,
                            {window_base, window_last}, outcome, cycles, identity);
}
