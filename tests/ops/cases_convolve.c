/* Patches of images, and columns normalised by given statistics, against plain loops. */
#include <math.h>

#include "ops/harness.h"

static const struct image_shape {
    int64_t images;
    rk_patches_attr a;
} shapes[] = {{1, {1, 1, 1}}, {3, {4, 5, 3}}, {70, {8, 3, 3}}, {130, {6, 7, 1}}, {5, {20, 10, 7}}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* Which element of an image a number of the patches is. */
static int64_t element_of(const rk_patches_attr *a, int64_t i)
{
    const int64_t square = a->size * a->size, across = a->width - a->size + 1;
    const int64_t places = across * (a->height - a->size + 1);
    const int64_t image = i / square / places, place = i / square % places, at = i % square;
    return image * a->height * a->width + (place / across + at / a->size) * a->width +
           place % across + at % a->size;
}

static int64_t patch_elements(const struct image_shape *s)
{
    const rk_patches_attr *a = &s->a;
    return s->images * (a->height - a->size + 1) * (a->width - a->size + 1) * a->size * a->size;
}

static void patches(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        const struct image_shape *s = &shapes[i];
        ops_case *c = ops_begin("patches, shape %d", i);
        ops_random r = {(uint64_t)(i + 1)};
        const int64_t area = s->a.height * s->a.width, n = patch_elements(s);
        float *x = ops_reals(c, s->images * area, &r), *y = ops_memory(c, n, sizeof *y);
        for (int64_t j = 0; j < n; j++) {
            y[j] = x[element_of(&s->a, j)];
        }
        rk_value of_x = ops_input(c, RK_F32, s->images, area, x);
        ops_expect_exactly(c, rk__patches(ops_program(c), of_x, s->a), y);
        ops_run(c, 1);
    }
}

static void patches_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        const struct image_shape *s = &shapes[i];
        ops_case *c = ops_begin("patches_grad, shape %d", i);
        ops_random r = {(uint64_t)(i + 1)};
        const int64_t area = s->a.height * s->a.width, n = patch_elements(s);
        const int64_t square = s->a.size * s->a.size;
        float *g = ops_reals(c, n, &r);
        double *y = ops_doubles(c, s->images * area), *size = ops_doubles(c, s->images * area);
        for (int64_t j = 0; j < n; j++) {
            const int64_t at = element_of(&s->a, j);
            ops_add(&y[at], &size[at], (double)g[j]);
        }
        rk_value in[] = {ops_input(c, RK_F32, n / square, square, g)};
        rk_value out = ops_append(c, RK_OP_PATCHES_GRAD, in, 1, (rk_attr){.patches = s->a});
        ops_expect_reals(c, out, y, size, 1e-6);
        ops_run(c, 1);
    }
}

static void normalise_by(void)
{
    static const int64_t sizes[][2] = {{1, 1}, {7, 3}, {130, 65}};
    for (int i = 0; i < 3; i++) {
        const int64_t n = sizes[i][0], d = sizes[i][1];
        ops_case *c = ops_begin("normalise_by, shape %d", i);
        ops_random r = {(uint64_t)(i + 1)};
        float *x = ops_reals(c, n * d, &r), *gain = ops_reals(c, d, &r);
        float *shift = ops_reals(c, d, &r);
        double *statistics = ops_doubles(c, 2 * d), *y = ops_doubles(c, n * d);
        double *size = ops_doubles(c, n * d);
        for (int64_t k = 0; k < d; k++) {
            statistics[k] = ops_real(&r);
            statistics[d + k] = 2 + ops_real(&r);
        }
        for (int64_t j = 0; j < n * d; j++) {
            const int64_t k = j % d;
            const double by = (double)gain[k] * statistics[d + k];
            y[j] = ((double)x[j] - statistics[k]) * by + (double)shift[k];
            size[j] = fabs(by) * (fabs((double)x[j]) + fabs(statistics[k])) + 1;
        }
        rk_value of_x = ops_input(c, RK_F32, n, d, x), of_gain = ops_input(c, RK_F32, 1, d, gain);
        rk_value of_shift = ops_input(c, RK_F32, 1, d, shift);
        rk_value of_statistics = ops_input(c, RK_F64, 2, d, statistics);
        ops_expect_reals(c,
                         rk__normalise_by(ops_program(c), of_x, of_gain, of_shift, of_statistics),
                         y, size, 1e-6);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_convolve[] = {
    {RK_OP_PATCHES, patches},
    {RK_OP_PATCHES_GRAD, patches_grad},
    {RK_OP_NORMALISE_BY, normalise_by},
    {RK_OP_COUNT, NULL},
};
