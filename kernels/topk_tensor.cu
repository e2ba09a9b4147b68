/*
 * Candidates of a ranking (topk.cu) by tensor cores, without a matrix of scores.
 *
 * A bar for each query comes from a sample of the items, every step-th of them: their scores are
 * written, masked ones taken out, and the items divided into groups. K groups with a best score of
 * b or more are K items that a user may be given, so b - 2 * margin is a bar that none of the K
 * best items of all lies below. Then all items are scored, and a score is compared with the query's
 * bar in the register that it was summed in: what passes, about K * step items, is written to the
 * query's list, the rest never leaves the multiprocessor. A list's order depends on the order of
 * threads, what is in it does not: it is sorted when its items have been scored exactly. More
 * survivors than a list has room for are counted all the same, and that query is ranked by all its
 * items.
 *
 * A block multiplies 128 queries with 128 items, 16 columns at a time, which lie in shared memory
 * twice: while one strip is multiplied the next is on its way through registers, where it is
 * rounded to TF32. A warp has 64 queries x 32 items. Of a strip's 16 columns, a lane takes the four
 * that follow each other in memory, with one 16-byte load, for its places in two products of 8
 * columns: the same permutation of the columns on both sides, which a sum over them does not see.
 */
#include "mma.cuh"
#include "topk.cuh"

namespace
{

using rk::candidate, rk::TOO_MANY;

constexpr int SIDE = 128;                 /* queries, and items, of a block's tile */
constexpr int STRIP = 16;                 /* columns */
constexpr int PIECES = SIDE * STRIP / 4;  /* float4 in a strip of one side */
constexpr int SHARE = PIECES / rk::BLOCK; /* of a thread */
constexpr int ROWS = SIDE / SHARE;        /* that the block brings pieces of at a time */
constexpr int WARP_QUERIES = 64, WARP_ITEMS = 32;
constexpr int M = WARP_QUERIES / 16, N = WARP_ITEMS / 8; /* products of 16 x 8 in a warp's tile */

constexpr int64_t TILES = 2;     /* of items, that a block looks through */
constexpr int MOST_FOUND = 512;  /* survivors of a block that are written together */
constexpr int64_t MOST_STEP = 8; /* of the sample */
constexpr int64_t LEAST_GROUPS = 256, MOST_GROUPS = 4096; /* 16 KB of shared memory at most */
/* Scores of the sample at a time: as many as a second-level cache holds, and items in reach of a
 * test. */
constexpr int64_t SAMPLE_BYTES = 48 << 20, MOST_WIDTH = 8192;

/* The sample's items, some at a time: items first * step, (first + 1) * step, ... */
struct sample {
    float *scores;  /* [T, stride] */
    float *maxima;  /* [T, n_groups], of the groups in what came before */
    int64_t stride; /* a multiple of SIDE */
    int64_t step, first, n;
    int32_t n_groups;
    bool is_last;
};

/* ---- the product ---- */

/* Queries, or items of the table, in a tile: of each 64 that follow each other, the row that this
 * thread brings pieces of. */
struct side {
    const float *row; /* of the first 64, at this thread's place in a strip */
    int apart;        /* floats from there to the row of the next 64 */
    int there;        /* how many of its rows there are: the others are zeros */
};

/* Kernels for d that is a MULTIPLE of a strip, of four, or of one. Blocks on a multiprocessor at
 * least: where columns are counted that takes more registers. */
template <int MULTIPLE> [[maybe_unused]] constexpr int RESIDENT = MULTIPLE == STRIP ? 2 : 1;

/* Two strips of both sides. */
struct strips {
    float4 queries[2][PIECES], items[2][PIECES];
};

struct products {
    float v[M][N][4];
};

/* What this thread brings of a strip. */
struct share {
    float4 v[SHARE];
};

/* n rows of `rows`, every step-th. */
__device__ __forceinline__ side side_of(const float *rows, int64_t step, int64_t n, int d)
{
    const int row = (int)threadIdx.x / (STRIP / 4);
    const int64_t there = (n - row + ROWS - 1) / ROWS;
    return {rows + row * step * d + (int)threadIdx.x % (STRIP / 4) * 4, (int)(ROWS * step) * d,
            n <= row ? 0 : (int)(there < SHARE ? there : SHARE)};
}

/* Four columns of the `left` that a row still has. */
template <int MULTIPLE> __device__ __forceinline__ float4 load(const float *at, int left)
{
    if (MULTIPLE % 4 == 0) {
        return left > 0 ? __ldg(reinterpret_cast<const float4 *>(at)) : float4{};
    }
    return {left > 0 ? __ldg(at) : 0.0f, left > 1 ? __ldg(at + 1) : 0.0f,
            left > 2 ? __ldg(at + 2) : 0.0f, left > 3 ? __ldg(at + 3) : 0.0f};
}

template <int MULTIPLE> __device__ __forceinline__ share fetch(const side &s, int column, int d)
{
    const int left = MULTIPLE == STRIP ? 4 : d - column - (int)threadIdx.x % (STRIP / 4) * 4;
    share out;
#pragma unroll
    for (int i = 0; i < SHARE; i++) {
        out.v[i] = load<MULTIPLE>(s.row + i * s.apart + column, i < s.there ? left : 0);
    }
    return out;
}

__device__ __forceinline__ void put(float4 *strip, const share &s)
{
#pragma unroll
    for (int i = 0; i < SHARE; i++) {
        const float4 v = s.v[i];
        strip[threadIdx.x + i * rk::BLOCK] = {rk::to_tf32(v.x), rk::to_tf32(v.y), rk::to_tf32(v.z),
                                              rk::to_tf32(v.w)};
    }
}

/* Where the products of this lane are in the block's tile: query(m, half), item(n, i). */
struct place {
    int first_query, first_item, g, t;

    __device__ place()
    {
        const int warp = (int)threadIdx.x / rk::WARP, lane = (int)threadIdx.x % rk::WARP;
        first_query = warp % (SIDE / WARP_QUERIES) * WARP_QUERIES;
        first_item = warp / (SIDE / WARP_QUERIES) * WARP_ITEMS;
        g = lane / 4;
        t = lane % 4;
    }
    __device__ int query(int m, int half) const
    {
        return first_query + 16 * m + 8 * half + g;
    }
    __device__ int item(int n, int i) const
    {
        return first_item + 8 * n + 2 * t + i;
    }
};

/* Of a strip's items what the lane multiplies with. */
struct factors {
    float4 v[N];
};

__device__ __forceinline__ factors factors_of(const float4 *items, const place &at)
{
    factors out;
#pragma unroll
    for (int n = 0; n < N; n++) {
        out.v[n] = items[(at.first_item + 8 * n + at.g) * (STRIP / 4) + at.t];
    }
    return out;
}

/* With 16 of the queries. */
__device__ __forceinline__ void multiply_strip(products *sums, int m, const float4 *queries,
                                               const factors &b, const place &at)
{
    const float4 low = queries[at.query(m, 0) * (STRIP / 4) + at.t];
    const float4 high = queries[at.query(m, 1) * (STRIP / 4) + at.t];
    const float first[4] = {low.x, high.x, low.y, high.y};
    const float second[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
    for (int n = 0; n < N; n++) {
        const float of_first[2] = {b.v[n].x, b.v[n].y};
        rk::multiply_add(sums->v[m][n], first, of_first);
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
        const float of_second[2] = {b.v[n].z, b.v[n].w};
        rk::multiply_add(sums->v[m][n], second, of_second);
    }
}

/* The scores of a tile. All threads of the block call it. The next strip's two sides come one after
 * the other, so that only one of them takes registers. */
template <int MULTIPLE>
__device__ __forceinline__ void multiply(products *sums, strips *shared, const side &queries,
                                         const side &items, int d)
{
    const place at;
    put(shared->queries[0], fetch<MULTIPLE>(queries, 0, d));
    put(shared->items[0], fetch<MULTIPLE>(items, 0, d));
    __syncthreads();
    *sums = {};
#pragma unroll 1
    for (int column = 0, now = 0; column < d; column += STRIP, now ^= 1) {
        /* Behind the last strip comes one that nobody needs: itself, or zeros. */
        const int next = MULTIPLE == STRIP ? min(column + STRIP, d - STRIP) : column + STRIP;
        const factors b = factors_of(shared->items[now], at);
        share coming = fetch<MULTIPLE>(queries, next, d);
#pragma unroll
        for (int m = 0; m < M / 2; m++) {
            multiply_strip(sums, m, shared->queries[now], b, at);
        }
        put(shared->queries[now ^ 1], coming); /* where all were done at the last barrier */
        coming = fetch<MULTIPLE>(items, next, d);
#pragma unroll
        for (int m = M / 2; m < M; m++) {
            multiply_strip(sums, m, shared->queries[now], b, at);
        }
        put(shared->items[now ^ 1], coming);
        __syncthreads();
    }
}

__device__ __forceinline__ int64_t query_tiles(const rk_ranking &r)
{
    return (r.n_queries + SIDE - 1) / SIDE;
}

__device__ __forceinline__ side queries_from(const rk_ranking &r, int64_t first)
{
    return side_of(r.queries + first * r.d, 1, r.n_queries - first, (int)r.d);
}

/* ---- the bars ---- */

/* Scores of a tile of the sample. */
template <int MULTIPLE>
__global__ void __launch_bounds__(rk::BLOCK, RESIDENT<MULTIPLE>)
    score_sample(rk_ranking r, sample s)
{
    rk::begin();
    __shared__ strips shared;
    const int64_t first_query = blockIdx.x % query_tiles(r) * SIDE;
    const int64_t first = blockIdx.x / query_tiles(r) * SIDE;
    if (first_query >= *r.count) {
        return; /* the whole block */
    }
    const side items =
        side_of(r.table + (s.first + first) * s.step * r.d, s.step, s.n - first, (int)r.d);
    products sums;
    multiply<MULTIPLE>(&sums, &shared, queries_from(r, first_query), items, (int)r.d);
    const place at;
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int64_t query = first_query + at.query(m, half);
            float *row = s.scores + query * s.stride + first;
#pragma unroll
            for (int n = 0; n < N && query < r.n_queries; n++) {
                const float2 two = {sums.v[m][n][2 * half], sums.v[m][n][2 * half + 1]};
                *reinterpret_cast<float2 *>(row + at.item(n, 0)) = two;
            }
        }
    }
}

/* What a user may not be given takes no part. */
__device__ void take_out(const rk_ranking &r, const sample &s, int64_t query, float *row)
{
    const int64_t end = r.mask_offsets[query + 1];
    for (int64_t i = r.mask_offsets[query] + threadIdx.x; i < end; i += rk::BLOCK) {
        const int64_t item = r.mask_items[i], in_sample = item / s.step - s.first;
        if (item % s.step == 0 && in_sample >= 0 && in_sample < s.n) {
            row[in_sample] = -CUDART_INF_F;
        }
    }
    for (int64_t i = threadIdx.x; r.blocked && i < s.n; i += rk::BLOCK) {
        if (r.blocked[(s.first + i) * s.step]) {
            row[i] = -CUDART_INF_F;
        }
    }
}

/* A block a query: the best of each group, and after the last of the sample the bar. */
__global__ void __launch_bounds__(rk::BLOCK) raise_bars(rk_ranking r, sample s)
{
    rk::begin();
    RK_DYNAMIC_SHARED(float, best); /* [n_groups] */
    const int64_t query = blockIdx.x;
    if (query >= *r.count) {
        return; /* the whole block */
    }
    float *row = s.scores + query * s.stride, *before = s.maxima + query * s.n_groups;
    take_out(r, s, query, row);
    __syncthreads();
    for (int group = (int)threadIdx.x; group < s.n_groups; group += rk::BLOCK) {
        float most = s.first == 0 ? -CUDART_INF_F : before[group];
        for (int64_t i = group; i < s.n; i += s.n_groups) {
            most = fmaxf(most, row[i]);
        }
        best[group] = most;
        if (!s.is_last) {
            before[group] = most;
        }
    }
    if (!s.is_last) {
        return; /* the whole block */
    }
    __syncthreads();
    rk::bitonic_sort(best, s.n_groups);
    const float slack = rk::margin2(r, query);
    if (threadIdx.x == 0) {
        const bool is_known = slack < rk::MOST_SLACK;
        r.bars[query] = is_known ? best[r.k - 1] - slack : CUDART_NAN_F; /* NaN: nothing passes */
        r.counts[query] = is_known ? 0 : TOO_MANY;
    }
}

/* ---- survivors ---- */

/* Survivors of a block, in shared memory: masks and lists are far away, and are gone to many at a
 * time. */
struct survivors {
    int n; /* and those that there was no room for */
    candidate found[MOST_FOUND];
    int query[MOST_FOUND]; /* in the tile */
};

/* To the lists of their queries. All threads of the block call it, after a barrier. */
__device__ __forceinline__ void write_survivors(const rk_ranking &r, const survivors &all,
                                                int64_t first_query)
{
    for (int i = (int)threadIdx.x; i < min(all.n, MOST_FOUND); i += rk::BLOCK) {
        const int64_t query = first_query + all.query[i];
        if (!rk::is_masked(r, query, all.found[i].item)) {
            const int n = atomicAdd(r.counts + query, 1);
            if (n < r.size) {
                static_cast<candidate *>(r.lists)[query * r.size + n] = all.found[i];
            }
        }
    }
}

/* Which of this lane's scores pass, a bit for each of 8 queries and 8 items. */
__device__ __forceinline__ uint64_t passing(const products &sums, const float *bars, int n_items)
{
    const place at;
    uint64_t bits = 0;
#pragma unroll
    for (int p = 0; p < M * 2 * N * 2; p++) {
        const int m = p / (4 * N), half = p / (2 * N) % 2, n = p / 2 % N, i = p % 2;
        const bool is_there = at.item(n, i) < n_items;
        bits |= (uint64_t)(sums.v[m][n][2 * half + i] >= bars[at.query(m, half)] && is_there) << p;
    }
    return bits;
}

/* Those that pass and find room; returns the others. */
__device__ __forceinline__ uint64_t collect(const products &sums, uint64_t bits, int32_t first_item,
                                            survivors *all)
{
    const place at;
#pragma unroll
    for (int p = 0; p < M * 2 * N * 2; p++) {
        const int m = p / (4 * N), half = p / (2 * N) % 2, n = p / 2 % N, i = p % 2;
        if (bits >> p & 1) {
            const int slot = atomicAdd(&all->n, 1);
            if (slot < MOST_FOUND) {
                all->found[slot] = {sums.v[m][n][2 * half + i], first_item + at.item(n, i)};
                all->query[slot] = at.query(m, half);
                bits &= ~((uint64_t)1 << p);
            }
        }
    }
    return bits;
}

/* Blocks that work on the same items follow each other. */
template <int MULTIPLE>
__global__ void __launch_bounds__(rk::BLOCK, RESIDENT<MULTIPLE>) keep_survivors(rk_ranking r)
{
    rk::begin();
    __shared__ strips shared;
    __shared__ survivors all;
    __shared__ float bars[SIDE];
    const int64_t first_query = blockIdx.x % query_tiles(r) * SIDE;
    const int64_t first = blockIdx.x / query_tiles(r) * (TILES * SIDE);
    const int64_t n_queries = *r.count - first_query;
    if (n_queries <= 0) {
        return; /* the whole block */
    }
    if (threadIdx.x < SIDE) {
        bars[threadIdx.x] =
            threadIdx.x < n_queries ? r.bars[first_query + threadIdx.x] : CUDART_NAN_F;
    }
    if (threadIdx.x == 0) {
        all.n = 0;
    }
#pragma unroll 1
    for (int64_t item = first; item < min(first + TILES * SIDE, r.n_items); item += SIDE) {
        const side items = side_of(r.table + item * r.d, 1, r.n_items - item, (int)r.d);
        products sums;
        multiply<MULTIPLE>(&sums, &shared, queries_from(r, first_query), items, (int)r.d);
        uint64_t bits = passing(sums, bars, (int)min(r.n_items - item, (int64_t)SIDE));
        bool is_full;
        do {
            bits = collect(sums, bits, (int32_t)item, &all);
            __syncthreads();
            is_full = all.n > MOST_FOUND;
            if (is_full) {
                write_survivors(r, all, first_query);
                __syncthreads();
                if (threadIdx.x == 0) {
                    all.n = 0;
                }
                __syncthreads();
            }
        } while (is_full);
    }
    write_survivors(r, all, first_query);
}

/* ---- launches ---- */

int64_t groups_for(int64_t k)
{
    int64_t n = LEAST_GROUPS;
    while (n < 4 * k) {
        n *= 2;
    }
    return n;
}

/* Twice the survivors that are expected fit in a list. */
int64_t step_for(int64_t k)
{
    const int64_t step = rk_cuda_topk_room(k) / (2 * k);
    return step < MOST_STEP ? step : MOST_STEP;
}

/* Scores of the sample for so many items at a time. */
int64_t sample_width(int64_t n_queries, int64_t n_items, int64_t step)
{
    const int64_t fit = SAMPLE_BYTES / (int64_t)sizeof(float) / (n_queries > 0 ? n_queries : 1);
    const int64_t most = fit < MOST_WIDTH ? fit : MOST_WIDTH;
    const int64_t all = rk::divide_up(rk::divide_up(n_items, step), SIDE) * SIDE;
    const int64_t some = most > SIDE ? most / SIDE * SIDE : SIDE;
    return some < all ? some : all;
}

struct kernels {
    void (*score)(rk_ranking, sample);
    void (*keep)(rk_ranking);
};

kernels kernels_for(int64_t d)
{
    return d % STRIP == 0 ? kernels{score_sample<STRIP>, keep_survivors<STRIP>}
           : d % 4 == 0   ? kernels{score_sample<4>, keep_survivors<4>}
                          : kernels{score_sample<1>, keep_survivors<1>};
}

/* n floats, the next ones aligned. */
int64_t float_bytes(int64_t n)
{
    return rk::divide_up(n * (int64_t)sizeof(float), 256) * 256;
}

} // namespace

bool rk_cuda_topk_tensor_takes(int64_t k)
{
    return groups_for(k) <= MOST_GROUPS && step_for(k) > 1;
}

int64_t rk_cuda_topk_tensor_scratch(int64_t n_queries, int64_t n_items, int64_t k)
{
    return float_bytes(n_queries) + float_bytes(n_queries * groups_for(k)) +
           float_bytes(n_queries * sample_width(n_queries, n_items, step_for(k)));
}

cudaError_t rk_cuda_topk_tensor(rk_ranking *r, void *scratch, rk_stream *stream)
{
    const kernels kernels = kernels_for(r->d);
    const int64_t n_tiles = rk::divide_up(r->n_queries, SIDE), step = step_for(r->k);
    const int64_t width = sample_width(r->n_queries, r->n_items, step);
    const int64_t n_sample = rk::divide_up(r->n_items, step);
    const int64_t groups = groups_for(r->k);
    char *memory = static_cast<char *>(scratch);
    sample s = {};
    r->bars = reinterpret_cast<float *>(memory);
    s.maxima = reinterpret_cast<float *>(memory + float_bytes(r->n_queries));
    s.scores = s.maxima + float_bytes(r->n_queries * groups) / (int64_t)sizeof(float);
    s.stride = width;
    s.step = step;
    s.n_groups = (int32_t)groups;
    for (s.first = 0; s.first < n_sample; s.first += width) {
        s.n = n_sample - s.first < width ? n_sample - s.first : width;
        s.is_last = s.first + s.n == n_sample;
        const rk::grid scores = {n_tiles * rk::divide_up(s.n, SIDE)};
        RK_TRY_LAUNCH(rk::run(stream, scores, kernels.score, *r, s));
        const rk::grid bars = {r->n_queries, rk::BLOCK, groups * (int64_t)sizeof(float)};
        RK_TRY_LAUNCH(rk::run(stream, bars, raise_bars, *r, s));
    }
    const rk::grid all = {n_tiles * rk::divide_up(r->n_items, TILES * SIDE)};
    return rk::run(stream, all, kernels.keep, *r);
}
