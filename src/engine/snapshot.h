/* What is saved of a model, on the host: its parameters as they were at one moment. */
#ifndef RK_ENGINE_SNAPSHOT_H
#define RK_ENGINE_SNAPSHOT_H

#include "engine/engine.h"

typedef struct rk_snapshot {
    void **values; /* one a parameter, in the model's order; owned */
    int n;         /* 0 = there is none */
    int64_t epoch; /* that they are from */
    double value;  /* of the watched metric then; NaN = unknown */
    /* Of an ensemble the config with its members; owned; NULL = that which the caller gave. */
    rk_config *config;
} rk_snapshot;

/* Replaces what *out holds; on failure that stays. */
rk_status rk__snapshot_take(const rk_engine *engine, rk_snapshot *out);
/* Writes it into an engine of the same model and sizes. */
rk_status rk__snapshot_put(const rk_snapshot *snapshot, rk_engine *engine);
/* A zeroed one is fine. */
void rk__snapshot_free(rk_snapshot *snapshot);

#endif
