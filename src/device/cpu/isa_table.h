/* The functions that every table has alike; included by isa_*.c behind the bodies. */
#define ISA_COMMON_FUNCTIONS                                                                       \
    .attend_row = attend_row, .attend_row_grad = attend_row_grad,                                  \
    .attend_column_grad = attend_column_grad, .propagate = propagate,                              \
    .propagate_rows = propagate_rows, .sum_runs = sum_runs, .compose = compose,                    \
    .compose_grad = compose_grad, .propagate_from_rows = propagate_from_rows, .combine = combine,  \
    .dot = dot, .axpy = axpy, .axpy_half = axpy_half, .narrow = narrow, .adam = adam, .sgd = sgd,  \
    .gather = gather, .count_kept = count_kept, .write_kept = write_kept,                          \
    .mask_edges = mask_edges, .drop = drop, .multiply = multiply, .logistic = logistic,            \
    .symmetric_update = symmetric_update, .solve_list = solve_list,                                \
    .multiply_flops = MULTIPLY_VECTORS * 2 * LANES
