/*
 * What trainings on one data set have in common, whatever their options: the graph, the order of
 * its rows, the ranking by popularity, and what those that ask no model come to in metrics. The
 * trials of a sweep and the seeds of a run are given one and the same.
 *
 * Each part is made when the first training needs it, as that would make it for itself, and from
 * then on only read; so the bits of a training do not depend on who made it, and a part that nobody
 * needs costs nothing. The owner of the data set owns it, and frees it behind the trainings and
 * before the data set. One training at a time.
 */
#ifndef RK_TRAIN_GROUNDWORK_H
#define RK_TRAIN_GROUNDWORK_H

#include "engine/engine.h"
#include "eval/popularity.h"

typedef struct rk_groundwork rk_groundwork;

/* dataset is lent for its life. */
rk_status rk__groundwork_create(rk_groundwork **out, const rk_dataset *dataset);
/* NULL is fine. */
void rk__groundwork_free(rk_groundwork *ground);

/* The graph of a data set's train part, the caller's to free or to give away: a view of the one in
 * ground, or with ground NULL one of its own. The log of hooks (NULL: none) says when it is built.
 */
rk_status rk__groundwork_graph(rk_groundwork *ground, const rk_dataset *dataset,
                               const rk_hooks *hooks, rk_graph *out);

/* The order by graph.order that an engine before found, for rk_engine_how; NULL = none yet, as with
 * ground NULL. */
const int32_t *rk__groundwork_order(const rk_groundwork *ground, const rk_options *options);
/* Takes the one that this engine found, if it did; the engine goes on reading it. Ground NULL: the
 * engine keeps it. */
void rk__groundwork_keep_order(rk_groundwork *ground, rk_engine *engine);

/* Lent, as long as ground lives; to be read only. */
rk_status rk__groundwork_popularity(rk_groundwork *ground, rk_popularity **out);

typedef enum rk_reference { RK_BY_POPULARITY, RK_BY_TRACES } rk_reference;

/* rk__evaluate_more with expectations of that reference, whose ranker is only asked where nobody
 * has asked before for the same part, metrics and way of counting. Free *out. */
rk_status rk__groundwork_evaluate(rk_groundwork *ground, const rk_config *config,
                                  rk_reference reference, rk_part part, const rk_ranker *ranker,
                                  const rk_hooks *hooks, rk_metrics *out);

#endif
