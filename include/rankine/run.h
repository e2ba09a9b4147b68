/*
 * The model of a finished (or interrupted) run: evaluation, recommendations, export.
 *
 * Threads: a call that takes the run as const may be made from any number of threads at once, any
 * other must have it alone. The same folder may be opened several times.
 */
#ifndef RANKINE_RUN_H
#define RANKINE_RUN_H

#include <stdint.h>

#include "rankine/config.h"
#include "rankine/dataset.h"
#include "rankine/hooks.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_run rk_run;

/* Opens a run folder: config, data set and the chosen checkpoint (best.h5, or last.h5 if
 * eval.select is last or there is no best yet). Computes the final embeddings once.
 *
 * device: "auto", "cpu" or "cuda"; NULL = as the config says. data_root: where the sources are now,
 * for when they have moved and the cached data set is gone; NULL = as the config says.
 * Free with rk_run_free. */
RK_API rk_status rk_run_open(const char *directory, const char *device, const char *data_root,
                             const rk_hooks *hooks, rk_run **out);

/* NULL is fine. */
RK_API void rk_run_free(rk_run *run);

/* Both are owned by the run. */
RK_API const rk_dataset *rk_run_dataset(const rk_run *run);
RK_API const rk_config *rk_run_config(const rk_run *run);

/* The epoch that the model was taken from. */
RK_API int64_t rk_run_epoch(const rk_run *run);

/* One number of an evaluation. */
typedef struct rk_metric_value {
    const char *name; /* "ndcg@10" */
    double value;
} rk_metric_value;

typedef struct rk_metrics {
    rk_metric_value *values; /* in the order of eval.metrics x eval.k */
    int64_t count;
    int64_t users; /* averaged over */
    double seconds;
} rk_metrics;

/* Evaluates a full ranking on valid or test: the model's, or with `popularity` that of the
 * popularity baseline. Seen items are masked: train, and on test also valid. Free with
 * rk_metrics_free. */
RK_API rk_status rk_run_evaluate(rk_run *run, rk_part part, bool popularity, const rk_hooks *hooks,
                                 rk_metrics *out);
RK_API void rk_metrics_free(rk_metrics *metrics);

typedef struct rk_recommendation {
    int32_t item; /* dense index; ids and labels: rk_dataset_item_id, rk_dataset_item_label */
    float score;
} rk_recommendation;

/* A user's top k unseen items (every part counts as seen), best first, ties to the smaller index.
 * out has room for k; *out_count is how many there are. A user without train items gets the
 * popularity ranking. */
RK_API rk_status rk_run_recommend(rk_run *run, int64_t user, int64_t k, rk_recommendation *out,
                                  int64_t *out_count);

/* The same for a new user who is known only by some items (fold-in). */
RK_API rk_status rk_run_recommend_items(rk_run *run, const int32_t *items, int64_t n_items,
                                        int64_t k, rk_recommendation *out, int64_t *out_count);

/* The final embeddings of users or items, float [rows, dim]. Owned by the run. */
RK_API const float *rk_run_user_embeddings(const rk_run *run, int64_t *rows, int64_t *dim);
RK_API const float *rk_run_item_embeddings(const rk_run *run, int64_t *rows, int64_t *dim);

typedef enum rk_export_format { RK_EXPORT_NPY, RK_EXPORT_TSV } rk_export_format;

/* Writes the embeddings into a folder, which is created if need be:
 *
 *   RK_EXPORT_NPY   user_embeddings.npy, item_embeddings.npy, user_ids.txt, item_ids.txt
 *   RK_EXPORT_TSV   user_embeddings.tsv, item_embeddings.tsv: original id, then the values
 *
 * Rows are in the order of the dense indices. A tab, line break or backslash in an id is escaped
 * with a backslash. Refuses to overwrite unless force. */
RK_API rk_status rk_run_export(rk_run *run, rk_export_format format, const char *directory,
                               bool force);

#ifdef __cplusplus
}
#endif
#endif
