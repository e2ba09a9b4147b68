/* Running rk_train on the planted files, and looking at what it leaves in the run folder. */
#ifndef RK_TESTS_TRAIN_RUNS_H
#define RK_TESTS_TRAIN_RUNS_H

#include "rankine/rankine.h"
#include "train/planted.h"

/* A scratch folder with the planted files; *data names it for the other functions. */
typedef struct runs {
    char *data; /* owned */
} runs;

void runs_begin(runs *r);
void runs_end(runs *r);

typedef struct run_how {
    const char *settings[12]; /* "key=value", ended by NULL */
    bool resume, force;
    const rk_hooks *hooks;
    const char *config; /* NULL = exp.yaml */
} run_how;

/* Trains into data/name. */
rk_status runs_train(const runs *r, const char *name, run_how how);

/* Fits without a run folder. */
rk_status runs_fit(const runs *r, run_how how, rk_model **out);

/* data/name/file; in a static ring of buffers. */
const char *runs_file(const runs *r, const char *name, const char *file);
bool runs_has(const runs *r, const char *name, const char *file);

/* A number of report.json, see rankine/report.h; NaN if it is not there. */
double runs_reported(const runs *r, const char *name, const char *path);

/* metrics.jsonl without what was measured in seconds; free() it. */
char *runs_metrics(const runs *r, const char *name);

/* The same bytes in a checkpoint of two runs. */
void runs_assert_same_file(const runs *r, const char *a, const char *b, const char *file);
/* The same checkpoints (both have a best.h5, or none), metrics, losses and figures. */
void runs_assert_same(const runs *r, const char *a, const char *b);

/* Hooks that stop after so many calls of progress in phase "training". */
typedef struct stop_after {
    int64_t calls, seen;
    rk_hooks hooks;
} stop_after;
void stop_after_init(stop_after *s, int64_t calls);

#endif
