/*
 * The running top K of each user over tiles of scores; the score matrix never exists whole.
 *
 * A block works on one user. It holds the list so far and a buffer of candidates in shared memory
 * (in global memory when K is in the thousands), scans the tile 256 scores at a time, and keeps
 * those that beat the K-th of the list and are not seen items. When the buffer may overflow, and at
 * the end, everything is sorted (bitonic) by score, ties to the smaller item: a total order, so the
 * result does not depend on the order of appends.
 */
#include "device.cuh"

#include <math_constants.h>

namespace
{

struct candidate {
    float score;
    int32_t item;
};

constexpr int32_t NO_ITEM = 0x7fffffff; /* sorts behind every item of the same score */

__device__ __forceinline__ bool better(candidate a, candidate b)
{
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/* Sorts `size` (a power of two) candidates, best first. All threads of the block call it. */
__device__ void bitonic_sort(candidate *list, int size)
{
    for (int width = 2; width <= size; width *= 2) {
        for (int distance = width / 2; distance > 0; distance /= 2) {
            for (int i = (int)threadIdx.x; i < size; i += rk::BLOCK) {
                const int partner = i ^ distance;
                if (partner > i) {
                    const candidate a = list[i], b = list[partner];
                    const bool descending = (i & width) == 0;
                    if (better(b, a) == descending) {
                        list[i] = b;
                        list[partner] = a;
                    }
                }
            }
            __syncthreads();
        }
    }
}

__device__ __forceinline__ bool is_in(const int32_t *sorted, int64_t begin, int64_t end,
                                      int32_t value)
{
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2;
        const int32_t found = __ldg(sorted + middle);
        if (found == value) {
            return true;
        }
        if (found < value) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

__device__ bool is_seen(const int64_t *__restrict__ train_offsets,
                        const int32_t *__restrict__ train_columns,
                        const int64_t *__restrict__ other_offsets,
                        const int32_t *__restrict__ other_columns, int64_t n_users, int32_t user,
                        int32_t item)
{
    return is_in(train_columns, train_offsets[user], train_offsets[user + 1],
                 (int32_t)(item + n_users)) ||
           (other_offsets &&
            is_in(other_columns, other_offsets[user], other_offsets[user + 1], item));
}

/* candidate[size] a user, the first k of them the list; size >= k + BLOCK. lists: only if they are
 * not in shared memory. */
template <bool IN_SHARED>
__global__ void __launch_bounds__(rk::BLOCK)
    merge(const float *__restrict__ tile, int64_t tile_stride, int64_t n_tile, int64_t first_item,
          const int32_t *__restrict__ users, int64_t n_users,
          const int64_t *__restrict__ train_offsets, const int32_t *__restrict__ train_columns,
          const int64_t *__restrict__ other_offsets, const int32_t *__restrict__ other_columns,
          int32_t *__restrict__ items, float *__restrict__ scores, int k, int size,
          candidate *__restrict__ lists)
{
    RK_DYNAMIC_SHARED(candidate, shared_list);
    __shared__ int used;
    candidate *list = IN_SHARED ? shared_list : lists + (int64_t)blockIdx.x * size;
    const int32_t user = users[blockIdx.x];
    if (user < 0) {
        return; /* the whole block */
    }
    int32_t *out_items = items + (int64_t)blockIdx.x * k;
    float *out_scores = scores + (int64_t)blockIdx.x * k;
    const float *row = tile + (int64_t)blockIdx.x * tile_stride;
    for (int i = (int)threadIdx.x; i < size; i += rk::BLOCK) {
        const int32_t item = i < k ? out_items[i] : -1;
        list[i].score = item >= 0 ? out_scores[i] : -CUDART_INF_F;
        list[i].item = item >= 0 ? item : NO_ITEM;
    }
    if (threadIdx.x == 0) {
        used = k;
    }
    __syncthreads();
    candidate last = list[k - 1];
    for (int64_t base = 0; base < n_tile; base += rk::BLOCK) {
        const int64_t i = base + threadIdx.x;
        candidate mine;
        mine.score = i < n_tile ? row[i] : -CUDART_INF_F;
        mine.item = (int32_t)(first_item + i);
        if (i < n_tile && mine.score > -CUDART_INF_F && better(mine, last) &&
            !is_seen(train_offsets, train_columns, other_offsets, other_columns, n_users, user,
                     mine.item)) {
            list[atomicAdd(&used, 1)] = mine;
        }
        __syncthreads();
        const int now = used;
        if (now + rk::BLOCK > size || (base + rk::BLOCK >= n_tile && now > k)) {
            bitonic_sort(list, size);
            for (int j = k + (int)threadIdx.x; j < size; j += rk::BLOCK) {
                list[j].score = -CUDART_INF_F;
                list[j].item = NO_ITEM;
            }
            if (threadIdx.x == 0) {
                used = k;
            }
            last = list[k - 1];
        }
        __syncthreads();
    }
    for (int i = (int)threadIdx.x; i < k; i += rk::BLOCK) {
        const bool is_item = list[i].item != NO_ITEM;
        out_items[i] = is_item ? list[i].item : -1;
        out_scores[i] = is_item ? list[i].score : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    clear(int32_t *__restrict__ items, float *__restrict__ scores, int64_t n)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        items[i] = -1;
        scores[i] = 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    gather_users(const float *__restrict__ final, const int32_t *__restrict__ users,
                 float *__restrict__ y, int64_t n, int64_t d)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int32_t user = users[i / d];
        y[i] = user >= 0 ? final[user * d + i % d] : 0.0f;
    }
}

/* 32 KB: every device has that without asking for more. */
constexpr int64_t MOST_IN_SHARED = 4096;

int64_t list_size(int64_t k)
{
    int64_t size = 2 * rk::BLOCK;
    while (size < k + rk::BLOCK) {
        size *= 2;
    }
    return size;
}

} // namespace

cudaError_t rk_cuda_gather_users(const float *final, const int32_t *users, float *y,
                                 int64_t n_tile_users, int64_t d, cudaStream_t stream)
{
    if (n_tile_users * d == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config =
        rk::launch(rk::blocks_for(n_tile_users * d, rk::BLOCK), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, gather_users, final, users, y, n_tile_users, d);
}

cudaError_t rk_cuda_topk_clear(int32_t *items, float *scores, int64_t n, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(n, rk::BLOCK), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, clear, items, scores, n);
}

int64_t rk_cuda_topk_scratch(int64_t n_tile_users, int64_t k)
{
    const int64_t size = list_size(k);
    return size > MOST_IN_SHARED ? n_tile_users * size * (int64_t)sizeof(candidate) : 0;
}

cudaError_t rk_cuda_topk_merge(const float *tile, int64_t tile_stride, int64_t n_tile,
                               int64_t first_item, const int32_t *users, int64_t n_tile_users,
                               int64_t n_users, const int64_t *train_offsets,
                               const int32_t *train_columns, const int64_t *other_offsets,
                               const int32_t *other_columns, int32_t *items, float *scores,
                               int64_t k, void *scratch, cudaStream_t stream)
{
    if (n_tile_users == 0 || n_tile == 0 || k == 0) {
        return cudaSuccess;
    }
    const int64_t size = list_size(k);
    const bool in_shared = size <= MOST_IN_SHARED;
    cudaLaunchConfig_t config = rk::launch((unsigned)n_tile_users, rk::BLOCK, stream,
                                           in_shared ? (size_t)size * sizeof(candidate) : 0);
    return cudaLaunchKernelEx(&config, in_shared ? merge<true> : merge<false>, tile, tile_stride,
                              n_tile, first_item, users, n_users, train_offsets, train_columns,
                              other_offsets, other_columns, items, scores, (int)k, (int)size,
                              static_cast<candidate *>(scratch));
}
