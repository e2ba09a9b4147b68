/* rankine score: a model's scores of given pairs of a user and an item. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "answers.h"

enum { LABEL_WIDTH = 40, AT_ONCE = 1 << 16 };

typedef struct score_args {
    const char *pairs, *device, *data;
    cli_list users, items;
    cli_context context;
    cli_sink_args sink;
} score_args;

typedef struct request {
    const rk_model *model;
    const rk_dataset *dataset;
    const cli_context *context;
    cli_pairs pairs;
    cli_asking users, items; /* whose ids the pairs are made of, where there is no file */
    cli_sink sink;
    bool integer_ids;
    int64_t unknown;
} request;

/* "" where there is nothing to say. */
static const char *why_none(const request *r, const cli_pair *p)
{
    return p->user < 0   ? cli_why_unknown(r->dataset, CLI_USERS, p->user_id)
           : p->item < 0 ? cli_why_unknown(r->dataset, CLI_ITEMS, p->item_id)
                         : "";
}

static const char *basis_of(const request *r, const cli_pair *p, float score)
{
    const rk_query query = cli_context_query(r->context, p->user);
    rk_grounds grounds = {0};
    if (p->user < 0 || p->item < 0) {
        return "unknown";
    }
    if (isinf(score) || rk_model_grounds(r->model, &query, &grounds) != RK_OK) {
        return "untrained";
    }
    return rk_basis_name(grounds.basis);
}

static void show_json(request *r, const cli_pair *p, float score)
{
    cli_json *j = &r->sink.j;
    cli_json_open(j, '{');
    cli_json_key(j, "user");
    cli_json_asked(j, p->user_id, r->integer_ids);
    cli_json_key(j, "item");
    cli_json_asked(j, p->item_id, r->integer_ids);
    cli_json_key(j, "score");
    cli_json_float(j, score); /* null where there is none */
    cli_json_key(j, "basis");
    cli_json_text(j, basis_of(r, p, score));
    if (p->user < 0 || p->item < 0) {
        cli_json_key(j, "error");
        cli_json_text(j, why_none(r, p));
    }
    cli_json_close(j, '}');
}

static void show(request *r, const cli_pair *p, float score)
{
    FILE *out = r->sink.out;
    const char *basis = basis_of(r, p, score);
    if (r->sink.form == CLI_FORM_TSV) {
        cli_tsv_field(out, p->user_id);
        fputc('\t', out);
        cli_tsv_field(out, p->item_id);
        if (isfinite(score)) {
            fprintf(out, "\t%.9g\t%s\n", (double)score, basis);
        } else {
            fprintf(out, "\t\t%s\n", basis);
        }
        return;
    }
    cli_print_id(stdout, p->user_id, 12);
    fputc(' ', stdout);
    cli_print_id(stdout, p->item_id, 12);
    fputc(' ', stdout);
    if (p->user < 0 || p->item < 0) {
        printf("%10s  %s\n", "-", why_none(r, p));
        return;
    }
    if (isfinite(score)) {
        printf("%10s  ", cli_score(score).s);
    } else {
        printf("%10s  ", "-");
    }
    cli_print_label(stdout, rk_dataset_item_label(r->dataset, p->item), LABEL_WIDTH);
    puts(strcmp(basis, "popularity") == 0  ? "  (nothing is known of the user: popularity)"
         : strcmp(basis, "untrained") == 0 ? "  (not in train: nothing is known of it)"
                                           : "");
}

/* The scores of n pairs, in the context where there is one. */
static rk_status score_pairs(const request *r, const int64_t *users, const int32_t *items,
                             int64_t n, float *scores)
{
    if (r->context->n == 0) {
        return rk_model_score_pairs(r->model, users, items, n, scores);
    }
    rk_query *queries = cli_alloc((size_t)n, sizeof *queries);
    for (int64_t i = 0; i < n; i++) {
        queries[i] = cli_context_query(r->context, users[i]);
    }
    rk_status status = rk_model_score(r->model, queries, n, items, 1, scores);
    cli_free(queries);
    return status;
}

/* Scores and shows pairs[0, n). */
static rk_status answer_some(request *r, const cli_pair *pairs, int64_t n)
{
    int64_t *users = cli_alloc((size_t)n, sizeof *users), known = 0;
    int32_t *items = cli_alloc((size_t)n, sizeof *items);
    float *scores = cli_alloc((size_t)n, sizeof *scores);
    for (int64_t i = 0; i < n; i++) {
        if (pairs[i].user >= 0 && pairs[i].item >= 0) {
            users[known] = pairs[i].user;
            items[known++] = (int32_t)pairs[i].item;
        }
    }
    rk_status status = score_pairs(r, users, items, known, scores);
    known = 0;
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        const bool is_known = pairs[i].user >= 0 && pairs[i].item >= 0;
        const float score = is_known ? scores[known++] : NAN;
        r->unknown += !is_known;
        if (r->sink.form == CLI_FORM_JSON || r->sink.form == CLI_FORM_JSONL) {
            show_json(r, &pairs[i], score);
        } else {
            show(r, &pairs[i], score);
        }
    }
    cli_free(users);
    cli_free(items);
    cli_free(scores);
    return status;
}

static int answer_all(const cli *c, request *r)
{
    const int64_t total = r->pairs.n;
    rk_status status = RK_OK;
    int64_t first = 0;
    for (; first < total && status == RK_OK && cli_sink_fine(&r->sink) && !cli_signals_stop();
         first += AT_ONCE) {
        const int64_t n = total - first < AT_ONCE ? total - first : AT_ONCE;
        status = answer_some(r, r->pairs.v + first, n);
    }
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    return first < total && cli_signals_stop() ? rk_status_exit_code(RK_ERR_INTERRUPTED) : 0;
}

/* Every user of the command line with every item. */
static int take_words(const cli *c, request *r, const score_args *args)
{
    int code = cli_ask(&r->users, r->model, CLI_USERS, &args->users);
    code = code ? code : cli_ask(&r->items, r->model, CLI_ITEMS, &args->items);
    code = code ? code : cli_must_know_one(c, &r->users, r->dataset, CLI_USERS);
    code = code ? code : cli_must_know_one(c, &r->items, r->dataset, CLI_ITEMS);
    if (code != 0) {
        return code;
    }
    r->pairs.v = cli_alloc((size_t)r->users.n * (size_t)r->items.n, sizeof *r->pairs.v);
    for (int64_t u = 0; u < r->users.n; u++) {
        for (int64_t i = 0; i < r->items.n; i++) {
            r->pairs.v[r->pairs.n++] = (cli_pair){r->users.v[u].id, r->items.v[i].id,
                                                  r->users.v[u].index, r->items.v[i].index};
        }
    }
    return 0;
}

/* The first pair whose ids are known; none: the file is about something else. */
static int refuse_strangers(const cli *c, const request *r)
{
    int64_t ignored;
    for (int64_t i = 0; i < r->pairs.n; i++) {
        if (r->pairs.v[i].user >= 0 && r->pairs.v[i].item >= 0) {
            return 0;
        }
    }
    const cli_pair *p = &r->pairs.v[0];
    return cli_fail(c, p->user < 0 ? rk_dataset_find_user(r->dataset, p->user_id, &ignored)
                                   : rk_dataset_find_item(r->dataset, p->item_id, &ignored));
}

static int close_sink(request *r, int code)
{
    const char *path = r->sink.file.path;
    code = cli_sink_close(&r->sink, code);
    if (code == 0 && path && !r->sink.quiet) {
        fprintf(cli_is_standard_output(path) ? stderr : stdout, "%s: the scores of %s pair%s\n",
                path, cli_count(r->pairs.n).s, r->pairs.n == 1 ? "" : "s");
    }
    if (code == 0 && r->unknown > 0) {
        fprintf(stderr, "warning: %s of %s pairs are not of the data set; their rows say so\n",
                cli_count(r->unknown).s, cli_count(r->pairs.n).s);
    }
    return code;
}

static int serve(const cli *c, request *r, score_args *args)
{
    int code = cli_context_find(c, &args->context, "score", r->model);
    code = code          ? code
           : args->pairs ? cli_read_pairs(&r->pairs, r->model, args->pairs)
                         : take_words(c, r, args);
    code = code ? code : refuse_strangers(c, r);
    code = code ? code : cli_sink_open(&r->sink, "score", &args->sink, args->sink.out);
    if (code != 0) {
        return code;
    }
    cli_signals_install("\nrankine: stopping\n");
    return close_sink(r, answer_all(c, r));
}

static int score(cli *c, score_args *args)
{
    cli_display display;
    rk_model *model = NULL;
    const bool by_words = args->users.n > 0 && args->items.n > 0;
    if ((args->pairs != NULL) + by_words != 1 ||
        (args->pairs && args->users.n + args->items.n > 0)) {
        return cli_usage("score", "score needs --pairs FILE, or --user ID... and --items ID...");
    }
    c->quiet = true;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_open_model(c, args->device, args->data, &hooks, &model);
    if (code == 0) {
        request r = {.model = model,
                     .dataset = rk_model_dataset(model),
                     .context = &args->context,
                     .integer_ids = cli_integer_ids(model)};
        code = serve(c, &r, args);
        cli_pairs_free(&r.pairs);
        cli_asking_free(&r.users);
        cli_asking_free(&r.items);
    }
    rk_model_free(model);
    return code;
}

int cmd_score(cli *c, int argc, char **argv)
{
    score_args args = {.pairs = NULL};
    const cli_option table[] = {
        {"--pairs", CLI_TEXT, &args.pairs, "FILE",
         "a user and an item a line, with a comma, a semicolon or a tab between\n"
         "them; by name where the first line has names; - reads standard input",
         0, 0},
        {"--user", CLI_MANY, &args.users, "ID...", "instead: these users, with", 0, 0},
        {"--items", CLI_MANY, &args.items, "ID,ID...", "each of these items", 0, 0},
        CLI_CONTEXT_OPTION(args.context),
        {"--json", CLI_FLAG, &args.sink.json, NULL,
         "a JSON list with one object a pair: user, item, score (null without one),\n"
         "basis (model, popularity, untrained, or unknown with an error)",
         0, 0},
        {"--jsonl", CLI_FLAG, &args.sink.jsonl, NULL, "the same objects, one a line", 0, 0},
        {"--tsv", CLI_FLAG, &args.sink.tsv, NULL,
         "a line a pair: user, item, score, basis, with tabs between them", 0, 0},
        CLI_FILE_OPTIONS(args.sink),
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "score",
        "RUN",
        false,
        "The scores that a run's model gives to pairs of a user and an item, in the order of the\n"
        "file: the numbers that recommend ranks by. An item without train interactions has none,\n"
        "and a user without them gets the items' popularity. RUN is a run folder or a file of\n"
        "rankine export --format model.",
        "  rankine score runs/demo --pairs pairs.csv --out scores.tsv\n"
        "  rankine score runs/demo --user 17 --items 3,81,207",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = score(c, &args);
    }
    cli_free(args.users.v);
    cli_free(args.items.v);
    cli_context_free(&args.context);
    return code;
}
