/* Alternating least squares: the Gram matrix of a side, rows solved for the other side's, lists. */
#include <math.h>

#include "ops/harness.h"

static const int64_t widths[] = {1, 3, 16, 20, 64, 65, 130};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

/* ---- the Gram matrix ---- */

static void side_gram_of(int64_t first, int64_t n, int64_t d)
{
    ops_random r = {(uint64_t)(n * 1000 + d)};
    ops_case *c = ops_begin("side_gram of %d rows, width %d", (int)n, (int)d);
    int64_t rows = first + n + 2;
    float *x = ops_reals(c, rows * d, &r);
    double *sum = ops_doubles(c, d * d), *size = ops_doubles(c, d * d);
    for (int64_t row = first; row < first + n; row++) {
        for (int64_t e = 0; e < d * d; e++) {
            ops_add(&sum[e], &size[e], (double)x[row * d + e / d] * (double)x[row * d + e % d]);
        }
    }
    rk_value y =
        rk__side_gram(ops_program(c), ops_input(c, RK_F32, rows, d, x), (rk_range_attr){first, n});
    ops_expect_reals(c, y, sum, size, 2e-6);
    ops_run(c, 1);
}

static void side_gram(void)
{
    for (int w = 0; w < N_WIDTHS; w++) {
        side_gram_of(0, 1, widths[w]);
        side_gram_of(5, 33, widths[w]);
        side_gram_of(3, 300, widths[w]);
    }
    side_gram_of(7, 2500, 20); /* several shares */
}

/* ---- systems ---- */

/* One list and what it is solved with, all in double. */
typedef struct list_case {
    const float *table, *gram, *values; /* values NULL = 1 each */
    const int32_t *columns;             /* rows of the table */
    int64_t n, d;
    rk_als_attr attr;
} list_case;

static double weight_of(const list_case *l, int64_t i)
{
    return l->values ? (double)l->values[i] : 1;
}

/* The same of ratings: sum v v^T x = sum (w - mean - bias of v) v, v with 1 for its bias. */
static void make_rating_system(const list_case *l, double *a, double *b)
{
    const rk_als_attr *t = &l->attr;
    int64_t d = l->d, last = t->has_bias ? d - 1 : d;
    memset(a, 0, (size_t)(d * d) * sizeof *a);
    memset(b, 0, (size_t)d * sizeof *b);
    for (int64_t e = 0; e < l->n; e++) {
        const float *v = l->table + l->columns[e] * d;
        double rest = (double)l->values[e] - t->mean - (t->has_bias ? (double)v[last] : 0);
        for (int64_t i = 0; i < d; i++) {
            double left = i == last ? 1 : (double)v[i];
            b[i] += left * rest;
            for (int64_t j = 0; j < d; j++) {
                a[i * d + j] += left * (j == last ? 1 : (double)v[j]);
            }
        }
    }
    for (int64_t i = 0; i < d; i++) {
        a[i * d + i] += i == last ? t->bias_l2 * (double)l->n + t->bias_l2_constant
                                  : t->l2 * (double)l->n + t->l2_constant;
    }
}

/* a [d,d], b [d] */
static void make_system(const list_case *l, double *a, double *b)
{
    const rk_als_attr *t = &l->attr;
    int64_t d = l->d;
    if (t->is_rating) {
        make_rating_system(l, a, b);
        return;
    }
    for (int64_t i = 0; i < d; i++) {
        b[i] = 0;
        for (int64_t j = 0; j < d; j++) {
            a[i * d + j] = t->gram_weight * (double)l->gram[i * d + j];
        }
        a[i * d + i] += t->l2 * (double)l->n + t->l2_constant;
    }
    for (int64_t e = 0; e < l->n; e++) {
        const float *v = l->table + l->columns[e] * d;
        double w = t->p * weight_of(l, e);
        for (int64_t i = 0; i < d; i++) {
            b[i] += w * (double)v[i];
            for (int64_t j = 0; j < d; j++) {
                a[i * d + j] += (w - t->q) * (double)v[i] * (double)v[j];
            }
        }
    }
}

/* Gaussian elimination; the matrix is positive definite. */
static void eliminate(double *a, double *b, int64_t d)
{
    for (int64_t k = 0; k < d; k++) {
        for (int64_t i = k + 1; i < d; i++) {
            double f = a[i * d + k] / a[k * d + k];
            for (int64_t j = k; j < d; j++) {
                a[i * d + j] -= f * a[k * d + j];
            }
            b[i] -= f * b[k];
        }
    }
    for (int64_t k = d - 1; k >= 0; k--) {
        for (int64_t j = k + 1; j < d; j++) {
            b[k] -= a[k * d + j] * b[j];
        }
        b[k] /= a[k * d + k];
    }
}

static double product(const double *a, const double *b, int64_t d)
{
    double sum = 0;
    for (int64_t i = 0; i < d; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* work: 3 d. */
static void descend(const double *a, const double *b, int64_t d, int32_t steps, double *x,
                    double *work)
{
    double *r = work, *p = r + d, *q = p + d;
    for (int64_t i = 0; i < d; i++) {
        p[i] = r[i] = b[i] - product(a + i * d, x, d);
    }
    for (int32_t s = 0; s < steps && product(r, r, d) >= 1e-20; s++) {
        double before = product(r, r, d);
        for (int64_t i = 0; i < d; i++) {
            q[i] = product(a + i * d, p, d);
        }
        double alpha = before / product(p, q, d);
        for (int64_t i = 0; i < d; i++) {
            x[i] += alpha * p[i];
            r[i] -= alpha * q[i];
        }
        double beta = product(r, r, d) / before;
        for (int64_t i = 0; i < d; i++) {
            p[i] = r[i] + beta * p[i];
        }
    }
}

/* x [d] holds the present row. size: the length of the solution, at every element. */
static void solve(ops_case *c, const list_case *l, double *x, double *size)
{
    int64_t d = l->d;
    double *a = ops_doubles(c, d * d + 4 * d), *b = a + d * d, largest = 1;
    make_system(l, a, b);
    if (l->n == 0) {
        memset(x, 0, (size_t)d * sizeof *x);
    } else if (l->attr.cg_steps > 0) {
        descend(a, b, d, l->attr.cg_steps, x, b + d);
    } else {
        eliminate(a, b, d);
        memcpy(x, b, (size_t)d * sizeof *x);
    }
    for (int64_t i = 0; i < d; i++) {
        largest = fmax(largest, fabs(x[i]));
    }
    for (int64_t i = 0; i < d; i++) {
        size[i] = largest;
    }
}

static const rk_als_attr forms[] = {
    {.gram_weight = 0.1, .p = 1, .l2 = 0.3, .l2_constant = 0.5},
    {.gram_weight = 1, .p = 4, .q = 1, .l2_constant = 2},
};
static const int32_t cg_steps[] = {0, 1, 3};
static const rk_als_attr rating_forms[] = {
    {.is_rating = true, .l2 = 0.3, .mean = 0.2},
    {.is_rating = true,
     .l2 = 0.3,
     .l2_constant = 0.1,
     .mean = 0.2,
     .has_bias = true,
     .bias_l2 = 0.1,
     .bias_l2_constant = 0.7},
};

static float *make_gram(ops_case *c, const float *x, int64_t rows, int64_t d)
{
    float *gram = ops_memory(c, d * d, sizeof *gram);
    for (int64_t e = 0; e < d * d; e++) {
        double sum = 0;
        for (int64_t row = 0; row < rows; row++) {
            sum += (double)x[row * d + e / d] * (double)x[row * d + e % d];
        }
        gram[e] = (float)sum;
    }
    return gram;
}

static float *make_weights(ops_case *c, int64_t n, ops_random *r)
{
    float *weights = ops_reals(c, n, r);
    for (int64_t i = 0; i < n; i++) {
        weights[i] = i % 7 == 3 ? 0 : fabsf(weights[i]) + 0.25f;
    }
    return weights;
}

enum { RATINGS = 12 }; /* the first number of a case of ratings */

static void als_sweep_of(int number, int64_t d, bool items)
{
    int64_t users = d < 64 ? 30 : 9, n_items = 40;
    ops_random r = {(uint64_t)(number * 1000 + d) + items};
    bool is_rating = number >= RATINGS, has_weights = is_rating || number % 4 == 1;
    ops_case *c =
        ops_begin("als_sweep %d of %s, width %d", number, items ? "items" : "users", (int)d);
    ops_graph g = ops_make_graph(c, users, n_items, 0.3, &r);
    rk_als_attr attr = is_rating ? rating_forms[number % 2] : forms[number % 2];
    attr.cg_steps = cg_steps[number / 2 % 3];
    attr.first = items ? users : 0;
    attr.n = items ? n_items : users;
    float *x = ops_reals(c, g.n_nodes * d, &r);
    float *gram = make_gram(c, x + (items ? 0 : users * d), items ? users : n_items, d);
    float *weights = has_weights ? make_weights(c, 2 * g.n_edges, &r) : NULL;
    double *expected = ops_doubles(c, g.n_nodes * d), *size = ops_doubles(c, g.n_nodes * d);
    for (int64_t e = 0; e < g.n_nodes * d; e++) {
        expected[e] = (double)x[e];
    }
    for (int64_t row = attr.first; row < attr.first + attr.n; row++) {
        int64_t begin = g.offsets[row];
        list_case l = {x,
                       gram,
                       weights ? weights + begin : NULL,
                       g.columns + begin,
                       g.offsets[row + 1] - begin,
                       d,
                       attr};
        solve(c, &l, expected + row * d, size + row * d);
    }
    rk_step_state state = {.step = 4};
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_csr_values rows = {graph.offsets, graph.columns,
                          weights ? ops_input(c, RK_F32, 2 * g.n_edges, 1, weights) : RK_NONE};
    rk_value table = ops_variable(c, RK_F32, g.n_nodes, d, x);
    rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
    rk_value of_gram = is_rating ? RK_NONE : ops_input(c, RK_F32, d, d, gram);
    rk__als_sweep(ops_program(c), rows, table, of_gram, of_state, attr);
    ops_expect_reals(c, table, expected, size, 3e-5);
    ops_expect_exactly(c, of_state, &state);
    ops_run(c, 1);
}

static void als_sweep(void)
{
    als_sweep_of(0, 170, true); /* more than a block of a CUDA device holds */
    als_sweep_of(2, 1010, false);
    /* Half of the numbers a width, the others the next: every form with every kind of solver. */
    for (int w = 0; w < N_WIDTHS; w++) {
        for (int number = 0; number < RATINGS + 6; number++) {
            if ((number / 6 + number + w) % 2 == 0) {
                als_sweep_of(number, widths[w], number % 3 == 0);
            }
        }
    }
}

/* A list longer than any that is packed at once or done out of turn, and short ones. */
static void als_sweep_long(void)
{
    for (int32_t steps = 0; steps < 4; steps += 3) {
        enum { D = 5, N = 2600 };
        ops_random r = {(uint64_t)steps + 11};
        ops_case *c = ops_begin("als_sweep of a long list, %d steps", (int)steps);
        ops_graph g = ops_make_graph(c, 4, N, 0.001, &r);
        float *x = ops_reals(c, g.n_nodes * D, &r), *gram = make_gram(c, x + 4 * D, N, D);
        rk_als_attr attr = {.n = 4, .gram_weight = 0.1, .p = 1, .l2 = 0.01, .cg_steps = steps};
        double *expected = ops_doubles(c, g.n_nodes * D), *size = ops_doubles(c, g.n_nodes * D);
        for (int64_t e = 0; e < g.n_nodes * D; e++) {
            expected[e] = (double)x[e];
        }
        for (int64_t row = 0; row < 4; row++) {
            int64_t begin = g.offsets[row];
            list_case l = {x, gram, NULL, g.columns + begin, g.offsets[row + 1] - begin, D, attr};
            solve(c, &l, expected + row * D, size + row * D);
        }
        rk_step_state state = {.step = 4};
        rk_graph_values graph = ops_graph_inputs(c, &g);
        rk_value table = ops_variable(c, RK_F32, g.n_nodes, D, x);
        rk__als_sweep(ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE}, table,
                      ops_input(c, RK_F32, D, D, gram), ops_variable(c, RK_STATE, 1, 1, &state),
                      attr);
        ops_expect_reals(c, table, expected, size, 1e-4);
        ops_run(c, 1);
    }
}

/* Row 0 has no system: the matrix is 0, or negative. The first such step is kept. */
static void als_sweep_fails(void)
{
    for (int32_t steps = 0; steps < 4; steps += 3) {
        ops_case *c = ops_begin("als_sweep without a solution, %d steps", (int)steps);
        const int64_t offsets[] = {0, 1, 1, 2, 2};
        const int32_t columns[] = {2, 0};
        const float x[] = {1, 2, 3, 4, 1, 0.5f, 7, 8}, gram[] = {0, 0, 0, 0};
        const float after[] = {1, 2, 0, 0, 1, 0.5f, 7, 8};
        rk_als_attr attr = {.n = 2, .p = 1, .q = 2, .gram_weight = 1, .cg_steps = steps};
        rk_step_state state = {.step = 6};
        rk_csr_values rows = {ops_input(c, RK_I64, 5, 1, offsets),
                              ops_input(c, RK_I32, 2, 1, columns), RK_NONE};
        rk_value table = ops_variable(c, RK_F32, 4, 2, x);
        rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
        rk__als_sweep(ops_program(c), rows, table, ops_input(c, RK_F32, 2, 2, gram), of_state,
                      attr);
        rk__step_advance(ops_program(c), of_state);
        state = (rk_step_state){.step = 8,
                                .step_in_epoch = 2,
                                .bad_step = 7,
                                .bad_loss = (double)NAN,
                                .last_loss = (double)NAN};
        ops_expect_exactly(c, of_state, &state);
        ops_expect_exactly(c, table, after);
        ops_run(c, 2);
    }
}

static void als_fold_of(int number, int64_t d)
{
    enum { LISTS = 6, ITEMS = 50, FIRST = 3 };
    ops_random r = {(uint64_t)(number * 1000 + d)};
    ops_case *c = ops_begin("als_fold %d, width %d", number, (int)d);
    bool is_rating = number >= RATINGS;
    rk_als_attr attr = is_rating ? rating_forms[number % 2] : forms[number % 2];
    attr.cg_steps = cg_steps[number / 2 % 3];
    attr.first = FIRST;
    int64_t capacity = LISTS * ITEMS, *offsets = ops_memory(c, LISTS + 1, sizeof *offsets), n = 0;
    int32_t *items = ops_memory(c, capacity, sizeof *items);
    for (int64_t list = 0; list < LISTS; list++) {
        for (int32_t item = 0; item < ITEMS && list % 3 != 1; item++) {
            if (ops_below(&r, LISTS + 1) < list) {
                items[n++] = item;
            }
        }
        offsets[list + 1] = n;
    }
    float *x = ops_reals(c, (FIRST + ITEMS) * d, &r), *weights = make_weights(c, capacity, &r);
    float *gram = make_gram(c, x + FIRST * d, ITEMS, d);
    double *expected = ops_doubles(c, LISTS * d), *size = ops_doubles(c, LISTS * d);
    for (int64_t list = 0; list < LISTS; list++) {
        list_case l = {x + FIRST * d,
                       gram,
                       weights + offsets[list],
                       items + offsets[list],
                       offsets[list + 1] - offsets[list],
                       d,
                       attr};
        solve(c, &l, expected + list * d, size + list * d);
    }
    rk_tile_lists lists = {ops_input(c, RK_I64, LISTS + 1, 1, offsets),
                           ops_input(c, RK_I32, capacity, 1, items),
                           ops_input(c, RK_F32, capacity, 1, weights)};
    rk_value y = rk__als_fold(ops_program(c), lists, ops_input(c, RK_F32, FIRST + ITEMS, d, x),
                              is_rating ? RK_NONE : ops_input(c, RK_F32, d, d, gram), attr);
    ops_expect_reals(c, y, expected, size, 3e-5);
    ops_run(c, 1);
}

static void als_fold(void)
{
    for (int w = 0; w < N_WIDTHS; w++) {
        for (int number = 0; number < 6; number++) {
            als_fold_of(number, widths[w]);
            als_fold_of(RATINGS + number, widths[w]);
        }
    }
}

const ops_entry ops_cases_als[] = {
    {RK_OP_SIDE_GRAM, side_gram},      {RK_OP_ALS_SWEEP, als_sweep},
    {RK_OP_ALS_SWEEP, als_sweep_long}, {RK_OP_ALS_SWEEP, als_sweep_fails},
    {RK_OP_ALS_FOLD, als_fold},        {RK_OP_COUNT, NULL},
};
