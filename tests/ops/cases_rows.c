/* Row sets, what moves rows between them and whole tables, factors of rows. */
#include "ops/harness.h"

static const int64_t widths[] = {1, 3, 16, 20, 64, 65, 130};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

/* Shapes of a batch: users, items, triplets of batch, candidates. */
static const struct batch_shape {
    int64_t users, items, batch, triplets, candidates;
} batch_shapes[] = {
    {1, 1, 1, 1, 1},    {4, 3, 7, 7, 1},     {30, 50, 33, 33, 1},     {30, 50, 33, 20, 1},
    {90, 70, 16, 0, 1}, {90, 70, 64, 63, 1}, {500, 700, 200, 200, 1}, {40, 60, 12, 11, 5},
};
enum { N_BATCHES = sizeof batch_shapes / sizeof batch_shapes[0] };

static ops_batch make_batch(ops_case *c, int i, ops_random *r)
{
    const struct batch_shape *s = &batch_shapes[i];
    return ops_make_batch(c, s->users, s->items, s->batch, s->candidates, s->triplets, r);
}

static int64_t nodes_of(int i)
{
    return batch_shapes[i].users + batch_shapes[i].items;
}

static void unique_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        ops_random r = {1 + (uint64_t)i};
        ops_case *c = ops_begin("unique_rows of batch %d", i);
        ops_batch b = make_batch(c, i, &r);
        rk_row_set set =
            rk__unique_rows(ops_program(c), ops_input(c, RK_I32, b.slots, 1, b.nodes), nodes_of(i));
        int32_t count = (int32_t)b.count;
        ops_expect_exactly(c, set.rows, b.rows);
        ops_expect_exactly(c, set.count, &count);
        ops_expect_exactly(c, set.map, b.map);
        ops_expect_exactly(c, set.slot_row, b.slot_row);
        ops_expect_exactly(c, set.segments, b.segments);
        ops_expect_exactly(c, set.order, b.order);
        ops_run(c, 2); /* the second time over what the first left behind */
    }
}

static void combine_rows_of(int i, int64_t d, int n)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("combine_rows of %d tables, batch %d, width %d", n, i, (int)d);
    ops_batch b = make_batch(c, i, &r);
    double *expected = ops_doubles(c, b.capacity * d), *size = ops_doubles(c, b.capacity * d);
    rk_value tables[RK_MAX_LAYERS];
    float weights[RK_MAX_LAYERS];
    for (int k = 0; k < n; k++) {
        float *x = ops_reals(c, nodes_of(i) * d, &r);
        weights[k] = (float)ops_real(&r);
        tables[k] = ops_input(c, RK_F32, nodes_of(i), d, x);
        for (int64_t j = 0; j < b.count * d; j++) {
            ops_add(&expected[j], &size[j],
                    (double)weights[k] * (double)x[b.rows[j / d] * d + j % d]);
        }
    }
    rk_row_set set = ops_batch_inputs(c, &b, nodes_of(i));
    ops_expect_reals(c, rk__combine_rows(ops_program(c), tables, weights, n, set), expected, size,
                     1e-6);
    ops_run(c, 1);
}

static void combine_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            combine_rows_of(i, widths[w], 1 + (i + w) % 4);
        }
    }
}

static void scale_rows_of(int i, int64_t d)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("scale_rows, batch %d, width %d", i, (int)d);
    ops_batch b = make_batch(c, i, &r);
    float *x = ops_reals(c, b.capacity * d, &r), *factor = ops_reals(c, b.capacity, &r);
    double *expected = ops_doubles(c, b.capacity * d), *size = ops_doubles(c, b.capacity * d);
    for (int64_t j = 0; j < b.count * d; j++) {
        ops_add(&expected[j], &size[j], (double)factor[j / d] * (double)x[j]);
    }
    rk_row_set set = ops_batch_inputs(c, &b, nodes_of(i));
    rk_value y = rk__scale_rows(ops_program(c), ops_input(c, RK_F32, b.capacity, d, x),
                                ops_input(c, RK_F32, b.capacity, 1, factor), set);
    ops_expect_reals(c, y, expected, size, 1e-6);
    ops_run(c, 1);
}

static void scale_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            scale_rows_of(i, widths[w]);
        }
    }
}

static void scale_nodes(void)
{
    for (int i = 0; i < N_WIDTHS; i++) {
        ops_random r = {(uint64_t)i + 6};
        int64_t rows = 1 + 40 * i, d = widths[i], n = rows * d;
        ops_case *c = ops_begin("scale_nodes [%d, %d]", (int)rows, (int)d);
        float *x = ops_reals(c, n, &r), *f = ops_reals(c, rows, &r);
        float *y = ops_memory(c, n, sizeof *y);
        for (int64_t j = 0; j < n; j++) {
            y[j] = f[j / d] * x[j];
        }
        rk_value factor = ops_input(c, RK_F32, rows, 1, f);
        rk_value of_x = ops_input(c, RK_F32, rows, d, x);
        ops_expect_exactly(c, rk__scale_nodes(ops_program(c), of_x, factor, NULL), y);
        ops_run(c, 1);
    }
}

static void scale_nodes_of_a_row_set(void)
{
    enum { USERS = 20, ITEMS = 30, NODES = USERS + ITEMS, BATCH = 9, D = 12 };
    for (int64_t triplets = 1; triplets <= BATCH; triplets += 4) {
        ops_random r = {(uint64_t)triplets};
        ops_case *c = ops_begin("scale_nodes at the rows of %d triplets", (int)triplets);
        ops_batch b = ops_make_batch(c, USERS, ITEMS, BATCH, 1, triplets, &r);
        float *x = ops_reals(c, b.capacity * D, &r), *f = ops_reals(c, NODES, &r);
        float *y = ops_memory(c, b.capacity * D, sizeof *y);
        for (int64_t j = 0; j < b.count * D; j++) {
            y[j] = f[b.rows[j / D]] * x[j];
        }
        rk_row_set rows = ops_batch_inputs(c, &b, NODES);
        rk_value factor = ops_input(c, RK_F32, NODES, 1, f);
        rk_value of_x = ops_input(c, RK_F32, b.capacity, D, x);
        ops_expect_exactly(c, rk__scale_nodes(ops_program(c), of_x, factor, &rows), y);
        ops_run(c, 1);
    }
}

/* scatter_rows, or scatter_add_rows onto a table. */
static void scatter_of(int i, int64_t d, bool onto)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("scatter%s_rows, batch %d, width %d", onto ? "_add" : "", i, (int)d);
    ops_batch b = make_batch(c, i, &r);
    int64_t n = nodes_of(i);
    float *x = ops_reals(c, b.capacity * d, &r), *table = ops_reals(c, n * d, &r), one = 1;
    double *expected = ops_doubles(c, n * d), *size = ops_doubles(c, n * d);
    for (int64_t j = 0; j < n * d; j++) {
        int32_t row = b.map[j / d];
        if (onto) {
            ops_add(&expected[j], &size[j], (double)table[j]);
        }
        if (row >= 0) {
            ops_add(&expected[j], &size[j], -0.75 * (double)x[row * d + j % d]);
        }
    }
    rk_row_set set = ops_batch_inputs(c, &b, n);
    rk_program *p = ops_program(c);
    rk_value at_rows = ops_input(c, RK_F32, b.capacity, d, x), whole, y;
    if (onto) {
        whole = ops_input(c, RK_F32, n, d, table);
        whole = rk__combine(p, &whole, &one, 1); /* in place on a temporary */
        y = rk__scatter_add_rows(p, whole, at_rows, set, -0.75f);
    } else {
        y = rk__scatter_rows(p, at_rows, set, -0.75f);
    }
    ops_expect_reals(c, y, expected, size, 1e-6);
    ops_run(c, 1);
}

static void scatter_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            scatter_of(i, widths[w], false);
        }
    }
}

static void scatter_add_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            scatter_of(i, widths[w], true);
        }
    }
}

const ops_entry ops_cases_rows[] = {
    {RK_OP_UNIQUE_ROWS, unique_rows},
    {RK_OP_COMBINE_ROWS, combine_rows},
    {RK_OP_SCALE_ROWS, scale_rows},
    {RK_OP_SCALE_NODES, scale_nodes},
    {RK_OP_SCALE_NODES, scale_nodes_of_a_row_set},
    {RK_OP_SCATTER_ROWS, scatter_rows},
    {RK_OP_SCATTER_ADD_ROWS, scatter_add_rows},
    {RK_OP_COUNT, NULL},
};
