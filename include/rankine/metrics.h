/*
 * The numbers of an evaluation; rk_info("metrics", ...) and `rankine info --metrics` have their
 * formulas.
 */
#ifndef RANKINE_METRICS_H
#define RANKINE_METRICS_H

#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_metric_value {
    const char *name; /* "ndcg@10", "auc@all"; owned by the metrics */
    double value;
    /* Of items that are ranked among drawn candidates (eval.among): what the value is over all
     * draws, exactly, where `value` is that of the draw that is stored. NaN: there is none. */
    double expected;
} rk_metric_value;

/* Begin with zeros: rk_metrics m = {0}. A call that fills it takes no notice of what is in it. */
typedef struct rk_metrics {
    rk_metric_value *values; /* in the order of eval.metrics x eval.k; auc@all once */
    int64_t count;
    int64_t users;  /* averaged over: those with an item in the part */
    double seconds; /* that ranking and counting took */
} rk_metrics;

/* The errors of predicted ratings, of models that predict any; less is better. In this order: mse,
 * rmse, mae, and mse_scaled, rmse_scaled, mae_scaled, which are divided by the square of the width
 * of the scale, by the width, by the width. */
enum { RK_RATING_ERRORS = 6 };
/* "mse" ...; NULL if out of range. */
RK_API const char *rk_rating_error_name(int64_t index);

/* Errors over all held-out ratings, and those of predictions that every model should beat: the mean
 * of train; the item's mean; mean, user's and item's bias. */
typedef struct rk_ratings {
    int64_t pairs;    /* held-out ratings; 0 = the model predicts none, and the rest is 0 */
    double low, high; /* the scale that predictions are kept within */
    double model[RK_RATING_ERRORS];
    double global_mean[RK_RATING_ERRORS], item_mean[RK_RATING_ERRORS], biases[RK_RATING_ERRORS];
} rk_ratings;

/* Frees the values and leaves zeros. One of zeros is fine. */
RK_API void rk_metrics_free(rk_metrics *metrics);

#ifdef __cplusplus
}
#endif
#endif
