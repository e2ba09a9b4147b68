#include "models/behaviours.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "models/joined.h"
#include "models/models.h"
#include "models/relations.h"

rk_status rk__behaviours_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const int64_t n = rk__relations_count(o);
    RK_TRY(rk__relations_check(config));
    if (n == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but model.relations names no relation: it tells the behaviours of users "
                "apart; name those beside the interactions, e.g. view,cart",
                rk__config_says(config, "model.kind").text);
    }
    if (n >= RK_MOST_BEHAVIOURS) {
        RK_FAIL(RK_ERR_CONFIG, "%s names %lld relations; %s takes at most %d",
                rk__config_says(config, "model.relations").text, (long long)n,
                rk__config_says(config, "model.kind").text, RK_MOST_BEHAVIOURS - 1);
    }
    RK_TRY(rk__relations_check_unweighted(config));
    return rk__messages_check(config);
}

rk_status rk__behaviours_check_data(const rk_options *o, const rk_model_data *data)
{
    rk_model_relations relations = {0};
    rk_status status = RK_OK;
    RK_TRY(rk__relations_init(&relations, o, data));
    for (int i = 0; i < relations.n; i++) {
        const rk_relation *r = relations.v[i].of;
        if (strcmp(r->from, "user") != 0 || strcmp(r->to, "item") != 0) {
            RK_FAIL_GOTO(done, RK_ERR_DATA,
                         "model.relations names %s, which joins %s and %s: behaviours are "
                         "relations from users to items",
                         r->name, r->from, r->to);
        }
    }
done:
    rk__relations_free(&relations);
    return status;
}

rk_status rk__know_behaviours(rk_model_instance *m)
{
    const rk_join_options plain = {0};
    rk_block all = {0};
    RK_TRY(rk__model_add_known(m));
    RK_TRY(rk__block_join(&all, &m->data, m->options->model.relations, &plain));
    rk_status status = rk__know_joined(m, &all);
    rk__block_free(&all);
    return status;
}

/* ---- graphs ---- */

static void name_of(char out[RK_NAME_LENGTH], int number, const char *part)
{
    snprintf(out, RK_NAME_LENGTH, "behaviour.%d.%s", number + 1, part);
}

/* The array is the instance's from then on, also when this fails; with a status that is bad
 * already it is freed. */
static rk_status add(rk_status status, rk_model_instance *m, int number, const char *part,
                     rk_dtype dtype, int64_t rows, void *values)
{
    rk_parameter p = {
        .dtype = dtype, .rows = rows, .cols = 1, .role = RK_CONSTANT, .constant = values};
    if (status != RK_OK) {
        rk__free(values);
        return status;
    }
    name_of(p.name, number, part);
    return rk__model_add(m, p);
}

static rk_status add_graph(rk_model_instance *m, int number, const rk_relation *r)
{
    rk_graph g = {0};
    rk_status status =
        rk__graph_build_lists(&g, r->offsets, r->columns, m->data.n_users, m->data.n_items);
    RK_TRY(status);
    status = add(status, m, number, "offsets", RK_I64, g.n_nodes + 1, g.offsets);
    status = add(status, m, number, "columns", RK_I32, 2 * g.n_edges, g.columns);
    return add(status, m, number, "scale", RK_F32, g.n_nodes, g.scale);
}

rk_status rk__declare_behaviours(rk_model_instance *m)
{
    rk_model_relations relations = {0};
    RK_TRY(rk__relations_init(&relations, m->options, &m->data));
    rk_status status = RK_OK;
    for (int i = 0; i < relations.n && status == RK_OK; i++) {
        status = add_graph(m, i, relations.v[i].of);
    }
    rk__relations_free(&relations);
    return status;
}

rk_graph_values rk__use_behaviour(rk_program *p, int number)
{
    char name[RK_NAME_LENGTH];
    rk_graph_values g;
    name_of(name, number, "offsets");
    g.offsets = rk__use_named(p, name);
    name_of(name, number, "columns");
    g.columns = rk__use_named(p, name);
    name_of(name, number, "scale");
    g.scale = rk__use_named(p, name);
    return g;
}
