/* EASE: the Gram matrix of a side, the inverse of one, item weights by either side. */
#include <math.h>

#include "ops/harness.h"

static void count_gram_of(int64_t users, int64_t items, double chance, bool of_items)
{
    ops_random r = {(uint64_t)(users * 1000 + items) + of_items};
    ops_case *c = ops_begin("count_gram of %d users and %d items, by %s", (int)users, (int)items,
                            of_items ? "items" : "users");
    ops_graph g = ops_make_graph(c, users, items, chance, &r);
    rk_graph_values graph = ops_graph_inputs(c, &g);
    int64_t first = of_items ? users : 0, n = of_items ? items : users;
    float *expected = ops_memory(c, n * n, sizeof *expected);
    for (int64_t a = 0; a < n; a++) {
        for (int64_t e = g.offsets[first + a]; e < g.offsets[first + a + 1]; e++) {
            for (int64_t f = g.offsets[g.columns[e]]; f < g.offsets[g.columns[e] + 1]; f++) {
                expected[a * n + g.columns[f] - first] += 1;
            }
        }
        expected[a * n + a] += 2.5f;
    }
    rk_value into = ops_variable(c, RK_F32, n, n, NULL);
    rk__count_gram(ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE},
                   (rk_range_attr){first, n}, 2.5, into);
    ops_expect_exactly(c, into, expected);
    ops_run(c, 2);
}

static void count_gram(void)
{
    for (int of_items = 0; of_items < 2; of_items++) {
        count_gram_of(1, 1, 1, of_items);
        count_gram_of(5, 2, 0, of_items);
        count_gram_of(33, 7, 0.4, of_items);
        count_gram_of(40, 300, 0.3, of_items);
    }
}

/* B B^T + ridge I of random B [n, n / 2 + 1]. */
static float *make_definite(ops_case *c, int64_t n, double ridge, ops_random *r)
{
    int64_t depth = n / 2 + 1;
    float *a = ops_memory(c, n * n, sizeof *a), *b = ops_reals(c, n * depth, r);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = i == j ? ridge : 0;
            for (int64_t k = 0; k < depth; k++) {
                sum += (double)b[i * depth + k] * (double)b[j * depth + k];
            }
            a[i * n + j] = a[j * n + i] = (float)sum;
        }
    }
    return a;
}

/* Gauss and Jordan, of a positive definite matrix. */
static double *invert(ops_case *c, const float *a, int64_t n)
{
    double *x = ops_doubles(c, n * n);
    for (int64_t i = 0; i < n * n; i++) {
        x[i] = (double)a[i];
    }
    for (int64_t k = 0; k < n; k++) {
        double pivot = 1 / x[k * n + k];
        x[k * n + k] = 1;
        for (int64_t j = 0; j < n; j++) {
            x[k * n + j] *= pivot;
        }
        for (int64_t i = 0; i < n; i++) {
            double f = x[i * n + k];
            if (i == k) {
                continue;
            }
            x[i * n + k] = 0;
            for (int64_t j = 0; j < n; j++) {
                x[i * n + j] -= f * x[k * n + j];
            }
        }
    }
    return x;
}

static void spd_inverse_of(int64_t n)
{
    ops_random r = {(uint64_t)n};
    ops_case *c = ops_begin("spd_inverse of %d rows", (int)n);
    float *a = make_definite(c, n, 2, &r);
    double *expected = invert(c, a, n), *size = ops_doubles(c, n * n);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            size[i * n + j] = 1;
            a[i * n + j] = j > i ? -9 : a[i * n + j]; /* not read */
        }
    }
    rk_step_state state = {.step = 3};
    rk_value matrix = ops_variable(c, RK_F32, n, n, a);
    rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
    rk__spd_inverse(ops_program(c), matrix, of_state);
    ops_expect_reals(c, matrix, expected, size, 2e-5);
    ops_expect_exactly(c, of_state, &state);
    ops_run(c, 1);
}

static void spd_inverse(void)
{
    static const int64_t sizes[] = {1, 2, 3, 31, 64, 130, 511, 513};
    for (int i = 0; i < (int)(sizeof sizes / sizeof sizes[0]); i++) {
        spd_inverse_of(sizes[i]);
    }
    if (!getenv("OPS_DEVICE")) {
        spd_inverse_of(1100); /* tiles on all sides of the diagonal one */
    }
}

static void spd_inverse_fails(void)
{
    static const float matrices[][4] = {
        {0, 0, 0, 0}, {1, 2, 2, 1}, {1, 0, NAN, 1}, {1, 1, 1, 1}, {3, 3, 3, 3.000001F}};
    static const float zeros[4] = {0};
    for (int i = 0; i < (int)(sizeof matrices / sizeof matrices[0]); i++) {
        ops_case *c = ops_begin("spd_inverse of matrix %d, which has none", i);
        rk_step_state state = {.step = 6};
        rk_value matrix = ops_variable(c, RK_F32, 2, 2, matrices[i]);
        rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
        rk__spd_inverse(ops_program(c), matrix, of_state);
        rk__step_advance(ops_program(c), of_state);
        state = (rk_step_state){.step = 7,
                                .step_in_epoch = 1,
                                .bad_step = 7,
                                .bad_loss = (double)NAN,
                                .last_loss = (double)NAN};
        ops_expect_exactly(c, of_state, &state);
        ops_expect_exactly(c, matrix, zeros);
        ops_run(c, 1);
    }
}

static void ease_weights(void)
{
    static const int64_t sizes[] = {1, 5, 64, 131};
    for (int s = 0; s < 4; s++) {
        int64_t n = sizes[s];
        ops_random r = {(uint64_t)n};
        ops_case *c = ops_begin("ease_weights of %d items", (int)n);
        float *a = make_definite(c, n, 1, &r);
        double *expected = ops_doubles(c, n * n), *size = ops_doubles(c, n * n);
        for (int64_t e = 0; e < n * n; e++) {
            double value = -(double)a[e] / (double)a[e % n * n + e % n];
            ops_add(&expected[e], &size[e], e / n == e % n ? 0 : value);
        }
        rk_value matrix = ops_variable(c, RK_F32, n, n, a);
        rk__ease_weights(ops_program(c), matrix);
        ops_expect_reals(c, matrix, expected, size, 1e-6);
        ops_run(c, 1);
    }
}

static void ease_factor_of(int64_t users, int64_t items, double chance, double ridge)
{
    ops_random r = {(uint64_t)(users * 1000 + items)};
    ops_case *c = ops_begin("ease_factor of %d users and %d items", (int)users, (int)items);
    ops_graph g = ops_make_graph(c, users, items, chance, &r);
    rk_graph_values graph = ops_graph_inputs(c, &g);
    double *expected = ops_doubles(c, items), *size = ops_doubles(c, items);
    float *inverse = ops_memory(c, users * users, sizeof *inverse);
    for (int64_t u = 0; u < users; u++) { /* small enough that no item's sum reaches 1 */
        for (int64_t v = 0; v <= u; v++) {
            inverse[u * users + v] = inverse[v * users + u] =
                (float)(ops_real(&r) / (2.0 * (double)(users * users)));
        }
    }
    for (int64_t i = 0; i < items; i++) {
        double sum = 0;
        for (int64_t e = g.offsets[users + i]; e < g.offsets[users + i + 1]; e++) {
            for (int64_t f = g.offsets[users + i]; f < g.offsets[users + i + 1]; f++) {
                sum += (double)inverse[g.columns[e] * users + g.columns[f]];
            }
        }
        ops_add(&expected[i], &size[i], -1 / ((1 - sum) / ridge));
    }
    rk_value y = rk__ease_factor(
        ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE},
        ops_input(c, RK_F32, users, users, inverse), (rk_range_attr){users, items}, ridge);
    ops_expect_reals(c, y, expected, size, 1e-6);
    ops_run(c, 1);
}

static void ease_factor(void)
{
    ease_factor_of(1, 1, 1, 0.5);
    ease_factor_of(5, 2, 0, 3);
    ease_factor_of(33, 7, 0.4, 80);
    ease_factor_of(90, 40, 0.6, 2);
}

/* Both ways to the same model: B by the items' matrix; X^T-weighted rows of the users' one. */
static void both_sides_agree(void)
{
    enum { USERS = 20, ITEMS = 13 };
    ops_random r = {5};
    ops_case *c = ops_begin("EASE through items and through users");
    ops_graph g = ops_make_graph(c, USERS, ITEMS, 0.4, &r);
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_csr_values rows = {graph.offsets, graph.columns, RK_NONE};
    rk_program *p = ops_program(c);
    float *a = ops_memory(c, ITEMS * ITEMS, sizeof *a);
    for (int64_t i = 0; i < ITEMS; i++) {
        for (int64_t e = g.offsets[USERS + i]; e < g.offsets[USERS + i + 1]; e++) {
            for (int64_t f = g.offsets[g.columns[e]]; f < g.offsets[g.columns[e] + 1]; f++) {
                a[i * ITEMS + g.columns[f] - USERS] += 1;
            }
        }
        a[i * ITEMS + i] += 4;
    }
    double *inverse = invert(c, a, ITEMS), *expected = ops_doubles(c, ITEMS);
    double *size = ops_doubles(c, ITEMS);
    for (int64_t i = 0; i < ITEMS; i++) {
        ops_add(&expected[i], &size[i], -1 / inverse[i * ITEMS + i]);
    }
    rk_step_state state = {.step = 3};
    rk_value matrix = ops_variable(c, RK_F32, USERS, USERS, NULL);
    rk__count_gram(p, rows, (rk_range_attr){0, USERS}, 4, matrix);
    rk__spd_inverse(p, matrix, ops_variable(c, RK_STATE, 1, 1, &state));
    rk_value y = rk__ease_factor(p, rows, matrix, (rk_range_attr){USERS, ITEMS}, 4);
    ops_expect_reals(c, y, expected, size, 1e-5);
    ops_run(c, 1);
}

const ops_entry ops_cases_ease[] = {
    {RK_OP_COUNT_GRAM, count_gram},
    {RK_OP_SPD_INVERSE, spd_inverse},
    {RK_OP_SPD_INVERSE, spd_inverse_fails},
    {RK_OP_EASE_WEIGHTS, ease_weights},
    {RK_OP_EASE_FACTOR, ease_factor},
    {RK_OP_EASE_FACTOR, both_sides_agree},
    {RK_OP_COUNT, NULL},
};
