#include "train/neighbour_term.h"

#include <stdio.h>

#include "base/timer.h"

#define NAME_ITEMS "neighbours.items"
#define NAME_WEIGHTS "neighbours.weights"

static void log_time(const rk_neighbours *n, double seconds, const rk_hooks *hooks)
{
    char text[160];
    if (hooks && hooks->log) {
        snprintf(text, sizeof text,
                 "neighbours: the %lld nearest of each of %lld items by common users, %.2f s",
                 (long long)n->k, (long long)n->n_items, seconds);
        hooks->log(hooks->user, RK_LOG_INFO, text);
    }
}

rk_status rk__neighbour_term_init(rk_neighbours *out, const rk_graph *graph,
                                  const rk_options *options, const rk_hooks *hooks)
{
    const int64_t k = options->loss.neighbours;
    double began = rk__now();
    *out = (rk_neighbours){0};
    if (k == 0) {
        return RK_OK;
    }
    if (k > graph->n_items) {
        RK_FAIL(RK_ERR_CONFIG,
                "loss.neighbours is %lld, but there are only %lld items: take a smaller number",
                (long long)k, (long long)graph->n_items);
    }
    RK_TRY(rk__neighbours_build(out, graph, k, true, rk__item_weight_ultragcn));
    log_time(out, rk__now() - began, hooks);
    return RK_OK;
}

rk_status rk__neighbour_term_declare(const rk_neighbours *neighbours, rk_store *store)
{
    const rk_neighbours *n = neighbours;
    int32_t number;
    if (n->k == 0) {
        return RK_OK;
    }
    RK_TRY(rk__store_add(store, NAME_ITEMS, RK_I32, n->n_items, n->k, n->node, &number));
    return rk__store_add(store, NAME_WEIGHTS, RK_F32, n->n_items, n->k, n->weight, &number);
}

void rk__neighbour_term_gather(rk_program *program, const rk_model_instance *model, rk_value final,
                               rk_value nodes, rk_objective_values *out)
{
    const int32_t items = rk__store_find(program->store, NAME_ITEMS);
    rk_objective_neighbours *v = &out->neighbours;
    if (items < 0) {
        return;
    }
    v->attr = (rk_neighbour_attr){.batch = model->options->train.batch,
                                  .n_users = model->data.n_users,
                                  .weight = model->options->loss.neighbours_weight};
    v->nodes = nodes;
    v->weights = rk__use(program, rk__store_find(program->store, NAME_WEIGHTS));
    rk_value slots = rk__neighbour_slots(program, nodes, rk__use(program, items), v->attr);
    v->rows = rk__unique_rows(program, slots, model->data.n_users + model->data.n_items);
    v->final = rk__gather_rows(program, final, v->rows);
}
