conv_regs_pkg.sv
conv_pkg.sv
conv_check_pkg.sv
conv_multiply_add.sv
conv_group_count.sv
conv_check_steps.sv
conv_check.sv
