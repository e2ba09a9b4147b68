/*
 * L2 on the rows of a batch, with the factors of its gradient.
 *
 *   squared: w/2 sum_s |x_s|^2 / D;  norm: w (|U| + |P| + |N|) / D, Frobenius norms; unique rows: a
 *   node counts once, and once in each of the three groups where these have a norm each
 *
 * D is the divisor. Sums over the batch are taken in double, in one block, in a fixed order.
 */
#include "slots.cuh"

#include "base/choices.h"

namespace
{

/* How often a row occurs as user, positive and chosen negative, times |x|^2: terms[kind][row]; the
 * counts themselves are kept behind them for the factors. */
__global__ void __launch_bounds__(rk::BLOCK)
    l2_terms(const float *__restrict__ x, const int32_t *__restrict__ segments,
             const int32_t *__restrict__ order, const int32_t *__restrict__ count,
             const int32_t *__restrict__ chosen, double *__restrict__ terms,
             float *__restrict__ occurrences, int64_t n_rows, int64_t batch, int64_t n_candidates,
             int64_t d, int32_t form, int32_t which)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = rk::number_of_warp();
    if (r >= n_rows) {
        return; /* the whole warp */
    }
    float times[3] = {0.0f, 0.0f, 0.0f};
    double square = 0.0;
    if (r < *count) {
        for (int32_t e = segments[r] + lane; e < segments[r + 1]; e += rk::WARP) {
            const int64_t slot = order[e];
            const int kind = slot < batch ? 0 : slot < 2 * batch ? 1 : 2;
            const int64_t b = kind == 2 ? (slot - 2 * batch) / n_candidates : 0;
            const bool counts =
                kind < 2 || !chosen || slot == rk::negative_slot(chosen, b, batch, n_candidates);
            times[0] += counts && kind == 0 ? 1.0f : 0.0f;
            times[1] += counts && kind == 1 ? 1.0f : 0.0f;
            times[2] += counts && kind == 2 ? 1.0f : 0.0f;
        }
        for (int64_t i = lane; i < d; i += rk::WARP) {
            square += (double)x[r * d + i] * (double)x[r * d + i];
        }
    }
    square = rk::warp_sum(square);
    float n_positive = 0.0f;
    for (int kind = 0; kind < 3; kind++) {
        float n = rk::warp_sum(times[kind]);
        if (which == RK_L2_UNIQUE) {
            n = n > 0.0f ? 1.0f : 0.0f;
            n = kind == 2 && form == RK_L2_SQUARED && n_positive > 0.0f ? 0.0f : n;
            n_positive = kind == 1 ? n : n_positive;
        }
        if (lane == 0) {
            terms[kind * n_rows + r] = n * square;
            occurrences[kind * n_rows + r] = n;
        }
    }
}

/* Loss, and the factor of each kind: group_factor[3]. */
__global__ void __launch_bounds__(rk::BLOCK)
    l2_sum(const double *__restrict__ terms, const rk_step_state *__restrict__ state,
           double *__restrict__ loss, double *__restrict__ group_factor, int64_t n_rows,
           int64_t batch, double weight, int32_t form, int32_t divisor)
{
    rk::begin();
    __shared__ double shared[rk::BLOCK];
    double total = 0.0;
    const int64_t count = rk__step_count(state);
    const double by = divisor == RK_L2_ACTUAL    ? (double)(count > 0 ? count : 1)
                      : divisor == RK_L2_NOMINAL ? (double)batch
                                                 : 1.0;
    for (int kind = 0; kind < 3; kind++) {
        const double sum = rk::block_sum(terms + kind * n_rows, n_rows, shared);
        const double norm = sqrt(sum);
        total += form == RK_L2_SQUARED ? 0.5 * sum : norm;
        if (threadIdx.x == 0) {
            group_factor[kind] = weight / by *
                                 (form == RK_L2_SQUARED ? 1.0
                                  : norm > 0.0          ? 1.0 / norm
                                                        : 0.0);
        }
    }
    if (threadIdx.x == 0) {
        *loss = weight / by * total;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    l2_factors(const float *__restrict__ occurrences, const double *__restrict__ group_factor,
               float *__restrict__ factor, int64_t n_rows)
{
    rk::begin();
    const int64_t r = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (r < n_rows) {
        double sum = 0.0;
        for (int kind = 0; kind < 3; kind++) {
            sum += (double)occurrences[kind * n_rows + r] * group_factor[kind];
        }
        factor[r] = (float)sum;
    }
}

} // namespace

/* Terms of the three kinds, the kinds' factors, and how often each row occurs. */
int64_t rk_cuda_scratch_l2_loss(const rk_call *call)
{
    return (5 * rk__in(call, 0)->rows + 4) * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_l2_loss(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    const rk_l2_attr *a = &call->node->attr.l2;
    double *terms = static_cast<double *>(call->scratch), *group_factor = terms + 3 * x->rows;
    float *occurrences = reinterpret_cast<float *>(group_factor + 4);
    if (x->rows == 0) {
        return cudaSuccess;
    }
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(x->rows), l2_terms, rk::in(call, 0),
                          rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 5), terms,
                          occurrences, x->rows, a->batch, rk::candidates_of(call, 2, a->batch),
                          x->cols, a->form, a->rows));
    RK_TRY_LAUNCH(rk::run(call->stream, {1}, l2_sum, terms, rk::in(call, 4), rk::out(call, 0),
                          group_factor, x->rows, a->batch, a->weight, a->form, a->divisor));
    return rk::run(call->stream, rk::a_thread_each(x->rows), l2_factors, occurrences, group_factor,
                   rk::out(call, 1), x->rows);
}
