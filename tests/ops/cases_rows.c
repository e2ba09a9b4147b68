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

static ops_batch make_batch_of(ops_case *c, const struct batch_shape *s, ops_random *r)
{
    return ops_make_batch(c, s->users, s->items, s->batch, s->candidates, s->triplets, r);
}

static ops_batch make_batch(ops_case *c, int i, ops_random *r)
{
    return make_batch_of(c, &batch_shapes[i], r);
}

static int64_t nodes_of(int i)
{
    return batch_shapes[i].users + batch_shapes[i].items;
}

static void unique_rows_of(const struct batch_shape *s)
{
    ops_random r = {1 + (uint64_t)s->batch};
    ops_case *c = ops_begin("unique_rows of %d triplets of %d, %d nodes", (int)s->triplets,
                            (int)s->batch, (int)(s->users + s->items));
    ops_batch b = make_batch_of(c, s, &r);
    rk_row_set set = rk__unique_rows(ops_program(c), ops_input(c, RK_I32, b.slots, 1, b.nodes),
                                     s->users + s->items);
    int32_t count = (int32_t)b.count;
    ops_expect_exactly(c, set.rows, b.rows);
    ops_expect_exactly(c, set.count, &count);
    ops_expect_exactly(c, set.map, b.map);
    ops_expect_exactly(c, set.slot_row, b.slot_row);
    ops_expect_exactly(c, set.segments, b.segments);
    ops_expect_exactly(c, set.order, b.order);
    ops_run(c, 2); /* the second time over what the first left behind */
}

/* What one block does on CUDA, then more slots, then more nodes than one block takes. */
static void unique_rows(void)
{
    static const struct batch_shape large[] = {{700, 900, 2731, 2720, 1},
                                               {110000, 86500, 20, 20, 1}};
    for (int i = 0; i < N_BATCHES; i++) {
        unique_rows_of(&batch_shapes[i]);
    }
    unique_rows_of(&large[0]);
    unique_rows_of(&large[1]);
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

/* By a factor of each row or of the rows' nodes, for all rows or for those in use. */
static void scale_rows_of(int i, int64_t d, bool of_nodes, bool has_count)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("scale_rows, batch %d, width %d%s%s", i, (int)d,
                            of_nodes ? ", by node" : "", has_count ? "" : ", all");
    ops_batch b = make_batch(c, i, &r);
    int64_t n = of_nodes ? nodes_of(i) : b.capacity, used = has_count ? b.count : b.capacity;
    float *x = ops_reals(c, b.capacity * d, &r), *factor = ops_reals(c, n, &r);
    float *expected = ops_memory(c, b.capacity * d, sizeof *expected);
    for (int64_t j = 0; j < used * d; j++) {
        expected[j] = factor[of_nodes ? b.rows[j / d] : j / d] * x[j];
    }
    rk_row_set set = ops_batch_inputs(c, &b, nodes_of(i));
    rk_value y = rk__scale_rows(ops_program(c), ops_input(c, RK_F32, b.capacity, d, x),
                                ops_input(c, RK_F32, n, 1, factor), of_nodes ? set.rows : RK_NONE,
                                has_count ? set.count : RK_NONE);
    ops_expect_exactly(c, y, expected);
    ops_run(c, 1);
}

static void scale_rows(void)
{
    for (int i = 0; i < N_BATCHES; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            scale_rows_of(i, widths[w], false, true);
            scale_rows_of(i, widths[w], true, true);
            scale_rows_of(i, widths[w], false, false);
        }
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
    {RK_OP_SCATTER_ROWS, scatter_rows},
    {RK_OP_SCATTER_ADD_ROWS, scatter_add_rows},
    {RK_OP_COUNT, NULL},
};
