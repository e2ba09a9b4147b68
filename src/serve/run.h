/*
 * An opened run and what answers need beside its model: the index of labels, how many users have
 * each item, an index for approximate answers. Once it is open nothing changes it.
 */
#ifndef RK_SERVE_RUN_H
#define RK_SERVE_RUN_H

#include "rankine/approximate.h"
#include "rankine/model.h"
#include "rankine/search.h"
#include "serve/request.h"
#include "serve/world.h"

struct serve_run {
    rk_model *model;
    const rk_dataset *dataset; /* the model's */
    rk_model_facts facts;
    rk_label_index *labels; /* NULL = the items have none */
    rk_lsh *index;          /* NULL = answers are exact */
    int64_t probes;
    bool answers_nobody; /* somebody of whom nothing is known: all but few models do */
    int32_t *counts;     /* [items]: the users who have it in train; owned */
    int32_t *popular;    /* [items]: most of these first, ties to the smaller index; owned */
    int64_t n_trained;   /* those that anybody has; the first of popular */
    serve_text metrics;  /* JSON: those of the run's report on test; owned */
    char loaded_at[32];  /* "2026-11-29T01:02:03Z" */
    double loaded;       /* the same in seconds since 1970 */
    int64_t holders;     /* of the world: who has taken it, the world itself among them */
};

/* Opens it and asks it a few questions, whose answers must be items with finite scores; its tensors
 * must be finite, too: else RK_ERR_DATA, which says what is not. A run that is not finished is
 * RK_ERR_IO. Otherwise as rk_model_open. `why` [SERVE_WHY] is the sentence of a failure. Free with
 * serve_run_free. */
rk_status serve_run_open(const serve_world_options *options, const rk_hooks *hooks, serve_run **out,
                         char *why);
void serve_run_free(serve_run *run); /* NULL is fine */

#endif
