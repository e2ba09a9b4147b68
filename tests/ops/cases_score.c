/* Scores of tiles of queries: plain loops in double. */
#include "ops/naive.h"

static rk_value count_of(ops_case *c, int64_t n)
{
    const int32_t count = (int32_t)n;
    return ops_input(c, RK_I32, 1, 1, &count);
}

/* ---- queries ---- */

static void take_rows(void)
{
    static const int64_t tiles[] = {1, 3, 70, 300};
    for (int i = 0; i < 4; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("take_rows, %d rows", (int)tiles[i]);
        int64_t n = tiles[i], table_rows = 41, d = 1 + 6 * i;
        float *table = ops_reals(c, table_rows * d, &r);
        float *expected = ops_memory(c, n * d, sizeof *expected);
        int32_t *rows = ops_memory(c, n, sizeof *rows);
        for (int64_t t = 0; t < n; t++) {
            rows[t] = t % 5 == 2 ? -1 : (int32_t)ops_below(&r, table_rows);
            for (int64_t j = 0; j < d && rows[t] >= 0; j++) {
                expected[t * d + j] = table[rows[t] * d + j];
            }
        }
        rk_value y = rk__take_rows(ops_program(c), ops_input(c, RK_F32, table_rows, d, table),
                                   ops_input(c, RK_I32, n, 1, rows));
        ops_expect_exactly(c, y, expected);
        ops_run(c, 1);
    }
}

/* ---- dot products ---- */

static void score_dot(void)
{
    static const struct {
        int64_t tile, count, items, first, d;
    } shapes[] = {{1, 1, 1, 0, 1},       {7, 5, 130, 3, 17},    {70, 66, 300, 1, 64},
                  {3, 0, 40, 0, 8},      {130, 130, 65, 0, 33}, {1, 1, 4001, 2, 64},
                  {2, 2, 5000, 0, 30},   {9, 3, 2999, 1, 70},   {4, 4, 3333, 0, 5},
                  {20, 12, 700, 0, 257}, {14, 14, 4099, 0, 70}};
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        ops_random r = {(uint64_t)i + 3};
        ops_case *c = ops_begin("score_dot, shape %d", i);
        int64_t tile = shapes[i].tile, n = shapes[i].items, d = shapes[i].d;
        int64_t first = shapes[i].first, rows = first + n + 2;
        float *queries = ops_reals(c, tile * d, &r), *table = ops_reals(c, rows * d, &r);
        double *expected = ops_doubles(c, tile * n), *size = ops_doubles(c, tile * n);
        for (int64_t at = 0; at < shapes[i].count * n; at++) {
            for (int64_t j = 0; j < d; j++) {
                ops_add(&expected[at], &size[at],
                        (double)queries[at / n * d + j] * (double)table[(first + at % n) * d + j]);
            }
        }
        rk_value y = rk__score_dot(ops_program(c), ops_input(c, RK_F32, tile, d, queries),
                                   ops_input(c, RK_F32, rows, d, table),
                                   count_of(c, shapes[i].count), (rk_range_attr){first, n});
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

/* ---- lists ---- */

typedef struct list_shape {
    int64_t tile, count, rows, n; /* lists are of `rows` items; n columns of a result */
    double chance;
} list_shape;

static const list_shape list_shapes[] = {
    {1, 1, 1, 1, 1},       {1, 1, 40, 700, 0.5},   {7, 5, 23, 31, 0.3}, {3, 0, 9, 12, 0.5},
    {70, 66, 50, 33, 0.2}, {19, 17, 130, 9, 0.05}, {4, 4, 6, 5, 0},     {40, 33, 300, 1100, 0.03},
};
enum { N_LIST_SHAPES = sizeof list_shapes / sizeof list_shapes[0] };

/* weights [tile, rows]: -1 where the list has no such item. The arrays have room for more. */
typedef struct lists {
    rk_tile_lists values;
    double *weights;
} lists;

static lists make_lists(ops_case *c, const list_shape *s, ops_random *r)
{
    int64_t capacity = s->tile * s->rows + 3, n = 0;
    lists out = {.weights = ops_doubles(c, s->tile * s->rows)};
    int64_t *offsets = ops_memory(c, s->tile + 1, sizeof *offsets);
    int32_t *items = ops_memory(c, capacity, sizeof *items);
    float *weights = ops_memory(c, capacity, sizeof *weights);
    for (int64_t t = 0; t < s->tile; t++) {
        for (int64_t i = 0; i < s->rows; i++) {
            bool has = t < s->count && t % 5 != 2 && (double)ops_below(r, 1000) < 1000 * s->chance;
            /* one list of nothing but zeros */
            float weight = t % 7 == 3 ? 0 : (float)ops_below(r, 9) / 4;
            out.weights[t * s->rows + i] = has ? (double)weight : -1;
            if (has) {
                items[n] = (int32_t)i;
                weights[n++] = weight;
            }
        }
        offsets[t + 1] = n;
    }
    out.values = (rk_tile_lists){ops_input(c, RK_I64, s->tile + 1, 1, offsets),
                                 ops_input(c, RK_I32, capacity, 1, items),
                                 ops_input(c, RK_F32, capacity, 1, weights)};
    return out;
}

/* dense [rows, columns]: zeros where there is no entry. The entries' arrays have room for more. */
typedef struct sparse {
    rk_csr_values values;
    double *dense;
} sparse;

/* first_column: the number of the first column in the entries. */
static sparse make_sparse(ops_case *c, int64_t rows, int64_t columns, int32_t first_column,
                          bool has_values, ops_random *r)
{
    int64_t capacity = rows * columns + 2, n = 0;
    sparse out = {.dense = ops_doubles(c, rows * columns)};
    int64_t *offsets = ops_memory(c, rows + 1, sizeof *offsets);
    int32_t *column = ops_memory(c, capacity, sizeof *column);
    float *values = ops_memory(c, capacity, sizeof *values);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            bool has = i % 6 == 1 ? false : i % 6 == 2 ? true : ops_below(r, 9) == 0;
            if (has) {
                values[n] = (float)ops_real(r);
                out.dense[i * columns + j] = has_values ? (double)values[n] : 1;
                column[n++] = first_column + (int32_t)j;
            }
        }
        offsets[i + 1] = n;
    }
    for (int64_t e = n; e < capacity; e++) {
        column[e] = -7; /* never looked at */
        values[e] = NAN;
    }
    out.values = (rk_csr_values){ops_input(c, RK_I64, rows + 1, 1, offsets),
                                 ops_input(c, RK_I32, capacity, 1, column),
                                 has_values ? ops_input(c, RK_F32, capacity, 1, values) : RK_NONE};
    return out;
}

static void sum_lists(void)
{
    static const double powers[] = {0, 1, 0.5};
    for (int i = 0; i < 3 * N_LIST_SHAPES; i++) {
        const list_shape *s = &list_shapes[i / 3];
        const double power = powers[i % 3];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("sum_lists, shape %d, power %g", i / 3, power);
        int64_t d = 1 + i % 19, first = i % 4;
        const lists l = make_lists(c, s, &r);
        float *table = ops_reals(c, (first + s->rows) * d, &r);
        double *expected = ops_doubles(c, s->tile * d), *size = ops_doubles(c, s->tile * d);
        for (int64_t t = 0; t < s->tile; t++) {
            double total = 0;
            for (int64_t j = 0; j < s->rows; j++) {
                total += fmax(l.weights[t * s->rows + j], 0);
            }
            for (int64_t j = 0; j < s->rows * d && total > 0; j++) {
                double weight = fmax(l.weights[t * s->rows + j / d], 0);
                ops_add(&expected[t * d + j % d], &size[t * d + j % d],
                        weight * (double)table[first * d + j] / pow(total, power));
            }
        }
        rk_value y = rk__sum_lists(ops_program(c), ops_input(c, RK_F32, first + s->rows, d, table),
                                   l.values, first, power);
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

static void score_lists(void)
{
    for (int i = 0; i < 2 * N_LIST_SHAPES; i++) {
        const list_shape *s = &list_shapes[i / 2];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("score_lists, shape %d, variant %d", i / 2, i % 2);
        int64_t n = s->n, first = i % 3;
        const lists l = make_lists(c, s, &r);
        const sparse rows = make_sparse(c, first + s->rows, n, i % 5, i % 2, &r);
        float *bias = ops_reals(c, n, &r);
        double *expected = ops_doubles(c, s->tile * n), *size = ops_doubles(c, s->tile * n);
        for (int64_t at = 0; at < s->count * n; at++) {
            ops_add(&expected[at], &size[at], i % 2 ? (double)bias[at % n] : 0);
            for (int64_t j = 0; j < s->rows; j++) {
                ops_add(&expected[at], &size[at],
                        fmax(l.weights[at / n * s->rows + j], 0) *
                            rows.dense[(first + j) * n + at % n]);
            }
        }
        rk_value y = rk__score_lists_at(ops_program(c), l.values, rows.values,
                                        i % 2 ? ops_input(c, RK_F32, n, 1, bias) : RK_NONE,
                                        count_of(c, s->count), (rk_rows_attr){first, n, i % 5});
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

static void score_dense(void)
{
    for (int i = 0; i < N_LIST_SHAPES; i++) {
        const list_shape *s = &list_shapes[i];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("score_dense, shape %d", i);
        int64_t n = s->n;
        const lists l = make_lists(c, s, &r);
        float *matrix = ops_reals(c, s->rows * n, &r);
        double *expected = ops_doubles(c, s->tile * n), *size = ops_doubles(c, s->tile * n);
        for (int64_t at = 0; at < s->count * n; at++) {
            for (int64_t j = 0; j < s->rows; j++) {
                ops_add(&expected[at], &size[at],
                        fmax(l.weights[at / n * s->rows + j], 0) * (double)matrix[j * n + at % n]);
            }
        }
        rk_value y =
            rk__score_dense(ops_program(c), l.values, ops_input(c, RK_F32, s->rows, n, matrix),
                            count_of(c, s->count));
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

static void score_columns(void)
{
    for (int i = 0; i < 2 * N_LIST_SHAPES; i++) {
        const list_shape *s = &list_shapes[i / 2];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("score_columns, shape %d, variant %d", i / 2, i % 2);
        int64_t n = s->n, m = s->rows, first = i % 3;
        const sparse rows = make_sparse(c, first + n + 1, m, i % 5, i % 2, &r);
        float *queries = ops_reals(c, s->tile * m, &r), *factor = ops_reals(c, n, &r);
        double *expected = ops_doubles(c, s->tile * n), *size = ops_doubles(c, s->tile * n);
        for (int64_t at = 0; at < s->count * n; at++) {
            for (int64_t j = 0; j < m; j++) {
                ops_add(&expected[at], &size[at],
                        (double)queries[at / n * m + j] * rows.dense[(first + at % n) * m + j] *
                            (i % 2 ? (double)factor[at % n] : 1));
            }
        }
        rk_value y =
            rk__score_columns_at(ops_program(c), ops_input(c, RK_F32, s->tile, m, queries),
                                 rows.values, i % 2 ? ops_input(c, RK_F32, n, 1, factor) : RK_NONE,
                                 count_of(c, s->count), (rk_rows_attr){first, n, i % 5});
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

/* ---- scores that are there ---- */

/* In place on a temporary: the products of a tile with a table. */
static void add_lists(void)
{
    for (int i = 0; i < 2 * N_LIST_SHAPES; i++) {
        const list_shape *s = &list_shapes[i / 2];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("add_lists, shape %d, variant %d", i / 2, i % 2);
        int64_t n = s->rows; /* the lists' items are the scores' */
        const lists l = make_lists(c, s, &r);
        float *queries = ops_reals(c, s->tile, &r), *table = ops_reals(c, n, &r);
        float *factor = ops_reals(c, n, &r);
        const double alpha = 0.75, beta = i % 2 ? -1.5 : 2;
        double *expected = ops_doubles(c, s->tile * n), *size = ops_doubles(c, s->tile * n);
        for (int64_t at = 0; at < s->count * n; at++) {
            ops_add(&expected[at], &size[at], (double)queries[at / n] * (double)table[at % n]);
            double weight = fmax(l.weights[at], 0);
            ops_add(&expected[at], &size[at], weight * alpha);
            ops_add(&expected[at], &size[at], i % 2 ? weight * beta * (double)factor[at % n] : 0);
        }
        rk_value scores = rk__score_dot(ops_program(c), ops_input(c, RK_F32, s->tile, 1, queries),
                                        ops_input(c, RK_F32, n, 1, table), count_of(c, s->count),
                                        (rk_range_attr){0, n});
        rk_value y =
            rk__add_lists(ops_program(c), scores, l.values,
                          i % 2 ? ops_input(c, RK_F32, n, 1, factor) : RK_NONE, alpha, beta);
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

static void take_scores(void)
{
    for (int i = 0; i < 4; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("take_scores, shape %d", i);
        int64_t tile = 1 + 33 * i, n = 1 + 50 * i, width = 1 + i * 3;
        float *scores = ops_reals(c, tile * n, &r);
        float *expected = ops_memory(c, tile * width, sizeof *expected);
        int32_t *items = ops_memory(c, tile * width, sizeof *items);
        for (int64_t at = 0; at < tile * width; at++) {
            items[at] = at % 4 == 3 ? -1 : (int32_t)ops_below(&r, n);
            expected[at] = items[at] < 0 ? 0 : scores[at / width * n + items[at]];
        }
        rk_value y = rk__take_scores(ops_program(c), ops_input(c, RK_F32, tile, n, scores),
                                     ops_input(c, RK_I32, tile, width, items));
        ops_expect_exactly(c, y, expected);
        ops_run(c, 1);
    }
}

/* ---- the same bits ---- */

/* A query's scores do not depend on how many others there are, nor on top_k being joined. */
static void the_same_bits(void)
{
    enum { ITEMS = 2111, D = 37, TILE = 70, SIZES = 7 };
    static const int32_t sizes[SIZES] = {1, 2, 3, 4, 11, 16, TILE};
    ops_random r = {9};
    ops_case *c = ops_begin("score_dot, the same bits");
    float *queries = ops_reals(c, TILE * D, &r), *table = ops_reals(c, ITEMS * D, &r);
    rk_value values[SIZES], x = ops_input(c, RK_F32, TILE, D, queries);
    rk_value t = ops_input(c, RK_F32, ITEMS, D, table);
    ops_target targets[OPS_MAX_TARGETS];
    rk_program *p = ops_program(c);
    for (int i = 0; i < SIZES; i++) {
        values[i] = rk__score_dot(p, x, t, count_of(c, sizes[i]), (rk_range_attr){0, ITEMS});
    }
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
    for (int i = ops_targets(targets) - 1; i >= 0; i--) {
        const rk_device *device = targets[i].device;
        rk_device_context *context = NULL;
        rk_loaded *loaded = NULL;
        if (!targets[i].options.eager) { /* only then every value is kept */
            continue;
        }
        float *all = ops_memory(c, TILE * ITEMS, sizeof *all);
        float *some = ops_memory(c, TILE * ITEMS, sizeof *some);
        assert_ok(device->open(&targets[i].options, &context));
        assert_ok(device->bind(context, p->store));
        assert_ok(device->load(context, p, &loaded));
        assert_ok(device->run(context, loaded, 1));
        assert_ok(device->read_value(context, loaded, values[SIZES - 1], all));
        for (int j = 0; j < SIZES - 1; j++) {
            assert_ok(device->read_value(context, loaded, values[j], some));
            assert_memory_equal(some, all, (size_t)sizes[j] * ITEMS * sizeof *some);
        }
        device->close(context);
    }
    ops_discard(c);
}

static void ratio(void)
{
    for (int i = 0; i < 3; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("ratio, size %d", i);
        int64_t n = 1 + 150 * i, cols = 1 + 7 * i;
        float *a = ops_reals(c, n * cols, &r), *b = ops_reals(c, n * cols, &r);
        double *y = ops_doubles(c, n * cols), *size = ops_doubles(c, n * cols);
        for (int64_t e = 0; e < n * cols; e++) {
            b[e] = e % 5 == 3 ? 0 : b[e];
            y[e] = e % 5 == 3 ? 0 : (double)a[e] / (double)b[e];
            size[e] = fabs(y[e]);
        }
        ops_expect_reals(c,
                         rk__ratio(ops_program(c), ops_input(c, RK_F32, n, cols, a),
                                   ops_input(c, RK_F32, n, cols, b)),
                         y, size, 1e-6);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_score[] = {
    {RK_OP_TAKE_ROWS, take_rows},
    {RK_OP_SCORE_DOT, score_dot},
    {RK_OP_SCORE_DOT, the_same_bits},
    {RK_OP_SUM_LISTS, sum_lists},
    {RK_OP_SCORE_LISTS, score_lists},
    {RK_OP_SCORE_DENSE, score_dense},
    {RK_OP_RATIO, ratio},
    {RK_OP_SCORE_COLUMNS, score_columns},
    {RK_OP_ADD_LISTS, add_lists},
    {RK_OP_TAKE_SCORES, take_scores},
    {RK_OP_COUNT, NULL},
};
