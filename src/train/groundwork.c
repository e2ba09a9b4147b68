#include "train/groundwork.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/timer.h"

typedef struct answer {
    char *question; /* owned */
    rk_metrics metrics;
} answer;

struct rk_groundwork {
    const rk_dataset *dataset; /* lent */
    rk_graph graph;
    bool has_graph;
    int32_t *by_cluster; /* order of the graph's rows; NULL = not needed yet; owned */
    rk_popularity popularity;
    bool has_popularity;
    answer *answers; /* n_answers; owned */
    int64_t n_answers;
};

rk_status rk__groundwork_create(rk_groundwork **out, const rk_dataset *dataset)
{
    RK_TRY(rk__calloc(out, 1, sizeof **out, "what trainings have in common"));
    (*out)->dataset = dataset;
    return RK_OK;
}

void rk__groundwork_free(rk_groundwork *g)
{
    if (!g) {
        return;
    }
    for (int64_t i = 0; i < g->n_answers; i++) {
        rk__free(g->answers[i].question);
        rk_metrics_free(&g->answers[i].metrics);
    }
    rk__free(g->answers);
    rk__popularity_free(&g->popularity);
    rk__free(g->by_cluster);
    rk__graph_free(&g->graph);
    rk__free(g);
}

/* ---- the graph ---- */

static rk_status build_graph(const rk_dataset *dataset, const rk_hooks *hooks, rk_graph *out)
{
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    const double began = rk__now();
    RK_TRY(rk__graph_build_lists(out, train->offsets, train->items, dataset->n_users,
                                 dataset->n_items));
    if (hooks && hooks->log) {
        char text[96];
        snprintf(text, sizeof text, "graph of %lld edges built in %.3f s", (long long)out->n_edges,
                 rk__now() - began);
        hooks->log(hooks->user, RK_LOG_DEBUG, text);
    }
    return RK_OK;
}

rk_status rk__groundwork_graph(rk_groundwork *g, const rk_dataset *dataset, const rk_hooks *hooks,
                               rk_graph *out)
{
    if (!g) {
        return build_graph(dataset, hooks, out);
    }
    RK_ASSERT(g->dataset == dataset);
    if (!g->has_graph) {
        RK_TRY(build_graph(dataset, hooks, &g->graph));
        g->has_graph = true;
    }
    *out = rk__graph_view(&g->graph);
    return RK_OK;
}

const int32_t *rk__groundwork_order(const rk_groundwork *g, const rk_options *options)
{
    return g && options->graph.order == RK_NODE_ORDER_CLUSTER ? g->by_cluster : NULL;
}

void rk__groundwork_keep_order(rk_groundwork *g, rk_engine *engine)
{
    if (g && engine->options->graph.order == RK_NODE_ORDER_CLUSTER && !g->by_cluster) {
        g->by_cluster = rk__engine_give_row_order(engine);
    }
}

/* ---- references ---- */

rk_status rk__groundwork_popularity(rk_groundwork *g, rk_popularity **out)
{
    if (!g->has_popularity) {
        RK_TRY(rk__popularity_init(&g->popularity, g->dataset));
        g->has_popularity = true;
    }
    *out = &g->popularity;
    return RK_OK;
}

/* All that the metrics of a ranking depend on but the ranking. */
static rk_status write_question(const rk_config *config, rk_reference reference, rk_part part,
                                bool by_row, char **out)
{
    static const char *const keys[] = {"eval.metrics", "eval.k",     "eval.among",
                                       "eval.seen",    "eval.style", "split.candidates_by"};
    rk_buffer buffer = {0};
    rk_status status = RK_OK;
    rk__buffer_add(&buffer, "%d %d %d", (int)reference, (int)part, (int)by_row);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = NULL;
        RK_TRY_GOTO(done, rk_config_get(config, keys[i], &value));
        rk__buffer_add(&buffer, " %s", value);
    }
    status = rk__buffer_take(&buffer, out);
done:
    rk__buffer_free(&buffer);
    return status;
}

static const answer *find_answer(const rk_groundwork *g, const char *question)
{
    for (int64_t i = 0; i < g->n_answers; i++) {
        if (strcmp(g->answers[i].question, question) == 0) {
            return &g->answers[i];
        }
    }
    return NULL;
}

rk_status rk__groundwork_evaluate(rk_groundwork *g, const rk_config *config, rk_reference reference,
                                  rk_part part, const rk_ranker *ranker, const rk_hooks *hooks,
                                  rk_metrics *out)
{
    const rk_eval_more more = {.is_expected = true};
    answer fresh = {.question = NULL};
    rk_status status = RK_OK;
    RK_TRY(write_question(config, reference, part, ranker->by_row, &fresh.question));
    const answer *known = find_answer(g, fresh.question);
    if (!known) {
        RK_TRY_GOTO(done, rk__evaluate_more(g->dataset, rk__config_options(config), part, &more,
                                            ranker, hooks, &fresh.metrics));
        RK_TRY_GOTO(done, rk__realloc(&g->answers, g->n_answers, g->n_answers + 1,
                                      sizeof *g->answers, "the metrics of references"));
        g->answers[g->n_answers] = fresh;
        fresh = (answer){.question = NULL};
        known = &g->answers[g->n_answers++];
    }
    status = rk__metrics_copy(&known->metrics, out);
done:
    rk__free(fresh.question);
    rk_metrics_free(&fresh.metrics);
    return status;
}
