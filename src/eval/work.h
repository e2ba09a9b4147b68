/* The inside of an evaluation, shared by evaluate.c (who is evaluated, the way through it),
 * tally.c (lists to values to means) and standing.c (what comes of where items stand). */
#ifndef RK_EVAL_WORK_H
#define RK_EVAL_WORK_H

#include "eval/evaluate.h"
#include "eval/metrics.h"

/* Sums over users on the way to means. */
typedef struct rk_means {
    double *sums, *weights; /* [n_values]; owned */
} rk_means;

typedef struct rk_eval_work {
    const rk_dataset *dataset;
    const rk_options *options;
    rk_part part;
    const rk_lists *targets; /* of the part; of a ranker by_row the rows with contexts */
    const float *row_values; /* beside them; NULL = none */
    bool by_row;
    unsigned seen;
    rk_measure *measures; /* n_values; owned */
    int64_t n_values, k_max;
    int32_t *users; /* n_users, who have targets; owned */
    int64_t n_users;
    const rk_lists *const *has;   /* by rk_part; lent */
    const rk_eval_groups *groups; /* lent; NULL = none */
    double *each;          /* [n_users, n_values], each user's values; NULL = not wanted; lent */
    const rk_hooks *hooks; /* lent; may be NULL */
    double start;

    /* The lists that are made: of users, or of held-out rows one by one. */
    int64_t n_lists;
    int64_t *rows;          /* [n_lists], places in targets->items; NULL = of users; owned */
    int32_t *row_users;     /* [n_lists], whose they are; NULL = users; owned */
    const int32_t *items;   /* [n, k_max], the lists of a tile; lent */
    uint8_t *hits;          /* [RK_RANK_TILE, k_max]; owned, as all of these */
    double *gain, *ideal;   /* [RK_RANK_TILE, k_max]; NULL = gains are 1 each */
    double *values;         /* [RK_RANK_TILE, n_values] */
    double *group_values;   /* [RK_RANK_TILE, groups, n_values] */
    int64_t *group_targets; /* [RK_RANK_TILE, groups]; 0 = nothing of the list is of the group */
    float *novelty;         /* [n_items], of ITEMS; NULL = not wanted */
    int64_t *degrees;       /* [n_items]; NULL = not wanted */
    int64_t *counts;        /* [measures of ALL, n_items]: in how many lists an item is */

    /* Of the user whose lists are being taken. */
    int64_t user_at; /* in users */
    int64_t n_taken; /* lists */
    double *user_sums;
    double *user_group_sums; /* [groups, n_values] */
    int64_t *user_group_lists, *user_group_targets;

    rk_means means;
    double *group_weights; /* [groups, n_values]; the sums are groups->values */
    double *expected;      /* [n_values], sums; NULL = not wanted */
} rk_eval_work;

/* ---- tally.c ---- */

rk_status rk__tally_allocate(rk_eval_work *w);
void rk__tally_free(rk_eval_work *w);
/* Adds n <= RK_RANK_TILE lists, from list `first` on; in their order. */
void rk__tally_lists(rk_eval_work *w, int64_t first, int64_t n, const int32_t *items);
/* Adds what is known of a user beside the lists: measure v is `value`; group -1 = of all held-out
 * items, of which it has n_targets. */
void rk__tally_user(rk_eval_work *w, int64_t user_at, int64_t v, int64_t group, int64_t n_targets,
                    double value);
/* The value of a measure over all lists: coverage, gini. */
double rk__tally_of_all(const rk_eval_work *w, int64_t v);
/* Groups' sums to means. */
void rk__tally_groups(const rk_eval_work *w);

/* ---- standing.c ---- */

/* Metrics of the order, and w->expected. */
rk_status rk__stand_users(rk_eval_work *w, const rk_ranker *ranker);

/* ranker->stand for all that users have in `lists`; of a ranker by_row row by row. */
rk_status rk__stand(const rk_ranker *ranker, const rk_standing_order *order, const rk_lists *lists,
                    int32_t *above, int32_t *tied);

/* RK_ERR_INTERRUPTED if hooks ask to stop. */
rk_status rk__eval_stop(const rk_eval_work *w, int64_t done);
/* Progress: `done` of w->n_users, in this pass over them. */
void rk__eval_tell(const rk_eval_work *w, int64_t done);

#endif
