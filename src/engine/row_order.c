/* graph.order: the rows of graphs in the order in which propagations go through them. */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "data/work.h"
#include "engine/engine.h"
#include "graph/order.h"

/* Room for one more, which is the engine's. */
static rk_status add_order(rk_engine *e, int64_t n_rows, int32_t **out)
{
    RK_TRY(rk__realloc(&e->row_orders, e->n_row_orders, e->n_row_orders + 1, sizeof *e->row_orders,
                       "the orders of rows"));
    RK_TRY(rk__alloc(out, n_rows, sizeof **out, "the order of a graph's rows"));
    e->row_orders[e->n_row_orders++] = *out;
    return RK_OK;
}

static void RK_PRINTF(3, 4) say(const rk_hooks *hooks, rk_log_level level, const char *format, ...)
{
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    if (hooks && hooks->log) {
        vsnprintf(text, sizeof text, format, arguments);
        hooks->log(hooks->user, level, text);
    }
    va_end(arguments);
}

static rk_status look(void *work, int64_t edges)
{
    return rk__work_add(work, edges);
}

static rk_status order_graph(rk_engine *e, int32_t offsets, int32_t columns, const rk_hooks *hooks)
{
    const rk_stored *items = e->store.items;
    const rk_adjacency rows = {items[offsets].constant, items[columns].constant,
                               items[offsets].rows - 1, e->graph.n_users};
    rk_work work = {.hooks = hooks, .left = "no step was taken yet"};
    const rk_order_watch watch = {look, &work};
    int32_t *order = NULL;
    double start = rk__now(), inside = 0;
    if (e->row_order && rows.offsets == e->graph.offsets) {
        rk__store_order_rows(&e->store, offsets, e->row_order);
        say(hooks, RK_LOG_INFO, "graph.order %s: the order of %lld rows was found before",
            rk__option_choice("graph.order", e->options->graph.order), (long long)rows.n);
        return RK_OK;
    }
    RK_TRY(add_order(e, rows.n, &order));
    rk__work_begin(&work, "clustering nodes", RK_ORDER_SWEEPS * rows.offsets[rows.n]);
    work.unit = "edges";
    RK_TRY(rk__order_rows(&rows, &watch, order, &inside));
    rk__store_order_rows(&e->store, offsets, order);
    say(hooks, RK_LOG_INFO,
        "graph.order %s: %lld rows ordered in %.2f s, %.0f %% of the edges are inside a cluster "
        "(from about 10 %% on it pays, docs/scaling.md)",
        rk__option_choice("graph.order", e->options->graph.order), (long long)rows.n,
        rk__now() - start, 100 * inside);
    return RK_OK;
}

rk_status rk__engine_order_rows(rk_engine *e, const rk_program *program, const rk_hooks *hooks)
{
    if (e->options->graph.order == RK_NODE_ORDER_FILE) {
        return RK_OK;
    }
    int n = 0;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        const rk_node *node = &program->nodes[i];
        if (node->op != RK_OP_PROPAGATE && node->op != RK_OP_PROPAGATE_ADAM) {
            continue;
        }
        const rk_node *draw = rk__edge_draw_of(program, node);
        const rk_node *of = draw ? draw : node;
        n++;
        int32_t offsets = program->tensors[of->in[0]].stored;
        if (!e->store.items[offsets].row_order) {
            RK_TRY(order_graph(e, offsets, program->tensors[of->in[1]].stored, hooks));
        }
    }
    if (n == 0) {
        say(hooks, RK_LOG_WARNING,
            "graph.order is %s, but no step propagates over a whole graph (no layers but the one "
            "at the batch's rows, or the Gram form): nothing goes by it",
            rk__option_choice("graph.order", e->options->graph.order));
    }
    return RK_OK;
}

int32_t *rk__engine_give_row_order(rk_engine *e)
{
    for (int32_t i = 0; i < e->store.n; i++) {
        const rk_stored *s = &e->store.items[i];
        for (int r = 0; s->constant == e->graph.offsets && r < e->n_row_orders; r++) {
            int32_t *order = e->row_orders[r];
            if (order == s->row_order) {
                e->row_orders[r] = e->row_orders[--e->n_row_orders];
                return order;
            }
        }
    }
    return NULL;
}
