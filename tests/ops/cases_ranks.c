/* What ranks exchange, of a rank alone: the sum is its own, and its columns are all. What several
 * ranks make of it is in tests/train/test_ranks.c. */
#include "ops/harness.h"

static void sum_ranks(void)
{
    ops_random r = {3};
    ops_case *c = ops_begin("sum_ranks alone");
    enum { ROWS = 7, COLUMNS = 5, N = ROWS * COLUMNS };
    float *x = ops_reals(c, N, &r);
    const float one = 1;
    rk_value table = ops_input(c, RK_F32, ROWS, COLUMNS, x);
    rk_value in[] = {rk__combine(ops_program(c), &table, &one, 1)};
    rk_attr none = {.index = 0};
    ops_expect_exactly(c, ops_append(c, RK_OP_SUM_RANKS, in, 1, none), x);
    ops_run(c, 1);
}

static void gather_columns(void)
{
    ops_random r = {4};
    ops_case *c = ops_begin("gather_columns alone");
    enum { ROWS = 9, COLUMNS = 3, N = ROWS * COLUMNS };
    float *x = ops_reals(c, N, &r);
    rk_value in[] = {ops_input(c, RK_F32, ROWS, COLUMNS, x)};
    rk_attr none = {.index = 0};
    ops_program(c)->tensors[in[0]].all_columns = COLUMNS;
    ops_expect_exactly(c, ops_append(c, RK_OP_GATHER_COLUMNS, in, 1, none), x);
    ops_run(c, 1);
}

const ops_entry ops_cases_ranks[] = {
    {RK_OP_SUM_RANKS, sum_ranks},
    {RK_OP_GATHER_COLUMNS, gather_columns},
    {RK_OP_COUNT, NULL},
};
