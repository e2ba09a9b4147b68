#include "train/set_up.h"

#include <stdio.h>

#include "eval/ratings.h"

/* What ranks tell each other goes through buffers in host memory: the sums of a step, columns of
 * tables for checkpoints and scores, lists of evaluations. */
static rk_status add_messages(const rk_engine *e, const rk_step *step, const rk_scorer *scorer,
                              rk_memory_table *table)
{
    enum { TEXTS = 64 << 10 }; /* a config is compared, too */
    const int64_t lists = rk__scorer_list_bytes(scorer);
    int64_t most = lists > TEXTS ? lists : TEXTS;
    for (int32_t i = 0; i < e->store.n; i++) {
        const rk_stored *s = &e->store.items[i];
        const int64_t bytes = s->all_columns > 0 ? rk__stored_bytes(s) : 0;
        most = bytes > most ? bytes : most;
    }
    for (int i = 0; step && i < step->n_phases; i++) {
        const int64_t bytes = rk__program_exchanges(&step->phases[i]).largest;
        most = bytes > most ? bytes : most;
    }
    const int64_t bytes = rk__comm_room(e->ranks, most);
    return bytes > 0 ? rk__memory_add(table, "messages to other ranks", bytes, "model.dim") : RK_OK;
}

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
    if (e->device->peek) { /* each rank of the machine needs as much */
        RK_TRY_GOTO(done, add_messages(e, step, scorer, &table));
        info.memory_free /= rk__comm_local_size(e->ranks);
    }
    rk__memory_log(&table, e->device, info.memory_free, hooks);
    status = rk__memory_check(&table, e->device, info.memory_free);
done:
    rk__memory_free(&table);
    return status;
}

static void warn_of_skipped_users(const rk_step *step, const rk_hooks *hooks)
{
    int64_t n = step->sampling.n_skipped_users;
    if (hooks && hooks->log && n > 0) {
        char text[160];
        snprintf(text, sizeof text, "%lld %s: no negative can be drawn for them, they are left out",
                 (long long)n, n == 1 ? "user has every item" : "users have every item");
        hooks->log(hooks->user, RK_LOG_WARNING, text);
    }
}

static rk_status build(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                       const rk_dataset *dataset, const rk_hooks *hooks)
{
    const rk_options *o = engine->options;
    const bool rates = engine->model.model->rates;
    const bool weighs =
        rates || (o->model.weigh_by == RK_WEIGH_BY_VALUE && rk__model_of(o)->fold_equations);
    const rk_rating_scale scale = rates ? rk__rating_scale(o, dataset) : (rk_rating_scale){0, 0};
    const rk_scorer_data lists = {{&dataset->parts[RK_TRAIN], &dataset->parts[RK_VALID],
                                   &dataset->parts[RK_TEST], &dataset->parts[RK_GIVEN]},
                                  weighs ? dataset->details[RK_GIVEN].value : NULL,
                                  scale.low,
                                  scale.high};
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

/* The option that weighs interactions by their values, NULL if none does. */
static const char *weighing_option(const rk_options *o)
{
    const rk_model_kind *m = rk__model_of(o);
    if (o->model.weigh_by == RK_WEIGH_BY_VALUE) {
        return "model.weigh_by";
    }
    if (!rk__model_is_by_gradients(m)) {
        return NULL;
    }
    return o->loss.weigh_by == RK_WEIGH_BY_VALUE       ? "loss.weigh_by"
           : o->sampling.weigh_by == RK_WEIGH_BY_VALUE ? "sampling.weigh_by"
                                                       : NULL;
}

static rk_status check_part(const rk_dataset *d, rk_part part, const char *option)
{
    const rk_lists *lists = &d->parts[part];
    const float *value = d->details[part].value;
    for (int64_t user = 0; user < lists->n_rows; user++) {
        for (int64_t k = lists->offsets[user]; k < lists->offsets[user + 1]; k++) {
            char room[2][RK_ID_BYTES];
            if (!(value[k] > 0)) {
                RK_FAIL(RK_ERR_DATA,
                        "%s is value, but user %s and item %s have the value %g: weights must be "
                        "above 0; leave such rows out by the 'where' of their source, or take "
                        "%s=none",
                        option, rk_dataset_user_id(d, user, room[0]),
                        rk_dataset_item_id(d, lists->items[k], room[1]), (double)value[k], option);
            }
        }
    }
    return RK_OK;
}

/* Values that are asked for must be there and serve as weights; values that nobody looks at are
 * told of. */
static rk_status check_values(const rk_options *options, const rk_dataset *dataset,
                              const rk_step *step, const rk_hooks *hooks)
{
    const char *option = weighing_option(options);
    bool has_values = dataset->details[RK_TRAIN].value != NULL;
    if (option && !has_values) {
        RK_FAIL(RK_ERR_DATA,
                "%s is value, but the data set %s has no values: name their column in the key "
                "'value' of each of data.sources, or set data.repeat_value=count",
                option, dataset->name);
    }
    if (!option && has_values && !rk__model_of(options)->rates && step && hooks && hooks->log) {
        hooks->log(hooks->user, RK_LOG_INFO,
                   "interactions have values, but nothing looks at them: model.weigh_by (ials, "
                   "user_knn, pure_svd), loss.weigh_by, "
                   "sampling.weigh_by or a model of ratings (als, svd, fm) would");
    }
    if (option) {
        RK_TRY(check_part(dataset, RK_TRAIN, option));
        RK_TRY(check_part(dataset, RK_GIVEN, option));
    }
    return RK_OK;
}

rk_status rk__set_up_among(rk_among among, rk_engine *engine, rk_step *step, rk_scorer **scorer,
                           const rk_options *options, const rk_dataset *dataset, bool eager,
                           const rk_hooks *hooks)
{
    rk_graph graph = {0};
    rk_status status = RK_OK;
    *engine = (rk_engine){0};
    *scorer = NULL;
    if (step) {
        *step = (rk_step){0};
    }
    RK_TRY(check_values(options, dataset, step, hooks));
    RK_TRY(rk__groundwork_graph(among.ground, dataset, hooks, &graph));
    RK_TRY(rk__engine_open(engine, options, &graph,
                           (rk_engine_how){.eager = eager,
                                           .row_order = rk__groundwork_order(among.ground, options),
                                           .ranks = among.comm,
                                           .is_whole = among.is_whole,
                                           .train_times = dataset->details[RK_TRAIN].time,
                                           .train_values = dataset->details[RK_TRAIN].value,
                                           .dataset = dataset}));
    status = build(engine, step, scorer, dataset, hooks);
    rk__groundwork_keep_order(among.ground, engine);
    if (status != RK_OK) {
        rk__tear_down(engine, step, scorer);
    }
    return status;
}

rk_status rk__set_up(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                     const rk_options *options, const rk_dataset *dataset, bool eager,
                     const rk_hooks *hooks)
{
    return rk__set_up_among((rk_among){0}, engine, step, scorer, options, dataset, eager, hooks);
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
