/* The metrics: names, formulas and the value of one user's list. */
#ifndef RK_EVAL_METRICS_H
#define RK_EVAL_METRICS_H

#include <stdint.h>

#include "base/error.h"
#include "eval/metric_names.def"

typedef enum rk_metric {
#define RK_METRIC_ENUM(name, formula, note) RK_METRIC_##name,
    RK_METRICS(RK_METRIC_ENUM)
#undef RK_METRIC_ENUM
        RK_METRIC_COUNT
} rk_metric;

/* RK_ERR_CONFIG, listing the known names, for an unknown one. */
rk_status rk__metric_parse(const char *name, rk_metric *out);

/* hits[r] = 1 if the item at rank r (from 0) is one of the user's n_targets > 0 held-out items,
 * k >= 1 of them. RK_METRIC_coverage has no value for one user: 0. */
double rk__metric_of_user(rk_metric metric, const uint8_t *hits, int64_t k, int64_t n_targets);

/* The text of `rankine info --metrics`: formulas, which users count, ties, masking. Free with
 * rk__free. */
rk_status rk__metrics_text(char **out);

#endif
