/* report.html: one page that needs nothing but itself, legible in light and dark. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/schema.h"
#include "base/alloc.h"
#include "base/build.h"
#include "base/parse.h"
#include "train/chart.h"
#include "train/report.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#ffffff;--line:#d9dee5;"
    "--mark:#b4530a;--main:#1f5fa8;--shade:#f4f6f9}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa6b5;--paper:#14181e;"
    "--line:#303843;--mark:#f0a45d;--main:#74b0f4;--shade:#1b2129}}\n"
    "body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 4rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}\n"
    "p{margin:.3rem 0;color:var(--soft)}\n"
    ".warning{border-left:4px solid var(--mark);background:var(--shade);color:var(--ink);"
    "padding:.6rem .9rem;margin:1rem 0}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.28rem .9rem .28rem 0;text-align:right;border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600;color:var(--soft)}th:first-child,td:first-child{text-align:left}\n"
    "tr.watched td{background:var(--shade);font-weight:600}.scroll{overflow-x:auto}\n"
    ".next{padding-left:1.6rem}.pair table{width:100%}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));"
    "gap:0 2.5rem;align-items:start}\n"
    "figure{margin:0 0 1rem}figcaption{font-weight:600}svg{width:100%;height:auto;display:block}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}\n"
    ".axis{stroke:var(--soft)}.grid{stroke:var(--line)}"
    ".line{fill:none;stroke:var(--main);stroke-width:2}.dot{fill:var(--main)}"
    ".mark{stroke:var(--mark);stroke-dasharray:4 4}\n";

static void add_escaped(rk_buffer *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        switch (*at) {
        case '<':
            rk__buffer_add(out, "&lt;");
            break;
        case '>':
            rk__buffer_add(out, "&gt;");
            break;
        case '&':
            rk__buffer_add(out, "&amp;");
            break;
        case '"':
            rk__buffer_add(out, "&quot;");
            break;
        default:
            rk__buffer_add_bytes(out, at, 1);
        }
    }
}

/* ---- tables ---- */

static void add_cell(rk_buffer *out, const char *attributes, double value, int digits)
{
    char text[32];
    rk__print_fixed(text, value, digits);
    rk__buffer_add(out, "<td%s>%s</td>", attributes, text);
}

static void row_count(rk_buffer *out, const char *name, int64_t value)
{
    char text[32];
    rk__print_count(text, value);
    rk__buffer_add(out, "<tr><td>%s</td><td>%s</td></tr>\n", name, text);
}

static void row_real(rk_buffer *out, const char *name, double value, int digits, const char *unit)
{
    char text[32];
    rk__print_fixed(text, value, digits);
    rk__buffer_add(out, "<tr><td>%s</td><td>%s%s</td></tr>\n", name, text, unit);
}

static void row_text(rk_buffer *out, const char *name, const char *value)
{
    rk__buffer_add(out, "<tr><td>%s</td><td>", name);
    add_escaped(out, value);
    rk__buffer_add(out, "</td></tr>\n");
}

static void add_metrics(rk_buffer *out, const rk_summary *r)
{
    const rk_metrics *shape = &r->model[r->model[RK_TEST].count ? RK_TEST : RK_VALID];
    if (shape->count == 0) {
        rk__buffer_add(out, "<p>Nothing was held out, so nothing was evaluated.</p>\n");
        return;
    }
    rk__buffer_add(out, "<div class=\"scroll\"><table>\n<tr><th>metric</th>");
    for (rk_part part = RK_TEST; part >= RK_VALID; part--) {
        if (r->model[part].count > 0) {
            rk__buffer_add(out, "<th class=\"next\">%s</th><th>popularity</th><th>ratio</th>",
                           rk_part_name(part));
        }
    }
    rk__buffer_add(out, "</tr>\n");
    for (int64_t i = 0; i < shape->count; i++) {
        bool watched = strcmp(shape->values[i].name, r->options->eval.metric) == 0;
        rk__buffer_add(out, watched ? "<tr class=\"watched\"><td>" : "<tr><td>");
        add_escaped(out, shape->values[i].name);
        rk__buffer_add(out, "</td>");
        for (rk_part part = RK_TEST; part >= RK_VALID; part--) {
            if (r->model[part].count > 0) {
                double model = r->model[part].values[i].value;
                double popularity = r->popularity[part].values[i].value;
                add_cell(out, " class=\"next\"", model, 5);
                add_cell(out, "", popularity, 5);
                add_cell(out, "", popularity > 0 ? model / popularity : NAN, 2);
            }
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__buffer_add(out, "</table></div>\n");
}

/* Nothing of models that predict no ratings. */
static void add_ratings(rk_buffer *out, const rk_summary *r)
{
    for (rk_part part = RK_TEST; part >= RK_VALID; part--) {
        const rk_ratings *e = &r->ratings[part];
        char pairs[32];
        if (e->pairs == 0) {
            continue;
        }
        rk__print_count(pairs, e->pairs);
        rk__buffer_add(
            out,
            "<h2>Ratings of %s</h2>\n<p>Errors of %s predicted ratings on the scale from "
            "%g to %g; less is better.</p>\n<div class=\"scroll\"><table>\n<tr><th>error"
            "</th><th class=\"next\">model</th><th>global mean</th><th>item mean</th>"
            "<th>biases</th></tr>\n",
            rk_part_name(part), pairs, e->low, e->high);
        for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
            const char *name = rk_rating_error_name(i);
            const bool watched = strcmp(name, r->options->eval.metric) == 0;
            rk__buffer_add(out, "<tr%s><td>%s</td>", watched ? " class=\"watched\"" : "", name);
            add_cell(out, " class=\"next\"", e->model[i], 5);
            add_cell(out, "", e->global_mean[i], 5);
            add_cell(out, "", e->item_mean[i], 5);
            add_cell(out, "", e->biases[i], 5);
            rk__buffer_add(out, "</tr>\n");
        }
        rk__buffer_add(out, "</table></div>\n");
    }
}

/* What a sampled ranking is over all draws: a table like that above it. */
static void add_expected(rk_buffer *out, const rk_summary *r)
{
    const rk_metrics *shape = &r->model[r->model[RK_TEST].count ? RK_TEST : RK_VALID];
    rk__buffer_add(out,
                   "<p class=\"warning\">Sampled: each held-out item was ranked among %lld drawn "
                   "candidates, not among all items. Such values are larger, and two models may "
                   "change places. auc@all is of the order of all items.</p>\n",
                   (long long)r->dataset->n_candidates);
    if (r->options->split.candidates_by != RK_DRAWN_UNIFORM) {
        return;
    }
    rk__buffer_add(out, "<p>Expected over all draws of candidates, exactly:</p>\n"
                        "<div class=\"scroll\"><table>\n<tr><th>metric</th>");
    for (rk_part part = RK_TEST; part >= RK_VALID; part--) {
        if (r->model[part].count > 0) {
            rk__buffer_add(out, "<th class=\"next\">%s</th><th>popularity</th>",
                           rk_part_name(part));
        }
    }
    rk__buffer_add(out, "</tr>\n");
    for (int64_t i = 0; i < shape->count; i++) {
        if (isnan(shape->values[i].expected)) {
            continue;
        }
        rk__buffer_add(out, "<tr><td>");
        add_escaped(out, shape->values[i].name);
        rk__buffer_add(out, "</td>");
        for (rk_part part = RK_TEST; part >= RK_VALID; part--) {
            if (r->model[part].count > 0) {
                add_cell(out, " class=\"next\"", r->model[part].values[i].expected, 5);
                add_cell(out, "", r->popularity[part].values[i].expected, 5);
            }
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__buffer_add(out, "</table></div>\n");
}

/* What became of the model when valid joined train. */
static void add_refit(rk_buffer *out, const rk_summary *r)
{
    const rk_metrics *again = &r->refit.test;
    if (r->refit.epochs == 0) {
        return;
    }
    rk__buffer_add(out,
                   "<h2>Refit to train and valid</h2>\n<p>%lld interactions. This is the "
                   "model that the run is opened with.</p>\n<div class=\"scroll\"><table>\n"
                   "<tr><th>metric</th><th>test, refit</th><th>test, train alone</th></tr>\n",
                   (long long)r->refit.interactions);
    for (int64_t i = 0; i < again->count; i++) {
        rk__buffer_add(out, "<tr><td>");
        add_escaped(out, again->values[i].name);
        rk__buffer_add(out, "</td>");
        add_cell(out, "", again->values[i].value, 5);
        add_cell(out, "", r->model[RK_TEST].values[i].value, 5);
        rk__buffer_add(out, "</tr>\n");
    }
    rk__buffer_add(out, "</table></div>\n");
}

/* How hard the split is, of test or else of valid. */
static void add_audit(rk_buffer *out, const rk_summary *r)
{
    const rk_part part = r->audit[RK_TEST].pairs > 0 ? RK_TEST : RK_VALID;
    const rk_audit *a = &r->audit[part];
    if (a->pairs == 0) {
        return;
    }
    rk__buffer_add(out, "<h2>How hard %s is</h2>\n<div class=\"pair\"><table>\n",
                   rk_part_name(part));
    row_count(out, "held-out pairs", a->pairs);
    row_count(out, "of users", a->users);
    row_count(out, "of users without train items", a->cold_users);
    row_count(out, "pairs of items without train users, never ranked", a->cold_pairs);
    row_count(out, "pairs that are in train, too", a->in_train);
    row_count(out, "rows dropped because an earlier part has them", a->overlap);
    rk__buffer_add(out, "</table>\n<table>\n");
    for (int64_t i = 0; i < a->n_relations; i++) {
        char text[32];
        rk__print_count(text, a->relations[i].pairs);
        rk__buffer_add(out, "<tr><td>pairs in the relation ");
        add_escaped(out, a->relations[i].name);
        rk__buffer_add(out, "</td><td>%s</td></tr>\n", text);
    }
    if (a->n_relations > 0) {
        row_count(out, "pairs in any of them", a->in_relations);
    }
    if (r->trace[part].count > 0) {
        const rk_metrics *trace = &r->trace[part];
        for (int64_t i = 0; i < trace->count; i++) {
            if (strcmp(trace->values[i].name, r->options->eval.metric) == 0) {
                row_real(out, "the watched metric by traces alone", trace->values[i].value, 5, "");
            }
        }
    }
    if (a->tie_pairs > 0) {
        row_real(out, "pairs whose score another item has",
                 100 * (double)a->tied / (double)a->tie_pairs, 1, " %");
    }
    rk__buffer_add(out, "</table></div>\n");
}

static void add_data(rk_buffer *out, const rk_dataset *d, bool carved)
{
    const rk_dataset_stats *s = &d->stats;
    rk__buffer_add(out, "<div class=\"pair\"><table>\n");
    row_count(out, "users", s->users);
    row_count(out, "items", s->items);
    row_count(out, "interactions", s->interactions);
    row_count(out, rk_part_name(RK_TRAIN), s->train);
    row_count(out, carved ? "valid, taken from train" : rk_part_name(RK_VALID), s->valid);
    row_count(out, rk_part_name(RK_TEST), s->test);
    row_real(out, "density", 100 * s->density, 4, " %");
    rk__buffer_add(out, "</table>\n<table>\n");
    row_count(out, "users with valid items", s->valid_users);
    row_count(out, "users with test items", s->test_users);
    row_count(out, "test items not in train", s->cold_test_items);
    row_count(out, "users without train items (ranked by popularity)", s->empty_users);
    row_count(out, "items without train users (never ranked)", s->cold_items);
    row_count(out, "train items of a user, median", s->user_degrees.median);
    row_count(out, "train users of an item, median", s->item_degrees.median);
    row_text(out, "fingerprint", d->fingerprint);
    rk__buffer_add(out, "</table></div>\n");
}

/* The options of the model that somebody reads. */
static void add_model(rk_buffer *out, const rk_summary *r)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        char key[64];
        const char *value = "";
        bool is_layers = strcmp(rows[i].key, "layers") == 0;
        snprintf(key, sizeof key, "%s.%s", rows[i].section, rows[i].key);
        if (strcmp(rows[i].section, "model") == 0 && strcmp(rows[i].key, "kind") != 0 &&
            (!is_layers || r->step->engine->model.model->has_layers) &&
            rk__config_reads(r->config, &rows[i]) &&
            rk_config_get(r->config, key, &value) == RK_OK) {
            row_text(out, key, value);
        }
    }
}

/* The last settings, which every model has. */
static void add_end(rk_buffer *out, const rk_summary *r)
{
    char seed[32];
    row_count(out, "epochs trained", r->position->step.epoch);
    snprintf(seed, sizeof seed, "%lld", (long long)r->options->run.seed);
    row_text(out, "seed", seed);
    row_text(out, "device", r->step->engine->device->name);
    rk__buffer_add(out, "</table></div>\n<p>All options: config.yaml beside this page.</p>\n");
}

static void add_settings(rk_buffer *out, const rk_summary *r)
{
    const rk_options *o = r->options;
    const rk_step_state *s = &r->position->step;
    rk__buffer_add(out, "<div class=\"pair\"><table>\n");
    row_text(out, "model", r->step->engine->model.model->name);
    add_model(out, r);
    if (r->step->n_terms == 0) {
        rk__buffer_add(out, "</table>\n<table>\n");
        add_end(out, r);
        return;
    }
    row_text(out, "loss", rk__option_choice("loss.kind", o->loss.kind));
    char number[32];
    rk__print_real(number, o->loss.l2);
    row_text(out, "L2 weight", number);
    row_text(out, "positives", rk__option_choice("sampling.positives", o->sampling.positives));
    row_text(out, "negatives", rk__option_choice("sampling.negatives", o->sampling.negatives));
    rk__buffer_add(out, "</table>\n<table>\n");
    row_text(out, "optimizer", rk__option_choice("train.optimizer", o->train.optimizer));
    rk__print_real(number, o->train.learning_rate);
    row_text(out, "learning rate", number);
    row_count(out, "triplets a step", s->batch);
    row_count(out, "steps an epoch", s->steps_per_epoch);
    add_end(out, r);
}

static void add_costs(rk_buffer *out, const rk_summary *r)
{
    rk_memory_use memory = rk__summary_memory(r);
    rk__buffer_add(out, "<div class=\"pair\"><table>\n");
    row_real(out, "data", r->seconds.data, 2, " s");
    row_real(out, "set-up", r->seconds.setup, 2, " s");
    row_real(out, "training steps", r->seconds.training, 2, " s");
    row_real(out, "checks while training", r->seconds.checks, 2, " s");
    row_real(out, "final evaluation", r->seconds.evaluation, 2, " s");
    rk__buffer_add(out, "</table>\n<table>\n");
    if (r->step->n_terms > 0) {
        row_count(out, "triplets a second", (int64_t)fmax(0, rk__summary_samples_per_second(r)));
    }
    row_real(out, "peak memory", (double)memory.peak / 1e6, 0, " MB");
    row_real(out, "parameters, moments, graph", (double)memory.store / 1e6, 0, " MB");
    row_real(out, "temporaries", (double)memory.arenas / 1e6, 0, " MB");
    rk__buffer_add(out, "</table></div>\n");
}

/* ---- curves ---- */

static rk_status add_curves(rk_buffer *out, const rk_summary *r)
{
    const rk_position *p = r->position;
    int64_t n = p->step.epoch, n_checks = 0;
    double *x = NULL; /* 4n: epochs, losses, epochs of the checks, their values */
    if (n == 0) {
        rk__buffer_add(out, "<p>No epoch was trained.</p>\n");
        return RK_OK;
    }
    if (r->step->engine->model.model->is_closed) {
        rk__buffer_add(out, "<p>The model was computed in one go, so there is no curve.</p>\n");
        return RK_OK;
    }
    RK_TRY(rk__alloc(&x, 4 * n, sizeof *x, "the curves of a report"));
    double *loss = x + n, *check_x = x + 2 * n, *check = x + 3 * n;
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)(i + 1);
        loss[i] = p->history[i].loss;
        if (!isnan(p->history[i].check)) {
            check_x[n_checks] = x[i];
            check[n_checks++] = p->history[i].check;
        }
    }
    if (p->n_terms == 0 && n_checks == 0) {
        rk__buffer_add(out, "<p>The model has no loss, and no epoch was checked (eval.every), so "
                            "there is no curve.</p>\n");
    }
    rk__buffer_add(out, "<div class=\"pair\">\n");
    if (p->n_terms > 0) {
        rk__chart_add(out, &(rk_chart){.title = "Loss",
                                       .x_label = "epoch",
                                       .y_label = "mean over the epoch's steps",
                                       .x = x,
                                       .y = loss,
                                       .n = n,
                                       .mark_x = NAN});
    }
    if (n_checks > 0) {
        rk__chart_add(out, &(rk_chart){.title = r->watch,
                                       .x_label = "epoch",
                                       .y_label = r->options->eval.metric,
                                       .x = check_x,
                                       .y = check,
                                       .n = n_checks,
                                       .mark_x = r->chose_best ? (double)r->chosen_epoch : NAN,
                                       .mark = "chosen"});
    }
    rk__buffer_add(out, "</div>\n");
    rk__free(x);
    return RK_OK;
}

/* ---- the page ---- */

static void add_head(rk_buffer *out, const rk_summary *r)
{
    const rk_build_info *build = rk__build_info();
    const char *name = r->dataset->name, *model = r->step->engine->model.model->name;
    rk__buffer_add(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                        "<title>");
    add_escaped(out, model);
    rk__buffer_add(out, " on ");
    add_escaped(out, name);
    rk__buffer_add(out, "</title>\n<style>\n%s</style></head><body>\n<h1>", style);
    add_escaped(out, model);
    rk__buffer_add(out, " on ");
    add_escaped(out, name);
    rk__buffer_add(out, "</h1>\n<p>Model of epoch %lld of %lld, ", (long long)r->chosen_epoch,
                   (long long)r->position->step.epoch);
    if (r->chose_best) {
        rk__buffer_add(out, "chosen by %s", r->watch);
    } else {
        rk__buffer_add(out, "the last one");
    }
    rk__buffer_add(out, "%s. Rankine %s (%s).</p>\n",
                   r->stopped_early ? "; training stopped early" : "", build->version,
                   build->revision);
    if (r->chosen_on_test) {
        rk__buffer_add(out,
                       "<p class=\"warning\">Chosen on test: the test part decided which epoch "
                       "to keep or where to stop (eval.split), so the test metrics below are "
                       "optimistic and not comparable with those of a model chosen on "
                       "valid.</p>\n");
    }
    if (rk__compat_note(r->options)) {
        rk__buffer_add(out, "<p class=\"warning\">%s.</p>\n", rk__compat_note(r->options));
    }
    const int64_t diverged = rk__position_diverged(r->position);
    if (diverged > 0) {
        rk__buffer_add(
            out,
            "<p class=\"warning\">Training diverged: the loss of epoch %lld is %.3g, that "
            "of the first step was %.3g. Take a smaller train.learning_rate.</p>\n",
            (long long)diverged, r->position->history[diverged - 1].loss,
            rk__position_first_loss(r->position));
    }
}

rk_status rk__report_page(const rk_summary *r, char **out)
{
    rk_buffer buffer = {0};
    add_head(&buffer, r);
    rk__buffer_add(&buffer, "<h2>Result</h2>\n");
    add_metrics(&buffer, r);
    add_ratings(&buffer, r);
    if (r->options->eval.among == RK_AMONG_CANDIDATES) {
        add_expected(&buffer, r);
    }
    if (r->options->eval.style != RK_STYLE_RECBOLE) {
        rk__buffer_add(&buffer, "<p>Metrics as %s counts them (eval.style).</p>\n",
                       rk__option_choice("eval.style", r->options->eval.style));
    }
    add_audit(&buffer, r);
    add_refit(&buffer, r);
    rk__buffer_add(&buffer, "<h2>Training</h2>\n");
    rk_status status = add_curves(&buffer, r);
    if (status != RK_OK) {
        rk__buffer_free(&buffer);
        return status;
    }
    rk__buffer_add(&buffer, "<h2>Settings</h2>\n");
    add_settings(&buffer, r);
    rk__buffer_add(&buffer, "<h2>Data: ");
    add_escaped(&buffer, r->dataset->name);
    rk__buffer_add(&buffer, "</h2>\n");
    add_data(&buffer, r->dataset, r->options->split.carve_valid > 0);
    rk__buffer_add(&buffer, "<h2>Time and memory</h2>\n");
    add_costs(&buffer, r);
    rk__buffer_add(&buffer, "</body></html>\n");
    return rk__buffer_take(&buffer, out);
}
