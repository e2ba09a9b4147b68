/* Which devices this build has, and the choice among them. */
#include <stdio.h>
#include <string.h>

#include "base/choices.h"
#include "device/device.h"

/* Best first. */
static const rk_device *const devices[] = {
#ifdef RANKINE_CUDA
    &rk__device_cuda,
#endif
    &rk__device_cpu,
    NULL,
};

const rk_device *const *rk__devices(void)
{
    return devices;
}

static const rk_device *find(const char *name)
{
    for (int i = 0; devices[i]; i++) {
        if (strcmp(devices[i]->name, name) == 0) {
            return devices[i];
        }
    }
    return NULL;
}

/* auto: a CUDA device if there is one. Who names one that is not there would not expect the CPU. */
static rk_status choose_auto(int64_t index, const rk_device **out, const char **out_reason)
{
    static _Thread_local char reason[320];
    const rk_device *cuda = find("cuda");
    *out = find("cpu");
    if (!cuda) {
        *out_reason = "this build has no CUDA device";
        return RK_OK;
    }
    rk_status status = cuda->probe(index);
    if (status == RK_OK) {
        *out = cuda;
        *out_reason = "a CUDA device is there";
    } else if (status != RK_ERR_CONFIG) {
        snprintf(reason, sizeof reason, "no CUDA device can be used: %s", rk_last_error());
        *out_reason = reason;
        return RK_OK;
    }
    return status;
}

rk_status rk__device_choose(int choice, int64_t index, const rk_device **out,
                            const char **out_reason)
{
    if (choice == RK_DEVICE_AUTO) {
        return choose_auto(index, out, out_reason);
    }
    const char *name = choice == RK_DEVICE_CPU ? "cpu" : "cuda";
    *out = find(name);
    *out_reason = "run.device says so";
    if (!*out) {
        RK_FAIL(RK_ERR_DEVICE,
                "run.device is %s, but this build has no %s device; use auto or cpu, or rebuild "
                "with it",
                name, name);
    }
    rk_status status = (*out)->probe(index);
    return status == RK_OK ? RK_OK : rk__fail_prefix(status, "run.device is %s", name);
}
