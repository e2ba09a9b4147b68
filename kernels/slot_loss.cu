/*
 * Losses of a positive and M drawn negatives (ops/slot_loss.h has the formulas).
 *
 *   select_negatives  a warp a triplet, lanes over columns
 *   slot_dots         a warp a triplet, lanes over columns
 *   slot_loss         a warp a triplet: the scores one after the other, lanes over columns; then
 *                     lanes over the negatives, so that the sums over them have a fixed order
 *   score_loss        the same losses of scores that are there
 *   slot_grad         of any loss by scores of users with items: a warp a row of the row set in
 *                     slot order
 */
#include "slots.cuh"

#include "ops/slot_loss.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    select_negatives(const float *__restrict__ final, const int32_t *__restrict__ slot_row,
                     const rk_step_state *__restrict__ state, const float *__restrict__ dots,
                     int32_t *__restrict__ chosen, int64_t batch, int64_t n_candidates, int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp();
    if (b >= batch) {
        return; /* the whole warp */
    }
    int32_t best = -1; /* triplets that the step does not have choose nothing */
    if (b < rk__step_count(state)) {
        const float *user = final + slot_row[b] * d;
        float best_score = 0.0f;
        for (int64_t k = 0; k < n_candidates; k++) {
            const float *item = final + slot_row[2 * batch + n_candidates * b + k] * d;
            const float score =
                dots ? dots[b * (1 + n_candidates) + 1 + k] : rk::warp_dot(user, item, d, lane);
            if (k == 0 || score > best_score) {
                best = (int32_t)k;
                best_score = score;
            }
        }
    }
    if (lane == 0) {
        chosen[b] = best;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_dots(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
              const rk_step_state *__restrict__ state, float *__restrict__ dots, int64_t batch,
              int64_t width, int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp();
    if (b >= batch) {
        return; /* the whole warp */
    }
    const bool is_used = b < rk__step_count(state);
    for (int64_t k = 0; k < width; k++) {
        float dot = 0.0f;
        if (is_used) {
            const int32_t row = slot_row[rk__item_slot(batch, width, b, k)];
            dot = rk::warp_dot(x + slot_row[b] * d, x + row * d, d, lane);
        }
        if (lane == 0) {
            dots[b * width + k] = dot;
        }
    }
}

/* The scores in `scores` become the derivatives by them, for one triplet of `count`; every lane
 * gets the term. scores[0] is that of the positive, n of negatives follow; beta(k) is that of
 * score k. */
template <typename BETA>
__device__ double additive_term(const rk_slot_rule &rule, float *scores, int64_t n, double count,
                                int lane, BETA beta, double weight)
{
    const double positive = scores[0];
    const double share = rk__weight_of_negatives(&rule, weight) / (double)n;
    rk_slot_term own = rk__slot_positive(&rule, positive, beta(0));
    if (weight != 1.0) {
        own.by_positive *= weight;
        own.value *= weight;
    }
    double value = 0.0, by_positive = 0.0;
    for (int64_t k = 1 + lane; k <= n; k += rk::WARP) {
        const rk_slot_term t = rk__slot_negative(&rule, positive, scores[k], beta(k));
        value += t.value;
        by_positive += t.by_positive;
        scores[k] = (float)(t.by_negative * share / count);
    }
    value = rk::warp_sum(value);
    by_positive = rk::warp_sum(by_positive);
    __syncwarp();
    if (lane == 0) {
        scores[0] = (float)((own.by_positive + by_positive * share) / count);
    }
    return own.value + value * share;
}

__device__ double softmax_term(const rk_slot_rule &rule, float *scores, int64_t n, double count,
                               int lane, double weight)
{
    const double positive = (double)scores[0] / rule.temperature;
    const int64_t first = rule.exclude_positive ? 1 : 0;
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = first + lane; k <= n; k += rk::WARP) {
        const double logit = (double)scores[k] / rule.temperature;
        largest = logit > largest ? logit : largest;
    }
    for (int offset = rk::WARP / 2; offset > 0; offset >>= 1) {
        const double other = __shfl_xor_sync(rk::ALL_LANES, largest, offset);
        largest = other > largest ? other : largest;
    }
    for (int64_t k = first + lane; k <= n; k += rk::WARP) {
        sum += exp((double)scores[k] / rule.temperature - largest);
    }
    const double lse = largest + log(rk::warp_sum(sum));
    __syncwarp();
    for (int64_t k = lane; k <= n; k += rk::WARP) {
        const double share = rule.power * exp((double)scores[k] / rule.temperature - lse);
        const double by_score = (k >= first ? share : 0.0) - (k == 0 ? 1.0 : 0.0);
        scores[k] = (float)(weight * by_score / rule.temperature / count);
    }
    return weight * (rule.power * lse - positive);
}

/* What the triplets have in common; m candidates each. */
struct slot_setting {
    int64_t batch, m, d;
    rk_slot_rule rule;
};

/* A triplet behind the last one of the step. */
__device__ void leave_out(double *term, float *scores, int64_t m, int lane)
{
    for (int64_t k = lane; k <= m; k += rk::WARP) {
        scores[k] = 0.0f;
    }
    if (lane == 0) {
        *term = 0.0;
    }
}

/* With chosen one negative of each triplet counts; its derivative is moved to its place then. The
 * block that is done last takes the mean of the terms. */
__global__ void __launch_bounds__(rk::BLOCK)
    slot_loss(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
              const int32_t *__restrict__ rows, const rk_step_state *__restrict__ state,
              const float *__restrict__ factor, const int32_t *__restrict__ chosen,
              const float *__restrict__ weights, const float *__restrict__ dots, double *terms,
              double *__restrict__ loss, float *by_score, slot_setting s, int32_t *arrived)
{
    rk::begin();
    __shared__ double shared[rk::BLOCK];
    __shared__ int is_last;
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp(), m = s.m, d = s.d, count = rk__step_count(state);
    float *scores = by_score + b * (1 + m);
    if (b < s.batch && b >= count) {
        leave_out(terms + b, scores, m, lane);
    } else if (b < count) {
        const int64_t n = chosen ? 1 : m, first = chosen ? chosen[b] : 0;
        const float *user = x + slot_row[b] * d;
        const int32_t *negatives = slot_row + 2 * s.batch + b * m + first;
        for (int64_t k = 0; k <= n; k++) {
            const int64_t row = k == 0 ? slot_row[s.batch + b] : negatives[k - 1];
            const float score = dots ? dots[b * (1 + m) + (k == 0 ? 0 : first + k)]
                                     : rk::warp_dot(user, x + row * d, d, lane);
            if (lane == 0) {
                scores[k] = score;
            }
        }
        __syncwarp();
        const double user_factor = factor ? factor[rows[slot_row[b]]] : 0.0f;
        auto beta = [=](int64_t k) {
            const int32_t row = k == 0 ? slot_row[s.batch + b] : negatives[k - 1];
            return factor ? user_factor * (double)factor[rows[row]] : 0.0;
        };
        const double weight = weights ? (double)weights[b] : 1.0;
        const double term =
            s.rule.kind == RK_LOSS_SOFTMAX
                ? softmax_term(s.rule, scores, n, (double)count, lane, weight)
                : additive_term(s.rule, scores, n, (double)count, lane, beta, weight);
        if (lane == 0) {
            terms[b] = term;
        }
        if (chosen) {
            __syncwarp();
            const float by_negative = scores[1];
            __syncwarp();
            for (int64_t k = lane; k < m; k += rk::WARP) {
                scores[1 + k] = k == first ? by_negative : 0.0f;
            }
        }
    }
    if (rk::is_last_block(arrived, &is_last)) {
        rk::write_mean(terms, s.batch, state, loss, shared);
    }
}

/* Losses of scores that are there: a warp a triplet, labels instead of negatives or not. */
__global__ void __launch_bounds__(rk::BLOCK)
    score_loss(const float *__restrict__ given, const rk_step_state *__restrict__ state,
               const float *__restrict__ labels, const float *__restrict__ weights, double *terms,
               double *__restrict__ loss, float *by_score, slot_setting s, int32_t *arrived)
{
    rk::begin();
    __shared__ double shared[rk::BLOCK];
    __shared__ int is_last;
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp(), m = s.m, count = rk__step_count(state);
    float *scores = by_score + b * (1 + m);
    if (b < s.batch && b >= count) {
        leave_out(terms + b, scores, m, lane);
    } else if (b < count) {
        for (int64_t k = lane; k <= m; k += rk::WARP) {
            scores[k] = given[b * (1 + m) + k];
        }
        __syncwarp();
        const double weight = weights ? (double)weights[b] : 1.0;
        double term;
        if (labels) {
            const double distance = (double)scores[0] - (double)labels[b];
            term = weight * distance * distance;
            __syncwarp();
            if (lane == 0) {
                scores[0] = (float)(2.0 * weight * distance / (double)count);
            }
        } else if (s.rule.kind == RK_LOSS_SOFTMAX) {
            term = softmax_term(s.rule, scores, m, (double)count, lane, weight);
        } else {
            auto none = [](int64_t) { return 0.0; };
            term = additive_term(s.rule, scores, m, (double)count, lane, none, weight);
        }
        if (lane == 0) {
            terms[b] = term;
        }
    }
    if (rk::is_last_block(arrived, &is_last)) {
        rk::write_mean(terms, s.batch, state, loss, shared);
    }
}

/* What slot_grad reads: by_score [batch, 1 + m], of the first item of a triplet, a positive, then
 * of the m others. */
struct slot_table {
    const float *by_score;
    const int32_t *slot_row;
    int32_t batch, m;
};

/* by * a row of x. */
struct scaled_row {
    float by;
    int32_t row;

    __device__ __forceinline__ scaled_row of_lane(int lane) const
    {
        return {__shfl_sync(rk::ALL_LANES, by, lane), __shfl_sync(rk::ALL_LANES, row, lane)};
    }
};

/* What an item's slot adds to its row: a multiple of the user's. */
__device__ __forceinline__ scaled_row by_item(const slot_table &t, int32_t slot)
{
    const int32_t candidate = slot - 2 * t.batch;
    const int32_t b = candidate < 0 ? slot - t.batch : candidate / t.m;
    const int32_t k = candidate < 0 ? 0 : 1 + candidate % t.m;
    return {t.by_score[(int64_t)b * (1 + t.m) + k], t.slot_row[b]};
}

/* What counts for nothing adds nothing, and need not have a row. */
template <int VECTOR>
__device__ __forceinline__ void add_row(rk::pack<VECTOR> *sum, scaled_row s, const float *x,
                                        int64_t d, int q, bool in_row)
{
    if (in_row && s.by != 0.0f) {
        sum->add_scaled(s.by, rk::load_constant<VECTOR>(x, s.row, d, q));
    }
}

/* A user's slot adds the others in ascending order, and the first one last. */
template <int VECTOR>
__device__ __forceinline__ void add_user(rk::pack<VECTOR> *sum, const slot_table &t, int32_t slot,
                                         const float *x, int64_t d, int q, bool in_row, int lane)
{
    const float *mine = t.by_score + (int64_t)slot * (1 + t.m);
    const int32_t *others = t.slot_row + 2 * t.batch + (int64_t)slot * t.m;
    for (int32_t base = 0; base < t.m; base += rk::WARP) {
        const int32_t n = min(t.m - base, rk::WARP);
        scaled_row own = {0.0f, 0};
        if (lane < n) {
            own = {mine[1 + base + lane], others[base + lane]};
        }
        for (int k = 0; k < n; k++) {
            add_row<VECTOR>(sum, own.of_lane(k), x, d, q, in_row);
        }
    }
    add_row<VECTOR>(sum, {mine[0], t.slot_row[t.batch + slot]}, x, d, q, in_row);
}

/* A warp a row of the row set: a lane looks at a slot, then all of them add the slots' rows one
 * after the other. */
template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK, 5)
    slot_grad(const float *__restrict__ x, slot_table t, const int32_t *__restrict__ segments,
              const int32_t *__restrict__ order, const int32_t *__restrict__ count,
              float *__restrict__ y, int64_t n_rows, int64_t d, int packs)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = rk::number_of_warp();
    if (r >= n_rows) {
        return; /* the whole warp */
    }
    const int32_t begin = r < *count ? segments[r] : 0, end = r < *count ? segments[r + 1] : 0;
    for (int first = 0; first < packs; first += rk::WARP) {
        const int q = first + lane;
        const bool in_row = q < packs;
        rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
        for (int32_t base = begin; base < end; base += rk::WARP) {
            const int32_t n = min(end - base, rk::WARP);
            const int32_t slot = lane < n ? order[base + lane] : 0;
            const scaled_row own =
                lane < n && slot >= t.batch ? by_item(t, slot) : scaled_row{0.0f, 0};
            for (int e = 0; e < n; e++) {
                const int32_t next = __shfl_sync(rk::ALL_LANES, slot, e);
                if (next >= t.batch) {
                    add_row<VECTOR>(&sum, own.of_lane(e), x, d, q, in_row);
                } else {
                    add_user<VECTOR>(&sum, t, next, x, d, q, in_row, lane);
                }
            }
        }
        if (in_row) {
            rk::store<VECTOR>(y, r, d, q, sum);
        }
    }
}

} // namespace

cudaError_t rk_cuda_select_negatives(const rk_call *call)
{
    const int64_t batch = call->node->attr.batch;
    return rk::run(call->stream, rk::a_warp_each(batch), select_negatives, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, RK_SELECT_NEGATIVES_DOTS),
                   rk::out(call, 0), batch, rk::candidates_of(call, 1, batch),
                   rk__in(call, 0)->cols);
}

cudaError_t rk_cuda_slot_dots(const rk_call *call)
{
    const rk_tensor *dots = rk__out(call, 0);
    return rk::run(call->stream, rk::a_warp_each(dots->rows), slot_dots, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::out(call, 0), dots->rows, dots->cols,
                   rk__in(call, 0)->cols);
}

int64_t rk_cuda_scratch_slot_loss(const rk_call *call)
{
    return call->node->attr.slot.batch * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_slot_loss(const rk_call *call)
{
    const rk_slot_attr *a = &call->node->attr.slot;
    const slot_setting setting = {a->batch, rk__out(call, 1)->cols - 1, rk__in(call, 0)->cols,
                                  a->rule};
    double *terms = static_cast<double *>(call->scratch);
    return rk::run(call->stream, rk::a_warp_each(a->batch), slot_loss, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), rk::in(call, 6), rk::in(call, RK_SLOT_LOSS_DOTS), terms,
                   rk::out(call, 0), rk::out(call, 1), setting, call->arrived);
}

int64_t rk_cuda_scratch_score_loss(const rk_call *call)
{
    return rk__out(call, 1)->rows * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_score_loss(const rk_call *call)
{
    const rk_tensor *by_score = rk__out(call, 1);
    const slot_setting setting = {by_score->rows, by_score->cols - 1, 0,
                                  call->node->attr.slot.rule};
    double *terms = static_cast<double *>(call->scratch);
    return rk::run(call->stream, rk::a_warp_each(by_score->rows), score_loss, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), terms, rk::out(call, 0),
                   rk::out(call, 1), setting, call->arrived);
}

cudaError_t rk_cuda_slot_grad(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0), *by_score = rk__in(call, 1);
    const slot_table t = {rk::in(call, 1), rk::in(call, 2), (int32_t)by_score->rows,
                          (int32_t)by_score->cols - 1};
    const bool is_wide = rk::has_vectors(x->cols);
    return rk::run(call->stream, rk::a_warp_each(x->rows), is_wide ? slot_grad<4> : slot_grad<1>,
                   rk::in(call, 0), t, rk::in(call, 3), rk::in(call, 4), rk::in(call, 5),
                   rk::out(call, 0), x->rows, x->cols, (int)(x->cols / (is_wide ? 4 : 1)));
}
