/* What a page asks a run's model itself: metrics by K, slices, what it recommends and to whom. */
#ifndef RK_PAGE_LOOK_H
#define RK_PAGE_LOOK_H

#include "page/run.h"
#include "rankine/evaluate.h"
#include "rankine/page.h"

enum { RK_LOOK_MOST_K = 8 };

/* Begin with zeros. */
typedef struct rk_page_look {
    bool is_there;
    int64_t of; /* the argument */
    char *name; /* of its run; owned */
    int colour;
    char *why_not; /* why the model could not be asked; owned */
    char fingerprint[17];
    rk_part part;
    int64_t k[RK_LOOK_MOST_K], n_k;
    rk_evaluation model, popularity; /* with slices */
    int64_t users, of_users;         /* that were looked at, of all with an item in the part */
    char *samples;                   /* HTML; owned */
    const char *compat;              /* a constant; NULL = none */
    bool is_sampled;                 /* eval.among candidates */
    bool is_links;                   /* of triples: users are queries, items are entities */
} rk_page_look;

/* Opens the model and asks it; `run` gets the options of a model that is a file. What keeps a model
 * from being opened, e.g. data that are gone, is told in why_not and is no failure. */
rk_status rk__page_look_take(rk_page_look *out, rk_page_run *run, const char *path,
                             const rk_page_options *how, const rk_hooks *hooks);
void rk__page_look_free(rk_page_look *look);

/* The value of a metric such as "ndcg@10"; NaN where there is none. */
double rk__page_metric(const rk_metrics *metrics, const char *name, int64_t k);

#endif
