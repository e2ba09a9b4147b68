/*
 * The K best items of each query: by scores that are there (top_k), or over tiles of scores that
 * are made on the way (score_topk), where the score matrix never exists whole.
 *
 * A tile's scores come from cuBLAS in whatever precision, or the candidates from topk_tensor.cu,
 * which never writes them. They only choose candidates: with
 *
 *     margin >= |score of the tile - exact score| for every item of the query,
 *
 * an item whose score is below (K-th best so far) - 2 * margin cannot be among the K best, since K
 * items lie above it exactly, too. The rest, a few more than K, is scored again in fp32, one chain
 * of multiply-adds over the columns in order as on the CPU device, and sorted by that score, ties
 * to the smaller item. So the ranking is the same to the last bit for every precision, tile and
 * version of cuBLAS. A query with more candidates than there is room for is ranked by scoring every
 * item so; and so are all queries of top_k, with the scores that are given.
 *
 * A block works on one query, with the list of candidates in shared memory (in global memory when K
 * is in the thousands). Candidates are appended in any order and then sorted (bitonic) by a total
 * order, so the result does not depend on the order of threads.
 */
#include "topk.cuh"

namespace
{

using rk::candidate, rk::NO_ITEM, rk::TOO_MANY;

constexpr int CHUNK = 4 * rk::BLOCK; /* scores between two looks at how full the list is */

__device__ void pad(candidate *list, int begin, int end)
{
    for (int i = begin + (int)threadIdx.x; i < end; i += rk::BLOCK) {
        list[i].score = -CUDART_INF_F;
        list[i].item = NO_ITEM;
    }
}

/* Sorts the first `used` of a list that is padded behind them. */
__device__ void sort_used(candidate *list, int used)
{
    int size = 2;
    while (size < used) {
        size *= 2;
    }
    rk::bitonic_sort(list, size);
}

/* How many of the sorted `used` have a score of `bar` or more. */
__device__ int count_above(const candidate *list, int used, float bar)
{
    int begin = 0, end = used;
    while (begin < end) {
        const int middle = begin + (end - begin) / 2;
        if (list[middle].score >= bar) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* The largest sum of squares of an item, as the bits of a float that is not negative: these order
 * as integers do, so the maximum does not depend on the order of blocks. */
__global__ void __launch_bounds__(rk::BLOCK) largest_squares(rk_ranking r)
{
    rk::begin();
    const int64_t warps = (int64_t)gridDim.x * rk::WARPS;
    const int64_t warp = (int64_t)blockIdx.x * rk::WARPS + threadIdx.x / rk::WARP;
    float most = 0.0f;
    for (int64_t item = warp; item < r.n_items; item += warps) {
        const float sum = rk::squares(r.table + item * r.d, r.d);
        most = sum <= most ? most : sum == sum ? sum : CUDART_INF_F;
    }
    if (threadIdx.x % rk::WARP == 0) {
        atomicMax(r.largest, __float_as_int(most));
    }
}

__device__ candidate *list_of(const rk_ranking &r, bool in_shared, candidate *shared_list)
{
    return in_shared ? shared_list
                     : static_cast<candidate *>(r.lists) + (int64_t)blockIdx.x * r.size;
}

/* Between tiles the candidates lie in global memory, sorted. */
template <bool IN_SHARED> __device__ void load_list(const rk_ranking &r, candidate *list, int n)
{
    const candidate *kept = static_cast<const candidate *>(r.lists) + (int64_t)blockIdx.x * r.size;
    for (int i = (int)threadIdx.x; IN_SHARED && i < n; i += rk::BLOCK) {
        list[i] = kept[i];
    }
    pad(list, n, r.size);
}

template <bool IN_SHARED>
__global__ void __launch_bounds__(rk::BLOCK)
    merge(rk_ranking r, const float *__restrict__ tile, int64_t tile_stride, int64_t n_tile,
          int64_t first_item)
{
    rk::begin();
    RK_DYNAMIC_SHARED(candidate, shared_list);
    __shared__ int used;
    const int64_t query = blockIdx.x;
    const int n_before = query < *r.count ? r.counts[query] : TOO_MANY;
    if (n_before == TOO_MANY) {
        return; /* the whole block */
    }
    candidate *list = list_of(r, IN_SHARED, shared_list);
    const float *row = tile + (int64_t)blockIdx.x * tile_stride;
    const float slack = rk::margin2(r, query);
    load_list<IN_SHARED>(r, list, n_before);
    if (threadIdx.x == 0) {
        used = n_before;
    }
    __syncthreads();
    float bar = n_before >= r.k ? list[r.k - 1].score - slack : -CUDART_INF_F;
    bool fits = slack < rk::MOST_SLACK;
    for (int64_t base = 0; base < n_tile && fits; base += CHUNK) {
        for (int64_t i = base + threadIdx.x; i < min(n_tile, base + CHUNK); i += rk::BLOCK) {
            candidate mine;
            mine.score = row[i];
            mine.item = (int32_t)(first_item + i);
            if (mine.score >= bar && mine.score > -CUDART_INF_F &&
                !rk::is_masked(r, query, mine.item)) {
                list[atomicAdd(&used, 1)] = mine;
            }
        }
        __syncthreads();
        const int now = used;
        if (now + CHUNK > r.size || base + CHUNK >= n_tile) {
            sort_used(list, now);
            bar = now >= r.k ? list[r.k - 1].score - slack : bar;
            const int kept = count_above(list, now, bar);
            __syncthreads(); /* everybody has looked */
            pad(list, kept, now);
            if (threadIdx.x == 0) {
                used = kept;
            }
            fits = kept + CHUNK <= r.size;
        }
        __syncthreads();
    }
    candidate *kept = static_cast<candidate *>(r.lists) + (int64_t)blockIdx.x * r.size;
    for (int i = (int)threadIdx.x; IN_SHARED && fits && i < used; i += rk::BLOCK) {
        kept[i] = list[i];
    }
    if (threadIdx.x == 0) {
        r.counts[blockIdx.x] = fits ? used : TOO_MANY;
    }
}

[[maybe_unused]] constexpr int RESIDENT =
    4; /* blocks on a multiprocessor: room for loads on their way */

__device__ float exact_score(const rk_ranking &r, int64_t query, int32_t item)
{
    if (r.given) {
        return r.given[query * r.n_items + item];
    }
    const float *u = r.queries + query * r.d, *v = r.table + item * r.d;
    float sum = 0.0f;
    if (r.d % 4 == 0) { /* four loads in one, the same chain */
#pragma unroll 4
        for (int q = 0; q < (int)r.d / 4; q++) {
            const rk::pack<4> a = rk::load_constant<4>(u, 0, 0, q);
            const rk::pack<4> b = rk::load_constant<4>(v, 0, 0, q);
            sum = __fmaf_rn(a.x, b.x, sum);
            sum = __fmaf_rn(a.y, b.y, sum);
            sum = __fmaf_rn(a.z, b.z, sum);
            sum = __fmaf_rn(a.w, b.w, sum);
        }
        return sum;
    }
    for (int64_t j = 0; j < r.d; j++) {
        sum = __fmaf_rn(u[j], v[j], sum);
    }
    return sum;
}

/* Every item of a query, scored exactly; returns how many of the list are the best K. */
__device__ int rank_all(const rk_ranking &r, candidate *list, int64_t query, int *used)
{
    if (threadIdx.x == 0) {
        *used = 0;
    }
    __syncthreads();
    candidate last = {-CUDART_INF_F, NO_ITEM};
    for (int64_t base = 0; base < r.n_items; base += CHUNK) {
        for (int64_t i = base + threadIdx.x; i < min(r.n_items, base + CHUNK); i += rk::BLOCK) {
            candidate mine;
            mine.score = exact_score(r, query, (int32_t)i);
            mine.item = (int32_t)(r.first_item + i);
            if (mine.score > -CUDART_INF_F && rk::better(mine, last) &&
                !rk::is_masked(r, query, mine.item)) {
                list[atomicAdd(used, 1)] = mine;
            }
        }
        __syncthreads();
        const int now = *used;
        if (now + CHUNK > r.size || base + CHUNK >= r.n_items) {
            sort_used(list, now);
            last = list[r.k - 1];
            __syncthreads(); /* everybody has looked */
            pad(list, min(r.k, now), now);
            if (threadIdx.x == 0) {
                *used = min(r.k, now);
            }
        }
        __syncthreads();
    }
    return *used;
}

/* Without counts every query is ranked by all its items. */
template <bool IN_SHARED>
__global__ void __launch_bounds__(rk::BLOCK, RESIDENT) rerank(rk_ranking r)
{
    rk::begin();
    RK_DYNAMIC_SHARED(candidate, shared_list);
    __shared__ int used;
    candidate *list = list_of(r, IN_SHARED, shared_list);
    const int64_t query = blockIdx.x;
    int n = query >= *r.count ? 0 : r.counts ? r.counts[query] : TOO_MANY;
    if (n == TOO_MANY || n > r.size) {
        pad(list, 0, r.size);
        n = rank_all(r, list, query, &used);
    } else if (n > 0) {
        load_list<IN_SHARED>(r, list, n);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < n; i += rk::BLOCK) {
            list[i].score = exact_score(r, query, list[i].item);
        }
        __syncthreads();
        sort_used(list, n);
    }
    for (int i = (int)threadIdx.x; i < r.k; i += rk::BLOCK) {
        const int64_t place = query * r.k + i;
        r.out_items[place] = i < n ? list[i].item : -1;
        r.out_scores[place] = i < n ? list[i].score : 0.0f;
    }
}

/* How many of a list are ahead of the candidate; it is best first, and -1 behind the last. */
__device__ int count_ahead(const int32_t *items, const float *scores, int n, candidate of)
{
    int begin = 0, end = n;
    while (begin < end) {
        const int middle = begin + (end - begin) / 2;
        const candidate there = {scores[middle], items[middle]};
        if (there.item >= 0 && rk::better(there, of)) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* Two lists of a query. */
struct two_lists {
    const int32_t *items[2];
    const float *scores[2];
    int n[2], k;
};

/* A block a query: each entry finds its place by how many of the other list are ahead of it. */
__global__ void __launch_bounds__(rk::BLOCK)
    merge_lists(two_lists l, int32_t *__restrict__ out_items, float *__restrict__ out_scores)
{
    rk::begin();
    const int64_t query = blockIdx.x;
    const candidate last = {-CUDART_INF_F, NO_ITEM};
    int used = 0;
    for (int i = 0; i < 2; i++) {
        const int32_t *items = l.items[i] + query * l.n[i];
        const float *scores = l.scores[i] + query * l.n[i];
        const int other = 1 - i;
        used += count_ahead(items, scores, l.n[i], last);
        for (int j = (int)threadIdx.x; j < l.n[i]; j += rk::BLOCK) {
            const candidate mine = {scores[j], items[j]};
            const int place =
                j + count_ahead(l.items[other] + query * l.n[other],
                                l.scores[other] + query * l.n[other], l.n[other], mine);
            if (mine.item >= 0 && place < l.k) {
                out_items[query * l.k + place] = mine.item;
                out_scores[query * l.k + place] = mine.score;
            }
        }
    }
    for (int j = used + (int)threadIdx.x; j < l.k; j += rk::BLOCK) {
        out_items[query * l.k + j] = -1;
        out_scores[query * l.k + j] = 0.0f;
    }
}

/* ---- where items stand ---- */

struct standing_values {
    const float *scores;
    const int32_t *items;
    const int64_t *mask_offsets;
    const int32_t *mask_items, *blocked, *count;
    int32_t *above, *tied;
    int64_t n, width;
};

/* What is blocked or no number is below all. */
__device__ float standing_score(const standing_values &v, int64_t query, int64_t item)
{
    const float score = v.scores[query * v.n + item];
    const bool is_open = v.blocked == nullptr || v.blocked[item] == 0;
    return is_open && score > -CUDART_INF_F ? score : -CUDART_INF_F;
}

/* That of an item that is asked for; -inf where none is. */
__device__ float asked_score(const standing_values &v, int64_t query, int32_t item)
{
    return query < *v.count && item >= 0 ? standing_score(v, query, item) : -CUDART_INF_F;
}

/* Adds or takes away one item of this score. */
__device__ void count_one(float other, float score, int by, int *above, int *tied)
{
    *above += other > score ? by : 0;
    *tied += other == score ? by : 0;
}

/* A block for each query: its threads share the items, several of the given ones at a time. */
__global__ void __launch_bounds__(rk::BLOCK) standing(standing_values v)
{
    rk::begin();
    constexpr int MOST = 8;
    __shared__ int above[MOST], tied[MOST];
    const int64_t query = blockIdx.x;
    const int32_t *items = v.items + query * v.width;
    for (int64_t first = 0; first < v.width; first += MOST) {
        const int n = (int)min((int64_t)MOST, v.width - first);
        int my_above[MOST] = {}, my_tied[MOST] = {};
        float scores[MOST];
        bool is_asked = false;
        for (int p = 0; p < n; p++) {
            scores[p] = asked_score(v, query, items[first + p]);
            is_asked = is_asked || scores[p] > -CUDART_INF_F;
        }
        if (threadIdx.x < MOST) {
            above[threadIdx.x] = tied[threadIdx.x] = 0;
        }
        __syncthreads();
        for (int64_t i = threadIdx.x; is_asked && i < v.n; i += rk::BLOCK) {
            const float other = standing_score(v, query, i);
            for (int p = 0; p < n; p++) {
                count_one(other, scores[p], 1, &my_above[p], &my_tied[p]);
            }
        }
        const int64_t begin = v.mask_offsets[query], end = v.mask_offsets[query + 1];
        for (int64_t m = begin + threadIdx.x; is_asked && m < end; m += rk::BLOCK) {
            if (m > begin && v.mask_items[m] == v.mask_items[m - 1]) {
                continue;
            }
            const float other = standing_score(v, query, v.mask_items[m]);
            for (int p = 0; p < n; p++) {
                count_one(other, scores[p], -1, &my_above[p], &my_tied[p]);
                my_tied[p] += v.mask_items[m] == items[first + p] ? 1 : 0;
            }
        }
        for (int p = 0; p < n; p++) {
            atomicAdd(&above[p], my_above[p]);
            atomicAdd(&tied[p], my_tied[p]);
        }
        __syncthreads();
        if ((int)threadIdx.x < n) {
            const int64_t at = query * v.width + first + threadIdx.x;
            const bool is_ranked = asked_score(v, query, v.items[at]) > -CUDART_INF_F;
            v.above[at] = is_ranked ? above[threadIdx.x] : -1;
            v.tied[at] = is_ranked ? tied[threadIdx.x] - 1 : -1; /* itself */
        }
        __syncthreads();
    }
}

/* 32 KB: every device has that without asking for more. */
constexpr int64_t MOST_IN_SHARED = 4096;

/* The shared memory of a block. */
int64_t list_bytes(const rk_ranking &r)
{
    return r.size <= MOST_IN_SHARED ? r.size * (int64_t)sizeof(candidate) : 0;
}

} // namespace

/* The K best, half as many again that are near them, and a chunk of fresh ones. */
int64_t rk_cuda_topk_room(int64_t k)
{
    int64_t size = 2 * CHUNK;
    while (size < k + k / 2 + CHUNK) {
        size *= 2;
    }
    return size;
}

int64_t rk_cuda_topk_scratch(int64_t n_queries, int64_t k)
{
    const int64_t list = rk_cuda_topk_room(k) * (int64_t)sizeof(candidate);
    const int64_t bytes = n_queries * (list + (int64_t)sizeof(int32_t)) + (int64_t)sizeof(int);
    return (bytes + 255) / 256 * 256; /* what follows is aligned for cuBLAS */
}

cudaError_t rk_cuda_topk_begin(rk_ranking *r, void *scratch, rk_stream *stream)
{
    const int64_t n = r->n_queries;
    r->size = (int32_t)rk_cuda_topk_room(r->k);
    r->lists = scratch;
    r->counts = reinterpret_cast<int32_t *>(static_cast<candidate *>(scratch) + n * r->size);
    r->largest = r->counts + n;
    RK_TRY_LAUNCH(rk::fill(stream, r->counts, 0, (n + 1) * (int64_t)sizeof(int32_t)));
    return rk::run(stream, rk::strided(r->n_items, rk::WARPS, 1024), largest_squares, *r);
}

cudaError_t rk_cuda_topk_merge(const rk_ranking *r, const rk_score_tile *tile, rk_stream *stream)
{
    const int64_t bytes = list_bytes(*r);
    return rk::run(stream, {tile->n == 0 ? 0 : r->n_queries, rk::BLOCK, bytes},
                   bytes > 0 ? merge<true> : merge<false>, *r, tile->scores, tile->stride, tile->n,
                   tile->first_item);
}

cudaError_t rk_cuda_topk_finish(const rk_ranking *r, rk_stream *stream)
{
    const int64_t bytes = list_bytes(*r);
    return rk::run(stream, {r->n_queries, rk::BLOCK, bytes},
                   bytes > 0 ? rerank<true> : rerank<false>, *r);
}

int64_t rk_cuda_scratch_top_k(const rk_call *call)
{
    return rk_cuda_topk_scratch(rk__in(call, 0)->rows, call->node->attr.topk.k);
}

cudaError_t rk_cuda_top_k(const rk_call *call)
{
    rk_ranking r = {};
    r.given = rk::in(call, 0);
    r.n_queries = rk__in(call, 0)->rows;
    r.n_items = rk__in(call, 0)->cols;
    r.first_item = call->node->attr.topk.items.first;
    r.mask_offsets = rk::in(call, 1);
    r.mask_items = rk::in(call, 2);
    r.blocked = rk::in(call, 3);
    r.count = rk::in(call, 4);
    r.k = call->node->attr.topk.k;
    r.out_items = rk::out(call, 0);
    r.out_scores = rk::out(call, 1);
    r.size = (int32_t)rk_cuda_topk_room(r.k);
    r.lists = call->scratch;
    return rk_cuda_topk_finish(&r, call->stream);
}

cudaError_t rk_cuda_merge_top_k(const rk_call *call)
{
    two_lists l = {};
    l.k = call->node->attr.topk.k;
    for (int i = 0; i < 2; i++) {
        l.items[i] = static_cast<const int32_t *>(call->in[2 * i]);
        l.scores[i] = static_cast<const float *>(call->in[2 * i + 1]);
        l.n[i] = (int)rk__in(call, 2 * i)->cols;
    }
    return rk::run(call->stream, {rk__out(call, 0)->rows, rk::BLOCK}, merge_lists, l,
                   rk::out(call, 0), rk::out(call, 1));
}

cudaError_t rk_cuda_standing(const rk_call *call)
{
    standing_values v = {};
    v.scores = rk::in(call, 0);
    v.items = rk::in(call, 1);
    v.mask_offsets = rk::in(call, 2);
    v.mask_items = rk::in(call, 3);
    v.blocked = rk::in(call, 4);
    v.count = rk::in(call, 5);
    v.above = rk::out(call, 0);
    v.tied = rk::out(call, 1);
    v.n = rk__in(call, 0)->cols;
    v.width = rk__in(call, 1)->cols;
    return rk::run(call->stream, {rk__in(call, 0)->rows, rk::BLOCK, 0}, standing, v);
}
