/* Sums of device memory by NCCL. Its communicator is made over the ranks' own messages. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "dist/internal.h"

enum { WIDTH_F32 = 4, WIDTH_F64 = 8, GPU_ID = 64 };

int64_t rk__comm_device_index(const rk_comm *comm, int64_t count)
{
    return count > 0 ? comm->local_rank % count : 0;
}

/* Where GPUs are handed out one a process (srun --gpus-per-task), each rank sees one, and it is its
 * own; only if two ranks of a machine have the same one there are too few. */
static rk_status check_gpus(rk_comm *comm, const char *gpu, int64_t count)
{
    char mine[GPU_ID] = "", *all = NULL;
    int64_t *sizes = NULL;
    rk_status status = RK_OK;
    snprintf(mine, sizeof mine, "%s", gpu);
    RK_TRY_GOTO(done, rk__alloc(&sizes, comm->size, sizeof *sizes, "GPUs of the ranks"));
    RK_TRY_GOTO(done, rk__alloc(&all, comm->size, GPU_ID, "GPUs of the ranks"));
    rk__round_equal(comm, GPU_ID, sizes);
    RK_TRY_GOTO(done, rk__comm_gather(comm, "GPUs", mine, sizes, RK_COMM_ALL, all));
    for (int r = 0; r < comm->size; r++) {
        for (int q = 0; q < r; q++) {
            const rk_identity *a = &comm->peers[q].identity, *b = &comm->peers[r].identity;
            if (strcmp(a->host, b->host) == 0 && strcmp(all + q * GPU_ID, all + r * GPU_ID) == 0) {
                const char *visible = getenv("CUDA_VISIBLE_DEVICES");
                RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                             "ranks %d and %d would share GPU %s of %s: each rank needs a GPU of "
                             "its own, and rank %d sees %lld (CUDA_VISIBLE_DEVICES=%s); start as "
                             "many ranks on a machine as it has GPUs, or show it more of them",
                             q, r, all + r * GPU_ID, b->host, comm->rank, (long long)count,
                             visible ? visible : "not set");
            }
        }
    }

done:
    rk__free(all);
    rk__free(sizes);
    return status;
}

rk_status rk__comm_use_device(rk_comm *comm, const char *gpu, int64_t count)
{
    rk_nccl_id id = {{0}};
    if (comm->size == 1) {
        return RK_OK;
    }
    RK_TRY(check_gpus(comm, gpu, count));
    RK_TRY(rk__comm_all_ok(comm, "loading NCCL", rk__nccl_load(&comm->nccl)));
    rk_status made = comm->rank == 0
                         ? rk__nccl_check(&comm->nccl, comm->nccl.make_id(&id), "ncclGetUniqueId")
                         : RK_OK;
    RK_TRY(rk__comm_all_ok(comm, "NCCL's id", made));
    RK_TRY(rk__comm_broadcast(comm, "NCCL's id", &id, sizeof id, 0));
    int result = comm->nccl.init(&comm->nccl.comm, comm->size, id, comm->rank);
    return rk__comm_all_ok(comm, "starting NCCL",
                           rk__nccl_check(&comm->nccl, result, "ncclCommInitRank"));
}

/* After a failure whoever waits for a GPU once more, to clean up, hears of that one again. */
static rk_status check_device(const rk_comm *comm)
{
    const rk_farewell *why = &comm->farewell;
    if (comm->is_lost && why->status != RK_OK && why->rank != comm->rank) {
        RK_FAIL((rk_status)why->status, "rank %d ended the run: %s", why->rank, why->text);
    }
    if (comm->is_lost && why->status != RK_OK) {
        RK_FAIL((rk_status)why->status, "%s", why->text);
    }
    if (!comm->nccl.comm || comm->is_lost) {
        RK_FAIL(RK_ERR_INTERNAL, "device memory of ranks without NCCL");
    }
    return RK_OK;
}

static void remember(rk_comm *comm, rk_status status)
{
    if (comm->farewell.status == RK_OK) {
        comm->farewell = (rk_farewell){.status = (int32_t)status, .rank = comm->rank};
        snprintf(comm->farewell.text, sizeof comm->farewell.text, "%s", rk_last_error());
    }
}

rk_status rk__comm_sum_device(rk_comm *comm, void *memory, int64_t n, rk_comm_type type,
                              void *stream)
{
    const rk_nccl *nccl = &comm->nccl;
    if (comm->size == 1) {
        return RK_OK;
    }
    RK_TRY(check_device(comm));
    int64_t bytes = n * (type == RK_COMM_F32 ? WIDTH_F32 : WIDTH_F64);
    comm->bytes_sent += 2 * bytes / comm->size * (comm->size - 1);
    return rk__nccl_check(nccl,
                          nccl->all_reduce(memory, memory, (size_t)n,
                                           type == RK_COMM_F32 ? RK_NCCL_F32 : RK_NCCL_F64,
                                           RK_NCCL_SUM, nccl->comm, stream),
                          "ncclAllReduce");
}

rk_status rk__comm_gather_device(rk_comm *comm, const float *mine, int64_t n, float *all,
                                 void *stream)
{
    const rk_nccl *nccl = &comm->nccl;
    if (comm->size == 1) {
        RK_ASSERT(all == mine); /* a copy would need the device's own functions */
        return RK_OK;
    }
    RK_TRY(check_device(comm));
    comm->bytes_sent += n * WIDTH_F32 * (comm->size - 1);
    return rk__nccl_check(nccl,
                          nccl->all_gather(mine, all, (size_t)n, RK_NCCL_F32, nccl->comm, stream),
                          "ncclAllGather");
}

rk_status rk__comm_wait_device(rk_comm *comm, const char *what, bool (*is_done)(void *user),
                               void *user)
{
    rk_wait wait = rk__wait_begin(what, NULL, 0);
    rk_status status = RK_OK;
    if (comm->size == 1) {
        return RK_OK;
    }
    RK_TRY(check_device(comm));
    while (status == RK_OK && !is_done(user)) {
        int result = RK_NCCL_SUCCESS;
        int asked = comm->nccl.async_error(comm->nccl.comm, &result);
        result = asked == RK_NCCL_SUCCESS && result == RK_NCCL_IN_PROGRESS ? 0 : asked + result;
        status = rk__nccl_check(&comm->nccl, result, what);
        status = status == RK_OK ? rk__wait_turn(comm, &wait) : status;
    }
    if (status != RK_OK) {
        remember(comm, status);
        rk__nccl_close(&comm->nccl, false); /* its kernels end: who waits for them waits no more */
        comm->is_lost = true;
    }
    return status;
}
