/* CUDA's libraries as they were loaded: the toolkit's, or those of PyPI's nvidia-* packages. */
#include <dlfcn.h>
#include <string.h>

#include "base/buffer.h"
#include "device/cuda/context.h"

rk_status rk__cuda_libraries(rk_buffer *out)
{
    const void *const functions[] = {(const void *)cudaGetDeviceCount, (const void *)cublasCreate,
                                     (const void *)cusparseCreate, (const void *)cusolverDnCreate};
    const char *last = "", *separator = "         stands on ";
    int last_length = 0, version = 0;
    cudaRuntimeGetVersion(&version);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        Dl_info info;
        const char *slash = dladdr(functions[i], &info) ? strrchr(info.dli_fname, '/') : NULL;
        if (!slash || !strstr(slash, ".so")) {
            continue; /* linked in, as the stand-ins of tests/emu are */
        }
        int length = (int)(slash - info.dli_fname);
        if (last_length > 0 &&
            (length != last_length || strncmp(info.dli_fname, last, (size_t)length) != 0)) {
            rk__buffer_add(out, " of %.*s", last_length, last);
        }
        rk__buffer_add(out, "%s%s", separator, slash + 1);
        separator = ", ";
        last = info.dli_fname;
        last_length = length;
    }
    if (last_length > 0) {
        rk__buffer_add(out, " of %.*s (CUDA %d.%d)\n", last_length, last, version / 1000,
                       version % 1000 / 10);
    }
    return out->status;
}
