/*
 * The users and items of a batch as tables of their own, and the scores of its pairs.
 *
 *   gather_slots, repeat_rows, slot_items_grad, pair_rows   a thread an element
 *   sum_slots          a thread a column of a row of the row set, over its slots in ascending order
 *   sum_groups, slot_queries_grad                a thread an element, over a group in order
 *   slot_scores        a warp a pair
 */
#include "device.cuh"

#include "ops/slot_loss.h"

namespace
{

#define FOR_EACH_ELEMENT(i, n)                                                                     \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                      \
         i += (int64_t)gridDim.x * blockDim.x)

rk::grid over(int64_t n)
{
    return rk::strided(n, rk::BLOCK);
}

__global__ void __launch_bounds__(rk::BLOCK)
    gather_slots(const float *__restrict__ x, const int32_t *__restrict__ slot_row, rk_slots_attr a,
                 float *__restrict__ y, int64_t n, int64_t d, int64_t items)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n * d)
    {
        const int64_t r = i / d;
        const int64_t slot = a.of_items ? rk__item_slot(a.batch, items, r / items, r % items) : r;
        const int32_t row = slot_row[slot];
        y[i] = row < 0 ? 0.0f : x[row * d + i % d];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    sum_slots(const float *__restrict__ g, const int32_t *__restrict__ segments,
              const int32_t *__restrict__ order, const int32_t *__restrict__ count, rk_slots_attr a,
              float *__restrict__ y, int64_t n, int64_t d, int64_t items)
{
    rk::begin();
    const int64_t used = *count;
    FOR_EACH_ELEMENT(i, n * d)
    {
        const int64_t r = i / d, column = i % d;
        float sum = 0.0f;
        const int32_t end = r < used ? segments[r + 1] : 0;
        for (int32_t s = r < used ? segments[r] : 0; s < end; s++) {
            const int64_t slot = order[s];
            if ((slot >= a.batch) == a.of_items) {
                const int64_t from = a.of_items ? rk__slot_item(a.batch, items, slot) : slot;
                sum += g[from * d + column];
            }
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    repeat_rows(const float *__restrict__ x, float *__restrict__ y, int64_t n, int64_t d,
                int64_t times)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        y[i] = x[i / d / times * d + i % d];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    sum_groups(const float *__restrict__ x, float *__restrict__ y, int64_t n, int64_t d,
               int64_t times)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        const float *group = x + i / d * times * d + i % d;
        float sum = group[0];
        for (int64_t k = 1; k < times; k++) {
            sum += group[k * d];
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_scores(const float *__restrict__ queries, const float *__restrict__ items,
                float *__restrict__ y, int64_t pairs, int64_t n, int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t pair = rk::number_of_warp();
    if (pair >= pairs) {
        return; /* the whole warp */
    }
    const float score = rk::warp_dot(queries + pair / n * d, items + pair * d, d, lane);
    if (lane == 0) {
        y[pair] = score;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_queries_grad(const float *__restrict__ g, const float *__restrict__ items,
                      float *__restrict__ y, int64_t batch, int64_t n, int64_t d)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, batch * d)
    {
        const int64_t b = i / d;
        float sum = 0.0f;
        for (int64_t k = 0; k < n; k++) {
            sum += g[b * n + k] * items[(b * n + k) * d + i % d];
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_items_grad(const float *__restrict__ g, const float *__restrict__ queries,
                    float *__restrict__ y, int64_t pairs, int64_t n, int64_t d)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, pairs * d)
    {
        const int64_t pair = i / d;
        y[i] = g[pair] * queries[pair / n * d + i % d];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    pair_rows(const float *__restrict__ queries, const float *__restrict__ table,
              const int32_t *__restrict__ items, const int32_t *__restrict__ count,
              rk_pair_rows_attr a, float *__restrict__ y, int64_t rows, int64_t n, int64_t width)
{
    rk::begin();
    const int64_t used = *count;
    FOR_EACH_ELEMENT(i, rows * a.n_columns)
    {
        const int64_t r = i / a.n_columns, column = a.first_column + i % a.n_columns;
        const int64_t item = r / n >= used ? -1 : items ? items[r] : r % n;
        float result = 0.0f;
        if (item >= 0) {
            const float query = queries[r / n * width + column];
            const float other = table[(a.items.first + item) * width + column];
            result = a.multiplies ? query * other : query + other;
        }
        y[i] = result;
    }
}

} // namespace

cudaError_t rk_cuda_gather_slots(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const rk_slots_attr a = call->node->attr.slots;
    return rk::run(call->stream, over(rk::elements(y)), gather_slots, rk::in(call, 0),
                   rk::in(call, 1), a, rk::out(call, 0), y->rows, y->cols, y->rows / a.batch);
}

cudaError_t rk_cuda_sum_slots(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const rk_slots_attr a = call->node->attr.slots;
    const int64_t items = rk__in(call, 3)->rows / a.batch - 1;
    return rk::run(call->stream, over(rk::elements(y)), sum_slots, rk::in(call, 0), rk::in(call, 2),
                   rk::in(call, 3), rk::in(call, 4), a, rk::out(call, 0), y->rows, y->cols, items);
}

cudaError_t rk_cuda_repeat_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), repeat_rows, rk::in(call, 0), rk::out(call, 0), n,
                   y->cols, call->node->attr.times);
}

cudaError_t rk_cuda_sum_groups(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), sum_groups, rk::in(call, 0), rk::out(call, 0), n, y->cols,
                   call->node->attr.times);
}

cudaError_t rk_cuda_slot_scores(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t pairs = rk::elements(y);
    return rk::run(call->stream, rk::a_warp_each(pairs), slot_scores, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), pairs, y->cols, rk__in(call, 0)->cols);
}

cudaError_t rk_cuda_slot_queries_grad(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, over(rk::elements(y)), slot_queries_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), y->rows, rk__in(call, 0)->cols, y->cols);
}

cudaError_t rk_cuda_slot_items_grad(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, over(rk::elements(y)), slot_items_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), y->rows, rk__in(call, 0)->cols, y->cols);
}

cudaError_t rk_cuda_pair_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0), *queries = rk__in(call, 0);
    return rk::run(call->stream, over(rk::elements(y)), pair_rows, rk::in(call, 0), rk::in(call, 1),
                   rk::in(call, 2), rk::in(call, 3), call->node->attr.pair_rows, rk::out(call, 0),
                   y->rows, y->rows / queries->rows, queries->cols);
}
