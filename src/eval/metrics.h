/* The metrics of base/metrics.def: names, formulas and the value of one user's list. */
#ifndef RK_EVAL_METRICS_H
#define RK_EVAL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/metrics.def"
#include "config/options.h"

/* The numbers that the option eval.metrics holds. */
typedef enum rk_metric {
#define RK_METRIC_ENUM(name, of, formula, note) RK_METRIC_##name,
    RK_METRICS(RK_METRIC_ENUM)
#undef RK_METRIC_ENUM
        RK_METRIC_COUNT
} rk_metric;

/* What a metric is of; metrics.def says more. */
typedef enum rk_metric_of {
    RK_METRIC_OF_HITS,
    RK_METRIC_OF_ITEMS,
    RK_METRIC_OF_ORDER,
    RK_METRIC_OF_PLACE,
    RK_METRIC_OF_ALL
} rk_metric_of;

const char *rk__metric_name(rk_metric metric);
rk_metric_of rk__metric_of(rk_metric metric);

/* A metric at a cut-off; k is 0 where it has none. */
typedef struct rk_measure {
    rk_metric metric;
    int64_t k;
} rk_measure;

/* eval.metrics x eval.k, in this order; a metric without a cut-off is there once. At least one, or
 * RK_ERR_CONFIG. Free *out with rk__free. */
rk_status rk__measures(const rk_options *options, rk_measure **out, int64_t *out_n);

/* "ndcg@10", "auc@all" */
enum { RK_MEASURE_BYTES = 40 };
void rk__measure_name(rk_measure measure, char room[RK_MEASURE_BYTES]);

/* Whether each user has a value; if not (coverage, gini), there is one for all lists together. */
bool rk__measure_is_of_user(rk_measure measure);

/* Does it come of where held-out items stand, not of lists? */
bool rk__measure_is_of_order(rk_measure measure);

/* Where a held-out item stands among `others` items that are neither seen nor held out: so many
 * score higher, and so many the same; above -1: it is never ranked. */
typedef struct rk_place {
    int64_t others, above, tied;
} rk_place;

/* The value of one held-out item, for measures of the order. Of those that tie its rank is the mean
 * of the best and the worst. */
double rk__metric_of_place(rk_measure measure, rk_place place);

/* A user's list as metrics of hits see it. */
typedef struct rk_hits {
    const uint8_t *hit;  /* hit[r] = 1 if the item at rank r (from 0) is held out */
    int64_t n_listed;    /* items that the list has, of the K that were wanted */
    int64_t n_targets;   /* held-out items, > 0 */
    const double *gain;  /* of the item at rank r, 0 where it is none; NULL = 1 each */
    const double *ideal; /* n_targets gains, the largest first; NULL = 1 each */
} rk_hits;

/* The value of a list of hits. style: RK_STYLE_*. For metrics of RK_METRIC_OF_HITS. */
double rk__metric_of_hits(rk_measure measure, int style, const rk_hits *hits);

/* A user's weight in the mean: 1, but where a style counts over all users together. */
double rk__measure_weight(rk_measure measure, int style, int64_t n_targets);
/* Do all held-out pairs count alike, of whatever user? */
bool rk__measure_is_of_pairs(rk_measure measure);

/* The text of `rankine info --metrics`: formulas, which users count, ties, masking. Free with
 * rk__free. */
rk_status rk__metrics_text(char **out);

#endif
