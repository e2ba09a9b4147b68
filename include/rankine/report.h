/*
 * The report.json of a finished run, read back.
 *
 * The path of a value is its keys joined by dots: "test.recall@20", "popularity.test.ndcg@10",
 * "train.loss", "timing.train_seconds". The key of a list element is its index, from 0.
 *
 * Threads: an open report does not change; any number of threads may read it at once.
 */
#ifndef RANKINE_REPORT_H
#define RANKINE_REPORT_H

#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_report rk_report;

/* RK_ERR_IO if the run has no report (it is not finished), RK_ERR_DATA if the report is damaged.
 * Free with rk_report_free. */
RK_API rk_status rk_report_open(const char *run_dir, rk_report **out);

/* NULL is fine. */
RK_API void rk_report_free(rk_report *report);

/* The values in the order of the file, by index from 0. The texts are owned by the report. */
RK_API int64_t rk_report_count(const rk_report *report);
RK_API const char *rk_report_path(const rk_report *report, int64_t index);
RK_API const char *rk_report_value(const rk_report *report, int64_t index);

/* The value at a path as text, NULL if there is none. Owned by the report. */
RK_API const char *rk_report_text(const rk_report *report, const char *path);

/* The value at a path, NaN if there is none or it is not a number. */
RK_API double rk_report_number(const rk_report *report, const char *path);

#ifdef __cplusplus
}
#endif
#endif
