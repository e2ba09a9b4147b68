#include "dist/nccl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* A handle for dlsym; RTLD_DEFAULT may be NULL. */
static rk_status find_library(void **out, const char **out_name)
{
    const char *named = getenv("RANKINE_NCCL");
    bool is_named = named && *named;
    *out_name = is_named ? named : "libnccl.so.2";
    if (!is_named && dlsym(RTLD_DEFAULT, "ncclCommInitRank")) {
        *out_name = "that of this process";
        *out = RTLD_DEFAULT;
        return RK_OK;
    }
    *out = dlopen(*out_name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!*out) {
        RK_FAIL(RK_ERR_DEVICE,
                "NCCL cannot be loaded: %s; install libnccl2, or say where it is "
                "(RANKINE_NCCL=/path/libnccl.so.2)",
                dlerror());
    }
    return RK_OK;
}

static rk_status load(rk_nccl *out, const char **out_name)
{
    void *library = NULL;
    *out = (rk_nccl){0};
    RK_TRY(find_library(&library, out_name));
    const struct {
        const char *name;
        void **to;
        bool may_lack;
    } functions[] = {
        {"ncclGetVersion", (void **)&out->version, false},
        {"ncclGetErrorString", (void **)&out->text, false},
        {"ncclGetLastError", (void **)&out->last_error, true},
        {"ncclGetUniqueId", (void **)&out->make_id, false},
        {"ncclCommInitRank", (void **)&out->init, false},
        {"ncclCommDestroy", (void **)&out->destroy, false},
        {"ncclCommAbort", (void **)&out->abort, false},
        {"ncclCommGetAsyncError", (void **)&out->async_error, false},
        {"ncclAllReduce", (void **)&out->all_reduce, false},
        {"ncclAllGather", (void **)&out->all_gather, false},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        *functions[i].to = dlsym(library, functions[i].name);
        if (!*functions[i].to && !functions[i].may_lack) {
            RK_FAIL(RK_ERR_DEVICE, "NCCL (%s) has no %s: 2.14 or newer is needed", *out_name,
                    functions[i].name);
        }
    }
    return RK_OK;
}

rk_status rk__nccl_load(rk_nccl *out)
{
    const char *name = NULL;
    return load(out, &name);
}

rk_status rk__nccl_describe(char *out, size_t size)
{
    rk_nccl nccl;
    const char *name = NULL;
    int version = 0;
    RK_TRY(load(&nccl, &name));
    RK_TRY(rk__nccl_check(&nccl, nccl.version(&version), "ncclGetVersion"));
    snprintf(out, size, "NCCL %d.%d.%d (%s)", version / 10000, version / 100 % 100, version % 100,
             name);
    return RK_OK;
}

rk_status rk__nccl_check(const rk_nccl *nccl, int result, const char *call)
{
    if (result == RK_NCCL_SUCCESS) {
        return RK_OK;
    }
    const char *more = nccl->last_error ? nccl->last_error(nccl->comm) : NULL;
    RK_FAIL(RK_ERR_DEVICE, "%s: %s%s%.200s; NCCL_DEBUG=WARN says more", call, nccl->text(result),
            more && *more ? ": " : "", more && *more ? more : "");
}

void rk__nccl_close(rk_nccl *nccl, bool in_order)
{
    if (nccl->comm) {
        (in_order ? nccl->destroy : nccl->abort)(nccl->comm);
        nccl->comm = NULL;
    }
}
