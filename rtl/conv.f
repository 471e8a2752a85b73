conv_regs_pkg.sv
conv_pkg.sv
