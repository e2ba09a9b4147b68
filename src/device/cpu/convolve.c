/* Patches of rows that are images, and columns normalised by statistics that are there. */
#include "device/cpu/cpu.h"
#include "ops/normalise.h"

void rk__cpu_patches(const rk_call *call)
{
    const rk_patches_attr a = call->node->attr.patches;
    const int64_t down = a.height - a.size + 1, across = a.width - a.size + 1;
    const float *x = call->in[0];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rk__in(call, 0)->rows)
    {
        const float *image = x + r * a.height * a.width;
        float *to = y + r * down * across * a.size * a.size;
        for (int64_t i = 0; i < down; i++) {
            for (int64_t j = 0; j < across; j++) {
                for (int64_t u = 0; u < a.size; u++, to += a.size) {
                    memcpy(to, image + (i + u) * a.width + j, (size_t)a.size * sizeof *to);
                }
            }
        }
    }
}

void rk__cpu_patches_grad(const rk_call *call)
{
    const rk_patches_attr a = call->node->attr.patches;
    const int64_t down = a.height - a.size + 1, across = a.width - a.size + 1;
    const float *g = call->in[0];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rk__out(call, 0)->rows)
    {
        float *image = y + r * a.height * a.width;
        const float *from = g + r * down * across * a.size * a.size;
        rk__zero_row(image, a.height * a.width);
        for (int64_t i = 0; i < down; i++) {
            for (int64_t j = 0; j < across; j++) {
                for (int64_t u = 0; u < a.size; u++, from += a.size) {
                    for (int64_t v = 0; v < a.size; v++) {
                        image[(i + u) * a.width + j + v] += from[v];
                    }
                }
            }
        }
    }
}

void rk__cpu_normalise_by(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const float *x = call->in[0], *gain = call->in[1], *shift = call->in[2];
    const double *mean = call->in[3], *inverse = mean + d;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        for (int64_t c = 0; c < d; c++) {
            y[r * d + c] = rk__normalised(x[r * d + c], mean[c], inverse[c]) * gain[c] + shift[c];
        }
    }
}
