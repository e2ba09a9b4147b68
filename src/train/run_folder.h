/*
 * The run folder: when it may be used, and its text files. The checkpoints are in checkpoint.h, the
 * reports in report.h.
 *
 * A folder is a run folder when its environment.json says so. Only files that a run writes are ever
 * removed, by name; nothing else in the folder is touched.
 */
#ifndef RK_TRAIN_RUN_FOLDER_H
#define RK_TRAIN_RUN_FOLDER_H

#include "config/options.h"
#include "data/dataset.h"
#include "rankine/train.h"
#include "train/position.h"
#include "train/step.h"

#define RK_FILE_CONFIG "config.yaml"
#define RK_FILE_ENVIRONMENT "environment.json"
#define RK_FILE_LOG "train.log"
#define RK_FILE_METRICS "metrics.jsonl"
#define RK_FILE_LAST "last.h5"
#define RK_FILE_BEST "best.h5"
#define RK_FILE_REPORT "report.json"
#define RK_FILE_PAGE "report.html"
#define RK_FILE_PROFILE "profile.csv"

/* Refuses, without touching anything: a folder that holds something (unless resume, or force on a
 * run folder), resume without a checkpoint, a path that is no folder: RK_ERR_CONFIG. A folder that
 * another process trains into: RK_ERR_IO. */
rk_status rk__run_folder_check(const rk_train_options *options);

/* Creates the folder with its parents; with force removes what an earlier run wrote. */
rk_status rk__run_folder_create(const rk_train_options *options);

/* config.yaml: the resolved configuration, with absolute folders. */
rk_status rk__run_folder_write_config(const char *folder, const rk_config *config);

/* environment.json: what the numbers were computed with. */
rk_status rk__run_folder_write_environment(const char *folder, const rk_step *step,
                                           const rk_dataset *dataset);

/* Cuts metrics.jsonl after the line of epoch position->step.epoch and takes from the lines that
 * stay how long the epochs took. Without the file nothing happens. */
rk_status rk__run_folder_resume_metrics(const char *folder, rk_position *position);
/* Appends one line to metrics.jsonl and flushes it. */
rk_status rk__run_folder_append_metrics(const char *folder, const char *line);

/* folder/name is removed if it is there. */
void rk__run_folder_remove(const char *folder, const char *name);

#endif
