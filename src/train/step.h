/*
 * What fitting does again and again, as programs. Of a model that is trained by gradients one
 * program (batch_step.c): draw a batch, embed its rows, the loss terms, the backward pass,
 * clipping, the optimizer; a run and the tests of gradients build the same one, tests may give the
 * batch and keep the gradients. Of other models their phases, one program each, which run in turns:
 * a step is one phase, an epoch one round.
 *
 * Life: create (tables and programs; the engine is not bound yet) -> load -> set the state -> run.
 */
#ifndef RK_TRAIN_STEP_H
#define RK_TRAIN_STEP_H

#include "graph/neighbours.h"
#include "rankine/hooks.h"
#include "engine/engine.h"
#include "train/graph_form.h"
#include "engine/memory.h"
#include "train/sampling.h"

typedef struct rk_step_how {
    bool given_batch;     /* the nodes of a batch are not drawn: stored_nodes holds them */
    bool keeps_gradients; /* each parameter's gradient is stored, too, as it was before clipping */
} rk_step_how;

/* Numbers in the store of what a step keeps of a parameter; -1 = nothing. */
typedef struct rk_step_tensors {
    int32_t parameter;
    int32_t moment1, moment2; /* Adam's */
    int32_t gradient;
    int32_t halves; /* of the parameter, RK_F16: the update makes them for the next step */
} rk_step_tensors;

/* A part of the loss by the name that users see. l2 is always among them. */
typedef struct rk_step_term {
    char name[RK_NAME_LENGTH]; /* the word of loss.kind, "l2", "contrast", "neighbours" */
    int32_t row;               /* of the program's sums; -1 = not in the program: it is 0 */
} rk_step_term;

typedef struct rk_step {
    rk_engine *engine; /* lent */
    rk_step_how how;
    rk_sampling sampling; /* pools, alias table, eligible users; owned, the store borrows it */
    rk_sample_attr sample;
    rk_neighbours neighbours; /* of the item-item term; owned; the store borrows it */
    rk_graph_form form;
    float *gram; /* [form.n, form.n] or NULL; owned; the store borrows it */
    int32_t stored_gram, stored_state, stored_sums;
    int32_t stored_nodes;     /* with how.given_batch: i32 [(2+M)B,1], by slot; else -1 */
    rk_step_tensors *tensors; /* of each of the model's parameters; owned */
    rk_schedule schedule;     /* of the learning rate */
    rk_program *phases;       /* n_phases; owned */
    int n_phases;
    rk_step_term *terms; /* owned; none of a model without a loss */
    int n_terms;
    int32_t n_sums;     /* terms of the program */
    double *sums;       /* [1 + n_sums], on the way to the host or from it; owned */
    rk_loaded **loaded; /* n_phases; owned */
    /* Makes the halves of parameters that somebody else has changed; empty if there are none. */
    rk_program refresh;
    rk_loaded *loaded_refresh; /* owned */
    int64_t fresh;             /* the count of changes that the halves are of; -1 = none */
} rk_step;

/* Before the engine is bound. RK_ERR_DATA when nobody can be trained on, RK_ERR_CONFIG when options
 * do not fit the data. hooks may be NULL. */
rk_status rk__step_create(rk_step *out, rk_engine *engine, rk_step_how how, const rk_hooks *hooks);
/* Before the engine is closed. A zeroed step is fine. */
void rk__step_free(rk_step *step);

/* What loading it allocates. */
rk_status rk__step_add_memory(const rk_step *step, rk_memory_table *table);
/* After the engine is bound. */
rk_status rk__step_load(rk_step *step);

/* Runs the programs, a phase a step, and waits for them; the parameters change. */
rk_status rk__step_run(rk_step *step, int64_t steps);

/* The state before the first step; the caller sets it. */
rk_step_state rk__step_first_state(const rk_step *step);
/* The step state: read and write between steps. */
rk_status rk__step_get_state(rk_step *step, rk_step_state *out);
rk_status rk__step_set_state(rk_step *step, const rk_step_state *state);

/* double [1 + n_terms]: the loss and its terms, summed over the steps since the sums were set (at
 * first to 0). */
rk_status rk__step_get_sums(rk_step *step, double *out);
rk_status rk__step_set_sums(rk_step *step, const double *sums);

/* ---- for the files that build a step ---- */

/* step.c: tensors of every step. */
rk_status rk__step_declare_state(rk_step *step);
rk_status rk__step_declare_sums(rk_step *step, int32_t n_terms);
/* batch_step.c: tables and the program of a step by gradients. */
rk_status rk__batch_step_build(rk_step *step, const rk_hooks *hooks);

#endif
