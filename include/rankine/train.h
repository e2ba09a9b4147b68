/*
 * Training a model into a run folder. rk_model_fit (rankine/model.h) does the same without one.
 *
 * A run folder holds config.yaml (resolved), environment.json, data.h5 (its own data set, unless
 * run.keep_data is false), train.log, metrics.jsonl (one object per epoch),
 * events.out.tfevents.* (the same for TensorBoard), last.h5 and best.h5
 * (checkpoints, written under another name and then renamed), report.json and report.html.
 * docs/formats.md describes them. It stands on its own: it can be moved and copied, and is opened
 * without the sources and the cache.
 *
 * Threads: several trainings may run at once in threads of their own, with the same config and data
 * set, but each into a folder of its own: a training takes its folder before it reads anything, and
 * one that is in use, in this process or another, is refused. A run uses as many threads as
 * run.threads says. (rankine/status.h about HDF5 files.)
 */
#ifndef RANKINE_TRAIN_H
#define RANKINE_TRAIN_H

#include <stdbool.h>

#include "rankine/config.h"
#include "rankine/dataset.h"
#include "rankine/hooks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of users and items that an earlier run (rk_train_options.from) does not know. */
typedef enum rk_new_ids {
    RK_NEW_DRAWN, /* drawn at random, as without an earlier run */
    /* The mean of the embeddings that were taken over of what they have in train, as long as those
     * of their side are on average; drawn where there are none. */
    RK_NEW_FOLDED
} rk_new_ids;

/* Begin with rk_train_defaults(), so that later members have a value. */
typedef struct rk_train_options {
    const char *run_dir; /* created; must not hold a run unless resume or force; NULL: only for
                          * rk_model_fit */
    bool new_dir; /* run_dir is a wish: if that is there, run_dir-2, run_dir-3 ... is taken */
    bool resume;  /* continue from last.h5, bit for bit as if never stopped */
    bool force;   /* replace a run that is there */
    bool eager;   /* for debugging: run operation by operation, check every result, name the
                            first operation that fails or gives a number that is not finite */
    bool profile; /* time every operation of the steps, compare it with the best that the
                            device can do: profile.csv, and a table in the log */
    bool
        without_test; /* look at valid only, for one of several runs to choose from: the report says
                        * so and nothing of test. Resumed without it, the chosen one is tested */
    const rk_dataset *dataset; /* to train on, see below; NULL = prepared from the config, or of a
                                * run that is resumed its own */
    const char *from;    /* a run folder, or a file of rk_model_save: the trained parameters of its
                        * model are what training begins with, rows of users and items by their
                        * original ids. Optimizer, schedule and epochs begin anew. RK_ERR_CONFIG for
                        * another model.kind, model.dim or shape, for a model that is computed in
                        * one go, and with resume; RK_ERR_DATA if no user and no item is known
                        * there. NULL = initial values are drawn */
    rk_new_ids new_ids;  /* with `from` */
    const char *command; /* the line that was typed, for environment.json; NULL = not known */
    /* Called when folder and data set are there, before anything is written; NULL = nobody. run_dir
     * is the folder that was taken (NULL: none, or that of another rank). Both are lent for the
     * call. */
    void (*begun)(void *user, const char *run_dir, const rk_dataset *dataset);
    void *user; /* handed to it; owned by the caller */
} rk_train_options;

/* Everything off, no data set. Set run_dir. */
RK_API rk_train_options rk_train_defaults(void);

/* Prepares the data set unless one is given, trains, chooses the checkpoint, evaluates model and
 * popularity on valid and test, and writes the report. RK_ERR_INTERRUPTED if hooks->should_stop
 * asked for it: the checkpoint is written, and resume continues from it. RK_ERR_DIVERGED names the
 * step.
 *
 * A run that is resumed goes on with its own data set, also when its sources have changed since,
 * unless the config names other sources or asks something else of them; then that data set is
 * prepared, and must be the same.
 *
 * A given data set may be of any origin, also rk_dataset_from_columns; with run.keep_data false it
 * should be that of this config (rk_dataset_prepare), since rk_model_open looks for the same one
 * again. It is lent until the call returns and only read: one may serve any number of calls, one
 * after the other or in several threads. */
RK_API rk_status rk_train(const rk_config *config, const rk_train_options *options,
                          const rk_hooks *hooks);

/* The data set that rk_train would take with these options, of which dataset is not looked at.
 * hooks may be NULL. Free with rk_dataset_free. */
RK_API rk_status rk_train_dataset(const rk_config *config, const rk_train_options *options,
                                  const rk_hooks *hooks, rk_dataset **out);

/* The training step of a config as text, a page for each of its programs (models that are not
 * trained by gradients have one for each phase): what was done to the program, what it stands on,
 * and a line for each operation with its shapes and the bytes it moves; on a CUDA device also
 * the number of nodes of the graph it is replayed from. Trains nothing and writes nothing but the
 * cached data set, if there is none yet. dataset as in rk_train_options. Free with
 * rk_string_free. */
RK_API rk_status rk_train_program(const rk_config *config, const rk_dataset *dataset,
                                  const rk_hooks *hooks, char **out_text);

/* Trains n runs (2 to 1000) with the seeds run.seed, run.seed + 1, ... in run_dir/seed-S, each as
 * rk_train does, then writes run_dir/report.json with mean, sample standard deviation, minimum,
 * maximum and all values of every metric. rk_report_open reads it ("test.recall@20.mean"). With
 * resume, finished seeds are kept, an interrupted one continues, and n may have grown. */
RK_API rk_status rk_train_seeds(const rk_config *config, const rk_train_options *options, int64_t n,
                                const rk_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
