/* Sums over blocks: the fetching of rows of x is that of propagations; and what types make of sums.
 */
#ifndef RK_DEVICE_CPU_ISA_AGGREGATE_H
#define RK_DEVICE_CPU_ISA_AGGREGATE_H

#include "device/cpu/isa_propagate.h"
#include "ops/node.h"

INLINE void runs_of_width(const float *x, int64_t d, const edge_list *edges,
                          const rk_edge_run *runs, int32_t n, const int exact)
{
    for (int32_t i = 0; i < n; i++) {
        sum_row(edges, 0, runs[i].begin, runs[i].end, (const char *)x, 0, d, runs[i].factor,
                runs[i].y, exact);
    }
}

static void sum_runs(const float *x, int64_t d, const int32_t *index, const float *weight,
                     int64_t end, const rk_edge_run *runs, int32_t n)
{
    const edge_list edges = {index, weight, end};
    BY_WIDTH(runs_of_width, d, x, d, &edges, runs, n);
}

static void compose(const rk_composition *phi, const float *x, float *y)
{
    const float *z = phi->z;
    const int64_t d = phi->d, s = phi->size;
    switch (phi->kind) {
    case RK_COMPOSE_SUB:
        for (int64_t j = 0; j < d; j++) {
            y[j] += x[j] - phi->weight * z[j];
        }
        break;
    case RK_COMPOSE_MULT:
        for (int64_t j = 0; j < d; j++) {
            y[j] += x[j] * z[j];
        }
        break;
    case RK_COMPOSE_CORR:
        for (int64_t j = 0; j < d; j += 2) {
            y[j] += x[j] * z[j] + x[j + 1] * z[j + 1];
            y[j + 1] += x[j] * z[j + 1] - x[j + 1] * z[j];
        }
        break;
    case RK_COMPOSE_BLOCKS:
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < s; j++) {
                y[i - i % s + j] += x[i] * z[i * s + j];
            }
        }
        break;
    case RK_COMPOSE_BLOCKS_BACK:
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < s; j++) {
                y[i] += x[i - i % s + j] * z[i * s + j];
            }
        }
        break;
    default:
        for (int64_t j = 0; j < d; j++) {
            y[j] += x[j];
        }
    }
}

static void compose_grad(const rk_composition *phi, const float *x, const float *g, double *z)
{
    const int64_t d = phi->d, s = phi->size;
    switch (phi->kind) {
    case RK_COMPOSE_SUB:
        for (int64_t j = 0; j < d; j++) {
            z[j] -= (double)(phi->weight * g[j]);
        }
        break;
    case RK_COMPOSE_MULT:
        for (int64_t j = 0; j < d; j++) {
            z[j] += (double)(x[j] * g[j]);
        }
        break;
    case RK_COMPOSE_CORR:
        for (int64_t j = 0; j < d; j += 2) {
            z[j] += (double)(x[j] * g[j] - x[j + 1] * g[j + 1]);
            z[j + 1] += (double)(x[j] * g[j + 1] + x[j + 1] * g[j]);
        }
        break;
    default: /* blocks, and those transposed: of row i x_i g_j, or g_i x_j */
        for (int64_t i = 0; i < d; i++) {
            const float *of_row = phi->kind == RK_COMPOSE_BLOCKS ? x : g;
            const float *of_column = phi->kind == RK_COMPOSE_BLOCKS ? g : x;
            for (int64_t j = 0; j < s; j++) {
                z[i * s + j] += (double)(of_row[i] * of_column[i - i % s + j]);
            }
        }
    }
}

#endif
