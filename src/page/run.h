/* What a page says of a run, read from the files of its folder; a run that is not finished has no
 * report yet, a file of a model has neither folder nor curves. */
#ifndef RK_PAGE_RUN_H
#define RK_PAGE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buffer.h"
#include "rankine/config.h"

typedef struct rk_page_option {
    const char *key; /* "train.epochs"; owned */
    char *value;     /* owned */
    bool is_default, is_read;
} rk_page_option;

/* A number by epochs, of metrics.jsonl. */
typedef struct rk_page_curve {
    char *name; /* "loss", "bpr", "valid.ndcg@10"; owned */
    double *x, *y;
    int64_t n, capacity;
} rk_page_curve;

typedef struct rk_page_run {
    char *path;          /* owned */
    char *name;          /* what the page calls it; owned */
    int64_t of;          /* the argument that it is of */
    int colour;          /* of its lines */
    bool is_file;        /* of a model */
    json_t *report;      /* NULL = not finished */
    json_t *environment; /* NULL = none */
    rk_page_option *options;
    int64_t n_options;
    char *config; /* the text of config.yaml */
    rk_page_curve *curves;
    int64_t n_curves, n_epochs; /* of metrics.jsonl */
} rk_page_run;

/* The value at keys joined by dots, of a list by indices: "audit.test.relations.0.name"; NULL where
 * there is none. root NULL: none. */
json_t *rk__page_at(json_t *root, const char *path);
/* NaN where there is none, or it is no number. */
double rk__page_number(json_t *root, const char *path);
/* NULL where there is none, or it is no text. */
const char *rk__page_text(json_t *root, const char *path);

/* A JSON file; RK_ERR_IO if it cannot be read, RK_ERR_DATA with the line where it is none. Free with
 * json_decref. */
rk_status rk__page_json_read(const char *path, json_t **out);
rk_status rk__page_json_parse(const char *text, const char *path, json_t **out);

/* Reads the folder. report: the text of a report.json that is not written yet; NULL = that of the
 * folder, if there is one. Free with rk__page_run_free, also what failed. */
rk_status rk__page_run_read(rk_page_run *out, const char *folder, const char *report);
/* The options of a config, for a model that is no run. */
rk_status rk__page_run_take_config(rk_page_run *run, const rk_config *config);
void rk__page_run_free(rk_page_run *run);

/* The value of an option, "" where there is none of that name. */
const char *rk__page_option(const rk_page_run *run, const char *key);
/* NULL where there is none. */
const rk_page_curve *rk__page_curve(const rk_page_run *run, const char *name);
/* The data set that it was trained on; "" = not known. */
const char *rk__page_fingerprint(const rk_page_run *run);

#endif
