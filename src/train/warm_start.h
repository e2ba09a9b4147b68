/*
 * The parameters of an earlier run as the beginning of a new one: rows of users and items that both
 * data sets have are taken over by their original ids, others are drawn as always or folded in.
 *
 * Life: open (before any work: what does not fit is refused then) -> take (into an engine that has
 * its initial values) -> close.
 */
#ifndef RK_TRAIN_WARM_START_H
#define RK_TRAIN_WARM_START_H

#include "data/dataset.h"
#include "engine/engine.h"
#include "rankine/train.h"
#include "train/checkpoint.h"
#include "train/json.h"

/* An earlier run, or a model file. */
typedef struct rk_warm_source {
    rk_h5 *file;               /* with the parameters; owned */
    rk_dataset *dataset;       /* whose ids the rows have; owned */
    const rk_model_half *half; /* of model.from; NULL = it has all parameters */
    bool is_mf;    /* it is factors alone, for another model, which takes them as its embeddings */
    char *run;     /* owned */
    char *differs; /* rk__warm_differences; owned */
} rk_warm_source;

typedef struct rk_warm_start {
    rk_warm_source of[RK_MODEL_HALVES];
    int n;               /* 0 = there is no earlier run */
    rk_warm_facts facts; /* owned; of several: counts of the last one */
} rk_warm_start;

/* how->from, a run folder or a model file, or those of model.from, unless the run is resumed.
 * RK_ERR_CONFIG, naming both values, for another model or another size of its parameters than
 * config says, and for a model that is computed in one go; RK_ERR_IO or RK_ERR_DATA for what cannot
 * be read. Nothing is owed after a failure. */
rk_status rk__warm_start_open(rk_warm_start *out, const rk_train_options *how,
                              const rk_config *config, const rk_hooks *hooks);

/* Fills the facts, and closes what was open. RK_ERR_DATA when the two data sets have no user and no
 * item in common. */
rk_status rk__warm_start_take(rk_warm_start *warm, rk_engine *engine, const rk_dataset *dataset);

/* One sentence of what was taken; nothing where nothing was. */
void rk__warm_facts_tell(const rk_warm_facts *facts, const rk_hooks *hooks);
/* The same as the object "from" of a report; null where nothing was. */
void rk__warm_facts_json(rk_json *json, const rk_warm_facts *facts);

void rk__warm_start_close(rk_warm_start *warm); /* a zeroed one is fine */

/* warm_fit.c: why parameters may not fit: the options that shape them and differ, as "model.layers
 * is 1 (FILE:3), not 2"; is_mf as in rk_warm_source. Free *out with rk__free. */
rk_status rk__warm_differences(const rk_config *before, const rk_config *now, bool is_mf,
                               char **out);
/* RK_ERR_CONFIG, naming them, if the source has parameters that the model has no place for. */
rk_status rk__warm_check_left(const rk_warm_source *source, const rk_model_instance *model);

/* warm_columns.c: words of features, types of edges, with model.type_by values, entities and
 * relations of triples must be those of the run. */
rk_status rk__warm_check_columns(const char *run, const rk_dataset *then, const rk_dataset *now,
                                 const rk_options *options);

#endif
