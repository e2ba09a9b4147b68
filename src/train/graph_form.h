/*
 * Which form a training step takes: the propagations one after the other (direct), or re-associated
 * through the Gram matrix of the graph's small side (gram, models/lightgcn_gram.c).
 */
#ifndef RK_TRAIN_GRAPH_FORM_H
#define RK_TRAIN_GRAPH_FORM_H

#include "config/options.h"
#include "device/device.h"
#include "models/model.h"

typedef struct rk_graph_form {
    bool is_gram;
    int64_t first, n;                    /* nodes of the small side */
    int64_t gram_bytes;                  /* of C; 0 if the depth needs none */
    double direct_seconds, gram_seconds; /* predicted, of one step */
    char reason[320];
} rk_graph_form;

/* The decision of graph.form, made from sizes and fixed constants only: the same run takes the same
 * form again, whatever the number of threads. memory: the device's. RK_ERR_MEMORY when graph.form
 * asks for a Gram matrix that does not fit. */
rk_status rk__graph_form_decide(rk_graph_form *out, const rk_options *options,
                                const rk_model_kind *model, const rk_graph *graph, bool on_cuda,
                                const rk_device_info *memory);

#endif
