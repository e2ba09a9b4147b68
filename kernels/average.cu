/*
 * Scores of several models on one scale.
 *
 * standardise_scores: a block takes a query. Each thread sums a fixed share of the row in double
 * and the block adds the shares in a fixed order, so the bits are the same each time.
 *
 * rank_scores: a block sorts the keys of a query's scores, digit by digit, the least first; a
 * thread has a fixed part of them, and its keys of a digit go behind those of threads before it.
 * Then each score looks for its key among the sorted ones. Blocks take queries in turns, for each
 * has room for two lists of keys.
 */
#include "ops/score_rank.h"
#include "scan.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    standardise(const float *__restrict__ scores, const int32_t *__restrict__ count,
                float *__restrict__ out, int64_t n)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    __shared__ double total;
    const int64_t t = blockIdx.x;
    const float *x = scores + t * n;
    float *y = out + t * n;
    if (t >= *count) {
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            y[i] = 0.0f;
        }
        return;
    }
    double sum = 0.0, squares = 0.0;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        sum += (double)x[i];
    }
    sum = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        total = sum;
    }
    __syncthreads();
    const double mean = total / (double)n;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    __syncthreads(); /* everybody has read the total, and `shared` is free again */
    squares = rk::block_total(squares, shared);
    if (threadIdx.x == 0) {
        total = squares;
    }
    __syncthreads();
    const double sd = sqrt(total / (double)n);
    const double factor = sd <= RK_FLAT_SCORES * fabs(mean) ? 0.0 : 1.0 / sd;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        y[i] = (float)(((double)x[i] - mean) * factor);
    }
}

constexpr int DIGIT_BITS = 4, N_DIGITS = 1 << DIGIT_BITS, MOST_RANKING_BLOCKS = 264;

struct part {
    int64_t first, end;
};

/* Of the thread. */
__device__ part part_of(int64_t n)
{
    const int64_t size = (n + rk::BLOCK - 1) / rk::BLOCK, first = size * threadIdx.x;
    return {first < n ? first : n, first + size < n ? first + size : n};
}

/* By the digit at `shift`, from one list into the other; counts: N_DIGITS x BLOCK. */
__device__ void sort_by_digit(const uint32_t *in, uint32_t *out, int64_t n, int shift,
                              int32_t *counts, int32_t *warp_sums)
{
    const part mine = part_of(n);
    const int me = (int)threadIdx.x;
    for (int digit = 0; digit < N_DIGITS; digit++) {
        counts[digit * rk::BLOCK + me] = 0;
    }
    for (int64_t i = mine.first; i < mine.end; i++) {
        counts[(int)(in[i] >> shift & (N_DIGITS - 1)) * rk::BLOCK + me]++;
    }
    __syncthreads();
    int32_t sum = 0; /* of N_DIGITS counts in a row */
    for (int k = 0; k < N_DIGITS; k++) {
        sum += counts[me * N_DIGITS + k];
    }
    int32_t before = rk::block_inclusive_scan(sum, warp_sums) - sum;
    for (int k = 0; k < N_DIGITS; k++) {
        const int32_t own = counts[me * N_DIGITS + k];
        counts[me * N_DIGITS + k] = before;
        before += own;
    }
    __syncthreads();
    for (int64_t i = mine.first; i < mine.end; i++) {
        out[counts[(int)(in[i] >> shift & (N_DIGITS - 1)) * rk::BLOCK + me]++] = in[i];
    }
    __syncthreads();
}

/* The first of n sorted keys that is `key` or more. */
__device__ int64_t lower_bound(const uint32_t *keys, int64_t n, uint32_t key)
{
    int64_t first = 0;
    while (n > 0) {
        const int64_t half = n / 2;
        if (keys[first + half] < key) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

__global__ void __launch_bounds__(rk::BLOCK)
    rank(const float *__restrict__ scores, const int32_t *__restrict__ count,
         float *__restrict__ out, int64_t n_queries, int64_t n, uint32_t *keys, rk_rank_attr attr)
{
    rk::begin();
    __shared__ int32_t counts[N_DIGITS * rk::BLOCK];
    __shared__ int32_t warp_sums[rk::WARPS];
    __shared__ int32_t n_bad;
    uint32_t *one = keys + 2 * n * blockIdx.x, *other = one + n;
    const int64_t used = *count;
    for (int64_t t = blockIdx.x; t < n_queries; t += gridDim.x) {
        const float *x = scores + t * n;
        float *y = out + t * n;
        int32_t bad = 0;
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            one[i] = rk__score_key((uint32_t)__float_as_int(x[i]));
            bad += isnan(x[i]) ? 1 : 0;
        }
        bad = rk::block_inclusive_scan(bad, warp_sums);
        if (threadIdx.x == rk::BLOCK - 1) {
            n_bad = bad;
        }
        __syncthreads();
        const bool has_ranks = t < used && n_bad == 0;
        const float none = t < used ? NAN : 0.0f;
        for (int shift = 0; has_ranks && shift < 32; shift += 2 * DIGIT_BITS) {
            sort_by_digit(one, other, n, shift, counts, warp_sums);
            sort_by_digit(other, one, n, shift + DIGIT_BITS, counts, warp_sums);
        }
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            const uint32_t key = rk__score_key((uint32_t)__float_as_int(x[i]));
            y[i] = !has_ranks
                       ? none
                       : rk__score_rank(&attr, lower_bound(one, n, key),
                                        key == 0xffffffffu ? n : lower_bound(one, n, key + 1), n);
        }
        __syncthreads(); /* the lists and n_bad may be written again */
    }
}

int64_t ranking_blocks(int64_t n_queries)
{
    return n_queries < MOST_RANKING_BLOCKS ? n_queries : MOST_RANKING_BLOCKS;
}

} // namespace

int64_t rk_cuda_scratch_rank_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    return 2 * ranking_blocks(scores->rows) * scores->cols * (int64_t)sizeof(uint32_t);
}

cudaError_t rk_cuda_rank_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    return rk::run(call->stream, {ranking_blocks(scores->rows)}, rank, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), scores->rows, scores->cols,
                   static_cast<uint32_t *>(call->scratch), call->node->attr.rank);
}

cudaError_t rk_cuda_standardise_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    return rk::run(call->stream, {scores->rows}, standardise, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), scores->cols);
}
