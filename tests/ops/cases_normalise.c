/* Normalisation of columns and its gradients, against the formulas in double. */
#include "ops/harness.h"

#include <math.h>

static const struct table_shape {
    int64_t rows, cols;
    double mean; /* of the columns, about */
} shapes[] = {{1, 3, 0}, {2, 1, 0}, {7, 5, 1}, {300, 33, 0}, {1000, 64, 100}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct scene {
    ops_case *c;
    ops_random r;
    int64_t n, d;
    float *x, *gain, *shift;
    double *mean, *inverse; /* one behind the other */
    rk_value of_x, of_gain, of_shift;
} scene;

/* Column 0 is all the same number. */
static scene begin(const char *what, int i)
{
    scene s = {.c = ops_begin("%s, shape %d", what, i),
               .r = {(uint64_t)i + 1},
               .n = shapes[i].rows,
               .d = shapes[i].cols};
    s.x = ops_reals(s.c, s.n * s.d, &s.r);
    s.gain = ops_reals(s.c, s.d, &s.r);
    s.shift = ops_reals(s.c, s.d, &s.r);
    s.mean = ops_doubles(s.c, 2 * s.d);
    s.inverse = s.mean + s.d;
    for (int64_t j = 0; j < s.n * s.d; j++) {
        s.x[j] = j % s.d == 0 ? 0.25f : (float)((double)s.x[j] + shapes[i].mean);
        s.mean[j % s.d] += (double)s.x[j] / (double)s.n;
    }
    for (int64_t j = 0; j < s.n * s.d; j++) {
        const double away = (double)s.x[j] - s.mean[j % s.d];
        s.inverse[j % s.d] += away * away / (double)s.n;
    }
    for (int64_t c = 0; c < s.d; c++) {
        s.inverse[c] = 1 / sqrt(s.inverse[c] + 1e-5);
    }
    s.of_x = ops_input(s.c, RK_F32, s.n, s.d, s.x);
    s.of_gain = ops_input(s.c, RK_F32, 1, s.d, s.gain);
    s.of_shift = ops_input(s.c, RK_F32, 1, s.d, s.shift);
    return s;
}

static double normalised(const scene *s, int64_t j)
{
    return ((double)s->x[j] - s->mean[j % s->d]) * s->inverse[j % s->d];
}

static void normalise_columns(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        scene s = begin("normalise_columns", i);
        double *y = ops_doubles(s.c, s.n * s.d), *size = ops_doubles(s.c, s.n * s.d);
        for (int64_t j = 0; j < s.n * s.d; j++) {
            ops_add(&y[j], &size[j], normalised(&s, j) * (double)s.gain[j % s.d]);
            ops_add(&y[j], &size[j], (double)s.shift[j % s.d]);
        }
        rk_value out = rk__normalise_columns(ops_program(s.c), s.of_x, s.of_gain, s.of_shift);
        ops_expect_reals(s.c, out, y, size, 1e-6);
        ops_run(s.c, 1);
    }
}

/* The derivative of y_r by x_q is gain inverse ((r == q) - 1/n - n_r n_q / n). */
static void normalise_columns_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        scene s = begin("normalise_columns_grad", i);
        float *g = ops_reals(s.c, s.n * s.d, &s.r);
        double *dx = ops_doubles(s.c, s.n * s.d), *of_x = ops_doubles(s.c, s.n * s.d);
        double *gain = ops_doubles(s.c, s.d), *of_gain = ops_doubles(s.c, s.d);
        double *shift = ops_doubles(s.c, s.d), *of_shift = ops_doubles(s.c, s.d);
        for (int64_t j = 0; j < s.n * s.d; j++) {
            ops_add(&gain[j % s.d], &of_gain[j % s.d], (double)g[j] * normalised(&s, j));
            ops_add(&shift[j % s.d], &of_shift[j % s.d], (double)g[j]);
        }
        for (int64_t j = 0; j < s.n * s.d; j++) {
            const int64_t c = j % s.d;
            const double scale = (double)s.gain[c] * s.inverse[c], m = (double)s.n;
            ops_add(&dx[j], &of_x[j], scale * (double)g[j]);
            ops_add(&dx[j], &of_x[j], -scale * shift[c] / m);
            ops_add(&dx[j], &of_x[j], -scale * normalised(&s, j) * gain[c] / m);
        }
        const rk_value in[] = {s.of_x, s.of_gain, ops_input(s.c, RK_F64, 2, s.d, s.mean),
                               ops_input(s.c, RK_F32, s.n, s.d, g)};
        rk_program *p = ops_program(s.c);
        rk_value out = ops_append(s.c, RK_OP_NORMALISE_COLUMNS_GRAD, in, 4, (rk_attr){0});
        const rk_node *node = &p->nodes[p->n_nodes - 1];
        ops_expect_reals(s.c, out, dx, of_x, 1e-6);
        ops_expect_reals(s.c, node->out[1], gain, of_gain, 1e-6);
        ops_expect_reals(s.c, node->out[2], shift, of_shift, 1e-6);
        ops_run(s.c, 1);
    }
}

const ops_entry ops_cases_normalise[] = {
    {RK_OP_NORMALISE_COLUMNS, normalise_columns},
    {RK_OP_NORMALISE_COLUMNS_GRAD, normalise_columns_grad},
    {RK_OP_COUNT, NULL},
};
