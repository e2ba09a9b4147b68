#include "train/report.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/build.h"
#include "base/file.h"
#include "base/timer.h"
#include "page/page.h"
#include "train/json.h"
#include "train/run_folder.h"
#include "train/warm_start.h"

rk_memory_use rk__summary_memory(const rk_summary *summary)
{
    const rk_store *store = &summary->step->engine->store;
    rk_memory_use use = {.peak = rk__peak_memory()};
    for (int32_t i = 0; i < store->n; i++) {
        use.store += rk__stored_bytes(&store->items[i]);
    }
    use.arenas = rk__scorer_arenas(summary->scorer);
    for (int i = 0; i < summary->step->n_phases; i++) {
        use.arenas += summary->step->phases[i].arena_bytes;
    }
    return use;
}

double rk__summary_samples_per_second(const rk_summary *summary)
{
    const rk_step_state *s = &summary->position->step;
    return (double)s->epoch * (double)s->draws_per_epoch / summary->seconds.training;
}

static void add_diverged(rk_json *json, const rk_position *p)
{
    const int64_t epoch = rk__position_diverged(p);
    if (epoch == 0) {
        rk__json_null(json, "diverged");
        return;
    }
    rk__json_begin(json, "diverged", '{');
    rk__json_int(json, "epoch", epoch);
    rk__json_real(json, "loss", p->history[epoch - 1].loss);
    rk__json_real(json, "first_loss", rk__position_first_loss(p));
    rk__json_end(json, '}');
}

/* Of a training by several ranks: what each has, and what a step takes of the others. */
static void add_ranks(rk_json *json, const rk_summary *r)
{
    const rk_engine *e = r->step->engine;
    const int ranks = rk__comm_size(e->comm);
    const rk_exchanges x = rk__program_exchanges(&r->step->phases[0]);
    if (ranks == 1) {
        return;
    }
    rk__json_begin(json, "ranks", '{');
    rk__json_int(json, "count", ranks);
    rk__json_text(json, "communicator", rk__comm_name(e->comm));
    rk__json_int(json, "columns", r->options->model.dim / ranks);
    rk__json_int(json, "summed_bytes_per_step", x.summed);
    rk__json_int(json, "gathered_bytes_per_step", x.gathered);
    rk__json_int(json, "sent_bytes_per_step", r->sent_bytes_per_step);
    rk__json_end(json, '}');
}

static void add_train(rk_json *json, const rk_summary *r)
{
    const rk_position *p = r->position;
    int64_t n = p->step.epoch;
    const rk_epoch_record *last = n > 0 ? &p->history[n - 1] : NULL;
    rk__json_begin(json, "train", '{');
    if (p->n_terms > 0) {
        rk__json_real(json, "loss", last ? last->loss : NAN);
    }
    for (int i = 0; i < p->n_terms; i++) {
        double mean = last ? rk__position_terms(p, n - 1)[i] : NAN;
        rk__json_real(json, r->step->terms[i].name, mean);
    }
    rk__json_int(json, "epochs", n);
    rk__json_int(json, "steps", p->step.step);
    rk__json_int(json, "steps_per_epoch", p->step.steps_per_epoch);
    if (p->n_terms > 0) {
        rk__json_real(json, "samples_per_second", rk__summary_samples_per_second(r));
    }
    rk__json_bool(json, "stopped_early", r->stopped_early);
    add_ranks(json, r);
    add_diverged(json, p);
    rk__json_end(json, '}');
}

/* Who asks in vain for what was learnt, and what is done for them. */
static void add_unknown(rk_json *json, const rk_summary *r)
{
    const rk_dataset_stats *s = &r->dataset->stats;
    const rk_model_kind *m = r->step->engine->model.model;
    rk__json_begin(json, "unknown", '{');
    bool folds_in = rk__instance_folds_in(&r->step->engine->model);
    rk__json_int(json, "users", s->empty_users - (folds_in ? s->given_users : 0));
    rk__json_int(json, "test_users", folds_in && s->given_users > 0 ? 0 : s->cold_test_users);
    rk__json_text(json, "users_get",
                  m->is_same_for_all ? "the model's ranking"
                  : rk__instance_knows_any(&r->step->engine->model, true)
                      ? "the model's ranking by what else is known of them"
                  : m->rates ? "ratings of nobody in particular"
                             : "popularity");
    rk__json_int(json, "items", s->cold_items);
    rk__json_int(json, "test_items", s->cold_test_items);
    rk__json_text(json, "items_are",
                  rk__instance_knows_any(&r->step->engine->model, false) ? "ranked like others"
                                                                         : "never ranked");
    rk__json_end(json, '}');
}

static void add_metrics(rk_json *json, rk_part part, const rk_metrics *metrics)
{
    if (metrics->count == 0) {
        rk__json_null(json, rk_part_name(part));
        return;
    }
    rk__json_begin(json, rk_part_name(part), '{');
    for (int64_t i = 0; i < metrics->count; i++) {
        rk__json_real(json, metrics->values[i].name, metrics->values[i].value);
    }
    rk__json_int(json, "users", metrics->users);
    rk__json_real(json, "seconds", metrics->seconds);
    rk__json_end(json, '}');
}

static void add_errors(rk_json *json, const char *key, const double *errors)
{
    rk__json_begin(json, key, '{');
    for (int64_t e = 0; e < RK_RATING_ERRORS; e++) {
        rk__json_real(json, rk_rating_error_name(e), errors[e]);
    }
    rk__json_end(json, '}');
}

static void add_rating_part(rk_json *json, const char *key, const rk_ratings *e)
{
    rk__json_begin(json, key, '{');
    rk__json_int(json, "pairs", e->pairs);
    add_errors(json, "model", e->model);
    add_errors(json, "global_mean", e->global_mean);
    add_errors(json, "item_mean", e->item_mean);
    add_errors(json, "biases", e->biases);
    rk__json_end(json, '}');
}

/* Nothing of models that predict no ratings. */
static void add_ratings(rk_json *json, const rk_summary *r)
{
    const rk_ratings *any = &r->ratings[r->ratings[RK_TEST].pairs > 0 ? RK_TEST : RK_VALID];
    if (any->pairs == 0) {
        return;
    }
    rk__json_begin(json, "ratings", '{');
    rk__json_begin(json, "scale", '[');
    rk__json_real(json, NULL, any->low);
    rk__json_real(json, NULL, any->high);
    rk__json_end(json, ']');
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        const rk_ratings *e = &r->ratings[part];
        if (e->pairs == 0) {
            rk__json_null(json, rk_part_name(part));
            continue;
        }
        add_rating_part(json, rk_part_name(part), e);
    }
    rk__json_end(json, '}');
}

/* What metrics are over all draws of candidates. */
static void add_expected_part(rk_json *json, rk_part part, const rk_metrics *of_parts)
{
    const rk_metrics *metrics = &of_parts[part];
    if (metrics->count == 0) {
        rk__json_null(json, rk_part_name(part));
        return;
    }
    rk__json_begin(json, rk_part_name(part), '{');
    for (int64_t i = 0; i < metrics->count; i++) {
        if (!isnan(metrics->values[i].expected)) {
            rk__json_real(json, metrics->values[i].name, metrics->values[i].expected);
        }
    }
    rk__json_end(json, '}');
}

static void add_expected(rk_json *json, const rk_summary *r)
{
    rk__json_begin(json, "expected", '{');
    rk__json_text(json, "draws", "all");
    add_expected_part(json, RK_VALID, r->model);
    add_expected_part(json, RK_TEST, r->model);
    rk__json_begin(json, "popularity", '{');
    add_expected_part(json, RK_VALID, r->popularity);
    add_expected_part(json, RK_TEST, r->popularity);
    rk__json_end(json, '}');
    rk__json_end(json, '}');
}

static void add_parts(rk_json *json, const char *key, const rk_metrics *of_parts)
{
    rk__json_begin(json, key, '{');
    add_metrics(json, RK_VALID, &of_parts[RK_VALID]);
    add_metrics(json, RK_TEST, &of_parts[RK_TEST]);
    rk__json_end(json, '}');
}

static void add_audit(rk_json *json, const rk_summary *r, rk_part part)
{
    const rk_audit *a = &r->audit[part];
    if (a->pairs == 0) {
        rk__json_null(json, rk_part_name(part));
        return;
    }
    rk__json_begin(json, rk_part_name(part), '{');
#define COUNT(member) rk__json_int(json, #member, a->member);
    COUNT(users)
    COUNT(pairs)
    COUNT(in_train)
    COUNT(overlap)
    COUNT(cold_users)
    COUNT(cold_items)
    COUNT(cold_pairs)
    COUNT(in_relations)
    COUNT(tie_pairs)
    COUNT(tied)
    COUNT(cold_ranked)
#undef COUNT
    rk__json_begin(json, "relations", '[');
    for (int64_t i = 0; i < a->n_relations; i++) {
        rk__json_begin(json, NULL, '{');
        rk__json_text(json, "name", a->relations[i].name);
        rk__json_int(json, "pairs", a->relations[i].pairs);
        rk__json_end(json, '}');
    }
    rk__json_end(json, ']');
    rk__json_end(json, '}');
}

/* How metrics were counted, and of what. */
static void add_protocol(rk_json *json, const rk_summary *r)
{
    const rk_options *o = r->options;
    const bool is_sampled = o->eval.among == RK_AMONG_CANDIDATES;
    rk__json_text(json, "style", rk__option_choice("eval.style", o->eval.style));
    if (o->eval.seen == RK_SEEN_RANK) {
        rk__json_text(json, "seen", "ranked");
    }
    if (is_sampled) {
        rk__json_int(json, "among_candidates", r->dataset->n_candidates);
        rk__json_text(json, "candidates_by",
                      rk__option_choice("split.candidates_by", o->split.candidates_by));
    }
    if (is_sampled && o->split.candidates_by == RK_DRAWN_UNIFORM) {
        add_expected(json, r);
    }
    if (r->trace[RK_VALID].count + r->trace[RK_TEST].count > 0) {
        add_parts(json, "trace", r->trace);
    }
    rk__json_begin(json, "audit", '{');
    add_audit(json, r, RK_VALID);
    add_audit(json, r, RK_TEST);
    rk__json_end(json, '}');
}

/* Whose scores an ensemble averages, in the order of its config; null of another model. */
static void add_members(rk_json *json, const rk_members *members)
{
    if (members->n == 0) {
        rk__json_null(json, "members");
        return;
    }
    rk__json_begin(json, "members", '[');
    for (int64_t i = 0; i < members->n; i++) {
        const rk_options *o = rk__config_options(rk__config_options(members->config)->members[i]);
        rk__json_begin(json, NULL, '{');
        rk__json_text(json, "run", members->of[i].run);
        rk__json_text(json, "model", rk__model_of(o)->name);
        rk__json_real(json, "weight", members->of[i].weight);
        rk__json_real(json, "valid", members->of[i].on_valid);
        rk__json_end(json, '}');
    }
    rk__json_end(json, ']');
}

/* The same model fitted to train and valid: null without train.refit. */
static void add_refit(rk_json *json, const rk_refit_facts *refit)
{
    if (refit->epochs == 0) {
        rk__json_null(json, "refit");
        return;
    }
    rk__json_begin(json, "refit", '{');
    rk__json_int(json, "epochs", refit->epochs);
    rk__json_int(json, "interactions", refit->interactions);
    rk__json_text(json, "checkpoint", RK_FILE_REFIT);
    add_metrics(json, RK_TEST, &refit->test);
    if (refit->ratings.pairs > 0) {
        add_rating_part(json, "ratings", &refit->ratings);
    }
    rk__json_end(json, '}');
}

static void add_chosen(rk_json *json, const rk_summary *r)
{
    rk__json_begin(json, "chosen", '{');
    rk__json_int(json, "epoch", r->chosen_epoch);
    rk__json_text(json, "by", r->chose_best ? r->watch : "last epoch");
    rk__json_text(json, "checkpoint", r->chose_best ? RK_FILE_BEST : RK_FILE_LAST);
    rk__json_real(json, "value", r->chosen_value);
    rk__json_bool(json, "on_test", r->chosen_on_test);
    if (r->chosen_on_test) {
        rk__json_text(json, "note",
                      "chosen on test: the test metrics are optimistic and not comparable with "
                      "those of a model chosen on valid");
    }
    rk__json_end(json, '}');
}

static void add_degrees(rk_json *json, const char *key, const rk_degrees *d)
{
    rk__json_begin(json, key, '{');
    rk__json_int(json, "min", d->min);
    rk__json_int(json, "median", d->median);
    rk__json_real(json, "mean", d->mean);
    rk__json_int(json, "max", d->max);
    rk__json_begin(json, "deciles", '[');
    for (int i = 0; i < 9; i++) {
        rk__json_int(json, NULL, d->decile[i]);
    }
    rk__json_end(json, ']');
    rk__json_end(json, '}');
}

static void add_dataset(rk_json *json, const rk_dataset *d, const rk_options *o)
{
    const rk_dataset_stats *s = &d->stats;
    rk__json_begin(json, "dataset", '{');
    rk__json_text(json, "name", d->name);
    rk__json_text(json, "fingerprint", d->fingerprint);
    rk__json_text(json, "split", rk__option_choice("split.kind", o->split.kind));
    rk__json_real(json, "valid_carved_from_train", o->split.carve_valid);
#define COUNT(member) rk__json_int(json, #member, s->member);
    COUNT(users)
    COUNT(items)
    COUNT(interactions)
    COUNT(train)
    COUNT(valid)
    COUNT(test)
    rk__json_real(json, "density", s->density);
    COUNT(rows_read)
    COUNT(rows_filtered)
    COUNT(rows_missing)
    COUNT(ids_trimmed)
    COUNT(duplicates)
    COUNT(overlap)
    COUNT(filter_passes)
    COUNT(users_dropped)
    COUNT(items_dropped)
    COUNT(empty_users)
    COUNT(valid_users)
    COUNT(test_users)
    COUNT(cold_valid_items)
    COUNT(cold_test_items)
    COUNT(cold_items)
    COUNT(cold_test_users)
#undef COUNT
    add_degrees(json, "user_degrees", &s->user_degrees);
    add_degrees(json, "item_degrees", &s->item_degrees);
    rk__json_end(json, '}');
}

void rk__phase_seconds_sum(rk_phase_seconds *s, const rk_position *position, double began,
                           double processor_began)
{
    for (int64_t i = 0; i < position->step.epoch; i++) {
        s->training += position->history[i].seconds;
        s->checks += position->history[i].check_seconds;
    }
    /* Of a resumed run only this process's part can be measured from end to end. */
    const double phases = s->data + s->setup + s->training + s->checks + s->evaluation;
    s->total = fmax(rk__now() - began, phases);
    s->processor = rk__processor_seconds() - processor_began;
}

static void add_costs(rk_json *json, const rk_summary *r)
{
    rk_memory_use memory = rk__summary_memory(r);
    rk__json_begin(json, "timing", '{');
    rk__json_real(json, "data_seconds", r->seconds.data);
    rk__json_real(json, "setup_seconds", r->seconds.setup);
    rk__json_real(json, "train_seconds", r->seconds.training);
    rk__json_real(json, "check_seconds", r->seconds.checks);
    rk__json_real(json, "evaluation_seconds", r->seconds.evaluation);
    rk__json_real(json, "total_seconds", r->seconds.total);
    rk__json_real(json, "processor_seconds", r->seconds.processor);
    rk__json_end(json, '}');
    rk__json_begin(json, "memory", '{');
    rk__json_int(json, "peak_bytes", memory.peak);
    rk__json_int(json, "store_bytes", memory.store);
    rk__json_int(json, "arena_bytes", memory.arenas);
    rk__json_end(json, '}');
}

static rk_status report_text(const rk_summary *r, char **out)
{
    const rk_build_info *build = rk__build_info();
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer, .indent = 2};
    rk__json_begin(&json, NULL, '{');
    add_train(&json, r);
    add_metrics(&json, RK_VALID, &r->model[RK_VALID]);
    add_metrics(&json, RK_TEST, &r->model[RK_TEST]);
    if (r->without_test) {
        rk__json_bool(&json, "without_test", true);
    }
    add_parts(&json, "popularity", r->popularity);
    add_protocol(&json, r);
    add_ratings(&json, r);
    add_chosen(&json, r);
    if (rk__compat_note(r->options)) {
        rk__json_text(&json, "compat", rk__compat_note(r->options));
    }
    add_refit(&json, &r->refit);
    add_members(&json, r->members);
    rk__warm_facts_json(&json, r->warm);
    add_dataset(&json, r->dataset, r->options);
    add_unknown(&json, r);
    add_costs(&json, r);
    rk__json_begin(&json, "rankine", '{');
    rk__json_text(&json, "version", build->version);
    rk__json_text(&json, "revision", build->revision);
    rk__json_text(&json, "device", r->step->engine->device->name);
    if (rk__model_is_by_gradients(r->step->engine->model.model)) {
        rk__json_text(&json, "graph_form", r->step->form.is_gram ? "gram" : "direct");
    }
    rk__json_end(&json, '}');
    rk__json_end(&json, '}');
    rk__buffer_add(&buffer, "\n");
    return rk__buffer_take(&buffer, out);
}

static rk_status write(const char *folder, const char *name, const char *text)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, name));
    rk_status status = rk__file_replace(path, text, (int64_t)strlen(text));
    rk__free(path);
    return status;
}

/* The report last: it says that the run is finished. */
rk_status rk__report_write(const char *folder, const rk_summary *summary)
{
    char *report = NULL, *page = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, report_text(summary, &report));
    RK_TRY_GOTO(done, rk__page_of_run(folder, report, &page));
    RK_TRY_GOTO(done, write(folder, RK_FILE_PAGE, page));
    status = write(folder, RK_FILE_REPORT, report);
done:
    rk__free(report);
    rk__free(page);
    return status;
}
