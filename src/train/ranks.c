#include "train/ranks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

static bool is_on_cuda(const rk_options *o)
{
    const rk_device *device = NULL;
    const char *ignored = NULL;
    return rk__device_choose(o->run.device, o->cuda.device, &device, &ignored) == RK_OK &&
           device != &rk__device_cpu;
}

/* Which GPU a rank has is not for a config that all ranks share to say. */
static rk_status check_device(const rk_config *config, int ranks)
{
    const rk_options *o = rk__config_options(config);
    if (o->run.device != RK_DEVICE_CPU && o->cuda.device != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but there are %d ranks, each of which takes the GPU of its place on its "
                "machine: choose from which by CUDA_VISIBLE_DEVICES, without cuda.device",
                rk__config_says(config, "cuda.device").text, ranks);
    }
    return RK_OK;
}

rk_status rk__ranks_open(rk_trainer *t, const rk_train_options *how, const rk_hooks *hooks)
{
    const rk_options *o = rk__config_options(t->config);
    const rk_comm_options options = {.choice = o->run.communicator,
                                     .on_cuda = is_on_cuda(o),
                                     .patience = o->run.patience,
                                     .hooks = hooks};
    char *text = NULL, *all = NULL;
    RK_TRY(rk__comm_open(&options, &t->comm));
    if (rk__comm_size(t->comm) == 1) {
        return RK_OK;
    }
    t->log.is_quiet = rk__comm_rank(t->comm) > 0;
    RK_TRY(rk_config_text(t->config, true, &text));
    rk_status status =
        rk__format(&all, "%s# resume %d, force %d, eager %d, from %s\n", text, how->resume,
                   how->force, how->eager, how->from ? how->from : "nothing");
    status = status == RK_OK ? rk__comm_agree(t->comm, RK_ERR_CONFIG, "config", all) : status;
    rk_string_free(text);
    rk__free(all);
    return status == RK_OK ? check_device(t->config, rk__comm_size(t->comm)) : status;
}

rk_status rk__ranks_take_folder(rk_trainer *t, const rk_train_options *how)
{
    int64_t length = 0;
    if (rk__comm_rank(t->comm) == 0) {
        RK_TRY(rk__run_folder_take(how, &t->lock));
        t->folder = t->lock.path;
        length = (int64_t)strlen(t->folder);
    }
    RK_TRY(rk__comm_broadcast(t->comm, "the run folder", &length, sizeof length, 0));
    RK_TRY(rk__calloc(&t->run_folder, length + 1, 1, "the run folder"));
    if (t->folder) {
        memcpy(t->run_folder, t->folder, (size_t)length);
    }
    return rk__comm_broadcast(t->comm, "the run folder", t->run_folder, length, 0);
}

int64_t rk__ranks_bytes_per_step(const rk_trainer *t)
{
    const int64_t ranks = rk__comm_size(t->comm);
    if (strcmp(rk__comm_name(t->comm), "nccl") != 0) {
        return t->steps_here > 0 ? t->bytes_sent / t->steps_here : 0;
    }
    const rk_exchanges e = rk__program_exchanges(&t->step.phases[0]);
    return 2 * e.summed * (ranks - 1) / ranks + e.gathered * (ranks - 1);
}

void rk__ranks_tell(rk_trainer *t)
{
    const rk_exchanges e = rk__program_exchanges(&t->step.phases[0]);
    const int ranks = rk__comm_size(t->comm);
    if (ranks > 1) {
        rk__log(&t->log, RK_LOG_INFO,
                "%d ranks by %s, each with %lld of %lld columns of the tables; a step sums %lld "
                "bytes over ranks and gathers %lld of each",
                ranks, rk__comm_name(t->comm), (long long)t->options->model.dim / ranks,
                (long long)t->options->model.dim, (long long)e.summed, (long long)e.gathered);
    }
}
