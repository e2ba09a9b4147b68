#include "train/set_up.h"

#include <stdio.h>

/* What will be allocated, told and compared with what there is. */
static rk_status plan_memory(const rk_engine *e, const rk_step *step, const rk_model_ranker *ranker,
                             const rk_hooks *hooks)
{
    rk_memory_table table = {0};
    rk_device_info info = {0};
    rk_status status = RK_OK;
    RK_TRY(e->device->info(e->context, &info));
    RK_TRY_GOTO(done, rk__memory_add_store(&table, e->device, &e->store));
    RK_TRY_GOTO(done, step ? rk__step_add_memory(step, &table) : RK_OK);
    RK_TRY_GOTO(done, rk__ranker_add_memory(ranker, &table));
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

static rk_status build(rk_engine *engine, rk_step *step, rk_model_ranker *ranker,
                       const rk_dataset *dataset, const rk_hooks *hooks)
{
    const bool has_valid = dataset->stats.valid > 0;
    if (step) {
        RK_TRY(rk__step_create(step, engine, (rk_step_how){0}, hooks));
    }
    RK_TRY(rk__ranker_create(ranker, engine, has_valid ? &dataset->parts[RK_VALID] : NULL));
    RK_TRY(plan_memory(engine, step, ranker, hooks));
    RK_TRY(rk__engine_bind(engine));
    RK_TRY(rk__ranker_load(ranker));
    if (step) {
        RK_TRY(rk__step_load(step));
        RK_TRY(rk__engine_init_parameters(engine));
        warn_of_skipped_users(step, hooks);
    }
    return RK_OK;
}

rk_status rk__set_up(rk_engine *engine, rk_step *step, rk_model_ranker *ranker,
                     const rk_options *options, const rk_dataset *dataset, bool eager,
                     const rk_hooks *hooks)
{
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    rk_graph graph = {0};
    rk_status status = RK_OK;
    *engine = (rk_engine){0};
    *ranker = (rk_model_ranker){0};
    if (step) {
        *step = (rk_step){0};
    }
    RK_TRY(rk__graph_build_lists(&graph, train->offsets, train->items, dataset->n_users,
                                 dataset->n_items));
    RK_TRY(rk__engine_open(engine, options, &graph, (rk_engine_how){.eager = eager}));
    status = build(engine, step, ranker, dataset, hooks);
    if (status != RK_OK) {
        rk__tear_down(engine, step, ranker);
    }
    return status;
}

void rk__tear_down(rk_engine *engine, rk_step *step, rk_model_ranker *ranker)
{
    if (step) {
        rk__step_free(step);
    }
    rk__ranker_free(ranker);
    rk__engine_close(engine);
}
