/* What the public rk_model points to; shared by the files of this room. */
#ifndef RK_API_MODEL_INTERNAL_H
#define RK_API_MODEL_INTERNAL_H

#include "engine/snapshot.h"
#include "eval/popularity.h"
#include "rankine/model.h"
#include "score/scorer.h"

struct rk_model {
    rk_config *config;  /* owned */
    rk_dataset *owned;  /* NULL where the caller lends one */
    rk_dataset *joined; /* with train.refit: that one with valid in train; owned */
    const rk_dataset *dataset;
    rk_comm *ranks; /* who rank for its users together; lent; NULL = it is alone */
    rk_engine engine;
    rk_scorer *scorer; /* owned */
    rk_popularity popularity;
    int64_t epoch; /* the parameters are from */
};

/* Engine and scorer of a model that has its config and its data set (owned, or lent); its
 * parameters are still to be written. */
rk_status rk__model_set_up(rk_model *model, const rk_hooks *hooks);

/* The end of making one: the model into *out, or freed where status says that it failed. */
rk_status rk__model_hand_over(rk_model *model, rk_status status, rk_model **out);

/* Queries, answered exactly or by an index; or items that ask for those like them. All lent. */
typedef struct rk_asking {
    const rk_query *queries;
    const int32_t *items; /* NULL = queries */
    const rk_lsh *index;  /* NULL = exactly */
    int64_t probes;       /* of the index */
} rk_asking;

/* The k best for each of n who ask, into out[n, k]; selection NULL = the defaults. */
rk_status rk__model_answer(const rk_model *model, const rk_asking *asked, int64_t n,
                           const rk_selection *selection, int64_t k, rk_recommendation *out);

/* How one is opened. Zeros: as it is. */
typedef struct rk_model_how {
    const char *device, *data_root; /* as of rk_model_open */
    const char *const *assignments; /* on top of its configuration, n_assignments */
    int64_t n_assignments;
    rk_comm *ranks; /* each rank opens it; lent for the model's life */
} rk_model_how;

/* rk_model_open of a run folder, and of a file. */
rk_status rk__model_open_run(const char *directory, const rk_model_how *how, const rk_hooks *hooks,
                             rk_model **out);
rk_status rk__model_open_file(const char *path, const rk_model_how *how, const rk_hooks *hooks,
                              rk_model **out);
/* Either. */
rk_status rk__model_open(const char *path, const rk_model_how *how, const rk_hooks *hooks,
                         rk_model **out);

/* The device and the assignments to its configuration. */
rk_status rk__model_configure(rk_config *config, const rk_model_how *how);

/* key=value, the value as a double-quoted YAML text. */
rk_status rk__model_set_text(rk_config *config, const char *key, const char *value);

#endif
