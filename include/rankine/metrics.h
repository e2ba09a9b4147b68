/*
 * The numbers of an evaluation. `rankine info --metrics` has their formulas.
 */
#ifndef RANKINE_METRICS_H
#define RANKINE_METRICS_H

#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_metric_value {
    const char *name; /* "ndcg@10" */
    double value;
} rk_metric_value;

/* Begin with zeros. */
typedef struct rk_metrics {
    rk_metric_value *values; /* in the order of eval.metrics x eval.k */
    int64_t count;
    int64_t users; /* averaged over */
    double seconds;
} rk_metrics;

/* A zeroed one is fine. */
RK_API void rk_metrics_free(rk_metrics *metrics);

#ifdef __cplusplus
}
#endif
#endif
