/* Ranks that evaluate a model together: rankine/ranks.h over the communicator. */
#include "rankine/ranks.h"

#include <inttypes.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/choices.h"
#include "base/file.h"
#include "dist/comm.h"
#include "dist/launch.h"

struct rk_ranks {
    rk_comm *comm; /* owned */
};

/* ---- joining and leaving ---- */

enum { PATIENCE = 600 }; /* seconds; the default of run.patience */

rk_status rk_ranks_join(bool is_self, const rk_hooks *hooks, rk_ranks **out)
{
    const rk_comm_options options = {.choice =
                                         is_self ? RK_COMMUNICATOR_SELF : RK_COMMUNICATOR_AUTO,
                                     .option = "--communicator",
                                     .patience = PATIENCE,
                                     .hooks = hooks};
    rk_ranks *ranks = NULL;
    RK_TRY(rk__calloc(&ranks, 1, sizeof *ranks, "ranks"));
    rk_status status = rk__comm_open(&options, &ranks->comm);
    if (status != RK_OK) {
        rk__free(ranks);
        return status;
    }
    *out = ranks;
    return RK_OK;
}

void rk_ranks_leave(rk_ranks *ranks, rk_status status, const char *sentence)
{
    if (!ranks) {
        return;
    }
    if (status != RK_OK && sentence) {
        rk__fail(status, __FILE__, __LINE__, __func__, "%s", sentence);
    }
    rk__comm_close(ranks->comm, status);
    rk__free(ranks);
}

/* ---- what is known ---- */

rk_ranks_start rk_ranks_started(void)
{
    const rk_launch l = rk__launch_find();
    return (rk_ranks_start){.size = l.size, .rank = l.rank, .by = l.by, .variable = l.variable};
}

static rk_comm *comm_of(const rk_ranks *ranks)
{
    return ranks ? ranks->comm : rk__comm_self();
}

int64_t rk_ranks_rank(const rk_ranks *ranks)
{
    return rk__comm_rank(comm_of(ranks));
}

int64_t rk_ranks_size(const rk_ranks *ranks)
{
    return rk__comm_size(comm_of(ranks));
}

int64_t rk_ranks_share(const rk_ranks *ranks, int64_t n, int64_t rank)
{
    return rk__comm_share(comm_of(ranks), n, (int)rank);
}

/* ---- calls ---- */

rk_status rk_ranks_agree(rk_ranks *ranks, const char *what, const char *text)
{
    return rk__comm_agree(comm_of(ranks), RK_ERR_CONFIG, what, text);
}

rk_status rk_ranks_wait(rk_ranks *ranks, const char *what)
{
    return rk__comm_barrier_without_limit(comm_of(ranks), what);
}

rk_status rk_ranks_gather(rk_ranks *ranks, const char *what, const void *mine, const int64_t *bytes,
                          void *all)
{
    return rk__comm_gather(comm_of(ranks), what, mine, bytes, 0, all);
}

/* Of another copy of the run, on another machine, answers would be put together that do not belong
 * together. */
static rk_status compare(rk_comm *comm, const rk_model *model)
{
    char *config = NULL, *text = NULL;
    if (rk__comm_size(comm) == 1) {
        return RK_OK;
    }
    RK_TRY(rk_config_text(model->config, false, &config));
    rk_status status = rk__format(&text, "epoch %" PRId64 "\ndata set %s\n%s", model->epoch,
                                  rk_dataset_fingerprint(model->dataset), config);
    rk_string_free(config);
    status = status == RK_OK ? rk__comm_agree(comm, RK_ERR_DATA, "model", text) : status;
    rk__free(text);
    return status;
}

rk_status rk_ranks_open_model(rk_ranks *ranks, const char *path, const char *device,
                              const char *data_root, const rk_hooks *hooks, rk_model **out)
{
    rk_comm *comm = comm_of(ranks);
    const rk_model_how how = {.device = device, .data_root = data_root, .ranks = comm};
    rk_model *model = NULL;
    rk_status status = rk__model_open(path, &how, hooks, &model);
    status = rk__comm_all_ok(comm, "the model", status);
    status = status == RK_OK ? compare(comm, model) : status;
    if (status != RK_OK) {
        rk_model_free(model);
        return status;
    }
    *out = model;
    return RK_OK;
}
