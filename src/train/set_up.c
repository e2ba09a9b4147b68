#include "train/set_up.h"

#include <stdio.h>

/* What will be allocated, told and compared with what there is. */
static rk_status plan_memory(const rk_engine *e, const rk_step *step, const rk_scorer *scorer,
                             const rk_hooks *hooks)
{
    rk_memory_table table = {0};
    rk_device_info info = {0};
    rk_status status = RK_OK;
    RK_TRY(e->device->info(e->context, &info));
    RK_TRY_GOTO(done, rk__memory_add_store(&table, e->device, &e->store));
    RK_TRY_GOTO(done, step ? rk__step_add_memory(step, &table) : RK_OK);
    RK_TRY_GOTO(done, rk__scorer_add_memory(scorer, &table));
    rk__memory_log(&table, e->device, info.memory_free, hooks);
    status = rk__memory_check(&table, e->device, info.memory_free);
done:
    rk__memory_free(&table);
    return status;
}

static void warn_of_skipped_users(const rk_step *step, const rk_hooks *hooks)
{
    if (hooks && hooks->log && step->sampling.n_skipped_users > 0) {
        char text[160];
        snprintf(text, sizeof text,
                 "%lld users have every item: there is no negative for them, they are not drawn",
                 (long long)step->sampling.n_skipped_users);
        hooks->log(hooks->user, RK_LOG_WARNING, text);
    }
}

static rk_status build(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                       const rk_dataset *dataset, const rk_hooks *hooks)
{
    const rk_scorer_data lists = {{&dataset->parts[RK_TRAIN], &dataset->parts[RK_VALID],
                                   &dataset->parts[RK_TEST], &dataset->parts[RK_GIVEN]}};
    if (step) {
        RK_TRY(rk__step_create(step, engine, (rk_step_how){0}, hooks));
    }
    RK_TRY(rk__scorer_create(scorer, engine, lists));
    RK_TRY(plan_memory(engine, step, *scorer, hooks));
    RK_TRY(rk__engine_bind(engine));
    RK_TRY(rk__scorer_load(*scorer));
    if (step) {
        RK_TRY(rk__step_load(step));
        RK_TRY(rk__engine_init_parameters(engine));
        warn_of_skipped_users(step, hooks);
    }
    return RK_OK;
}

rk_status rk__set_up(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                     const rk_options *options, const rk_dataset *dataset, bool eager,
                     const rk_hooks *hooks)
{
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    rk_graph graph = {0};
    rk_status status = RK_OK;
    *engine = (rk_engine){0};
    *scorer = NULL;
    if (step) {
        *step = (rk_step){0};
    }
    RK_TRY(rk__graph_build_lists(&graph, train->offsets, train->items, dataset->n_users,
                                 dataset->n_items));
    RK_TRY(rk__engine_open(
        engine, options, &graph,
        (rk_engine_how){.eager = eager, .train_times = dataset->details[RK_TRAIN].time}));
    status = build(engine, step, scorer, dataset, hooks);
    if (status != RK_OK) {
        rk__tear_down(engine, step, scorer);
    }
    return status;
}

void rk__tear_down(rk_engine *engine, rk_step *step, rk_scorer **scorer)
{
    if (step) {
        rk__step_free(step);
    }
    rk__scorer_free(*scorer);
    *scorer = NULL;
    rk__engine_close(engine);
}
