/* rankine evaluate: full ranking of a run's model, beside popularity, as a table or as JSON; of new
 * data, for some users, a row a user, in slices. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"

static const char stop_text[] = "\nrankine: stopping (again: stop at once)\n";

typedef struct evaluate_args {
    const char *part, *device, *data, *metrics, *users, *per_user, *communicator;
    cli_list k;
    bool json, slices, force;
} evaluate_args;

/* What one evaluation prints. */
typedef struct evaluated {
    const cli *c;
    const evaluate_args *args;
    rk_model *run;
    rk_holdout *holdout; /* NULL: a part of the run's data set */
    int32_t *users;      /* NULL: all */
    int64_t n_users, unknown_users;
    int64_t *k;
    int64_t n_k;
    char *metrics; /* NULL: the run's */
    rk_evaluation model, popularity;
    rk_evaluation trace; /* of zeros where the data set has no traces */
    rk_audit audit;
} evaluated;

/* Are all items ranked, or the stored candidates of each held-out row (eval.among)? */
static bool is_among_all(const evaluated *e)
{
    const char *among = "all";
    return e->holdout || rk_config_get(rk_model_config(e->run), "eval.among", &among) != RK_OK ||
           strcmp(among, "all") == 0;
}

/* ---- as JSON ---- */

static void json_values(cli_json *j, const char *key, const rk_metrics *metrics,
                        const double *values)
{
    cli_json_key(j, key);
    cli_json_open(j, '{');
    for (int64_t i = 0; i < metrics->count; i++) {
        if (values && isnan(values[i])) {
            continue; /* coverage, which is none of a slice */
        }
        cli_json_key(j, metrics->values[i].name);
        cli_json_real(j, values ? values[i] : metrics->values[i].value);
    }
    cli_json_close(j, '}');
}

static void json_expected(cli_json *j, const char *key, const rk_metrics *metrics)
{
    cli_json_key(j, key);
    cli_json_open(j, '{');
    for (int64_t i = 0; i < metrics->count; i++) {
        if (!isnan(metrics->values[i].expected)) {
            cli_json_key(j, metrics->values[i].name);
            cli_json_real(j, metrics->values[i].expected);
        }
    }
    cli_json_close(j, '}');
}

/* Has a metric an expectation over draws of candidates? */
static bool has_expected(const rk_metrics *metrics)
{
    bool is_any = false;
    for (int64_t i = 0; i < metrics->count; i++) {
        is_any = is_any || !isnan(metrics->values[i].expected);
    }
    return is_any;
}

/* eval.style of the run. */
static const char *style_of(const evaluated *e)
{
    const char *style = "recbole";
    return rk_config_get(rk_model_config(e->run), "eval.style", &style) == RK_OK ? style
                                                                                 : "recbole";
}

static void json_number(cli_json *j, const char *key, int64_t value)
{
    cli_json_key(j, key);
    cli_json_int(j, value);
}

static void json_holdout(cli_json *j, const evaluated *e)
{
    rk_holdout_facts f = rk_holdout_get_facts(e->holdout);
    cli_json_key(j, "holdout");
    cli_json_open(j, '{');
    cli_json_key(j, "path");
    cli_json_text(j, e->args->data);
    json_number(j, "rows", f.rows);
    json_number(j, "missing", f.missing);
    json_number(j, "unknown_users", f.unknown_users);
    json_number(j, "unknown_items", f.unknown_items);
    json_number(j, "known", f.known);
    json_number(j, "repeated", f.repeated);
    json_number(j, "users", f.users);
    json_number(j, "pairs", f.pairs);
    cli_json_close(j, '}');
}

static void json_slices(cli_json *j, const evaluated *e)
{
    cli_json_key(j, "slices");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < e->model.n_slices; i++) {
        const rk_slice *s = &e->model.slices[i];
        cli_json_open(j, '{');
        cli_json_key(j, "of");
        cli_json_text(j, s->of_items ? "items" : "users");
        json_number(j, "first", s->first);
        json_number(j, "last", s->last);
        json_number(j, "users", s->users);
        json_number(j, "pairs", s->pairs);
        json_values(j, "metrics", &e->model.metrics, s->values);
        json_values(j, "popularity", &e->model.metrics, e->popularity.slices[i].values);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static void json_errors(cli_json *j, const char *key, const double *errors)
{
    cli_json_key(j, key);
    cli_json_open(j, '{');
    for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
        cli_json_key(j, rk_rating_error_name(i));
        cli_json_real(j, errors[i]);
    }
    cli_json_close(j, '}');
}

static void json_ratings(cli_json *j, const rk_ratings *r)
{
    cli_json_key(j, "ratings");
    cli_json_open(j, '{');
    json_number(j, "pairs", r->pairs);
    cli_json_key(j, "scale");
    cli_json_open(j, '[');
    cli_json_real(j, r->low);
    cli_json_real(j, r->high);
    cli_json_close(j, ']');
    json_errors(j, "model", r->model);
    json_errors(j, "global_mean", r->global_mean);
    json_errors(j, "item_mean", r->item_mean);
    json_errors(j, "biases", r->biases);
    cli_json_close(j, '}');
}

static void print_json(const evaluated *e)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    cli_json_pair(&j, "run", e->c->positional);
    json_number(&j, "epoch", rk_model_get_facts(e->run).epoch);
    cli_json_pair(&j, "data", rk_dataset_name(rk_model_dataset(e->run)));
    cli_json_pair(&j, "fingerprint", rk_dataset_fingerprint(rk_model_dataset(e->run)));
    cli_json_pair(&j, "part", e->holdout ? "new" : e->args->part);
    cli_json_pair(&j, "among", is_among_all(e) ? "all" : "candidates");
    json_number(&j, "users", e->model.metrics.users);
    if (e->users) {
        json_number(&j, "unknown_users", e->unknown_users);
    }
    cli_json_key(&j, "seconds");
    cli_json_real(&j, e->model.metrics.seconds);
    json_values(&j, "metrics", &e->model.metrics, NULL);
    json_values(&j, "popularity", &e->popularity.metrics, NULL);
    if (e->model.ratings.pairs > 0) {
        json_ratings(&j, &e->model.ratings);
    }
    if (has_expected(&e->model.metrics)) {
        json_expected(&j, "expected", &e->model.metrics);
        json_expected(&j, "popularity_expected", &e->popularity.metrics);
    }
    if (e->trace.metrics.count > 0) {
        json_values(&j, "trace", &e->trace.metrics, NULL);
    }
    cli_json_pair(&j, "style", style_of(e));
    cli_json_pair(&j, "compat", rk_model_get_facts(e->run).compat);
    cli_json_audit(&j, &e->audit);
    if (e->holdout) {
        json_holdout(&j, e);
    }
    if (e->args->slices) {
        json_slices(&j, e);
    }
    cli_json_close(&j, '}');
}

/* ---- as tables ---- */

static void print_slices(const evaluated *e, bool of_items)
{
    const rk_metrics *m = &e->model.metrics;
    int64_t shown = 0; /* the metric that is shown: the watched one where it is among them */
    const char *watched = NULL;
    if (rk_config_get(rk_model_config(e->run), "eval.metric", &watched) != RK_OK) {
        watched = "";
    }
    for (int64_t i = m->count - 1; i >= 0; i--) {
        if (strncmp(m->values[i].name, "coverage@", 9) != 0) {
            shown = i;
        }
    }
    for (int64_t i = 0; i < m->count; i++) {
        shown = strcmp(m->values[i].name, watched) == 0 ? i : shown;
    }
    printf("\n%-20s%9s%14s%10s%7s\n", of_items ? "popularity of items" : "activity of users",
           of_items ? "pairs" : "users", m->values[shown].name, "popular", "ratio");
    for (int64_t i = 0; i < e->model.n_slices; i++) {
        const rk_slice *s = &e->model.slices[i];
        if (s->of_items != of_items) {
            continue;
        }
        char *range = s->first == s->last
                          ? cli_format("%s", cli_count(s->first).s)
                          : cli_format("%s to %s", cli_count(s->first).s, cli_count(s->last).s);
        double model = s->values[shown], popular = e->popularity.slices[i].values[shown];
        printf("  %-18s%9s%14.5f%10.5f", range, cli_count(of_items ? s->pairs : s->users).s, model,
               popular);
        if (popular > 0) {
            printf("%6.*fx", model / popular < 100 ? 2 : 0, model / popular);
        }
        putchar('\n');
        cli_free(range);
    }
}

static void print_holdout(const evaluated *e)
{
    rk_holdout_facts f = rk_holdout_get_facts(e->holdout);
    printf("new data %s\n", e->args->data);
    printf("  %-18s%s\n", "rows", cli_count(f.rows).s);
    if (f.missing > 0) {
        printf("  %-18s%s rows\n", "without an id", cli_count(f.missing).s);
    }
    printf("  %-18s%s rows\n", "unknown users", cli_count(f.unknown_users).s);
    printf("  %-18s%s rows\n", "unknown items", cli_count(f.unknown_items).s);
    printf("  %-18s%s rows\n", "in train or valid", cli_count(f.known).s);
    printf("  %-18s%s rows\n", "repeated", cli_count(f.repeated).s);
    printf("  %-18s%s pairs of %s users\n", "evaluated", cli_count(f.pairs).s,
           cli_count(f.users).s);
}

static void print_ratings(const rk_ratings *r)
{
    cli_rating_row rows[RK_RATING_ERRORS];
    for (int64_t i = 0; i < RK_RATING_ERRORS; i++) {
        rows[i] = (cli_rating_row){r->model[i], r->global_mean[i], r->item_mean[i], r->biases[i]};
    }
    printf(
        "\n%s ratings, on a scale from %g to %g; mean, item mean and\nbiases are those of train\n",
        cli_count(r->pairs).s, r->low, r->high);
    cli_print_ratings(stdout, "ratings", rows);
}

static void print_table(const evaluated *e)
{
    const rk_metrics *model = &e->model.metrics, *popularity = &e->popularity.metrics;
    const char *title = e->holdout ? "new data" : e->args->part;
    const rk_metrics *trace = &e->trace.metrics;
    int64_t n_expected = 0;
    bool is_of_all = false;
    cli_metric_row *rows = cli_alloc((size_t)model->count, sizeof *rows);
    for (int64_t i = 0; i < model->count; i++) {
        rows[i] = (cli_metric_row){model->values[i].name, model->values[i].value,
                                   popularity->values[i].value,
                                   trace->count > 0 ? trace->values[i].value : NAN};
    }
    if (e->holdout) {
        print_holdout(e);
    }
    printf("data set %s  fingerprint %s\n", rk_dataset_name(rk_model_dataset(e->run)),
           rk_dataset_fingerprint(rk_model_dataset(e->run)));
    printf("%s users, %s ranked in %s; model of epoch %lld\n", cli_count(model->users).s,
           is_among_all(e) ? "all items" : "candidates", cli_seconds(model->seconds).s,
           (long long)rk_model_get_facts(e->run).epoch);
    cli_print_metrics(stdout, title, rows, model->count);
    for (int64_t i = 0; i < model->count; i++) {
        is_of_all = is_of_all || strcmp(model->values[i].name, "auc@all") == 0;
        if (!isnan(model->values[i].expected)) {
            rows[n_expected++] = (cli_metric_row){model->values[i].name, model->values[i].expected,
                                                  popularity->values[i].expected, (double)NAN};
        }
    }
    if (n_expected > 0) {
        cli_print_metrics(stdout, "expected, all draws", rows, n_expected);
    }
    if (is_of_all && !is_among_all(e)) {
        puts("auc@all is of all items, not of the candidates");
    }
    if (strcmp(style_of(e), "recbole") != 0) {
        printf("metrics as %s counts them (eval.style)\n", style_of(e));
    }
    cli_print_audit(stdout, title, &e->audit);
    if (e->model.ratings.pairs > 0) {
        print_ratings(&e->model.ratings);
    }
    if (e->args->slices) {
        print_slices(e, false);
        print_slices(e, true);
        const bool is_given = rk_dataset_get_stats(rk_model_dataset(e->run))->given > 0;
        printf("\nranges are numbers of train interactions%s\n",
               is_given ? ", of held-out users of given ones" : "");
    }
    cli_free(rows);
}

/* ---- a row a user ---- */

static void write_user(const evaluated *e, cli_result *r, int64_t i)
{
    const rk_metrics *m = &e->model.metrics;
    const rk_dataset *d = rk_model_dataset(e->run);
    const double *values = e->model.values + i * m->count;
    const int32_t *ignored = NULL;
    int64_t train = 0;
    char room[RK_ID_BYTES];
    const char separator = r->form == CLI_ROWS_CSV ? ',' : '\t';
    const char *id = rk_dataset_user_id(d, e->model.users[i], room);
    if (rk_dataset_items(d, RK_TRAIN, e->model.users[i], &ignored, &train) != RK_OK) {
        train = 0;
    }
    if (r->form == CLI_ROWS_JSON) {
        cli_json j = {.out = r->file};
        cli_json_open(&j, '{');
        cli_json_key(&j, "user");
        cli_json_id(&j, id, cli_integer_ids(e->run));
        json_number(&j, "train", train);
        json_number(&j, "held_out", e->model.held_out[i]);
        json_values(&j, "metrics", m, values);
        cli_json_close(&j, '}');
        return;
    }
    cli_result_text(r, id);
    fprintf(r->file, "%c%lld%c%lld", separator, (long long)train, separator,
            (long long)e->model.held_out[i]);
    for (int64_t v = 0; v < m->count; v++) {
        if (!isnan(values[v])) {
            char number[40];
            text_print_real(number, values[v]);
            fprintf(r->file, "%c%s", separator, number);
        }
    }
    fputc('\n', r->file);
}

static int write_users(const evaluated *e)
{
    const rk_metrics *m = &e->model.metrics;
    cli_result r;
    int code = cli_result_open(&r, "--per-user", e->args->per_user, e->args->force);
    if (code != 0) {
        return code;
    }
    const char separator = r.form == CLI_ROWS_CSV ? ',' : '\t';
    if (r.form != CLI_ROWS_JSON) {
        fprintf(r.file, "user%ctrain%cheld_out", separator, separator);
        for (int64_t v = 0; v < m->count; v++) {
            if (!isnan(e->model.values[v])) { /* coverage is not of a user */
                fprintf(r.file, "%c%s", separator, m->values[v].name);
            }
        }
        fputc('\n', r.file);
    }
    for (int64_t i = 0; i < m->users; i++) {
        write_user(e, &r, i);
    }
    code = cli_result_commit(&r);
    if (code == 0 && !e->c->quiet) {
        fprintf(stderr, "%s: %s users\n", e->args->per_user, cli_count(m->users).s);
    }
    return code;
}

/* ---- what is asked ---- */

static int take_users(evaluated *e)
{
    const rk_dataset *dataset = rk_model_dataset(e->run);
    cli_asking asking = {0};
    int code = cli_ask_file(&asking, e->run, CLI_USERS, e->args->users);
    code = code ? code : cli_must_know(e->c, &asking, dataset, CLI_USERS, "--users");
    if (code == 0) {
        e->users = cli_indices(&asking);
        e->unknown_users = asking.unknown;
        e->n_users = asking.n - asking.unknown;
        code = cli_ranks_agree_ids(e->c, "list of --users", e->users, e->n_users);
    }
    cli_asking_free(&asking);
    return code;
}

/* The run; where it needs its sources and --data is a folder, with them there. */
static int open_run(evaluated *e, const rk_hooks *hooks)
{
    const evaluate_args *args = e->args;
    if (args->data && !cli_is_there(args->data)) {
        return cli_error(rk_status_exit_code(RK_ERR_IO), "--data %s: %s", args->data,
                         strerror(errno));
    }
    rk_status status =
        rk_ranks_open_model(e->c->ranks, e->c->positional, args->device, NULL, hooks, &e->run);
    if (status == RK_OK || !args->data || !cli_is_directory(args->data)) {
        return status == RK_OK ? 0 : cli_fail(e->c, status);
    }
    return cli_open_model(e->c, args->device, args->data, hooks, &e->run);
}

static int read_holdout(evaluated *e, const rk_hooks *hooks)
{
    const rk_status status = rk_holdout_read(e->run, e->args->data, hooks, &e->holdout);
    if (status != RK_OK) {
        return cli_fail(e->c, status);
    }
    const rk_holdout_facts f = rk_holdout_get_facts(e->holdout);
    char *text = cli_format("%lld rows, %lld users, %lld pairs, %lld known, %lld repeated",
                            (long long)f.rows, (long long)f.users, (long long)f.pairs,
                            (long long)f.known, (long long)f.repeated);
    const int code = cli_ranks_agree(e->c, "file of --data", text);
    cli_free(text);
    return code;
}

static int prepare(evaluated *e, const rk_hooks *hooks)
{
    const char *per_user = e->c->is_other ? NULL : e->args->per_user;
    int code = cli_cutoffs(&e->args->k, "evaluate", &e->k, &e->n_k);
    if (code == 0 && per_user && !e->args->force && cli_is_there(per_user)) {
        code = cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "--per-user %s is there already: replace it by --force, or name another "
                         "file",
                         per_user);
    }
    code = code == 0 ? open_run(e, hooks) : code;
    code = code == 0 && e->args->users ? take_users(e) : code;
    cli_signals_install(stop_text); /* from here on somebody looks at the flag */
    return code == 0 && e->args->data ? read_holdout(e, hooks) : code;
}

/* What the model is compared with, rank 0 ranks alone. */
static rk_status rank(evaluated *e, const rk_hooks *hooks)
{
    rk_evaluate_options how = rk_evaluate_defaults();
    how.part = cli_part(e->args->part);
    how.metrics = e->args->metrics;
    how.k = e->n_k > 0 ? e->k : NULL;
    how.n_k = e->n_k;
    how.users = e->users;
    how.n_users = e->n_users;
    how.holdout = e->holdout;
    how.slices = e->args->slices;
    how.each = e->args->per_user != NULL;
    rk_status status = rk_evaluate(e->run, &how, hooks, &e->model);
    how.each = false;
    status = status == RK_OK ? rk_evaluate_audit(e->run, &how, &e->audit) : status;
    if (e->c->is_other) {
        return status;
    }
    if (status == RK_OK && rk_dataset_has_traces(rk_model_dataset(e->run))) {
        how.trace = true;
        how.slices = false;
        status = rk_evaluate(e->run, &how, hooks, &e->trace);
    }
    how.slices = e->args->slices;
    how.trace = false;
    how.popularity = true;
    return status == RK_OK ? rk_evaluate(e->run, &how, hooks, &e->popularity) : status;
}

static int evaluate(cli *c, const evaluate_args *args)
{
    cli_display display;
    evaluated e = {.c = c, .args = args};
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_ranks_join(c, "evaluate", args->communicator, &hooks);
    code = code == 0 ? prepare(&e, &hooks) : code;
    if (code == 0) {
        rk_status status = rank(&e, &hooks);
        cli_display_end(&display);
        code = status == RK_OK ? 0 : cli_fail(c, status);
    }
    if (code == 0 && !c->is_other) {
        code = args->per_user ? write_users(&e) : 0;
        if (code == 0 && args->json) {
            print_json(&e);
        } else if (code == 0) {
            print_table(&e);
        }
    }
    cli_display_end(&display);
    rk_evaluation_free(&e.model);
    rk_evaluation_free(&e.popularity);
    rk_evaluation_free(&e.trace);
    rk_audit_free(&e.audit);
    rk_holdout_free(e.holdout);
    rk_model_free(e.run);
    cli_free(e.users);
    cli_free(e.k);
    return cli_ranks_leave(c, code);
}

int cmd_evaluate(cli *c, int argc, char **argv)
{
    evaluate_args args = {.part = NULL};
    const cli_option table[] = {
        {"--part", CLI_TEXT, &args.part, "valid|test", "which held-out interactions; default test",
         0, 0},
        {"--data", CLI_TEXT, &args.data, "PATH",
         "new interactions to be predicted instead: a file, read as the run's\n"
         "source of that name (or of part test, or the first), or a folder\n"
         "with the run's sources; what users have already is left out",
         0, 0},
        {"--k", CLI_MANY, &args.k, "K...", "cut-offs, e.g. 5,10,20; default those of the run", 0,
         0},
        {"--metrics", CLI_TEXT, &args.metrics, "NAMES",
         "e.g. recall,ndcg; default those of the run", 0, 0},
        {"--users", CLI_TEXT, &args.users, "FILE",
         "only these users: a file of ids, one a line; - = standard input", 0, 0},
        {"--per-user", CLI_TEXT, &args.per_user, "FILE",
         "also write the values of each user, a row each: .csv, .jsonl, else\n"
         "tab-separated",
         0, 0},
        {"--slices", CLI_FLAG, &args.slices, NULL,
         "also by activity of users and popularity of items, in quarters", 0, 0},
        {"--json", CLI_FLAG, &args.json, NULL,
         "one JSON object: run, epoch, data, fingerprint, part, among, users,\n"
         "seconds, metrics {name: value}, popularity {name: value}, style, audit;\n"
         "among candidates expected and popularity_expected, with traces trace,\n"
         "with --data holdout, with --slices slices, with model.compat compat",
         0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        CLI_COMMUNICATOR_OPTION(args.communicator),
        {"--force", CLI_FLAG, &args.force, NULL, "replace the file of --per-user", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "evaluate",
        "RUN",
        false,
        "Ranks every item for every user of a run's data set and prints the metrics beside those\n"
        "of the popularity ranking. Items that the user has already are left out: train, and on\n"
        "test also valid. Formulas: rankine info --metrics.",
        "  rankine evaluate runs/demo\n"
        "  rankine evaluate runs/demo --part valid --json\n"
        "  rankine evaluate runs/demo --k 1,5,50 --metrics recall,ndcg --slices\n"
        "  rankine evaluate runs/demo --data tomorrow.csv --per-user users.csv\n"
        "  mpirun -n 4 rankine evaluate runs/large",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        if (args.data && args.part) {
            code = cli_usage("evaluate", "--data brings its own held-out interactions, --part "
                                         "names some of the run's: not both");
        } else {
            args.part = args.part ? args.part : rk_part_name(RK_TEST);
            code = evaluate(c, &args);
        }
    }
    cli_free(args.k.v);
    return code;
}
