/*
 * A model on a device: store, graph, programs. The trainer and an opened run share it.
 *
 * Life: create (device, store, graph, model, programs; parameters initialised) -> train steps,
 * refresh the final embeddings, rank -> free.
 */
#ifndef RK_TRAIN_SESSION_H
#define RK_TRAIN_SESSION_H

#include "data/dataset.h"
#include "device/device.h"
#include "eval/evaluate.h"
#include "graph/graph.h"
#include "graph/neighbours.h"
#include "models/model.h"
#include "train/graph_form.h"
#include "train/sampling.h"

typedef struct rk_session {
    const rk_options *options; /* lent */
    const rk_dataset *dataset; /* lent */
    const rk_device *device;
    const char *device_reason;  /* why auto took it */
    rk_device_context *context; /* owned */
    rk_graph graph;             /* owned; on a host device the store borrows it */
    float *degree_powers; /* [2, n_nodes]: graph.left, graph.right; owned; NULL = not needed */
    rk_sampling sampling; /* owned: pools, alias table, eligible users */
    rk_sample_attr sample;
    rk_neighbours neighbours; /* of the item-item term; owned; the store borrows it */
    rk_schedule schedule;     /* of the learning rate, when training */
    rk_store store;
    rk_model_instance model;
    rk_graph_form form;                 /* of the training program; without training zeros */
    float *gram;                        /* [form.n, form.n] or NULL; owned; the store borrows it */
    int32_t stored_gram;                /* its number in the store, or -1 */
    int32_t moment1[RK_MAX_PARAMETERS]; /* Adam's, numbers in the store; -1 without Adam */
    int32_t moment2[RK_MAX_PARAMETERS];
    int32_t stored_state, stored_final; /* numbers in the store; the state only when training */
    int32_t stored_users, stored_items; /* a rank tile's input and output */
    int64_t rank_k;                     /* columns of that output: the largest of eval.k */
    rk_program train, embed, rank[2];   /* rank: on valid, on test */
    rk_loaded *loaded_train, *loaded_rank[2];
    int32_t *tile;       /* RK_RANK_TILE * (1 + rank_k): users, then items; owned */
    bool final_is_fresh; /* the final embeddings belong to the present parameters */
} rk_session;

typedef struct rk_session_options {
    bool training; /* build the training program and initialise the parameters, too */
    bool eager;
} rk_session_options;

/* options and dataset are lent for the session's life. RK_ERR_CONFIG when an eval.k is larger than
 * the catalogue, RK_ERR_DEVICE when the device cannot be used. */
rk_status rk__session_create(rk_session *out, const rk_options *options, const rk_dataset *dataset,
                             rk_session_options what, const rk_hooks *hooks);
/* A zeroed or half-created session is fine. */
void rk__session_free(rk_session *session);

/* Runs the training program and waits for it; the parameters change, the final embeddings go
 * stale. */
rk_status rk__session_step(rk_session *session, int64_t steps);

/* The state before the first step of a training session. */
rk_step_state rk__session_first_state(const rk_session *session);

/* The step state: read and write between steps. */
rk_status rk__session_get_state(rk_session *session, rk_step_state *out);
rk_status rk__session_set_state(rk_session *session, const rk_step_state *state);

/* To be called after writing parameters through the device. */
void rk__session_parameters_changed(rk_session *session);

/* Ranks by the model's final embeddings, recomputed when stale. */
rk_ranker rk__session_ranker(rk_session *session);

/* The final embeddings on the host, float [n_users + n_items, dim]; owned by the caller, who frees
 * them with rk__free. */
rk_status rk__session_embeddings(rk_session *session, float **out);

#endif
