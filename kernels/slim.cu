/*
 * Sparse linear models of items: a warp an item, strided; a block is one warp. It has a column
 * r = x_j - X w of the users, the weights and a gradient in dense rows of its own, zeros between
 * items. A coordinate is a sum over the users of a candidate by the lanes, and an addition by them
 * where its weight changes; candidates take turns in ascending order.
 *
 * The users of an item and the items of a user are distinct, so that no lane meets another one.
 */
#include "device.cuh"

#include "ops/similar_value.h"
#include "ops/slim_step.h"

namespace
{

constexpr int64_t MOST_WARPS = 4224, LEAST_WARPS = 264; /* resident: 32 or two a multiprocessor */
constexpr int64_t ROWS_BYTES = (int64_t)1 << 30; /* the warps' rows may take so much together */

/* The scratch of a call: of warp w the rows [w, U] and [w, I]. */
struct rows {
    unsigned long long *keys;
    float *left, *weights, *gradient;
    int32_t *list;
    int64_t warps;
};

int64_t row_bytes(const rk_slim_attr &a)
{
    return 4 * a.n_users + 20 * a.n_items;
}

int64_t warps_of(const rk_slim_attr &a)
{
    int64_t warps = row_bytes(a) > 0 ? ROWS_BYTES / row_bytes(a) : MOST_WARPS;
    warps = warps < LEAST_WARPS ? LEAST_WARPS : warps;
    warps = warps > MOST_WARPS ? MOST_WARPS : warps;
    return warps > a.n_items ? a.n_items : warps;
}

rows rows_of(const rk_call *call)
{
    const rk_slim_attr &a = call->node->attr.slim;
    rows r = {};
    r.warps = warps_of(a);
    r.keys = static_cast<unsigned long long *>(call->scratch);
    r.left = reinterpret_cast<float *>(r.keys + r.warps * a.n_items);
    r.weights = r.left + r.warps * a.n_users;
    r.gradient = r.weights + r.warps * a.n_items;
    r.list = reinterpret_cast<int32_t *>(r.gradient + r.warps * a.n_items);
    return r;
}

struct adjacency {
    const int64_t *offsets;
    const int32_t *columns;
};

/* An item at work: all lanes know the same. */
struct column {
    float *left, *weights, *gradient;
    int32_t *list;
    int64_t item, passes;
    double size; /* |x_j|^2 */
    int n;       /* candidates in the list */
    bool is_stopped;
};

__device__ __forceinline__ int64_t degree(const rk_slim_attr &a, const adjacency &g, int64_t item)
{
    return g.offsets[a.n_users + item + 1] - g.offsets[a.n_users + item];
}

/* X^T r over the users of [first, last) of a list, or of all, in their order. */
__device__ void add_gradient(const rk_slim_attr &a, const adjacency &g, const int32_t *users,
                             int64_t n, const column &c)
{
    const int lane = (int)threadIdx.x;
    for (int64_t i = 0; i < n; i++) {
        const int64_t user = users ? users[i] : i;
        const float value = c.left[user];
        if (value != 0.0f) {
            for (int64_t e = g.offsets[user] + lane; e < g.offsets[user + 1]; e += rk::WARP) {
                c.gradient[g.columns[e] - a.n_users] += value;
            }
            __syncwarp();
        }
    }
}

/* The items that have a weight, or that would take a step that counts, ascending; clears the
 * gradient. Returns how many of the latter. */
__device__ int choose(const rk_slim_attr &a, const adjacency &g, column &c)
{
    const int lane = (int)threadIdx.x;
    int n = 0, fresh = 0;
    for (int64_t first = 0; first < a.n_items; first += rk::WARP) {
        const int64_t item = first + lane;
        bool is_fresh = false, has_weight = false;
        if (item < a.n_items) {
            const float gradient = c.gradient[item];
            has_weight = c.weights[item] != 0.0f;
            is_fresh = gradient != 0.0f && !has_weight && item != c.item &&
                       rk__slim_wants(&a, (double)gradient, degree(a, g, item), c.size);
            c.gradient[item] = 0.0f;
        }
        const unsigned chosen = __ballot_sync(rk::ALL_LANES, is_fresh || has_weight);
        fresh += __popc(__ballot_sync(rk::ALL_LANES, is_fresh));
        if (is_fresh || has_weight) {
            c.list[n + __popc(chosen & ((1u << lane) - 1u))] = (int32_t)item;
        }
        n += __popc(chosen);
    }
    __syncwarp();
    c.n = n;
    return fresh;
}

/* One coordinate; returns what the objective gains by it, times 2. */
__device__ double step(const rk_slim_attr &a, const adjacency &g, int32_t item, const column &c)
{
    const int lane = (int)threadIdx.x;
    const int64_t begin = g.offsets[a.n_users + item], end = g.offsets[a.n_users + item + 1];
    const float before = c.weights[item];
    double product = 0.0;
    for (int64_t e = begin + lane; e < end; e += rk::WARP) {
        product += (double)c.left[g.columns[e]];
    }
    product = rk::warp_sum(product);
    __syncwarp(); /* a shuffle does not order what was read before it with what is written now */
    const float after = rk__slim_weight(&a, product, end - begin, before);
    if (after == before) {
        return 0.0;
    }
    const float change = after - before;
    for (int64_t e = begin + lane; e < end; e += rk::WARP) {
        c.left[g.columns[e]] -= change;
    }
    if (lane == 0) {
        c.weights[item] = after;
    }
    __syncwarp();
    return rk__slim_gain(&a, end - begin, change);
}

__device__ double pass(const rk_slim_attr &a, const adjacency &g, column &c, bool only_weights)
{
    double most = 0.0;
    for (int i = 0; i < c.n; i++) {
        const int32_t item = c.list[i];
        if (!only_weights || c.weights[item] != 0.0f) {
            most = fmax(most, step(a, g, item, c));
        }
    }
    c.passes++;
    return most;
}

__device__ void descend(const rk_slim_attr &a, const adjacency &g, column &c)
{
    const double least = a.tolerance * c.size;
    c.is_stopped = true;
    while (c.passes < a.passes && c.is_stopped) {
        c.is_stopped = pass(a, g, c, false) > least;
        while (c.is_stopped && c.passes < a.passes && pass(a, g, c, true) > least) {
        }
    }
}

/* The largest weights, each at the place that the number of larger ones says. */
__device__ void write_best(const rk_slim_attr &a, const column &c, unsigned long long *keys,
                           int32_t *items, float *values)
{
    const int lane = (int)threadIdx.x;
    int n = 0;
    for (int first = 0; first < c.n; first += rk::WARP) {
        const int32_t item = first + lane < c.n ? c.list[first + lane] : -1;
        const float weight = item >= 0 ? c.weights[item] : 0.0f;
        const unsigned kept = __ballot_sync(rk::ALL_LANES, weight != 0.0f);
        if (weight != 0.0f) {
            keys[n + __popc(kept & ((1u << lane) - 1u))] = rk__similar_key(fabsf(weight), item);
        }
        n += __popc(kept);
    }
    __syncwarp();
    for (int64_t i = n + lane; i < a.k; i += rk::WARP) {
        items[i] = -1;
        values[i] = 0.0f;
    }
    for (int i = lane; i < n; i += rk::WARP) {
        int place = 0;
        for (int other = 0; other < n; other++) {
            place += keys[other] > keys[i];
        }
        if (place < a.k) {
            items[place] = rk__similar_key_item(keys[i]);
            values[place] = c.weights[items[place]];
        }
    }
    __syncwarp();
}

__device__ void clear(const rk_slim_attr &a, const column &c)
{
    for (int i = (int)threadIdx.x; i < c.n; i += rk::WARP) {
        c.weights[c.list[i]] = 0.0f;
    }
    for (int64_t u = threadIdx.x; u < a.n_users; u += rk::WARP) {
        c.left[u] = 0.0f;
    }
    __syncwarp();
}

__global__ void __launch_bounds__(rk::WARP)
    slim_columns(rk_slim_attr a, adjacency g, rows r, int32_t *__restrict__ items,
                 float *__restrict__ values, int32_t *__restrict__ stopped)
{
    rk::begin();
    const int64_t warp = blockIdx.x;
    column c = {};
    c.left = r.left + warp * a.n_users;
    c.weights = r.weights + warp * a.n_items;
    c.gradient = r.gradient + warp * a.n_items;
    c.list = r.list + warp * a.n_items;
    for (c.item = warp; c.item < a.n_items; c.item += gridDim.x) {
        const int64_t n = degree(a, g, c.item);
        const int32_t *users = g.columns + g.offsets[a.n_users + c.item];
        c.size = (double)n;
        c.passes = 0;
        c.is_stopped = false;
        for (int64_t e = threadIdx.x; e < n; e += rk::WARP) {
            c.left[users[e]] = 1.0f;
        }
        __syncwarp();
        add_gradient(a, g, users, n, c);
        int fresh = choose(a, g, c);
        while (fresh > 0) {
            descend(a, g, c);
            fresh = 0;
            if (a.has_negative && c.passes < a.passes) {
                add_gradient(a, g, nullptr, a.n_users, c);
                fresh = choose(a, g, c);
            } else if (a.has_negative) {
                c.is_stopped = true;
            }
        }
        if (threadIdx.x == 0) {
            stopped[c.item] = c.is_stopped;
        }
        write_best(a, c, r.keys + warp * a.n_items, items + c.item * a.k, values + c.item * a.k);
        clear(a, c);
    }
}

} // namespace

int64_t rk_cuda_scratch_slim_columns(const rk_call *call)
{
    const rk_slim_attr &a = call->node->attr.slim;
    return warps_of(a) * row_bytes(a);
}

cudaError_t rk_cuda_slim_columns(const rk_call *call)
{
    const rk_slim_attr a = call->node->attr.slim;
    const rows r = rows_of(call);
    const int64_t cells = r.warps * (a.n_users + 2 * a.n_items);
    RK_TRY_LAUNCH(rk::fill(call->stream, r.left, 0, cells * (int64_t)sizeof(float)));
    return rk::run(call->stream, {r.warps, rk::WARP}, slim_columns, a,
                   adjacency{rk::in(call, 0), rk::in(call, 1)}, r, rk::out(call, 0),
                   rk::out(call, 1), rk::out(call, 2));
}
