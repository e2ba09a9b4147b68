/*
 * Evaluation by full rankings, or among stored candidates (eval.among): any ranker, any part, any
 * list of metrics and cut-offs.
 *
 * A ranker returns the top K unmasked items for a tile of users. Models (score/scorer.h) and the
 * reference rankings (eval/popularity.h, eval/trace.h) go through the same masking and the same
 * formulas.
 */
#ifndef RK_EVAL_EVALUATE_H
#define RK_EVAL_EVALUATE_H

#include "data/dataset.h"
#include "rankine/metrics.h"

enum { RK_RANK_TILE = 1024 }; /* most users in one call of rank */

/* A ranking of any number of users, with what becomes of it. */
typedef struct rk_rank_order {
    rk_part part;
    unsigned seen; /* 1 << rk_part each: what of the users' items is left out */
    const int32_t *users;
    /* The held-out rows that are asked for one by one, users[i] theirs, who come once for each:
     * places in row_lists, of a ranker by_row in rk__contexts_lists. NULL = by users. */
    const int64_t *rows;
    const rk_lists *row_lists; /* NULL without rows */
    int64_t n, k;
    /* What users have, by rk_part, instead of what the ranker knows: it is left out as above; a
     * ranker may go by its own where it cannot. NULL = the ranker's own. */
    const rk_lists *const *has;
    /* Gets the lists int32 [n, k] of n users from users[first] on: one lot after the other, in
     * their order. The lists last until it returns. */
    rk_status (*take)(void *taker, int64_t first, int64_t n, const int32_t *items);
    void *taker;
} rk_rank_order;

/* A question for where items stand: items[offsets[i]] to items[offsets[i + 1] - 1] of user i. */
typedef struct rk_standing_order {
    rk_part part;
    const int32_t *users;
    const int64_t *rows; /* of a ranker by_row, as of rk_rank_order; else NULL */
    int64_t n;           /* <= RK_RANK_TILE */
    const int64_t *offsets;
    const int32_t *items;
    unsigned left_out;          /* 1 << rk_part each: what users have there is not counted */
    const rk_lists *const *has; /* as of rk_rank_order */
} rk_standing_order;

typedef struct rk_ranker {
    void *self;
    /* Its rankings depend on the row that is held out, not only on whose it is: each is ranked for
     * on its own then, and a user's values are means over their rows. */
    bool by_row;
    /* items: int32 [n, k], the best items of each user, best first, -1 if fewer are left. What the
     * users have in the parts of `seen` (1 << rk_part each) is left out. n <= RK_RANK_TILE. Of a
     * ranker by_row: NULL. */
    rk_status (*rank)(void *self, unsigned seen, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items);
    /* The same for all users at once: a device ranks some while the lists of others are taken.
     * Stops at an error of take, which it returns. NULL: rank is called for lot after lot. */
    rk_status (*rank_all)(void *self, const rk_rank_order *order);
    /* The scores of items[offsets[i]] to items[offsets[i + 1] - 1] for user i of n, scores[e] of
     * items[e]; -INFINITY: never ranked. For eval.among candidates; NULL: it cannot. */
    rk_status (*score)(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                       const int32_t *items, float *scores);
    /* The same for held-out rows, as in rk_rank_order. NULL where by_row says no. */
    rk_status (*score_rows)(void *self, rk_part part, const int64_t *rows, const int32_t *users,
                            int64_t n, const int64_t *offsets, const int32_t *items, float *scores);
    /* Of all items but those left out, how many have a higher score than items[e], and how many
     * others the same; -1 for an item that is never ranked. For metrics of the order and
     * expectations; NULL: it cannot. */
    rk_status (*stand)(void *self, const rk_standing_order *order, int32_t *above, int32_t *tied);
} rk_ranker;

/* Averages over those of `users` (ascending; NULL = all) who have an item in the part. metrics, k,
 * among, seen, style: from rk_options.eval. A k larger than the catalogue is RK_ERR_CONFIG. Sums
 * are taken in double in user order, so the tile size does not change them. */
rk_status rk__evaluate(const rk_dataset *dataset, const rk_options *options, rk_part part,
                       const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                       const rk_hooks *hooks, rk_metrics *out);

/* The values behind the averages, one row per user. */
typedef struct rk_user_values {
    int32_t *users; /* ascending; owned */
    double *values; /* [n_users, n_values], in the order of rk_metrics; 0 for what is of all lists
                     * together; owned */
    int64_t n_users, n_values;
} rk_user_values;
void rk__user_values_free(rk_user_values *values);

/* rk__evaluate over all users; also returns each user's values. */
rk_status rk__evaluate_each(const rk_dataset *dataset, const rk_options *options, rk_part part,
                            const rk_ranker *ranker, const rk_hooks *hooks, rk_metrics *out,
                            rk_user_values *out_each);

/* Pairs by groups of their items: the items of a group alone count as held out, in the same
 * ranking. */
typedef struct rk_eval_groups {
    const uint8_t *of;      /* [n_items], below n; lent */
    int64_t n;              /* 0 = no groups */
    double *values;         /* [n, n_values]: means over those with an item of the group, NaN for
                             * what is not of held-out items; out */
    int64_t *users, *pairs; /* [n]: averaged over; held-out pairs; out */
} rk_eval_groups;

/* What an evaluation has beside the usual. Zeros: nothing. */
typedef struct rk_eval_more {
    const int32_t *users; /* ascending; NULL = all */
    int64_t n_users;
    const rk_lists *const *has; /* see rk_rank_order */
    bool is_expected;           /* also rk_metric_value.expected, where there are candidates that
                                 * were drawn uniformly */
    rk_eval_groups groups;
    rk_user_values *each; /* each user's values; NULL = not wanted; out */
} rk_eval_more;

/* rk__evaluate with more; what `more` points to and says "out" is filled. */
rk_status rk__evaluate_more(const rk_dataset *dataset, const rk_options *options, rk_part part,
                            const rk_eval_more *more, const rk_ranker *ranker,
                            const rk_hooks *hooks, rk_metrics *out);

/* What of a user's items is left out when the part is evaluated: 1 << rk_part each. */
unsigned rk__eval_seen(const rk_options *options, rk_part part);

/* How many different items a user has in the lists of these parts; has: by rk_part. */
int64_t rk__eval_count(const rk_lists *const *has, unsigned parts, int64_t user);

/* A fixed random subset (ascending) of the users with items in the part; n >= their number or 0
 * gives all. Free *out with rk__free. */
rk_status rk__eval_subset(const rk_dataset *dataset, rk_part part, int64_t n, uint64_t seed,
                          int32_t **out, int64_t *out_n);

/* Free *out with rk_metrics_free. */
rk_status rk__metrics_copy(const rk_metrics *metrics, rk_metrics *out);

/* The value of a name such as "ndcg@10" in metrics, NaN if there is none. */
double rk__metric_find(const rk_metrics *metrics, const char *name);

#endif
