/*
 * Evaluations of a model beside the usual one of rk_model_evaluate: other cut-offs and metrics, new
 * held-out interactions, some users only, each user's values, slices of users and items.
 *
 * Threads: as for models; a holdout does not change once it is there.
 */
#ifndef RANKINE_EVALUATE_H
#define RANKINE_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/metrics.h"
#include "rankine/model.h"
#include "rankine/sides.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- new held-out interactions ---- */

typedef struct rk_holdout rk_holdout;

/* What became of the rows. */
typedef struct rk_holdout_facts {
    int64_t rows;          /* read; those that `where` dropped are not counted */
    int64_t unknown_users; /* rows of users that the model's data set does not have */
    int64_t unknown_items; /* rows of known users with an item that it does not have */
    int64_t known;         /* rows whose pair the user has in train or valid: nothing to predict */
    int64_t repeated;      /* rows of a pair that was there before */
    int64_t users, pairs;  /* that are left, to be evaluated */
    int64_t missing;       /* rows without a user or an item, left out by data.missing_ids=drop */
} rk_holdout_facts;

/* Reads interactions that happened after the model's data set was made. path is a file, read as the
 * config's source of that name is, or as its source of part test, or as its first; or a folder that
 * holds the sources of part test under their names, or all sources where none says a part. Rows as
 * above are left out and counted. Of a model that predicts ratings their values are read, too, of a
 * repeated pair by data.repeat_value. RK_ERR_DATA when nothing is left, and for a rating outside of
 * the scale; RK_ERR_CONFIG when the config names no source. hooks may be NULL. Free with
 * rk_holdout_free. */
RK_API rk_status rk_holdout_read(const rk_model *model, const char *path, const rk_hooks *hooks,
                                 rk_holdout **out);

/* The same of n pairs of dense indices. RK_ERR_CONFIG for an index that is none. */
RK_API rk_status rk_holdout_from_pairs(const rk_model *model, const int32_t *users,
                                       const int32_t *items, int64_t n, rk_holdout **out);

/* The same with what the users rated the items with, of a model that predicts ratings (others do
 * not look at it). RK_ERR_DATA for a rating outside of the scale. ratings NULL: as without. */
RK_API rk_status rk_holdout_from_ratings(const rk_model *model, const int32_t *users,
                                         const int32_t *items, const float *ratings, int64_t n,
                                         rk_holdout **out);

RK_API rk_holdout_facts rk_holdout_get_facts(const rk_holdout *holdout);

/* NULL is fine. */
RK_API void rk_holdout_free(rk_holdout *holdout);

/* ---- evaluating ---- */

/* Begin with rk_evaluate_defaults(), so that later members have a value. Everything is lent until
 * the call returns. */
typedef struct rk_evaluate_options {
    rk_part part;        /* RK_VALID or RK_TEST; of no meaning with a holdout */
    bool popularity;     /* the ranking by popularity instead of the model's */
    bool trace;          /* that by traces: what users have in relations to items comes first */
    const char *metrics; /* names as in eval.metrics, e.g. "recall,ndcg"; NULL = the config's */
    const int64_t *k;    /* n_k cut-offs from 1 to the number of items; NULL = the config's */
    int64_t n_k;
    const int32_t *users; /* n_users dense indices, in any order: they alone; NULL = all */
    int64_t n_users;
    const rk_holdout *holdout; /* of this model: held out instead of the part; NULL = none. What a
                                * user has in train, valid and test is left out of the ranking then,
                                * but for what the holdout has; among all items, whatever
                                * eval.among says */
    bool each;                 /* each user's values */
    bool slices;               /* by activity of users and popularity of items */
} rk_evaluate_options;

/* Test, everything else off. */
RK_API rk_evaluate_options rk_evaluate_defaults(void);

/* Is there a relation that the ranking by traces goes by: read, from users to items? */
RK_API bool rk_dataset_has_traces(const rk_dataset *dataset);

/* A slice: users by their number of train interactions, or held-out pairs by that of the item. The
 * ranking is the same; of a slice of items only its held-out items count. */
typedef struct rk_slice {
    bool of_items;        /* else of users */
    int64_t first, last;  /* train interactions, both included */
    int64_t users, pairs; /* averaged over; held-out pairs */
    const double *values; /* one a metric, in their order; NaN for coverage; owned */
} rk_slice;

/* Begin with zeros; free with rk_evaluation_free. */
typedef struct rk_evaluation {
    rk_metrics metrics;
    /* With `each`, else NULL: the users, ascending; how many items are held out of them; and
     * [metrics.users, metrics.count] values, NaN for coverage. Owned. */
    int32_t *users;
    int64_t *held_out;
    double *values;
    /* With `slices`: users first, from the least active on, then items. About a quarter of the
     * users (of the pairs) each, those without train interactions apart. Owned. */
    rk_slice *slices;
    int64_t n_slices;
    /* Of a model that predicts ratings, unless the ranking by popularity was asked for or a holdout
     * without ratings: its errors. */
    rk_ratings ratings;
} rk_evaluation;

/* Evaluates a full ranking, or one among candidates (eval.among). RK_ERR_CONFIG for an unknown
 * metric, a cut-off or a user that is none, and for `trace` without a relation to go by;
 * RK_ERR_DATA where nobody has an item held out, RK_ERR_INTERRUPTED if hooks ask to stop. hooks may
 * be NULL. */
RK_API rk_status rk_evaluate(const rk_model *model, const rk_evaluate_options *options,
                             const rk_hooks *hooks, rk_evaluation *out);

/* Frees what is in it and leaves zeros. One of zeros is fine. */
RK_API void rk_evaluation_free(rk_evaluation *evaluation);

/* ---- how hard the split is ---- */

/* Held-out pairs that another relation from users to items has, too: who bought had viewed it. */
typedef struct rk_audit_relation {
    const char *name;            /* of the data set */
    const rk_relation *relation; /* the same; lent by the data set */
    int64_t pairs;
} rk_audit_relation;

/* What whoever reads a metric should know of the held-out items that it is of. Begin with zeros;
 * free with rk_audit_free. */
typedef struct rk_audit {
    int64_t users, pairs; /* evaluated */
    int64_t in_train;     /* pairs that the user has in train, too (data.repeats each_part) */
    int64_t overlap;      /* held-out rows that were dropped because an earlier part has the pair */
    int64_t cold_users;   /* users without train interactions */
    int64_t cold_items;   /* held-out items without train interactions */
    int64_t cold_pairs;   /* pairs of such items */
    rk_audit_relation *relations; /* relations that were read, from users to items; owned */
    int64_t n_relations;
    int64_t in_relations; /* pairs that one of them has */
    int64_t tie_pairs;    /* pairs that were looked at for ties: of at most 1024 users */
    int64_t tied;         /* those of them with the score of another item of the model's ranking */
    int64_t cold_ranked;  /* those of them whose item is cold and ranked, by what else is known of
                           * it (features); of other models such items are never ranked */
} rk_audit;

/* Of the part, or of the holdout, that options name. */
RK_API rk_status rk_evaluate_audit(const rk_model *model, const rk_evaluate_options *options,
                                   rk_audit *out);
RK_API void rk_audit_free(rk_audit *audit);

#ifdef __cplusplus
}
#endif
#endif
