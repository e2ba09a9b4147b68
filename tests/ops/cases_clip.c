/* Clipping of gradients. */
#include "ops/harness.h"

#include <math.h>

static const int64_t sizes[][3][2] = {
    {{1, 1}, {1, 1}, {3, 2}},
    {{7, 3}, {33, 17}, {1, 64}},
    {{700, 64}, {5, 4096}, {130, 130}},
};
enum { N_SIZES = sizeof sizes / sizeof sizes[0], N_GRADIENTS = 3, MANY_GRADIENTS = 27 };

static void clip_factor_of(int i, int n_gradients, bool large)
{
    ops_random r = {(uint64_t)i + 5};
    ops_case *c = ops_begin("clip_factor %d of %d gradients, limit %s", i, n_gradients,
                            large ? "large" : "small");
    rk_value in[MANY_GRADIENTS];
    double *factor = ops_doubles(c, 1), *one = ops_doubles(c, 1), squares = 0;
    for (int k = 0; k < n_gradients; k++) {
        const int64_t *size = sizes[i][k % N_GRADIENTS];
        float *x = ops_reals(c, size[0] * size[1], &r);
        for (int64_t j = 0; j < size[0] * size[1]; j++) {
            squares += (double)x[j] * (double)x[j];
        }
        in[k] = ops_input(c, RK_F32, size[0], size[1], x);
    }
    const float limit = large ? 1e6f : 0.25f;
    *factor = large ? 1 : (double)limit / (sqrt(squares) + 1e-6);
    *one = *factor;
    rk_value out = rk__clip_factor(ops_program(c), in, n_gradients, limit);
    ops_expect_reals(c, out, factor, one, 1e-6);
    ops_run(c, 1);
}

static void clip_factor(void)
{
    for (int i = 0; i < N_SIZES; i++) {
        for (int large = 0; large < 2; large++) {
            clip_factor_of(i, N_GRADIENTS, large);
            clip_factor_of(i, MANY_GRADIENTS, large); /* in several nodes */
        }
    }
}

/* By a factor, by value, by both. */
static void clip(void)
{
    for (int i = 0; i < N_SIZES; i++) {
        for (int how = 0; how < 3; how++) {
            ops_random r = {(uint64_t)i + 9};
            int64_t rows = sizes[i][1][0], cols = sizes[i][1][1], n = rows * cols;
            ops_case *c = ops_begin("clip [%d, %d], way %d", (int)rows, (int)cols, how);
            float by = 0.5f, *x = ops_reals(c, n, &r), *y = ops_memory(c, n, sizeof *y);
            const float limit = how == 0 ? INFINITY : 0.25f;
            for (int64_t j = 0; j < n; j++) {
                float value = how == 1 ? x[j] : x[j] * by;
                y[j] = fmaxf(fminf(value, limit), -limit);
            }
            rk_value factor = how == 1 ? RK_NONE : ops_input(c, RK_F32, 1, 1, &by);
            rk_value in = ops_input(c, RK_F32, rows, cols, x);
            ops_expect_exactly(c, rk__clip(ops_program(c), in, factor, limit), y);
            ops_run(c, 1);
        }
    }
}

const ops_entry ops_cases_clip[] = {
    {RK_OP_CLIP_FACTOR, clip_factor},
    {RK_OP_CLIP, clip},
    {RK_OP_COUNT, NULL},
};
