/* The metrics of base/metrics.def: names, formulas and the value of one user's list. */
#ifndef RK_EVAL_METRICS_H
#define RK_EVAL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/metrics.def"

/* The numbers that the option eval.metrics holds. */
typedef enum rk_metric {
#define RK_METRIC_ENUM(name, of_user, formula, note) RK_METRIC_##name,
    RK_METRICS(RK_METRIC_ENUM)
#undef RK_METRIC_ENUM
        RK_METRIC_COUNT
} rk_metric;

const char *rk__metric_name(rk_metric metric);

/* Whether each user has a value; if not (coverage), there is one for all users together. */
bool rk__metric_is_of_user(rk_metric metric);

/* hits[r] = 1 if the item at rank r (from 0) is one of the user's n_targets > 0 held-out items,
 * k >= 1 of them. 0 for a metric that is not of a user. */
double rk__metric_of_user(rk_metric metric, const uint8_t *hits, int64_t k, int64_t n_targets);

/* The text of `rankine info --metrics`: formulas, which users count, ties, masking. Free with
 * rk__free. */
rk_status rk__metrics_text(char **out);

#endif
