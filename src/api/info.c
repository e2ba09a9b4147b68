/* What this build can do, as text: each room is asked for its own table, nothing is listed twice.
 */
#include "rankine/info.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/build.h"
#include "config/options.h"
#include "device/device.h"
#include "dist/comm.h"
#include "eval/metrics.h"
#include "models/model.h"

enum { MEGABYTE = 1000000 };

const char *rk_version(void)
{
    return rk__build_info()->version;
}

int rk_abi_version(void)
{
    return RK_ABI_VERSION;
}

static rk_status describe_build(rk_buffer *out)
{
    const rk_build_info *build = rk__build_info();
    rk__buffer_add(out, "rankine %s (%s, %s, %s%s%s)\n", build->version, build->revision,
                   build->compiler, build->type, *build->sanitize ? ", with sanitizers " : "",
                   build->sanitize);
    return RK_OK;
}

/* One device; its index is shown where there are several. */
static rk_status describe_device(rk_buffer *out, const rk_device *device, int64_t index,
                                 bool is_one_of_several)
{
    rk_device_options options = {.index = index};
    char name[32];
    rk_device_context *context = NULL;
    rk_device_info info;
    int length = snprintf(name, sizeof name, "%s", device->name);
    if (is_one_of_several) {
        snprintf(name + length, sizeof name - (size_t)length, ":%lld", (long long)index);
    }
    rk_status status = device->probe(index);
    status = status == RK_OK ? device->open(&options, &context) : status;
    status = status == RK_OK ? device->info(context, &info) : status;
    if (status == RK_ERR_DEVICE) {
        rk__buffer_add(out, "  %-6s not usable: %s\n", name, rk_last_error());
        status = RK_OK;
    } else if (status == RK_OK) {
        rk__buffer_add(out, "  %-6s %s; %lld MB of memory, %lld MB free\n", name, info.name,
                       (long long)(info.memory_total / MEGABYTE),
                       (long long)(info.memory_free / MEGABYTE));
    }
    device->close(context);
    return status;
}

static rk_status describe_devices(rk_buffer *out)
{
    const rk_device *chosen;
    const char *reason;
    bool has_cuda = false;
    rk__buffer_add(out, "devices\n");
    for (const rk_device *const *device = rk__devices(); *device; device++) {
        int64_t n = (*device)->count ? (*device)->count() : 1;
        for (int64_t i = 0; i == 0 || i < n; i++) { /* of none, the reason why there is none */
            RK_TRY(describe_device(out, *device, i, n > 1));
        }
        if ((*device)->libraries) {
            RK_TRY((*device)->libraries(out));
        }
        has_cuda = has_cuda || strcmp((*device)->name, "cuda") == 0;
    }
    if (!has_cuda) {
        rk__buffer_add(out, "  cuda   not in this build\n");
    }
    RK_TRY(rk__device_choose(RK_DEVICE_AUTO, 0, &chosen, &reason));
    rk__buffer_add(out, "  auto   takes %s: %s\n", chosen->name, reason);
    return RK_OK;
}

/* What a room says of itself. */
static rk_status add_text(rk_buffer *out, rk_status (*make)(char **out_text))
{
    char *text = NULL;
    RK_TRY(make(&text));
    rk__buffer_add(out, "%s", text);
    rk__free(text);
    return RK_OK;
}

static rk_status describe_ranks(rk_buffer *out)
{
    return add_text(out, rk__comm_describe);
}

static rk_status describe_models(rk_buffer *out)
{
    rk__buffer_add(out, "models\n");
    for (const rk_model_kind *const *model = rk__models(); *model; model++) {
        rk__buffer_add(out, "  %-10s %s\n", (*model)->name, (*model)->help);
    }
    return RK_OK;
}

static rk_status describe_operations(rk_buffer *out)
{
    rk__buffer_add(out, "operations (B triplets of a batch, M candidates, S rows of a row set, "
                        "N nodes, d columns)\n");
    for (int op = 0; op < RK_OP_COUNT; op++) {
        const rk_op_info *info = rk__op_info((rk_op)op);
        rk__buffer_add(out, "  %-20s %s%s\n", info->name, info->help,
                       info->has_gradient ? " (has a gradient)" : "");
    }
    return RK_OK;
}

static rk_status describe_metrics(rk_buffer *out)
{
    return add_text(out, rk__metrics_text);
}

rk_status rk_info(const char *topic, char **out_text)
{
    static const struct {
        const char *topic;
        rk_status (*describe)(rk_buffer *out);
    } table[] = {
        {"build", describe_build},     {"devices", describe_devices},
        {"ranks", describe_ranks},     {"models", describe_models},
        {"metrics", describe_metrics}, {"operations", describe_operations},
    };
    rk_buffer text = {.status = RK_OK};
    *out_text = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(topic, table[i].topic) == 0) {
            rk_status status = table[i].describe(&text);
            if (status != RK_OK) {
                rk__buffer_free(&text);
                return status;
            }
            return rk__buffer_take(&text, out_text);
        }
    }
    RK_FAIL(RK_ERR_CONFIG,
            "no information on '%s'; topics are build, devices, ranks, models, operations and "
            "metrics",
            topic);
}
