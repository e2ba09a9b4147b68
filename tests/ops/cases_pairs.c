/* The users and items of a batch as tables of their own, and the scores of its pairs. */
#include "ops/naive.h"

static const ops_shape shapes[] = {
    {1, 2, 1, 1, 1, 1},       {5, 4, 7, 7, 3, 3},     {30, 20, 33, 10, 1, 20},
    {60, 80, 50, 50, 4, 16},  {40, 50, 64, 0, 2, 65}, {40, 50, 35, 34, 0, 130},
    {200, 90, 20, 20, 9, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- slots ---- */

/* The slot of row r of the items' table, or of the users'. */
static int64_t slot_of(const ops_batch *b, bool of_items, int64_t r)
{
    const int64_t width = 1 + b->candidates, k = r % width;
    if (!of_items) {
        return r;
    }
    return k == 0 ? b->batch + r / width : 2 * b->batch + r / width * b->candidates + k - 1;
}

static void gather_slots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int of_items = 0; of_items < 2; of_items++) {
            ops_scene t = ops_begin_scene("gather_slots", shapes, i, of_items);
            const int64_t n = of_items ? t.b.slots - t.b.batch : t.b.batch;
            float *y = ops_memory(t.c, n * t.d, sizeof *y);
            for (int64_t j = 0; j < n * t.d; j++) {
                const int32_t row = t.b.slot_row[slot_of(&t.b, of_items, j / t.d)];
                y[j] = row < 0 ? 0 : t.x[row * t.d + j % t.d];
            }
            rk_value in[] = {t.x_value, t.set.slot_row};
            rk_attr attr = {.slots = {.batch = t.b.batch, .of_items = of_items}};
            ops_expect_exactly(t.c, ops_append(t.c, RK_OP_GATHER_SLOTS, in, 2, attr), y);
            ops_run(t.c, 1);
        }
    }
}

static void sum_slots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int of_items = 0; of_items < 2; of_items++) {
            ops_scene t = ops_begin_scene("sum_slots", shapes, i, of_items);
            const int64_t n = of_items ? t.b.slots - t.b.batch : t.b.batch;
            const int64_t size = t.b.capacity * t.d;
            float *g = ops_reals(t.c, n * t.d, &t.r);
            double *y = ops_doubles(t.c, size), *sizes = ops_doubles(t.c, size);
            for (int64_t j = 0; j < n * t.d; j++) {
                const int32_t row = t.b.slot_row[slot_of(&t.b, of_items, j / t.d)];
                if (row >= 0) {
                    ops_add(&y[row * t.d + j % t.d], &sizes[row * t.d + j % t.d], (double)g[j]);
                }
            }
            rk_value in[] = {ops_input(t.c, RK_F32, n, t.d, g), t.set.rows, t.set.segments,
                             t.set.order, t.set.count};
            rk_attr attr = {.slots = {.batch = t.b.batch, .of_items = of_items}};
            ops_expect_reals(t.c, ops_append(t.c, RK_OP_SUM_SLOTS, in, 5, attr), y, sizes, 2e-6);
            ops_run(t.c, 1);
        }
    }
}

/* ---- groups ---- */

typedef struct groups {
    ops_case *c;
    ops_random r;
    int64_t n, k, d;   /* groups, rows of one, columns */
    float *one, *many; /* [n, d], [n k, d] */
    rk_value of_one, of_many;
} groups;

static groups begin(const char *what, int i)
{
    groups t = {.c = ops_begin("%s, shape %d", what, i),
                .r = {(uint64_t)i + 1},
                .n = shapes[i].batch,
                .k = 1 + shapes[i].candidates,
                .d = shapes[i].d};
    t.one = ops_reals(t.c, t.n * t.d, &t.r);
    t.many = ops_reals(t.c, t.n * t.k * t.d, &t.r);
    t.of_one = ops_input(t.c, RK_F32, t.n, t.d, t.one);
    t.of_many = ops_input(t.c, RK_F32, t.n * t.k, t.d, t.many);
    return t;
}

static void repeat_rows(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        groups t = begin("repeat_rows", i);
        float *y = ops_memory(t.c, t.n * t.k * t.d, sizeof *y);
        for (int64_t j = 0; j < t.n * t.k * t.d; j++) {
            y[j] = t.one[j / (t.k * t.d) * t.d + j % t.d];
        }
        ops_expect_exactly(t.c, rk__repeat_rows(ops_program(t.c), t.of_one, t.k), y);
        ops_run(t.c, 1);
    }
}

static void sum_groups(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        groups t = begin("sum_groups", i);
        double *y = ops_doubles(t.c, t.n * t.d), *size = ops_doubles(t.c, t.n * t.d);
        for (int64_t j = 0; j < t.n * t.k * t.d; j++) {
            const int64_t at = j / (t.k * t.d) * t.d + j % t.d;
            ops_add(&y[at], &size[at], (double)t.many[j]);
        }
        ops_expect_reals(t.c, rk__sum_groups(ops_program(t.c), t.of_many, t.k), y, size, 1e-6);
        ops_run(t.c, 1);
    }
}

static void slot_scores(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        groups t = begin("slot_scores", i);
        double *y = ops_doubles(t.c, t.n * t.k), *size = ops_doubles(t.c, t.n * t.k);
        for (int64_t j = 0; j < t.n * t.k * t.d; j++) {
            const double query = (double)t.one[j / (t.k * t.d) * t.d + j % t.d];
            ops_add(&y[j / t.d], &size[j / t.d], query * (double)t.many[j]);
        }
        rk_value out = rk__slot_scores(ops_program(t.c), t.of_one, t.of_many);
        ops_expect_reals(t.c, out, y, size, 2e-6);
        ops_run(t.c, 1);
    }
}

static void slot_queries_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        groups t = begin("slot_queries_grad", i);
        float *g = ops_reals(t.c, t.n * t.k, &t.r);
        double *y = ops_doubles(t.c, t.n * t.d), *size = ops_doubles(t.c, t.n * t.d);
        for (int64_t j = 0; j < t.n * t.k * t.d; j++) {
            const int64_t at = j / (t.k * t.d) * t.d + j % t.d;
            ops_add(&y[at], &size[at], (double)g[j / t.d] * (double)t.many[j]);
        }
        rk_value in[] = {ops_input(t.c, RK_F32, t.n, t.k, g), t.of_many};
        ops_expect_reals(t.c, ops_append(t.c, RK_OP_SLOT_QUERIES_GRAD, in, 2, (rk_attr){{0}}), y,
                         size, 2e-6);
        ops_run(t.c, 1);
    }
}

static void slot_items_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        groups t = begin("slot_items_grad", i);
        float *g = ops_reals(t.c, t.n * t.k, &t.r);
        float *y = ops_memory(t.c, t.n * t.k * t.d, sizeof *y);
        for (int64_t j = 0; j < t.n * t.k * t.d; j++) {
            y[j] = g[j / t.d] * t.one[j / (t.k * t.d) * t.d + j % t.d];
        }
        rk_value in[] = {ops_input(t.c, RK_F32, t.n, t.k, g), t.of_one};
        ops_expect_exactly(t.c, ops_append(t.c, RK_OP_SLOT_ITEMS_GRAD, in, 2, (rk_attr){{0}}), y);
        ops_run(t.c, 1);
    }
}

/* ---- a tile's queries and items ---- */

/* Of all items of a range, and of given ones; the last query is not in use. */
static void pair_rows(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 4; v++) {
            ops_case *c = ops_begin("pair_rows, shape %d, variant %d", i, v);
            ops_random r = {(uint64_t)i + 1};
            const int64_t tile = shapes[i].batch, d = shapes[i].d, n = 1 + shapes[i].candidates;
            const int64_t first = 2, rows = first + n + 3, used = tile - 1;
            const rk_pair_rows_attr a = {.items = {first, n},
                                         .first_column = d / 3,
                                         .n_columns = (d + 1) / 2,
                                         .multiplies = v & 1};
            const int32_t count = (int32_t)used;
            float *queries = ops_reals(c, tile * d, &r), *table = ops_reals(c, rows * d, &r);
            float *y = ops_memory(c, tile * n * a.n_columns, sizeof *y);
            int32_t *items = ops_memory(c, tile * n, sizeof *items);
            for (int64_t j = 0; j < tile * n; j++) {
                items[j] = (int32_t)(v & 2 ? ops_below(&r, n + 1) - 1 : j % n);
                for (int64_t k = 0; k < a.n_columns && items[j] >= 0 && j / n < used; k++) {
                    const float left = queries[j / n * d + a.first_column + k];
                    const float right = table[(first + items[j]) * d + a.first_column + k];
                    y[j * a.n_columns + k] = v & 1 ? left * right : left + right;
                }
            }
            rk_value given = v & 2 ? ops_input(c, RK_I32, tile, n, items) : RK_NONE;
            rk_value out = rk__pair_rows(ops_program(c), ops_input(c, RK_F32, tile, d, queries),
                                         ops_input(c, RK_F32, rows, d, table), given,
                                         ops_input(c, RK_I32, 1, 1, &count), a);
            ops_expect_exactly(c, out, y);
            ops_run(c, 1);
        }
    }
}

const ops_entry ops_cases_pairs[] = {
    {RK_OP_GATHER_SLOTS, gather_slots},
    {RK_OP_SUM_SLOTS, sum_slots},
    {RK_OP_REPEAT_ROWS, repeat_rows},
    {RK_OP_SUM_GROUPS, sum_groups},
    {RK_OP_SLOT_SCORES, slot_scores},
    {RK_OP_SLOT_QUERIES_GRAD, slot_queries_grad},
    {RK_OP_SLOT_ITEMS_GRAD, slot_items_grad},
    {RK_OP_PAIR_ROWS, pair_rows},
    {RK_OP_COUNT, NULL},
};
