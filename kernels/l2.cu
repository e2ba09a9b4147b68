/*
 * L2 on the rows of a batch, with its gradient.
 *
 *   squared: w/2 sum_s |x_s|^2 / D;  norm: w (|U| + |P| + |N|) / D, Frobenius norms; unique rows: a
 *   node counts once, and once in each of the three groups where these have a norm each
 *
 * D is the divisor. A warp works on a row; the block that is done last adds the rows' terms, in
 * double and in a fixed order. The gradient of a row is a multiple of the row: in the squared form
 * it is known at once, in the norm form after the sums, by a second kernel.
 */
#include "slots.cuh"

#include "base/choices.h"

namespace
{

constexpr int KINDS = 3; /* users, positives, chosen negatives */

struct l2_work {
    const float *x;
    const int32_t *segments, *order, *count, *chosen;
    const rk_step_state *state;
    double *loss;
    float *gradient;
    double *terms;        /* [kind][row]: times the row occurs, times |x|^2 */
    float *occurrences;   /* [kind][row] */
    double *group_factor; /* [kind] */
    const double *given;  /* [kind]: the sums of squares, where x has but some columns; or NULL */
    double *squares;      /* [kind]: they alone are wanted; or NULL */
    int64_t n_rows, n_candidates, d;
    rk_l2_attr attr;
};

/* weight / D. */
__device__ double scale_of(const l2_work &w)
{
    const int64_t count = rk__step_count(w.state);
    const double by = w.attr.divisor == RK_L2_ACTUAL    ? (double)(count > 0 ? count : 1)
                      : w.attr.divisor == RK_L2_NOMINAL ? (double)w.attr.batch
                                                        : 1.0;
    return w.attr.weight / by;
}

/* How often a row occurs as user, positive and chosen negative; every lane gets it. */
__device__ void count_slots(const l2_work &w, int64_t r, int lane, float times[KINDS])
{
    const int64_t batch = w.attr.batch;
    for (int32_t e = w.segments[r] + lane; e < w.segments[r + 1]; e += rk::WARP) {
        const int64_t slot = w.order[e];
        const int kind = slot < batch ? 0 : slot < 2 * batch ? 1 : 2;
        const int64_t b = kind == 2 ? (slot - 2 * batch) / w.n_candidates : 0;
        const bool counts =
            kind < 2 || !w.chosen || slot == rk::negative_slot(w.chosen, b, batch, w.n_candidates);
        times[0] += counts && kind == 0 ? 1.0f : 0.0f;
        times[1] += counts && kind == 1 ? 1.0f : 0.0f;
        times[2] += counts && kind == 2 ? 1.0f : 0.0f;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        times[kind] = rk::warp_sum(times[kind]);
    }
    if (w.attr.rows == RK_L2_UNIQUE) {
        for (int kind = 0; kind < KINDS; kind++) {
            times[kind] = times[kind] > 0.0f ? 1.0f : 0.0f;
        }
        if (w.attr.form == RK_L2_SQUARED && times[1] > 0.0f) {
            times[2] = 0.0f;
        }
    }
}

/* gradient[r] = factor * x[r], factor = sum of times[kind] * group_factor[kind]. */
__device__ void write_gradient(const l2_work &w, int64_t r, int lane, const float times[KINDS],
                               const double group_factor[KINDS])
{
    double sum = 0.0;
    for (int kind = 0; kind < KINDS; kind++) {
        sum += (double)times[kind] * group_factor[kind];
    }
    const float factor = (float)sum;
    const bool is_used = r < *w.count;
    for (int64_t i = lane; i < w.d; i += rk::WARP) {
        w.gradient[r * w.d + i] = is_used ? factor * w.x[r * w.d + i] : 0.0f;
    }
}

__device__ void row_terms(const l2_work &w, int64_t r, int lane)
{
    float times[KINDS] = {0.0f, 0.0f, 0.0f};
    double square = 0.0;
    if (r < *w.count) {
        count_slots(w, r, lane, times);
        for (int64_t i = lane; i < w.d; i += rk::WARP) {
            square += (double)w.x[r * w.d + i] * (double)w.x[r * w.d + i];
        }
    }
    square = rk::warp_sum(square);
    if (w.attr.form == RK_L2_SQUARED && !w.squares) {
        const double scale = scale_of(w), same[KINDS] = {scale, scale, scale};
        write_gradient(w, r, lane, times, same);
    }
    for (int kind = 0; kind < KINDS && lane == 0; kind++) {
        w.terms[kind * w.n_rows + r] = times[kind] * square;
        w.occurrences[kind * w.n_rows + r] = times[kind];
    }
}

__global__ void __launch_bounds__(rk::BLOCK) l2_terms(l2_work w, int32_t *arrived)
{
    rk::begin();
    __shared__ double shared[rk::BLOCK];
    __shared__ int is_last;
    const int64_t r = rk::number_of_warp();
    if (r < w.n_rows) {
        row_terms(w, r, (int)threadIdx.x & (rk::WARP - 1));
    }
    if (!rk::is_last_block(arrived, &is_last)) {
        return;
    }
    const double scale = scale_of(w);
    double total = 0.0;
    for (int kind = 0; kind < KINDS; kind++) {
        const double sum =
            w.given ? w.given[kind] : rk::block_sum(w.terms + kind * w.n_rows, w.n_rows, shared);
        const double norm = sqrt(sum);
        total += w.attr.form == RK_L2_SQUARED ? 0.5 * sum : norm;
        if (threadIdx.x == 0 && w.squares) {
            w.squares[kind] = sum;
        } else if (threadIdx.x == 0) {
            w.group_factor[kind] = scale * (w.attr.form == RK_L2_SQUARED ? 1.0
                                            : norm > 0.0                 ? 1.0 / norm
                                                                         : 0.0);
        }
    }
    if (threadIdx.x == 0 && !w.squares) {
        *w.loss = scale * total;
    }
}

__global__ void __launch_bounds__(rk::BLOCK) l2_gradient(l2_work w)
{
    rk::begin();
    const int64_t r = rk::number_of_warp();
    if (r < w.n_rows) {
        const float times[KINDS] = {w.occurrences[r], w.occurrences[w.n_rows + r],
                                    w.occurrences[2 * w.n_rows + r]};
        write_gradient(w, r, (int)threadIdx.x & (rk::WARP - 1), times, w.group_factor);
    }
}

} // namespace

/* Terms of the three kinds, the kinds' factors, and how often each row occurs. */
int64_t rk_cuda_scratch_l2_loss(const rk_call *call)
{
    return (5 * rk__in(call, 0)->rows + 4) * (int64_t)sizeof(double);
}

static l2_work work_of(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    l2_work w = {};
    w.attr = call->node->attr.l2;
    w.x = rk::in(call, 0);
    w.segments = rk::in(call, 1);
    w.order = rk::in(call, 2);
    w.count = rk::in(call, 3);
    w.state = rk::in(call, 4);
    w.chosen = rk::in(call, 5);
    w.n_rows = x->rows;
    w.d = x->cols;
    w.n_candidates = rk::candidates_of(call, 2, w.attr.batch);
    w.terms = static_cast<double *>(call->scratch);
    w.group_factor = w.terms + KINDS * x->rows;
    w.occurrences = reinterpret_cast<float *>(w.group_factor + 4);
    return w;
}

cudaError_t rk_cuda_l2_squares(const rk_call *call)
{
    l2_work w = work_of(call);
    w.squares = rk::out(call, 0);
    return rk::run(call->stream, rk::a_warp_each(w.n_rows), l2_terms, w, call->arrived);
}

cudaError_t rk_cuda_l2_loss(const rk_call *call)
{
    l2_work w = work_of(call);
    w.loss = rk::out(call, 0);
    w.gradient = rk::out(call, 1);
    w.given = rk::in(call, RK_L2_LOSS_SQUARES);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(w.n_rows), l2_terms, w, call->arrived));
    return w.attr.form == RK_L2_SQUARED
               ? cudaSuccess
               : rk::run(call->stream, rk::a_warp_each(w.n_rows), l2_gradient, w);
}
