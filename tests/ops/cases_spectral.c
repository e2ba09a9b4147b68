/* Singular vectors: products with a side, an orthonormal basis, eigenvectors of a small matrix. */
#include <math.h>
#include <string.h>

#include "ops/basis_draw.h"
#include "ops/harness.h"

/* ---- products with a side ---- */

typedef struct product_case {
    int64_t users, items, d;
    double chance;
    bool of_items, whole, has_values, has_scale;
} product_case;

static void side_product_of(const product_case *t)
{
    ops_random r = {(uint64_t)(t->users * 1000 + t->d) + t->of_items};
    ops_case *c = ops_begin("side_product of %d users and %d items, width %d, variant %d%d%d%d",
                            (int)t->users, (int)t->items, (int)t->d, t->of_items, t->whole,
                            t->has_values, t->has_scale);
    const ops_graph g = ops_make_graph(c, t->users, t->items, t->chance, &r);
    const rk_graph_values graph = ops_graph_inputs(c, &g);
    int64_t first = t->of_items ? t->users : 0, n = t->of_items ? t->items : t->users;
    int64_t other = t->of_items ? 0 : t->users, n_other = g.n_nodes - n, d = t->d;
    float *x = ops_reals(c, n_other * d, &r), *values = ops_reals(c, 2 * g.n_edges, &r);
    double *all = ops_doubles(c, g.n_nodes * d), *size = ops_doubles(c, g.n_nodes * d);
    for (int64_t i = 0; i < n_other * d; i++) {
        ops_add(&all[other * d + i], &size[other * d + i], (double)x[i]);
    }
    for (int64_t row = first; row < first + n; row++) {
        for (int64_t e = g.offsets[row]; e < g.offsets[row + 1]; e++) {
            int64_t column = g.columns[e];
            double w = t->has_values ? (double)values[e] : 1;
            w *= t->has_scale ? (double)g.scale[row] * (double)g.scale[column] : 1;
            for (int64_t j = 0; j < d; j++) {
                ops_add(&all[row * d + j], &size[row * d + j],
                        w * (double)x[(column - other) * d + j]);
            }
        }
    }
    const rk_csr_values rows = {graph.offsets, graph.columns,
                                t->has_values ? ops_input(c, RK_F32, 2 * g.n_edges, 1, values)
                                              : RK_NONE};
    rk_value y =
        rk__side_product(ops_program(c), rows, t->has_scale ? graph.scale : RK_NONE,
                         ops_input(c, RK_F32, n_other, d, x), (rk_side_attr){first, n, t->whole});
    int64_t from = t->whole ? 0 : first * d;
    ops_expect_reals(c, y, all + from, size + from, 2e-6);
    ops_run(c, 1);
}

static void side_product(void)
{
    static const int64_t widths[] = {1, 16, 33, 64};
    for (int variant = 0; variant < 16; variant++) {
        product_case t = {33,
                          17,
                          widths[variant % 4],
                          0.4,
                          variant & 1,
                          (variant & 2) != 0,
                          (variant & 4) != 0,
                          (variant & 8) != 0};
        side_product_of(&t);
        t.users = 5;
        t.items = 2;
        t.chance = variant % 3 ? 0.7 : 0;
        t.d = widths[3 - variant % 4];
        side_product_of(&t);
    }
}

/* ---- the basis ---- */

static void draw_columns(void)
{
    enum { ROWS = 70, COLUMNS = 9 };
    for (int64_t drawn = 0; drawn <= COLUMNS; drawn += 3) {
        ops_case *c = ops_begin("draw_columns, %d of %d", (int)drawn, COLUMNS);
        double *expected = ops_doubles(c, ROWS * COLUMNS), *size = ops_doubles(c, ROWS * COLUMNS);
        for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
            int64_t row = i / COLUMNS, j = i % COLUMNS;
            double value = j < drawn ? (double)rk__basis_draw(77, 3, row * drawn + j) : 0;
            ops_add(&expected[i], &size[i], value);
        }
        const rk_step_state state = {.seed = 77};
        rk_value y = rk__draw_columns(ops_program(c), ops_variable(c, RK_STATE, 1, 1, &state), ROWS,
                                      COLUMNS, drawn, 3);
        ops_expect_reals(c, y, expected, size, 1e-6);
        ops_run(c, 1);
    }
}

/* What an operation may write to. */
static rk_value temporary(ops_case *c, int64_t rows, int64_t columns, const float *x)
{
    const float one = 1;
    rk_value input = ops_input(c, RK_F32, rows, columns, x);
    return rk__combine(ops_program(c), &input, &one, 1);
}

static void project_out_of(int64_t n, int64_t width, int64_t used, int64_t b)
{
    ops_random r = {(uint64_t)(n * 100 + used)};
    ops_case *c = ops_begin("project_out of %d rows: %d of %d columns from %d", (int)n, (int)used,
                            (int)width, (int)b);
    float *q = ops_reals(c, n * width, &r), *y = ops_reals(c, n * b, &r);
    double *dots = ops_doubles(c, used * b), *dot_size = ops_doubles(c, used * b);
    double *rest = ops_doubles(c, n * b), *rest_size = ops_doubles(c, n * b);
    for (int64_t i = 0; i < used * b; i++) {
        for (int64_t row = 0; row < n; row++) {
            ops_add(&dots[i], &dot_size[i],
                    (double)q[row * width + i / b] * (double)y[row * b + i % b]);
        }
    }
    for (int64_t i = 0; i < n * b; i++) {
        ops_add(&rest[i], &rest_size[i], (double)y[i]);
        for (int64_t k = 0; k < used; k++) {
            const double by = (double)q[i / b * width + k];
            rest[i] -= by * dots[k * b + i % b];
            rest_size[i] += fabs(by) * dot_size[k * b + i % b];
        }
    }
    const rk_projected out = rk__project_out(ops_program(c), ops_input(c, RK_F32, n, width, q),
                                             temporary(c, n, b, y), used);
    ops_expect_reals(c, out.coefficients, dots, dot_size, 2e-6);
    ops_expect_reals(c, out.y, rest, rest_size, 2e-6);
    ops_run(c, 1);
}

static void project_out(void)
{
    project_out_of(1, 1, 1, 1);
    project_out_of(5, 7, 3, 2);
    project_out_of(70, 40, 33, 16);
    project_out_of(1100, 35, 35, 3); /* several strips and parts */
    project_out_of(2500, 3, 2, 33);
}

/* Two blocks, the second one in place; what is below the diagonal is not read. */
static void put_coefficients(void)
{
    enum { SIZE = 7, FIRST = 3, SECOND = 2, USED = FIRST + SECOND };
    ops_random r = {5};
    ops_case *c = ops_begin("put_coefficients");
    double *a = ops_doubles(c, FIRST * FIRST), *b = ops_doubles(c, USED * SECOND);
    double *expected = ops_doubles(c, SIZE * SIZE);
    for (int64_t i = 0; i < FIRST * FIRST; i++) {
        a[i] = ops_real(&r);
        if (i / FIRST <= i % FIRST) {
            expected[i / FIRST * SIZE + i % FIRST] = expected[i % FIRST * SIZE + i / FIRST] = a[i];
        }
    }
    for (int64_t i = 0; i < USED * SECOND; i++) {
        int64_t row = i / SECOND, column = FIRST + i % SECOND;
        b[i] = ops_real(&r);
        if (row <= column) {
            expected[row * SIZE + column] = expected[column * SIZE + row] = b[i];
        }
    }
    rk_value matrix = rk__put_coefficients(ops_program(c), RK_NONE,
                                           ops_input(c, RK_F64, FIRST, FIRST, a), 0, SIZE);
    matrix = rk__put_coefficients(ops_program(c), matrix, ops_input(c, RK_F64, USED, SECOND, b),
                                  FIRST, SIZE);
    ops_expect_exactly(c, matrix, expected);
    ops_run(c, 1);
}

/* Gram and Schmidt in double; columns whose `depends` is set are taken as zeros. */
static void gram_schmidt(double *x, int64_t n, int64_t b, const bool *depends)
{
    for (int64_t j = 0; j < b; j++) {
        double length = 0;
        for (int64_t pass = 0; pass < 2; pass++) {
            for (int64_t k = 0; k < j; k++) {
                double dot = 0;
                for (int64_t row = 0; row < n; row++) {
                    dot += x[row * b + k] * x[row * b + j];
                }
                for (int64_t row = 0; row < n; row++) {
                    x[row * b + j] -= dot * x[row * b + k];
                }
            }
        }
        for (int64_t row = 0; row < n; row++) {
            length += x[row * b + j] * x[row * b + j];
        }
        for (int64_t row = 0; row < n; row++) {
            x[row * b + j] = depends[j] ? 0 : x[row * b + j] / sqrt(length);
        }
    }
}

enum { MOST_COLUMNS = 80, SEED = 11, STREAM = 4 };

/* Of random columns; two of them depend on others if there are enough, one is 0. */
static void orthonormalise_of(int64_t n, int64_t b, bool fills, bool has_dependent)
{
    ops_random r = {(uint64_t)(n * 100 + b)};
    ops_case *c = ops_begin("orthonormalise %d columns of %d rows, variant %d%d", (int)b, (int)n,
                            fills, has_dependent);
    bool depends[MOST_COLUMNS] = {false};
    float *y = ops_reals(c, n * b, &r);
    double *x = ops_doubles(c, n * b), *size = ops_doubles(c, n * b);
    const double unit = sqrt(3 / (double)n); /* of about unit length */
    for (int64_t row = 0; row < n; row++) {
        float *at = y + row * b;
        for (int64_t j = 0; j < b; j++) {
            at[j] *= (float)unit;
        }
        if (has_dependent) {
            at[1] = 0;
            at[3] = 0.5f * at[0];
            at[b - 1] = at[0] - at[2];
        }
    }
    if (has_dependent) {
        depends[1] = depends[3] = depends[b - 1] = true;
    }
    for (int64_t i = 0; i < n * b; i++) {
        x[i] = (double)y[i];
        size[i] = 1;
    }
    gram_schmidt(x, n, b, depends);
    for (int64_t i = 0; i < n * b; i++) {
        if (depends[i % b] && fills) {
            x[i] = (double)rk__basis_draw(SEED, STREAM, i) / sqrt((double)n);
        }
    }
    const rk_step_state state = {.seed = SEED};
    rk_value out = rk__orthonormalise(ops_program(c), temporary(c, n, b, y),
                                      ops_variable(c, RK_STATE, 1, 1, &state), fills, STREAM);
    ops_expect_reals(c, out, x, size, 1e-5);
    ops_run(c, 1);
}

static void orthonormalise(void)
{
    for (int fills = 0; fills < 2; fills++) {
        orthonormalise_of(1, 1, fills, false);
        orthonormalise_of(40, 5, fills, true);
        orthonormalise_of(200, 33, fills, true);
        orthonormalise_of(1100, MOST_COLUMNS, fills, false);
    }
}

static void put_columns(void)
{
    enum { ROWS = 70, WIDTH = 9, B = 4, FIRST = 3 };
    ops_random r = {6};
    ops_case *c = ops_begin("put_columns");
    float *basis = ops_reals(c, ROWS * WIDTH, &r), *x = ops_reals(c, ROWS * B, &r);
    float *expected = ops_memory(c, ROWS * WIDTH, sizeof *expected);
    for (int64_t i = 0; i < ROWS * WIDTH; i++) {
        int64_t j = i % WIDTH - FIRST;
        expected[i] = j >= 0 && j < B ? x[i / WIDTH * B + j] : basis[i];
    }
    rk_value y = rk__put_columns(ops_program(c), temporary(c, ROWS, WIDTH, basis),
                                 ops_input(c, RK_F32, ROWS, B, x), FIRST);
    ops_expect_exactly(c, y, expected);
    ops_run(c, 1);
}

/* ---- eigenvalues ---- */

/* Power iteration with deflation on a [n,n], which is destroyed: value i, its vector into v. */
static double largest_pair(double *a, int64_t n, double *v, double *next)
{
    double value = 0;
    for (int64_t i = 0; i < n; i++) {
        v[i] = 1 / sqrt((double)n) + 0.01 * (double)i;
    }
    for (int step = 0; step < 400; step++) {
        double square = 0;
        for (int64_t i = 0; i < n; i++) {
            next[i] = 0;
            for (int64_t j = 0; j < n; j++) {
                next[i] += a[i * n + j] * v[j];
            }
            square += next[i] * next[i];
        }
        value = sqrt(square);
        for (int64_t i = 0; i < n; i++) {
            v[i] = next[i] / value;
        }
    }
    int64_t largest = 0;
    for (int64_t i = 0; i < n * n; i++) {
        a[i] -= value * v[i / n] * v[i % n];
    }
    for (int64_t i = 1; i < n; i++) {
        largest = fabs(v[i]) > fabs(v[largest]) ? i : largest;
    }
    double sign = v[largest] < 0 ? -1 : 1;
    for (int64_t i = 0; i < n; i++) {
        v[i] *= sign;
    }
    return value;
}

/* A matrix whose eigenvalues fall by a factor: sum of 0.8^k times random directions made
 * orthonormal. */
static double *make_gram(ops_case *c, int64_t n, ops_random *r)
{
    static const bool none[MOST_COLUMNS] = {false};
    double *q = ops_doubles(c, n * n), *a = ops_doubles(c, n * n);
    for (int64_t i = 0; i < n * n; i++) {
        q[i] = ops_real(r);
    }
    gram_schmidt(q, n, n, none);
    for (int64_t i = 0; i < n * n; i++) {
        for (int64_t k = 0; k < n; k++) {
            a[i] += 3 * pow(0.8, (double)k) * q[i / n * n + k] * q[i % n * n + k];
        }
    }
    return a;
}

static void ritz_of(int64_t width, int64_t used, int64_t kept)
{
    ops_random r = {(uint64_t)(width * 100 + used)};
    ops_case *c =
        ops_begin("ritz: %d values of %d of %d columns", (int)kept, (int)used, (int)width);
    double *a = make_gram(c, used, &r), *full = ops_doubles(c, width * width);
    double *vectors = ops_doubles(c, kept * width), *matrix = ops_doubles(c, width * width);
    double *roots = ops_doubles(c, kept), *next = ops_doubles(c, used);
    double *size = ops_doubles(c, width * width);
    for (int64_t i = 0; i < width * width; i++) {
        int64_t row = i / width, j = i % width;
        full[i] = row < used && j < used ? a[row * used + j] : 9; /* else not read */
        size[i] = 1;
    }
    for (int64_t k = 0; k < kept; k++) {
        matrix[k * width + k] = largest_pair(a, used, vectors + k * width, next);
        roots[k] = sqrt(matrix[k * width + k]);
    }
    const rk_step_state state = {.step = 2};
    rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
    rk_value given = rk__put_coefficients(ops_program(c), RK_NONE,
                                          ops_input(c, RK_F64, width, width, full), 0, width);
    const rk_ritz_values out = rk__ritz(ops_program(c), given, of_state, used, kept);
    ops_expect_reals(c, out.roots, roots, size, 1e-6);
    ops_expect_reals(c, out.vectors, vectors, size, 1e-6);
    ops_expect_reals(c, out.matrix, matrix, size, 1e-9);
    ops_expect_exactly(c, of_state, &state);
    ops_run(c, 1);
}

static void ritz(void)
{
    ritz_of(1, 1, 1);
    ritz_of(3, 2, 2);
    ritz_of(5, 5, 2);
    ritz_of(40, 33, 12);
}

static void ritz_fails(void)
{
    static const double bad[4] = {1, NAN, NAN, 1};
    ops_case *c = ops_begin("ritz of what is not finite");
    rk_step_state state = {.step = 6};
    rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
    rk_value given =
        rk__put_coefficients(ops_program(c), RK_NONE, ops_input(c, RK_F64, 2, 2, bad), 0, 2);
    rk__ritz(ops_program(c), given, of_state, 2, 1);
    rk__step_advance(ops_program(c), of_state);
    state = (rk_step_state){.step = 7,
                            .step_in_epoch = 1,
                            .bad_step = 7,
                            .bad_loss = (double)NAN,
                            .last_loss = (double)NAN};
    ops_expect_exactly(c, of_state, &state);
    ops_expect_divergence(c);
    ops_run(c, 1);
}

const ops_entry ops_cases_spectral[] = {
    {RK_OP_SIDE_PRODUCT, side_product},
    {RK_OP_DRAW_COLUMNS, draw_columns},
    {RK_OP_PROJECT_OUT, project_out},
    {RK_OP_PUT_COEFFICIENTS, put_coefficients},
    {RK_OP_ORTHONORMALISE, orthonormalise},
    {RK_OP_PUT_COLUMNS, put_columns},
    {RK_OP_RITZ, ritz},
    {RK_OP_RITZ, ritz_fails},
    {RK_OP_COUNT, NULL},
};
