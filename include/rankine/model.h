/*
 * A fitted model: what it is, its tensors, its answers.
 *
 * Users and items are named by their dense indices, which the model's data set translates
 * (rk_dataset_find_user, rk_dataset_item_id). Arrays go in and out through buffers of the caller;
 * what a failed call has written into them is of no meaning, and an `out` pointer stays as it was.
 *
 * Threads: once a model is there nothing changes it, so any number of threads may ask one model at
 * once; they are answered one after the other, each with all threads of the model's device. With a
 * CUDA device a call leaves that the calling thread's current one.
 * rk_model_free is for one of them, when the others are done. Models share nothing but a data set
 * that was given to several.
 */
#ifndef RANKINE_MODEL_H
#define RANKINE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/config.h"
#include "rankine/dataset.h"
#include "rankine/hooks.h"
#include "rankine/metrics.h"
#include "rankine/scoring.h"
#include "rankine/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_model rk_model;

/* ---- where models come from ---- */

/* Fits the model that a config describes, chooses its epoch and evaluates it as rk_train does, and
 * opens it. With how->run_dir everything is written there, as by rk_train. Without one nothing is
 * written, but for the cached data set unless how->dataset is given; how->resume and how->profile
 * are RK_ERR_CONFIG then. config is copied; a given data set is lent for the model's life. hooks
 * may be NULL. Fails as rk_train does. Free with rk_model_free. */
RK_API rk_status rk_model_fit(const rk_config *config, const rk_train_options *how,
                              const rk_hooks *hooks, rk_model **out);

/* Opens a run folder, the best run of a folder of rk_train_seeds (by the value that its model was
 * chosen by; it is logged which), or a file of rk_model_save. Of a run folder it takes the chosen
 * checkpoint (best.h5, or last.h5 if eval.select is last or there is no best yet), and the data set
 * that the run was trained on: its own (data.h5), else the cached one, else prepared again; a file
 * has everything in it. RK_ERR_DATA if config, checkpoint and data set are not of one run.
 *
 * device: "auto", "cpu", "cuda" or "cuda:1" (a GPU by its number); NULL = as the config says.
 * data_root: where the sources of a run are now, for a run that has no data set of its own: then
 * the data set is prepared from these; NULL = as said above; of no meaning for a file. hooks may be
 * NULL. RK_ERR_IO for what cannot be read or is no run, RK_ERR_DATA for a damaged or foreign file
 * and for another data set than the run's, RK_ERR_MEMORY, RK_ERR_DEVICE. Free with
 * rk_model_free. */
RK_API rk_status rk_model_open(const char *path, const char *device, const char *data_root,
                               const rk_hooks *hooks, rk_model **out);

/* Writes the model into one HDF5 file that rk_model_open opens on any machine: config, tensors,
 * ids, labels, and what everybody has. RK_ERR_CONFIG if it is there already, unless force;
 * RK_ERR_IO if it cannot be written, and then what was there before stays. */
RK_API rk_status rk_model_save(const rk_model *model, const char *path, bool force);

/* NULL is fine. */
RK_API void rk_model_free(rk_model *model);

/* ---- what it is ---- */

/* Both live as long as the model; a data set that was given is still the caller's. */
RK_API const rk_dataset *rk_model_dataset(const rk_model *model);
RK_API const rk_config *rk_model_config(const rk_model *model);

typedef struct rk_model_facts {
    const char *kind; /* as in model.kind; a constant */
    int64_t epoch;    /* that its parameters are from; 0 = the initial ones */
    int64_t users, items;
    bool folds_in;         /* answers somebody who is known by a list of items only */
    bool is_same_for_all;  /* its ranking does not depend on who asks */
    bool finds_similar;    /* knows which items are alike: rk_model_similar */
    int64_t cold_users;    /* without train interactions: they get the items' popularity */
    int64_t cold_items;    /* without train interactions: they are in no answer */
    int64_t tensors;       /* for rk_model_tensor_info */
    bool explains;         /* its scores are sums over what somebody has: rk_model_explain */
    bool predicts_ratings; /* its scores are ratings, and so are the weights of a query's items */
    double low, high;      /* the scale of these ratings; 0 without */
    const char *compat;    /* why its metrics are not to be held against others (model.compat), a
                              constant; NULL = they may be */
} rk_model_facts;
RK_API rk_model_facts rk_model_get_facts(const rk_model *model);

/* The fields of rows that the model reads: their number, and the number in the data set of each,
 * from 0 to rk_model_n_fields - 1 (rk_dataset_field_name); -1 out of range. */
RK_API int64_t rk_model_n_fields(const rk_model *model);
RK_API int64_t rk_model_field(const rk_model *model, int64_t number);

typedef enum rk_tensor_type { RK_TENSOR_F32, RK_TENSOR_I32, RK_TENSOR_I64 } rk_tensor_type;

/* A matrix [rows, cols], row by row. */
typedef struct rk_tensor_info {
    const char *name; /* owned by the model */
    rk_tensor_type type;
    int64_t rows, cols;
} rk_tensor_info;

/* Its tensors by number from 0 to rk_model_facts.tensors - 1: those that fitting made, then those
 * that are computed from them for scoring. Tables of all users and items have the users' rows
 * first. RK_ERR_CONFIG for a number that is none. */
RK_API rk_status rk_model_tensor_info(const rk_model *model, int64_t number, rk_tensor_info *out);

/* By name. RK_ERR_CONFIG, naming those that there are, for an unknown one. */
RK_API rk_status rk_model_find_tensor(const rk_model *model, const char *name, rk_tensor_info *out);

/* Copies rows [first, first + rows) into `out`, which has room for `bytes` bytes: at least rows *
 * cols elements of 4 bytes, or 8 of RK_TENSOR_I64, in the machine's byte order. RK_ERR_CONFIG for
 * an unknown name, for rows that are not there and for too little room. */
RK_API rk_status rk_model_read_tensor(const rk_model *model, const char *name, int64_t first,
                                      int64_t rows, void *out, int64_t bytes);

/* Where a tensor lies in the host's memory, to be read without a copy: all its rows, row by row.
 * *out is NULL for the tensors of a device with memory of its own (CUDA), which are there for
 * rk_model_read_tensor alone. It lives as long as the model, and nobody writes to it.
 * RK_ERR_CONFIG, naming those that there are, for an unknown name. */
RK_API rk_status rk_model_view_tensor(const rk_model *model, const char *name, const void **out);

/* The tensor of the vectors that rk_model_export writes: rows of the users
 * (rk_model_facts.users), then those of the items; there may be more rows. RK_ERR_CONFIG for a
 * model that has no vectors of users and items whose dot products are its scores. */
RK_API rk_status rk_model_embeddings(const rk_model *model, rk_tensor_info *out);

/* ---- its answers ---- */

/* The k best items of each of n queries, best first, ties to the smaller index. out is [n, k], row
 * by row; where fewer items are left, item is -1 and score 0. k is 1 or more, also more than there
 * are items. selection NULL = its defaults. Many queries in one call are answered faster than one
 * by one.
 *
 * What a score is depends on the model; it compares items for one query. A user who is held out
 * (split.kind users) is known by their items in RK_GIVEN, as a query of these items is. Another
 * known user without train interactions, and a query without items or with weights of 0 only, get
 * the items' popularity, the number of their train interactions, unless the model ranks alike for
 * all; rk_model_grounds tells.
 * Items of a query without train interactions count as those of weight 0. RK_ERR_CONFIG for an
 * index that is none, for a weight that is negative or not finite, for a user and items in one
 * query, for items where the model does not fold in, and for a query whose context does not have
 * one value of each field that the model reads. */
RK_API rk_status rk_model_top_k(const rk_model *model, const rk_query *queries, int64_t n,
                                const rk_selection *selection, int64_t k, rk_recommendation *out);

/* What the answers to a query come from, so that nobody takes what is popular for what is meant for
 * them. Fails as rk_model_top_k does. */
RK_API rk_status rk_model_grounds(const rk_model *model, const rk_query *query, rk_grounds *out);

/* The k items that are most like each of n items; out is [n, k] as of rk_model_top_k, and so is
 * selection, but for `seen`. Scores: the cosine of the items' vectors, or of models that score by
 * items (item_knn, ease and their like) what the item adds to the score of the other one. The item
 * itself is no answer without keep_given; what has a score of 0 has nothing in common and is none.
 * An item without train interactions has no answers. RK_ERR_CONFIG for an index that is none, and
 * for a model that does not find similar items (rk_model_facts). */
RK_API rk_status rk_model_similar(const rk_model *model, const int32_t *items, int64_t n,
                                  const rk_selection *selection, int64_t k, rk_recommendation *out);

/* Why an item is recommended. For each of n items the k of those that the query has (of a known
 * user: in train) that add most to its score, the largest part first, ties to the smaller index;
 * only parts above 0, behind the last item is -1. reasons is [n, k], out is [n]. Nobody has reasons
 * where the answers come from popularity, or from a model that ranks alike for all. k 0: only the
 * sums. Takes about as long as ranking for so many users as the query has items with item_knn and
 * ease, and else next to nothing. Fails as rk_model_top_k does, and with RK_ERR_CONFIG for a model
 * whose scores are no sums over items (user_knn). */
RK_API rk_status rk_model_explain(const rk_model *model, const rk_query *query,
                                  const int32_t *items, int64_t n, int64_t k, rk_reason *reasons,
                                  rk_explanation *out);

/* The scores of n_items items for each of n queries, the same that rk_model_top_k ranks by: items
 * and scores are [n, n_items], row by row, so every query has items of its own. Nothing is left
 * out; an item without train interactions scores -INFINITY. Fails as rk_model_top_k does. */
RK_API rk_status rk_model_score(const rk_model *model, const rk_query *queries, int64_t n,
                                const int32_t *items, int64_t n_items, float *scores);

/* The scores of n pairs of a known user and an item, in any order: scores[i] of users[i] and
 * items[i], as by rk_model_score. Many pairs in one call are answered faster than one by one. */
RK_API rk_status rk_model_score_pairs(const rk_model *model, const int64_t *users,
                                      const int32_t *items, int64_t n, float *scores);

/* Evaluates a full ranking on valid or test: the model's, or with `popularity` that of the items'
 * popularity. What users have in train is left out, and on test also valid. Users without train
 * interactions are ranked for as rk_model_top_k does. RK_ERR_CONFIG for train, RK_ERR_INTERRUPTED
 * if hooks ask to stop. hooks may be NULL. Free with rk_metrics_free. */
RK_API rk_status rk_model_evaluate(const rk_model *model, rk_part part, bool popularity,
                                   const rk_hooks *hooks, rk_metrics *out);

typedef enum rk_export_format {
    RK_EXPORT_NPY,
    RK_EXPORT_TSV,
    RK_EXPORT_SAFETENSORS,
    RK_EXPORT_INTER,
    RK_EXPORT_NPZ
} rk_export_format;

/* Writes what the model has learnt, or the interactions of its data set, into a folder, which is
 * created if need be. A model of vectors of users and items, whose dot products are its scores:
 *
 *   RK_EXPORT_NPY   user_embeddings.npy, item_embeddings.npy, user_ids.txt, item_ids.txt
 *   RK_EXPORT_TSV   user_embeddings.tsv, item_embeddings.tsv: original id, then the values
 *   RK_EXPORT_SAFETENSORS   like npy, a tensor a file, of the file's name
 *
 * Any other model: its tensors as NAME.npy beside the ids, or those that have a row for each user
 * or each item as NAME.tsv; in NAME a '.' becomes '_'. Rows are in the order of the dense indices,
 * and where a tensor holds items, it holds dense indices. Of the data set, a file for each of the
 * parts train, valid, test and given that has rows:
 *
 *   RK_EXPORT_INTER   train.inter ...: RecBole's atomic files, original ids, values and times
 *   RK_EXPORT_NPZ     train.npz ...: users x items, for scipy.sparse.load_npz, float32 values (1
 *                     where there are none), beside user_ids.txt and item_ids.txt
 *
 * A tab, line break or backslash in an id
 * is escaped with a backslash. RK_ERR_CONFIG if one of the files is there already, unless force.
 * out_files may be NULL; *out_files is a line a file, "NAME (rows x cols)", to be freed with
 * rk_string_free. */
RK_API rk_status rk_model_export(const rk_model *model, rk_export_format format,
                                 const char *directory, bool force, char **out_files);

#ifdef __cplusplus
}
#endif
#endif
