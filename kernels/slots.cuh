/* Slots of a batch of B triplets: B users, B positives, M candidates of each triplet. */
#ifndef RK_KERNELS_SLOTS_CUH
#define RK_KERNELS_SLOTS_CUH

#include "device.cuh"

namespace rk
{

/* M of a batch; input i has an entry for each slot. */
inline int64_t candidates_of(const rk_call *call, int i, int64_t batch)
{
    return batch == 0 ? 0 : rk__in(call, i)->rows / batch - 2;
}

/* Slot of triplet b's negative. */
__device__ __forceinline__ int64_t negative_slot(const int32_t *chosen, int64_t b, int64_t batch,
                                                 int64_t n_candidates)
{
    return 2 * batch + n_candidates * b + (chosen ? chosen[b] : 0);
}

} // namespace rk

#endif
