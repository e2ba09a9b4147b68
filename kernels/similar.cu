/*
 * Items similar to items.
 *
 *   item_neighbours   a block an item, strided: its users count their items in a dense row of the
 *                     block, a warp a user; with weights, the users one after the other, threads
 *                     over a user's items, which are distinct. What was met is then appended to a
 *                     list of keys, which is cut to the K best whenever it is full
 *   neighbour_lists   entries are counted and appended to their rows in any order, and each row is
 *                     sorted by column
 *   row_sums          a warp a row
 *   nearest_lists     a block a query, whose rows become keys; the same list
 *
 * Counts are atomic additions of integers and keys differ in pairs, so that no result depends on
 * the order of threads.
 */
#include "device.cuh"
#include "scan.cuh"

#include "ops/similar_value.h"

namespace
{

typedef unsigned long long key; /* rk__similar_key; atomics know no other 64-bit integer */

/*
 * Sorts n things: order(i, j), i < j, exchanges thing i and thing j if they are in the wrong order.
 * Bitonic, with every comparison in the same direction, so that n may be any number: what would
 * stand behind the last one stays there. All threads of the block call it.
 */
template <typename ORDER> __device__ void sort(int64_t n, ORDER order)
{
    for (int64_t width = 2; width / 2 < n; width *= 2) {
        for (int64_t distance = width - 1; distance > 0;
             distance = distance == width - 1 ? width / 4 : distance / 2) {
            for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
                const int64_t partner = i ^ distance;
                if (partner > i && partner < n) {
                    order(i, partner);
                }
            }
            __syncthreads();
        }
    }
}

/* ---- item_neighbours ---- */

constexpr int64_t MOST_BLOCKS = 528,
                  LEAST_BLOCKS = 132;              /* resident: four or one a multiprocessor */
constexpr int64_t ROWS_BYTES = (int64_t)512 << 20; /* the blocks' rows may take so much together */
constexpr int FRESH = 4 * rk::BLOCK; /* candidates between two looks at how full the list is */
constexpr int64_t MOST_IN_SHARED =
    2048; /* keys: 16 KB, so that several blocks share a multiprocessor */

/* The scratch of a call. Of block b the rows [b, I]. */
struct rows {
    double *own, *other; /* [I]: numbers of items */
    double *sum;         /* zeros between items; NULL without weights */
    key *list;           /* [size], unless that fits into shared memory */
    int32_t *count;      /* zeros between items */
    int32_t *met;
    int64_t blocks, best, size; /* best: K, or as many items as there are */
    bool in_shared;
};

rows sizes_of(const rk_similar_attr &a, bool has_weight)
{
    rows r = {};
    r.best = a.k < a.n_items ? a.k : a.n_items;
    r.size = r.best + FRESH;
    r.in_shared = r.size <= MOST_IN_SHARED;
    const int64_t row = a.n_items * (has_weight ? 16 : 8) + (r.in_shared ? 0 : 8 * r.size);
    r.blocks = row > 0 ? ROWS_BYTES / row : MOST_BLOCKS;
    r.blocks = r.blocks < LEAST_BLOCKS ? LEAST_BLOCKS : r.blocks;
    r.blocks = r.blocks > MOST_BLOCKS ? MOST_BLOCKS : r.blocks;
    r.blocks = r.blocks > a.n_items ? a.n_items : r.blocks;
    return r;
}

/* Bytes of the doubles and keys, which come first, and of the integers. */
int64_t wide_bytes(const rows &r, int64_t n, bool has_weight)
{
    return 8 * (2 * n + r.blocks * ((has_weight ? n : 0) + (r.in_shared ? 0 : r.size)));
}

rows rows_of(const rk_call *call)
{
    const rk_similar_attr &a = call->node->attr.similar;
    const bool has_weight = call->in[2] != nullptr;
    rows r = sizes_of(a, has_weight);
    r.own = static_cast<double *>(call->scratch);
    r.other = r.own + a.n_items;
    double *next = r.other + a.n_items;
    r.sum = has_weight ? next : nullptr;
    next += has_weight ? r.blocks * a.n_items : 0;
    r.list = reinterpret_cast<key *>(next);
    r.count = reinterpret_cast<int32_t *>(next + (r.in_shared ? 0 : r.blocks * r.size));
    r.met = r.count + r.blocks * a.n_items;
    return r;
}

/* The graph with what weights it. */
struct weighted_graph {
    const int64_t *offsets;
    const int32_t *columns;
    const float *weight, *factor; /* of users, of items; or NULL */
};

__global__ void __launch_bounds__(rk::BLOCK)
    numbers_of_items(rk_similar_attr a, const int64_t *__restrict__ offsets,
                     const float *__restrict__ factor, double *__restrict__ own,
                     double *__restrict__ other)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < a.n_items) {
        const double users = (double)(offsets[a.n_users + i + 1] - offsets[a.n_users + i]);
        const float *mine = factor ? factor + i * rk__similar_factors(&a) : nullptr;
        own[i] = rk__similar_number(&a, RK_SIMILAR_OWN, users, mine);
        other[i] = rk__similar_number(&a, RK_SIMILAR_OTHER, users, mine);
    }
}

/* Counts of common users, and the items that have one. */
__device__ void count_common(const rk_similar_attr &a, const weighted_graph &g, int64_t item,
                             int32_t *count, int32_t *met, int *n_met)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const int64_t node = a.n_users + item;
    for (int64_t e = g.offsets[node] + warp; e < g.offsets[node + 1]; e += rk::WARPS) {
        const int64_t user = g.columns[e];
        for (int64_t l = g.offsets[user] + lane; l < g.offsets[user + 1]; l += rk::WARP) {
            const int32_t other = (int32_t)(g.columns[l] - a.n_users);
            if (atomicAdd(&count[other], 1) == 0) {
                met[atomicAdd(n_met, 1)] = other;
            }
        }
    }
}

/* Sums of the weights of common users, in the order of the users. */
__device__ void sum_common(const rk_similar_attr &a, const weighted_graph &g, int64_t item,
                           double *sum)
{
    const int64_t node = a.n_users + item;
    for (int64_t e = g.offsets[node]; e < g.offsets[node + 1]; e++) {
        const int64_t user = g.columns[e];
        const double weight = (double)g.weight[user];
        for (int64_t l = g.offsets[user] + threadIdx.x; l < g.offsets[user + 1]; l += rk::BLOCK) {
            sum[g.columns[l] - a.n_users] += weight;
        }
        __syncthreads();
    }
}

/* The key of what was met, 0 if it is no neighbour; clears its count. */
__device__ key take_key(const rk_similar_attr &a, const rows &r, int64_t item, int32_t other,
                        int32_t *count, double *sum)
{
    const double common = (double)count[other], together = sum ? sum[other] : common;
    const float value = (float)rk__similar_value(&a, together, common, r.own[item], r.other[other]);
    count[other] = 0;
    if (sum) {
        sum[other] = 0.0;
    }
    return value > 0.0f && (other != item || a.with_self) ? rk__similar_key(value, other) : 0;
}

/* The best keys of key_of(i), i < n, first in a list that has room for FRESH more than `best`; a
 * key of 0 is none. Returns how many; *used is 0 before. */
template <typename KEY_OF>
__device__ int take_best(int64_t n, int best, int64_t size, key *list, int *used, KEY_OF key_of)
{
    key bar = 0; /* a key must be above it */
    for (int64_t base = 0; base < n; base += FRESH) {
        const int64_t end = base + FRESH < n ? base + FRESH : n;
        for (int64_t i = base + (int)threadIdx.x; i < end; i += rk::BLOCK) {
            const key mine = key_of(i);
            if (mine > bar) {
                list[atomicAdd(used, 1)] = mine;
            }
        }
        __syncthreads();
        const int now = *used;
        if (now + FRESH > size || base + FRESH >= n) {
            sort(now, [list](int64_t i, int64_t j) {
                const key first = list[i], second = list[j];
                if (first < second) {
                    list[i] = second;
                    list[j] = first;
                }
            });
            bar = now >= best ? list[best - 1] : 0;
            __syncthreads(); /* everybody has looked */
            if (threadIdx.x == 0) {
                *used = min(now, best);
            }
        }
        __syncthreads();
    }
    return *used;
}

__global__ void __launch_bounds__(rk::BLOCK)
    item_neighbours(rk_similar_attr a, weighted_graph g, rows r, int32_t *__restrict__ items,
                    float *__restrict__ values)
{
    rk::begin();
    RK_DYNAMIC_SHARED(key, shared_list);
    __shared__ int n_met, used;
    const int64_t row = (int64_t)blockIdx.x * a.n_items;
    key *list = r.in_shared ? shared_list : r.list + (int64_t)blockIdx.x * r.size;
    for (int64_t item = blockIdx.x; item < a.n_items; item += gridDim.x) {
        if (threadIdx.x == 0) {
            n_met = used = 0;
        }
        __syncthreads();
        count_common(a, g, item, r.count + row, r.met + row, &n_met);
        if (r.sum) {
            sum_common(a, g, item, r.sum + row);
        }
        __syncthreads();
        int32_t *count = r.count + row;
        double *sum = r.sum ? r.sum + row : nullptr;
        const int n = take_best(n_met, (int)r.best, r.size, list, &used, [&](int64_t i) {
            return take_key(a, r, item, r.met[row + i], count, sum);
        });
        for (int64_t i = threadIdx.x; i < a.k; i += rk::BLOCK) {
            items[item * a.k + i] = i < n ? rk__similar_key_item(list[i]) : -1;
            values[item * a.k + i] = i < n ? rk__similar_key_value(list[i]) : 0.0f;
        }
        __syncthreads(); /* everybody has read n_met and the list */
    }
}

/* ---- neighbour_lists ---- */

/* Of tables [n, k]. */
struct neighbour_tables {
    const int32_t *items;
    const float *values;
    int64_t n, k;
    bool transposed;
};

/* What the values of an item's neighbours are divided by, and the item's bias. */
__global__ void __launch_bounds__(rk::BLOCK)
    divisors_and_bias(neighbour_tables t, bool unit_sum, const float *__restrict__ mean,
                      double *__restrict__ divisor, float *__restrict__ bias)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= t.n) {
        return;
    }
    double sum = 0.0, of_means = 0.0;
    for (int64_t e = i * t.k; unit_sum && e < (i + 1) * t.k; e++) {
        sum += t.items[e] >= 0 ? (double)t.values[e] : 0.0;
    }
    sum = sum > 0.0 ? sum : 1.0;
    for (int64_t e = i * t.k; mean && e < (i + 1) * t.k; e++) {
        const float value = (float)((double)t.values[e] / sum);
        of_means += t.items[e] >= 0 ? (double)value * (double)mean[t.items[e]] : 0.0;
    }
    divisor[i] = sum;
    bias[i] = mean ? (float)((double)mean[i] - of_means) : 0.0f;
}

__device__ __forceinline__ int64_t row_of(const neighbour_tables &t, int64_t e)
{
    return t.transposed ? t.items[e] : e / t.k;
}

__global__ void __launch_bounds__(rk::BLOCK)
    count_entries(neighbour_tables t, int32_t *__restrict__ count)
{
    rk::begin();
    const int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e < t.n * t.k && t.items[e] >= 0) {
        atomicAdd(&count[row_of(t, e)], 1);
    }
}

/* left[row]: its entries that have no place yet. In a plain list, which keeps the order of its
 * table, the column of an entry is its place in the table's row until the list is sorted. */
__global__ void __launch_bounds__(rk::BLOCK)
    place_entries(neighbour_tables t, const double *__restrict__ divisor,
                  const int64_t *__restrict__ offsets, int32_t *__restrict__ left,
                  int32_t *__restrict__ columns, float *__restrict__ out)
{
    rk::begin();
    const int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= t.n * t.k || t.items[e] < 0) {
        return;
    }
    const int64_t row = row_of(t, e);
    const int64_t place = offsets[row] + atomicSub(&left[row], 1) - 1;
    columns[place] = (int32_t)(t.transposed ? e / t.k : e % t.k);
    out[place] = (float)((double)t.values[e] / divisor[e / t.k]);
}

__global__ void __launch_bounds__(rk::BLOCK)
    sort_rows(neighbour_tables t, const int64_t *__restrict__ offsets, int32_t *columns,
              float *values)
{
    rk::begin();
    for (int64_t row = blockIdx.x; row < t.n; row += gridDim.x) {
        int32_t *c = columns + offsets[row];
        float *v = values + offsets[row];
        const int64_t n = offsets[row + 1] - offsets[row];
        sort(n, [c, v](int64_t i, int64_t j) {
            const int32_t first = c[i], second = c[j];
            if (first > second) {
                const float value = v[i];
                c[i] = second;
                c[j] = first;
                v[i] = v[j];
                v[j] = value;
            }
        });
        for (int64_t i = threadIdx.x; i < n && !t.transposed; i += rk::BLOCK) {
            c[i] = t.items[row * t.k + c[i]];
        }
    }
}

/* ---- row_sums ---- */

__global__ void __launch_bounds__(rk::BLOCK)
    row_sums(const int64_t *__restrict__ offsets, const float *__restrict__ values,
             float *__restrict__ y, int64_t n, double plus, double power)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t r = rk::number_of_warp();
    if (r >= n) {
        return; /* the whole warp */
    }
    double sum = 0.0;
    for (int64_t e = offsets[r] + lane; values && e < offsets[r + 1]; e += rk::WARP) {
        sum += (double)values[e];
    }
    sum = plus + (values ? rk::warp_sum(sum) : (double)(offsets[r + 1] - offsets[r]));
    if (lane == 0) {
        y[r] = (float)(power == 1.0 ? sum : sum == 0.0 ? 0.0 : pow(sum, power));
    }
}

/* ---- nearest_lists ---- */

/* The operands of a call, and the list of each block unless that fits into shared memory. */
struct nearest {
    const float *common; /* [T, n] */
    const int64_t *offsets;
    const float *weights, *sizes;
    const int32_t *self; /* or NULL */
    const int32_t *count;
    key *list;
    int64_t n_queries, n, size;
    bool in_shared;
};

nearest sizes_of_nearest(const rk_call *call)
{
    nearest s = {};
    s.n_queries = rk__in(call, 0)->rows;
    s.n = rk__in(call, 0)->cols;
    const int64_t k = call->node->attr.similar.k;
    s.size = (k < s.n ? k : s.n) + FRESH;
    s.in_shared = s.size <= MOST_IN_SHARED;
    return s;
}

/* The sum of the squares of a query's weights, in order, as every thread has it. */
__device__ double size_of(const nearest &s, int64_t t)
{
    double size = 0.0;
    for (int64_t j = s.offsets[t]; j < s.offsets[t + 1]; j++) {
        size += (double)s.weights[j] * (double)s.weights[j];
    }
    return size;
}

__device__ key nearest_key(const rk_similar_attr &a, float common, double own, float size,
                           int32_t row)
{
    if (!(common > 0.0f)) {
        return 0;
    }
    const double other = rk__similar_number(&a, RK_SIMILAR_OTHER, (double)size, nullptr);
    const float value = (float)rk__similar_value(&a, (double)common, (double)common, own, other);
    return value > 0.0f ? rk__similar_key(value, row) : 0;
}

__global__ void __launch_bounds__(rk::BLOCK)
    nearest_lists(rk_similar_attr a, nearest s, int64_t *__restrict__ out_offsets,
                  int32_t *__restrict__ rows, float *__restrict__ values)
{
    rk::begin();
    RK_DYNAMIC_SHARED(key, shared_list);
    __shared__ int used;
    const int64_t t = blockIdx.x, n_used = *s.count < s.n_queries ? *s.count : s.n_queries;
    key *list = s.in_shared ? shared_list : s.list + t * s.size;
    int n = 0;
    if (threadIdx.x == 0) {
        used = 0;
        out_offsets[t] = (t < n_used ? t : n_used) * a.k;
        if (t == s.n_queries - 1) {
            out_offsets[t + 1] = n_used * a.k;
        }
    }
    __syncthreads();
    if (t < n_used) {
        const double own = rk__similar_number(&a, RK_SIMILAR_OWN, size_of(s, t), nullptr);
        const float *common = s.common + t * s.n;
        const int32_t self = s.self ? s.self[t] : -1;
        n = take_best(s.n, (int)(s.size - FRESH), s.size, list, &used, [&](int64_t i) {
            return i == self ? 0 : nearest_key(a, common[i], own, s.sizes[i], (int32_t)i);
        });
    }
    for (int64_t i = threadIdx.x; i < a.k; i += rk::BLOCK) {
        rows[t * a.k + i] = i < n ? rk__similar_key_item(list[i]) : 0;
        values[t * a.k + i] = i < n ? rk__similar_key_value(list[i]) : 0.0f;
    }
}

} // namespace

int64_t rk_cuda_scratch_nearest_lists(const rk_call *call)
{
    const nearest s = sizes_of_nearest(call);
    return s.in_shared ? 0 : s.n_queries * s.size * (int64_t)sizeof(key);
}

cudaError_t rk_cuda_nearest_lists(const rk_call *call)
{
    nearest s = sizes_of_nearest(call);
    s.common = rk::in(call, 0);
    s.offsets = rk::in(call, 1);
    s.weights = rk::in(call, 2);
    s.sizes = rk::in(call, 3);
    s.self = rk::in(call, 4);
    s.count = rk::in(call, 5);
    s.list = static_cast<key *>(call->scratch);
    const int64_t shared = s.in_shared ? s.size * (int64_t)sizeof(key) : 0;
    return rk::run(call->stream, {s.n_queries, rk::BLOCK, shared}, nearest_lists,
                   call->node->attr.similar, s, rk::out(call, 0), rk::out(call, 1),
                   rk::out(call, 2));
}

int64_t rk_cuda_scratch_item_neighbours(const rk_call *call)
{
    const rk_similar_attr &a = call->node->attr.similar;
    const bool has_weight = call->node->in[2] != RK_NONE;
    const rows r = sizes_of(a, has_weight);
    return wide_bytes(r, a.n_items, has_weight) +
           2 * r.blocks * a.n_items * (int64_t)sizeof(int32_t);
}

cudaError_t rk_cuda_item_neighbours(const rk_call *call)
{
    const rk_similar_attr a = call->node->attr.similar;
    const rows r = rows_of(call);
    weighted_graph g = {rk::in(call, 0), rk::in(call, 1), rk::in(call, 2), rk::in(call, 3)};
    const int64_t cells = r.blocks * a.n_items;
    const int64_t shared = r.in_shared ? r.size * (int64_t)sizeof(key) : 0;
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(a.n_items), numbers_of_items, a,
                          g.offsets, g.factor, r.own, r.other));
    RK_TRY_LAUNCH(rk::fill(call->stream, r.count, 0, cells * (int64_t)sizeof *r.count));
    RK_TRY_LAUNCH(rk::fill(call->stream, r.sum, 0, r.sum ? cells * (int64_t)sizeof *r.sum : 0));
    return rk::run(call->stream, {r.blocks, rk::BLOCK, shared}, item_neighbours, a, g, r,
                   rk::out(call, 0), rk::out(call, 1));
}

/* Divisors, the sums of the scan, counts. */
int64_t rk_cuda_scratch_neighbour_lists(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows;
    return (n + rk::n_chunks(n)) * 8 + n * (int64_t)sizeof(int32_t);
}

cudaError_t rk_cuda_neighbour_lists(const rk_call *call)
{
    const rk_neighbour_lists_attr a = call->node->attr.neighbour_lists;
    const neighbour_tables t = {rk::in(call, 0), rk::in(call, 1), rk__in(call, 0)->rows,
                                rk__in(call, 0)->cols, a.transposed};
    const int64_t cells = t.n * t.k, chunks = rk::n_chunks(t.n);
    int64_t *offsets = rk::out(call, 0);
    int32_t *columns = rk::out(call, 1);
    float *values = rk::out(call, 2);
    double *divisor = static_cast<double *>(call->scratch);
    int64_t *sums = reinterpret_cast<int64_t *>(divisor + t.n);
    int32_t *count = reinterpret_cast<int32_t *>(sums + chunks);
    RK_TRY_LAUNCH(rk::fill(call->stream, columns, 0, cells * (int64_t)sizeof *columns));
    RK_TRY_LAUNCH(rk::fill(call->stream, values, 0, cells * (int64_t)sizeof *values));
    RK_TRY_LAUNCH(rk::fill(call->stream, count, 0, t.n * (int64_t)sizeof *count));
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(t.n), divisors_and_bias, t, a.unit_sum,
                          rk::in(call, 2), divisor, rk::out(call, 3)));
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(cells), count_entries, t, count));
    RK_TRY_LAUNCH(rk::scan<false>(call->stream, count, t.n,
                                  rk::sums_of<int64_t>{sums, offsets + t.n}, offsets));
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(cells), place_entries, t, divisor,
                          offsets, count, columns, values));
    return rk::run(call->stream, rk::strided(t.n, 1, 4096), sort_rows, t, offsets, columns, values);
}

cudaError_t rk_cuda_row_sums(const rk_call *call)
{
    const rk_row_sums_attr a = call->node->attr.row_sums;
    const int64_t *offsets = rk::in(call, 0);
    return rk::run(call->stream, rk::a_warp_each(a.n), row_sums, offsets + a.first, rk::in(call, 2),
                   rk::out(call, 0), a.n, a.plus, a.power);
}
