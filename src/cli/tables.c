/* The two tables that several commands print: a data set's statistics, and metrics. Lines are of 60
 * columns at most, but for paths. */
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static void row(FILE *out, const char *name, const char *format, ...) RK_PRINTF(3, 4);

static void row(FILE *out, const char *name, const char *format, ...)
{
    va_list arguments;
    fprintf(out, "  %-15s", name);
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    fputc('\n', out);
}

/* A path below the current folder is shown from there. */
static const char *from_here(const char *path)
{
    char here[4096];
    const size_t length = getcwd(here, sizeof here) ? strlen(here) : 0;
    return length > 1 && strncmp(path, here, length) == 0 && path[length] == '/' ? path + length + 1
                                                                                 : path;
}

/* 12,345, from a million on 1.23M */
static cli_text short_count(int64_t n)
{
    return n < 1000000 ? cli_count(n) : cli_rate((double)n);
}

static void print_degrees(FILE *out, const char *name, const rk_degrees *d)
{
    fprintf(out, "  %-12s%8s%8s%8s%8s%8s", name, short_count(d->min).s, short_count(d->decile[0]).s,
            short_count(d->median).s, short_count(d->decile[8]).s, short_count(d->max).s);
    if (d->mean < 1000) {
        fprintf(out, "%6.*f\n", d->mean < 100 ? 2 : 1, d->mean);
    } else {
        fprintf(out, "%6s\n", cli_rate(d->mean).s);
    }
}

/* "12 edges of ids ..." below a row, unless it is none. */
static void more(FILE *out, int64_t n, const char *one, const char *rest)
{
    if (n > 0) {
        row(out, "", "%s %s%s%s", cli_count(n).s, one, n == 1 ? "" : "s", rest);
    }
}

static void print_relation(FILE *out, const rk_relation *r)
{
    row(out, "relation", "%s: %s -> %s, %s edges%s", r->name, r->from, r->to,
        cli_count(r->n_edges).s, r->weights ? ", weighted" : "");
    more(out, r->n_types, "type", " of edges");
    more(out, r->rows_filtered, "row", " dropped by where");
    more(out, r->edges_unknown, "edge", " of ids not in the data set");
    more(out, r->edges_repeated, "edge", " repeated, made one");
    more(out, r->held_out, "edge",
         r->drops_held_out ? " held out: dropped" : " held out: kept, held_out: drop drops");
}

static void print_features(FILE *out, const rk_features *f)
{
    row(out, "features", "%s: numbers %s, words %s; %s of %s nodes", f->of, cli_count(f->n_dense).s,
        cli_count(f->n_sparse).s, cli_count(f->nodes_known).s, cli_count(f->n_nodes).s);
    more(out, f->rows_unknown, "row", " of ids not in the data set");
    more(out, f->rows_repeated, "row", " of ids that had one");
    more(out, f->numbers_missing, "number", " missing, filled in");
}

/* Node types of their own, relations, features; nothing where there are none. */
static void print_sides(FILE *out, const rk_dataset *dataset)
{
    enum { FIRST_OTHER = 2 };
    int64_t n = 0;
    for (int64_t t = FIRST_OTHER; t < rk_dataset_n_node_types(dataset); t++) {
        const char *name = rk_dataset_node_type(dataset, t, &n);
        row(out, "nodes", "%s: %s", name, cli_count(n).s);
    }
    for (int64_t i = 0; i < rk_dataset_n_relations(dataset); i++) {
        print_relation(out, rk_dataset_relation(dataset, i));
    }
    for (int64_t i = 0; i < rk_dataset_n_features(dataset); i++) {
        print_features(out, rk_dataset_features(dataset, i));
    }
}

void cli_print_stats(FILE *out, const rk_dataset *dataset)
{
    const rk_dataset_stats *s = rk_dataset_get_stats(dataset);
    bool colour = cli_colour(out);
    fprintf(out, "%sdata set %s%s\n", cli_bold(colour), rk_dataset_name(dataset),
            cli_plain(colour));
    row(out, "fingerprint", "%s", rk_dataset_fingerprint(dataset));
    row(out, "users", "%s", cli_count(s->users).s);
    row(out, "items", "%s", cli_count(s->items).s);
    row(out, "interactions", "%s", cli_count(s->interactions).s);
    row(out, "  train", "%s", cli_count(s->train).s);
    row(out, "  valid", "%s of %s users", cli_count(s->valid).s, cli_count(s->valid_users).s);
    row(out, "  test", "%s of %s users", cli_count(s->test).s, cli_count(s->test_users).s);
    row(out, "density", "%s (sparsity %s)", cli_percent(s->density).s,
        cli_percent(1 - s->density).s);
    row(out, "rows read", "%s", cli_count(s->rows_read).s);
    row(out, "  where", "%s dropped", cli_count(s->rows_filtered).s);
    row(out, "  duplicates", "%s", cli_count(s->duplicates).s);
    row(out, "  overlap", "%s held-out pairs, in an earlier part", cli_count(s->overlap).s);
    if (s->rows_missing > 0) {
        row(out, "  no id", "%s dropped", cli_count(s->rows_missing).s);
    }
    if (s->ids_trimmed > 0) {
        row(out, "  trimmed", "%s ids had blanks at their ends", cli_count(s->ids_trimmed).s);
    }
    row(out, "filter", "%s %s: %s users, %s items dropped", cli_count(s->filter_passes).s,
        s->filter_passes == 1 ? "pass" : "passes", cli_count(s->users_dropped).s,
        cli_count(s->items_dropped).s);
    if (s->given > 0) {
        row(out, "given", "%s interactions of %s held-out users", cli_count(s->given).s,
            cli_count(s->given_users).s);
    }
    if (s->tied_users > 0) {
        row(out, "ties", "decide what is held out for %s users", cli_count(s->tied_users).s);
    }
    if (s->repeats > 0) {
        row(out, "repeats", "%s rows are kept", cli_count(s->repeats).s);
    }
    if (s->in_gap > 0) {
        row(out, "gap", "%s interactions are in no part", cli_count(s->in_gap).s);
    }
    row(out, "cold items", "%s in valid, %s in test", cli_count(s->cold_valid_items).s,
        cli_count(s->cold_test_items).s);
    row(out, "cold users", "%s in test", cli_count(s->cold_test_users).s);
    row(out, "empty users", "%s", cli_count(s->empty_users).s);
    fprintf(out, "  %-12s%8s%8s%8s%8s%8s%6s\n", "train degree", "min", "10 %", "median", "90 %",
            "max", "mean");
    print_degrees(out, "  per user", &s->user_degrees);
    print_degrees(out, "  per item", &s->item_degrees);
    print_sides(out, dataset);
    row(out, "file", "%s", from_here(rk_dataset_path(dataset)));
}

/* The model's value against popularity's, 8 columns; nothing, and false, where there is none. */
static bool print_ratio(FILE *out, double model, double popularity)
{
    double ratio = model / popularity;
    if (!(popularity > 0) || !isfinite(ratio)) {
        return false;
    }
    bool better = cli_colour(out) && ratio > 1;
    fprintf(out, "%s%7.*fx%s", cli_green(better), ratio < 100 ? 2 : 0, ratio, cli_plain(better));
    return true;
}

/* So many that the number fits 8 columns, with a blank before it. */
static int digits_of(double value)
{
    int digits = 5;
    for (double most = 10; digits > 0 && fabs(value) >= most; most *= 10) {
        digits--;
    }
    return digits;
}

static void print_value(FILE *out, double value)
{
    if (isfinite(value)) {
        fprintf(out, "%12.5f", value);
    } else {
        fprintf(out, "%12s", "");
    }
}

void cli_print_metrics(FILE *out, const char *title, const cli_metric_row *rows, int64_t n)
{
    bool colour = cli_colour(out), has_traces = false;
    for (int64_t i = 0; i < n; i++) {
        has_traces = has_traces || isfinite(rows[i].trace);
    }
    fprintf(out, "%s%-20s%12s%12s%8s", cli_bold(colour), title, "model", "popularity", "ratio");
    fprintf(out, "%s%s\n", has_traces ? "  traces" : "", cli_plain(colour));
    for (int64_t i = 0; i < n; i++) {
        fprintf(out, "  %-18s%12.5f", rows[i].name, rows[i].model);
        print_value(out, rows[i].popularity);
        bool has_ratio = print_ratio(out, rows[i].model, rows[i].popularity);
        if (has_traces) {
            fprintf(out, "%*s%8.*f", has_ratio ? 0 : 8, "", digits_of(rows[i].trace),
                    rows[i].trace);
        }
        fputc('\n', out);
    }
}

/* One cell of a report: values of model and popularity, and their ratio; blank without the part. */
static void print_cell(FILE *out, const rk_report *report, bool is_expected, const char *part,
                       const char *metric)
{
    const char *prefix = is_expected ? "expected." : "";
    char *path = cli_format("%s%s.%s", prefix, part, metric);
    char *beside = cli_format("%spopularity.%s.%s", prefix, part, metric);
    double model = rk_report_number(report, path);
    double popularity = rk_report_number(report, beside);
    cli_free(path);
    cli_free(beside);
    if (!isfinite(model)) {
        fprintf(out, "%23s", "");
        return;
    }
    fprintf(out, "%8.*f%8.*f", digits_of(model), model, digits_of(popularity), popularity);
    if (popularity > 0) {
        bool better = cli_colour(out) && model > popularity;
        double ratio = model / popularity;
        fprintf(out, "%s%6.*fx%s", cli_green(better), ratio < 100 ? 2 : 0, ratio,
                cli_plain(better));
    } else {
        fprintf(out, "%7s", "");
    }
}

/* The column of the names: as narrow as they allow. */
static int name_width(const rk_report *report)
{
    size_t width = 13;
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i), *at = strrchr(path, '.');
        bool is_metric = strncmp(path, "test.", 5) == 0 || strncmp(path, "valid.", 6) == 0;
        if (is_metric && strchr(path, '@') && strlen(at) > width) {
            width = strlen(at);
        }
    }
    return (int)width;
}

static void print_heads(FILE *out, const bool shown[2], int width)
{
    const char *const parts[] = {rk_part_name(RK_VALID), rk_part_name(RK_TEST)};
    bool colour = cli_colour(out);
    for (int line = 0; line < 2; line++) {
        fprintf(out, "%s%-*s", cli_bold(colour), width, "");
        for (int p = 0; p < 2; p++) {
            if (shown[p] && line == 0) {
                fprintf(out, "%8s%*s", parts[p], p == 0 && shown[1] ? 15 : 0, "");
            } else if (shown[p]) {
                fprintf(out, "%8s%8s%7s", "model", "popular", "ratio");
            }
        }
        fprintf(out, "%s\n", cli_plain(colour));
    }
}

/* Valid and test side by side, one metric per line; or what they are expected to be. */
static void print_rows(FILE *out, const rk_report *report, const bool shown[2], bool is_expected,
                       int width)
{
    const char *const parts[] = {rk_part_name(RK_VALID), rk_part_name(RK_TEST)};
    char *listed = cli_format("%s%s.", is_expected ? "expected." : "", parts[shown[1] ? 1 : 0]);
    const size_t length = strlen(listed);
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        if (strncmp(path, listed, length) != 0 || !strchr(path, '@')) {
            continue;
        }
        fprintf(out, "%-*s", width, path + length);
        for (int p = 0; p < 2; p++) {
            if (shown[p]) {
                print_cell(out, report, is_expected, parts[p], path + length);
            }
        }
        fputc('\n', out);
    }
    cli_free(listed);
}

/* What the watched metric is by traces. */
static void print_traces(FILE *out, const rk_report *report, int width)
{
    const char *const parts[] = {rk_part_name(RK_TEST), rk_part_name(RK_VALID)};
    const char *shown = NULL;
    for (int64_t i = 0; i < rk_report_count(report) && !shown; i++) {
        const char *path = rk_report_path(report, i);
        for (int p = 0; p < 2; p++) {
            char *prefix = cli_format("trace.%s.ndcg@", parts[p]);
            shown = strncmp(path, prefix, strlen(prefix)) == 0 ? path : shown;
            cli_free(prefix);
        }
    }
    if (shown) {
        const char *part = strchr(shown, '.') + 1;
        fprintf(out, "%-*s traces alone reach %.5f (%s)\n", width, "",
                rk_report_number(report, shown), part);
    }
}

static void print_protocol(FILE *out, const rk_report *report, int width)
{
    const char *candidates = rk_report_text(report, "among_candidates");
    const char *style = rk_report_text(report, "style");
    if (candidates) {
        fprintf(out, "%-*s sampled: each item among %s candidates\n", width, "", candidates);
        if (rk_report_text(report, "popularity.test.auc@all")) {
            fprintf(out, "%-*s auc@all: among all items\n", width, "");
        }
    }
    if (style && strcmp(style, "recbole") != 0) {
        fprintf(out, "%-*s metrics as %s counts them (eval.style)\n", width, "", style);
    }
}

static void print_metrics_report(FILE *out, const rk_report *report)
{
    const char *const parts[] = {rk_part_name(RK_VALID), rk_part_name(RK_TEST)};
    bool shown[2], is_expected = rk_report_text(report, "expected.draws") != NULL;
    for (int p = 0; p < 2; p++) {
        char *path = cli_format("%s.users", parts[p]);
        shown[p] = rk_report_text(report, path) != NULL;
        cli_free(path);
    }
    if (!shown[0] && !shown[1]) {
        return;
    }
    const int width = name_width(report);
    print_heads(out, shown, width);
    print_rows(out, report, shown, false, width);
    if (is_expected) {
        fputs("expected over all draws of candidates\n", out);
        print_rows(out, report, shown, true, width);
    }
    fprintf(out, "%-*s popular: the ranking by popularity\n", width, "");
    print_traces(out, report, width);
    print_protocol(out, report, width);
}

void cli_print_ratings(FILE *out, const char *title, const cli_rating_row *rows)
{
    const bool colour = cli_colour(out);
    fprintf(out, "%s%-16s%11s%11s%11s%11s%s\n", cli_bold(colour), title, "model", "mean",
            "item mean", "biases", cli_plain(colour));
    for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
        const cli_rating_row *r = &rows[i];
        const bool better = colour && r->model < r->biases;
        fprintf(out, "  %-14s%s%11.5f%s%11.5f%11.5f%11.5f\n", rk_rating_error_name(i),
                cli_green(better), r->model, cli_plain(better), r->global_mean, r->item_mean,
                r->biases);
    }
}

/* Errors of predicted ratings at a path of the report; false where there are none. */
static bool print_ratings_at(FILE *out, const rk_report *report, const char *path,
                             const char *title)
{
    static const char *const whose[] = {"model", "global_mean", "item_mean", "biases"};
    cli_rating_row rows[RK_RATING_ERRORS];
    for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
        double *const values[] = {&rows[i].model, &rows[i].global_mean, &rows[i].item_mean,
                                  &rows[i].biases};
        for (size_t w = 0; w < sizeof whose / sizeof whose[0]; w++) {
            char *full = cli_format("%s.%s.%s", path, whose[w], rk_rating_error_name(i));
            *values[w] = rk_report_number(report, full);
            cli_free(full);
        }
    }
    if (!isfinite(rows[0].model)) {
        return false;
    }
    cli_print_ratings(out, title, rows);
    return true;
}

static void print_ratings_report(FILE *out, const rk_report *report)
{
    bool any = print_ratings_at(out, report, "ratings.valid", "ratings, valid");
    any = print_ratings_at(out, report, "ratings.test", "ratings, test") || any;
    if (any) {
        fprintf(out, "%-16s mean, item mean, biases: of train, on a scale\n%-16s from %g to %g\n",
                "", "", rk_report_number(report, "ratings.scale.0"),
                rk_report_number(report, "ratings.scale.1"));
    }
}

static void print_chosen(FILE *out, const rk_report *report)
{
    double value = rk_report_number(report, "chosen.value");
    const char *by = rk_report_text(report, "chosen.by");
    if (!by) {
        return;
    }
    bool is_last = strcmp(by, "last epoch") == 0;
    fprintf(out, "model     of epoch %.0f of %.0f: %s\n", rk_report_number(report, "chosen.epoch"),
            rk_report_number(report, "train.epochs"), rk_report_text(report, "chosen.checkpoint"));
    fprintf(out, "          %s%s", is_last ? "the " : "chosen by ", by);
    if (isfinite(value) && !is_last) {
        fprintf(out, " (%.5f)", value);
    }
    fputc('\n', out);
    cli_print_cautions(out, report);
}

/* Whose scores an ensemble averages. */
static void print_members(FILE *out, const rk_report *report)
{
    for (int i = 0;; i++) {
        char *run = cli_format("members.%d.run", i), *model = cli_format("members.%d.model", i);
        char *weight = cli_format("members.%d.weight", i),
             *valid = cli_format("members.%d.valid", i);
        const char *path = rk_report_text(report, run);
        if (path) {
            fprintf(out, "%-10s%.3f  %s, %s", i == 0 ? "weights" : "",
                    rk_report_number(report, weight), rk_report_text(report, model),
                    from_here(path));
            if (isfinite(rk_report_number(report, valid))) {
                fprintf(out, " (alone %.5f on valid)", rk_report_number(report, valid));
            }
            fputc('\n', out);
        }
        cli_free(run);
        cli_free(model);
        cli_free(weight);
        cli_free(valid);
        if (!path) {
            return;
        }
    }
}

/* What became of the chosen model when valid joined train, metric by metric beside what it was. */
static void print_refit(FILE *out, const rk_report *report)
{
    static const char prefix[] = "refit.test.";
    if (!rk_report_text(report, "refit.epochs")) {
        return;
    }
    fprintf(out, "refit     to train and valid, %s interactions: %s\n",
            cli_count((int64_t)rk_report_number(report, "refit.interactions")).s,
            rk_report_text(report, "refit.checkpoint"));
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        if (strncmp(path, prefix, strlen(prefix)) == 0 && strchr(path, '@')) {
            fprintf(out, "          %-13s %.5f on test (before %.5f)\n", path + strlen(prefix),
                    rk_report_number(report, path),
                    rk_report_number(report, path + strlen("refit.")));
        }
    }
    (void)print_ratings_at(out, report, "refit.ratings", "ratings, refit");
}

/* A training whose loss has grown beyond all measure. */
static void print_diverged(FILE *out, const rk_report *report)
{
    bool colour = cli_colour(out);
    const char *diverged = rk_report_text(report, "train.diverged.epoch");
    if (diverged) {
        fprintf(out,
                "%swarning%s   the training diverged in epoch %s: loss %.3g,\n"
                "          in the beginning it was %.3g;\n"
                "          take a smaller train.learning_rate\n",
                cli_yellow(colour), cli_plain(colour), diverged,
                rk_report_number(report, "train.diverged.loss"),
                rk_report_number(report, "train.diverged.first_loss"));
    }
}

static void print_from(FILE *out, const rk_report *report)
{
    const char *from = rk_report_text(report, "from.run");
    if (!from) {
        return;
    }
    fprintf(out, "from      %s, epoch %.0f\n", from, rk_report_number(report, "from.epoch"));
    fprintf(out, "          users %s taken over, %s new\n",
            cli_count((int64_t)rk_report_number(report, "from.users")).s,
            cli_count((int64_t)rk_report_number(report, "from.new_users")).s);
    fprintf(out, "          items %s taken over, %s new\n",
            cli_count((int64_t)rk_report_number(report, "from.items")).s,
            cli_count((int64_t)rk_report_number(report, "from.new_items")).s);
}

static void print_costs(FILE *out, const rk_report *report)
{
    static const struct {
        const char *path, *name;
    } parts[] = {{"timing.data_seconds", "data"},
                 {"timing.setup_seconds", "set-up"},
                 {"timing.train_seconds", "training"},
                 {"timing.check_seconds", "checks"},
                 {"timing.evaluation_seconds", "evaluation"}};
    const size_t n = sizeof parts / sizeof parts[0];
    fprintf(out, "time      %s:", cli_seconds(rk_report_number(report, "timing.total_seconds")).s);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s %s %s", i == 2 ? "\n         " : "", parts[i].name,
                cli_seconds(rk_report_number(report, parts[i].path)).s);
        fputs(i + 1 < n ? "," : "\n", out);
    }
    double rate = rk_report_number(report, "train.samples_per_second");
    if (isfinite(rate)) { /* of models that are trained by batches */
        fprintf(out, "          %s samples/s\n", cli_rate(rate).s);
    }
    fprintf(out, "memory    %s at the peak: tables %s, work %s\n",
            cli_bytes(rk_report_number(report, "memory.peak_bytes")).s,
            cli_bytes(rk_report_number(report, "memory.store_bytes")).s,
            cli_bytes(rk_report_number(report, "memory.arena_bytes")).s);
}

/* One metric per line: mean and standard deviation over the seeds, beside popularity. */
static void print_spread(FILE *out, const rk_report *report, const char *title, const char *at,
                         const char *popular)
{
    bool colour = cli_colour(out), any = false;
    char *prefix = cli_format("%s.", at);
    size_t length = strlen(prefix);
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        size_t end = strlen(path);
        if (strncmp(path, prefix, length) != 0 || end < 5 || strcmp(path + end - 5, ".mean") != 0) {
            continue;
        }
        char *metric = cli_format("%.*s", (int)(end - 5 - length), path + length);
        char *sd = cli_format("%s%s.sd", prefix, metric);
        char *beside = cli_format("%s.%s", popular, metric);
        double mean = rk_report_number(report, path), popularity = rk_report_number(report, beside);
        if (!any) {
            fprintf(out, "%s%-15s%12s%12s%12s%8s%s\n", cli_bold(colour), title, "mean", "sd",
                    "popularity", "ratio", cli_plain(colour));
            any = true;
        }
        fprintf(out, "%-15s%12.5f%12.5f%12.5f", metric, mean, rk_report_number(report, sd),
                popularity);
        print_ratio(out, mean, popularity);
        fputc('\n', out);
        cli_free(metric);
        cli_free(sd);
        cli_free(beside);
    }
    cli_free(prefix);
}

/* Errors of predicted ratings over the seeds, beside those of mean and biases. */
static void print_ratings_spread(FILE *out, const rk_report *report, const char *part)
{
    const bool colour = cli_colour(out);
    for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
        const char *name = rk_rating_error_name(i);
        char *mean = cli_format("ratings.%s.model.%s.mean", part, name);
        char *sd = cli_format("ratings.%s.model.%s.sd", part, name);
        char *biases = cli_format("ratings.%s.biases.%s", part, name);
        if (i == 0 && rk_report_text(report, mean)) {
            fprintf(out, "%sratings, %-6s%12s%12s%12s%s\n", cli_bold(colour), part, "mean", "sd",
                    "biases", cli_plain(colour));
        }
        if (rk_report_text(report, mean)) {
            fprintf(out, "%-15s%12.5f%12.5f%12.5f\n", name, rk_report_number(report, mean),
                    rk_report_number(report, sd), rk_report_number(report, biases));
        }
        cli_free(mean);
        cli_free(sd);
        cli_free(biases);
    }
}

void cli_print_seeds(FILE *out, const rk_report *report)
{
    print_spread(out, report, "valid", "valid", "popularity.valid");
    print_spread(out, report, "test", "test", "popularity.test");
    print_spread(out, report, "expected, valid", "expected.valid", "expected.popularity.valid");
    print_spread(out, report, "expected, test", "expected.test", "expected.popularity.test");
    print_ratings_spread(out, report, rk_part_name(RK_VALID));
    print_ratings_spread(out, report, rk_part_name(RK_TEST));
    print_ratings_spread(out, report, "refit");
    print_spread(out, report, "test, refit", "refit", "popularity.test");
    print_protocol(out, report, 9);
    fprintf(out, "seeds     %s, from %s\n          epoch chosen %.1f on average (%.0f to %.0f)\n",
            rk_report_text(report, "seeds.count"), rk_report_text(report, "seeds.list.0"),
            rk_report_number(report, "chosen.epoch.mean"),
            rk_report_number(report, "chosen.epoch.min"),
            rk_report_number(report, "chosen.epoch.max"));
    cli_print_cautions(out, report);
    fprintf(out, "time      %s a run, of it training %s\n",
            cli_seconds(rk_report_number(report, "timing.total_seconds.mean")).s,
            cli_seconds(rk_report_number(report, "timing.train_seconds.mean")).s);
}

void cli_print_report(FILE *out, const rk_report *report)
{
    print_metrics_report(out, report);
    print_ratings_report(out, report);
    cli_print_report_audit(out, report);
    print_diverged(out, report);
    print_chosen(out, report);
    print_members(out, report);
    print_refit(out, report);
    print_from(out, report);
    print_costs(out, report);
}
