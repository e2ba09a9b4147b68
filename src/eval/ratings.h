/*
 * Errors of predicted ratings over held-out ones, and the predictions that a model must beat: the
 * mean, the item's mean, mean and biases of user and item, all of train.
 *
 * Predictions are kept within the scale; scaled errors are divided by its width.
 */
#ifndef RK_EVAL_RATINGS_H
#define RK_EVAL_RATINGS_H

#include "base/rating_error.h"
#include "eval/evaluate.h"

/* data.value_range, or the smallest and the largest value in train; both 0 without values. */
typedef struct rk_rating_scale {
    double low, high;
} rk_rating_scale;
rk_rating_scale rk__rating_scale(const rk_options *options, const rk_dataset *dataset);

static inline double rk__rating_within(rk_rating_scale scale, double rating)
{
    return rating < scale.low ? scale.low : rating > scale.high ? scale.high : rating;
}

/* The errors of ranker->score, or of score_rows where there is one (no pair is in several rows
 * then), over the ratings of the part, of `users` (ascending; NULL = all) who have any. each: NULL,
 * or [users with any, RK_RATING_ERROR_COUNT], what each user adds to the mean over users of what is
 * such a mean, the errors without a root, in the order of users; else NaN. Sums are taken in double
 * in the order of users. RK_ERR_DATA when the part has no values. */
rk_status rk__rating_errors(const rk_dataset *dataset, rk_rating_scale scale, rk_part part,
                            const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                            double out[RK_RATING_ERROR_COUNT], int64_t *out_pairs, double *each);

/* rk_ratings of a part: the model's errors and those of the simple predictions. */
rk_status rk__evaluate_ratings(const rk_dataset *dataset, const rk_options *options, rk_part part,
                               const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                               rk_ratings *out);

/* Appends the errors, by their names, to metrics. */
rk_status rk__rating_errors_append(rk_metrics *metrics, const double errors[RK_RATING_ERROR_COUNT]);

/* Of train: the simple predictions. */
typedef struct rk_simple_ratings {
    double mean;
    double *item_mean;             /* n_items; without ratings the mean; owned, as the others */
    double *user_bias, *item_bias; /* n_users, n_items; b = sum(r - mean - other's b) / (n + 5),
                                     * by turns; of held-out users from what is given of them */
} rk_simple_ratings;
rk_status rk__simple_ratings_init(rk_simple_ratings *out, const rk_dataset *dataset);
void rk__simple_ratings_free(rk_simple_ratings *simple); /* a zeroed one is fine */

#endif
