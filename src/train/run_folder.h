/*
 * The run folder: when it may be used, its text files, and its own data set. The checkpoints are in
 * checkpoint.h, the reports in report.h.
 *
 * A training takes the folder before it reads or writes anything else, looks at what is in it with
 * the lock in hand, and holds it until the report is written. Who only reads takes no lock: they go
 * by what the checkpoint says, which must agree with config and data set (api/run.c).
 *
 * A folder is a run folder when its environment.json says so. Only files that a run writes are ever
 * removed, by name; nothing else in the folder is touched.
 */
#ifndef RK_TRAIN_RUN_FOLDER_H
#define RK_TRAIN_RUN_FOLDER_H

#include "config/options.h"
#include "data/dataset.h"
#include "io/folder_lock.h"
#include "rankine/train.h"
#include "train/position.h"
#include "train/step.h"

#define RK_FILE_CONFIG "config.yaml"
#define RK_FILE_ENVIRONMENT "environment.json"
#define RK_FILE_LOG "train.log"
#define RK_FILE_METRICS "metrics.jsonl"
#define RK_FILE_LAST "last.h5"
#define RK_FILE_BEST "best.h5"
#define RK_FILE_REFIT "refit.h5"
#define RK_FILE_REPORT "report.json"
#define RK_FILE_PAGE "report.html"
#define RK_FILE_PROFILE "profile.csv"
#define RK_FILE_DATA "data.h5"

/* Takes options->run_dir, creating it, or with options->new_dir the first of run_dir, run_dir-2 ...
 * that does not exist. Refuses, and leaves everything as it was: a folder that holds something
 * (unless resume, or force on a run folder), resume without a checkpoint, a path that is no folder:
 * RK_ERR_CONFIG. A folder that another process writes into: RK_ERR_IO. */
rk_status rk__run_folder_take(const rk_train_options *options, rk_folder_lock *out);

/* RK_ERR_IO if the folder was removed, or another one is in its place: nothing may be written any
 * more. */
rk_status rk__run_folder_check_held(const rk_folder_lock *lock);

/* Removes what a run wrote, for force, or after a start that failed. */
void rk__run_folder_clear(const char *folder);

/* The run's own data set, data.h5; *out NULL if it has none, or a damaged one, with a warning. */
rk_status rk__run_folder_open_data(const char *folder, const rk_options *options,
                                   const rk_hooks *hooks, rk_dataset **out);
/* Makes data.h5, or with run.keep_data false removes it. */
rk_status rk__run_folder_keep_data(const char *folder, const rk_options *options,
                                   const rk_dataset *dataset);

/* config.yaml: the resolved configuration, with absolute folders. */
rk_status rk__run_folder_write_config(const char *folder, const rk_config *config);

/* environment.json: what the numbers were computed with. command: the line that was typed, NULL =
 * not known. */
rk_status rk__run_folder_write_environment(const char *folder, const rk_step *step,
                                           const rk_dataset *dataset, const char *command);

/* Cuts metrics.jsonl after the line of epoch position->step.epoch and takes from the lines that
 * stay how long the epochs took. Without the file nothing happens. */
rk_status rk__run_folder_resume_metrics(const char *folder, rk_position *position);
/* Appends one line to metrics.jsonl and flushes it. */
rk_status rk__run_folder_append_metrics(const char *folder, const char *line);

/* folder/name is removed if it is there. */
void rk__run_folder_remove(const char *folder, const char *name);

#endif
