/*
 * NCCL: sums of device memory, from GPU to GPU.
 *
 * The library is loaded when it is wanted: the one that the process has already (PyTorch brings its
 * own), that of RANKINE_NCCL, or libnccl.so.2. What is used of its interface is declared here; it
 * has been the same since NCCL 2.14.
 */
#ifndef RK_DIST_NCCL_H
#define RK_DIST_NCCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { RK_NCCL_SUCCESS = 0, RK_NCCL_IN_PROGRESS = 7 };       /* ncclResult_t */
enum { RK_NCCL_SUM = 0 };                                    /* ncclRedOp_t */
enum { RK_NCCL_INT8 = 0, RK_NCCL_F32 = 7, RK_NCCL_F64 = 8 }; /* ncclDataType_t */

typedef struct rk_nccl_id { /* ncclUniqueId */
    char bytes[128];
} rk_nccl_id;

typedef struct rk_nccl {
    int (*version)(int *out);
    const char *(*text)(int result);
    const char *(*last_error)(void *comm); /* NULL: this NCCL has none */
    int (*make_id)(rk_nccl_id *out);
    int (*init)(void **out, int ranks, rk_nccl_id id, int rank);
    int (*destroy)(void *comm);
    int (*abort)(void *comm);
    int (*async_error)(void *comm, int *out);
    int (*all_reduce)(const void *from, void *to, size_t n, int type, int op, void *comm,
                      void *stream);
    int (*all_gather)(const void *from, void *to, size_t n, int type, void *comm, void *stream);
    void *comm; /* ncclComm_t; NULL = none */
} rk_nccl;

/* Finds the functions; comm stays NULL. RK_ERR_DEVICE with the reason. */
rk_status rk__nccl_load(rk_nccl *out);

/* Its version and where it is, on one line. */
rk_status rk__nccl_describe(char *out, size_t size);

/* RK_ERR_DEVICE with what NCCL says, unless result is success. */
rk_status rk__nccl_check(const rk_nccl *nccl, int result, const char *call);

/* Ends the communicator: in order, or at once, with whatever is under way. None is fine. */
void rk__nccl_close(rk_nccl *nccl, bool in_order);

#endif
