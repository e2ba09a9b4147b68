/*
 * What a model computes with: a device, a store, the graph and the model's parameters in it.
 *
 * Life: open (device, store with graph and parameters) -> whoever computes adds tensors of their
 * own and builds programs (step.h, scorer.h) -> bind (the store is complete from then on) ->
 * programs are loaded and run -> close.
 */
#ifndef RK_ENGINE_ENGINE_H
#define RK_ENGINE_ENGINE_H

#include "config/options.h"
#include "device/device.h"
#include "graph/graph.h"
#include "models/model.h"
#include "rankine/hooks.h"

typedef struct rk_engine {
    const rk_options *options; /* lent */
    rk_comm *ranks;            /* of the run: they share the machine and divide users; lent */
    rk_comm *comm;             /* those that have columns of the model's tables: all, or we alone */
    const rk_device *device;
    const char *device_reason;  /* why auto took it; NULL for a device that was given */
    rk_device_context *context; /* owned */
    rk_graph graph;             /* owned; on a host device the store borrows it */
    rk_store store;
    rk_model_instance model;
    rk_contexts contexts; /* what the model reads of fields; owned, the model and the store borrow
                           * it */
    int64_t changes;      /* of the parameters; what was computed from them goes stale by it */
    int32_t **row_orders; /* n_row_orders, of graphs; owned, the store borrows them */
    int n_row_orders;
    const int32_t *row_order; /* of `graph`, found before; lent; NULL = to be found */
} rk_engine;

typedef struct rk_engine_how {
    const rk_device *device;    /* NULL = by run.device */
    const rk_model_kind *model; /* NULL = by model.kind */
    const double *train_times;  /* lent; NULL = unknown */
    const float *train_values;  /* lent; NULL = there are none */
    const rk_dataset *dataset;  /* lent; fields, relations, features; NULL = none of them */
    const int32_t *row_order;   /* of the graph by graph.order; lent; NULL = not known yet */
    rk_comm *ranks;             /* lent; NULL = nobody else */
    bool is_whole;              /* each rank has all columns of the model's tables */
    bool eager;
} rk_engine_how;

/* options are lent for the engine's life; the graph is the engine's from now on, also when this
 * fails. RK_ERR_DEVICE when the device cannot be used, RK_ERR_CONFIG or RK_ERR_DATA when the model
 * does not fit the data. */
rk_status rk__engine_open(rk_engine *out, const rk_options *options, rk_graph *graph,
                          rk_engine_how how);
/* Programs on the device are gone with it. A zeroed engine is fine. */
void rk__engine_close(rk_engine *engine);

/* Adds a tensor to the store, before it is bound; out_number may be NULL. */
rk_status rk__engine_add(rk_engine *engine, const char *name, rk_dtype dtype, int64_t rows,
                         int64_t cols, const void *constant, int32_t *out_number);

/* A stored tensor with all its columns, to the host or from it, where every rank takes its own.
 * Collective if it is divided. Reading: they come to rank `root`, or all with RK_COMM_ALL, and
 * elsewhere nothing does (out may be NULL there). */
rk_status rk__engine_read(const rk_engine *engine, int32_t stored, int root, void *out);
rk_status rk__engine_write(const rk_engine *engine, int32_t stored, const void *values);
/* All columns of such a tensor. */
int64_t rk__engine_columns(const rk_engine *engine, int32_t stored);

/* row_order.c: from now on rows of the graphs that the program propagates over are gone through in
 * the order of graph.order; no bit depends on it. The log has how long finding it took; hooks may
 * be NULL. Before the program is loaded. */
rk_status rk__engine_order_rows(rk_engine *engine, const rk_program *program,
                                const rk_hooks *hooks);

/* The order of the graph's rows if this engine has found it: the caller's from now on, who keeps it
 * until the engine is closed, and may give it to the next one. Else NULL. */
int32_t *rk__engine_give_row_order(rk_engine *engine);

/* Allocates the store on the device. */
rk_status rk__engine_bind(rk_engine *engine);
/* The initial values of run.seed, after binding. */
rk_status rk__engine_init_parameters(rk_engine *engine);
/* To be called after anything has changed parameters on the device. */
void rk__engine_parameters_changed(rk_engine *engine);

/* The values of the model's parameters, model.n_parameters; free with rk__free. */
rk_status rk__engine_use_parameters(const rk_engine *engine, rk_program *program, rk_value **out);

/* What a person should know of how the device runs programs, as a warning; hooks may be NULL. By
 * the thread that uses the device. */
void rk__engine_tell_notes(const rk_engine *engine, const rk_hooks *hooks);

/* Verifies and plans a program that is complete. */
rk_status rk__engine_finish(rk_program *program);

#endif
