/* What the public rk_run points to; shared by run.c, recommend.c and export.c. */
#ifndef RK_API_RUN_INTERNAL_H
#define RK_API_RUN_INTERNAL_H

#include "eval/popularity.h"
#include "rankine/run.h"
#include "train/ranker.h"

struct rk_run {
    rk_config *config;   /* owned */
    rk_dataset *dataset; /* owned */
    rk_engine engine;
    rk_model_ranker ranker;
    rk_popularity popularity;
    int64_t epoch; /* the parameters are from */
    float *final;  /* [n_users + n_items, dim], users first; owned */
};

/* rk_run_open with further assignments on top of the run's configuration. */
rk_status rk__run_open(const char *directory, const char *device, const char *data_root,
                       const char *const *assignments, int64_t n, const rk_hooks *hooks,
                       rk_run **out);

#endif
