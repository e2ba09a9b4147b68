/* rankine recommend: the best items for known users, or for somebody known only by items. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"

enum {
    LABEL_WIDTH = 60,
    REASON_WIDTH = 36,
    KNOWN_SHOWN = 5,
    AT_ONCE = 1024,
    MOST_ANSWERS = 1 << 20,
    REASONS = 3
};

typedef struct recommend_args {
    cli_list users, items, labels, tops;
    const char *device, *data, *seen, *users_file;
    cli_sink_args sink;
    cli_limits limits;
    bool all, explain, include_known;
} recommend_args;

/* Everything that a request needs. */
typedef struct request {
    recommend_args *args;
    rk_model *model;
    const rk_dataset *dataset;
    cli_asking users, items;
    int32_t *list; /* the items; owned */
    rk_selection selection;
    cli_tops tops;
    cli_sink sinks[CLI_MOST_TOPS]; /* one for each length */
    bool integer_ids;
} request;

/* The answers to one query, and why. */
typedef struct answer {
    const cli_asked *user; /* NULL = somebody with the items of the request */
    rk_query query;
    rk_grounds grounds;
    const rk_recommendation *best;
    int64_t n;
    const rk_reason *reasons; /* [n, REASONS] */
    const rk_explanation *explanations;
} answer;

static const char *item_id(const request *r, int64_t item, char room[RK_ID_BYTES])
{
    return rk_dataset_item_id(r->dataset, item, room);
}

static int64_t known_items(const rk_dataset *dataset, int64_t user, rk_part part)
{
    const int32_t *items;
    int64_t n = 0;
    return rk_dataset_items(dataset, part, user, &items, &n) == RK_OK ? n : 0;
}

static int64_t known_in_all(const rk_dataset *dataset, int64_t user)
{
    return known_items(dataset, user, RK_TRAIN) + known_items(dataset, user, RK_VALID) +
           known_items(dataset, user, RK_TEST);
}

/* Of the items of the request, whether a model has learnt nothing of it. */
static bool is_untrained(const request *r, int32_t item)
{
    const rk_query alone = {.user = -1, .items = &item, .n_items = 1};
    rk_grounds grounds = {.items_used = 1};
    return rk_model_grounds(r->model, &alone, &grounds) == RK_OK && grounds.items_used == 0;
}

/* ---- JSON ---- */

static void json_item(cli_json *j, const request *r, int32_t item)
{
    char room[RK_ID_BYTES];
    cli_json_key(j, "item");
    cli_json_id(j, item_id(r, item, room), r->integer_ids);
    cli_json_key(j, "label");
    cli_json_text(j, rk_dataset_item_label(r->dataset, item));
}

static void json_reasons(cli_json *j, const request *r, const answer *a, int64_t i)
{
    cli_json_key(j, "reasons");
    cli_json_open(j, '[');
    for (int k = 0; k < REASONS && a->reasons[i * REASONS + k].item >= 0; k++) {
        cli_json_open(j, '{');
        json_item(j, r, a->reasons[i * REASONS + k].item);
        cli_json_key(j, "part");
        cli_json_float(j, a->reasons[i * REASONS + k].part);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
    cli_json_key(j, "reasons_sum");
    cli_json_float(j, a->explanations[i].sum);
    cli_json_key(j, "reasons_exact");
    cli_json_bool(j, a->explanations[i].is_exact);
}

static void json_best(cli_json *j, const request *r, const answer *a, int64_t n)
{
    cli_json_key(j, "recommendations");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < n; i++) {
        cli_json_open(j, '{');
        json_item(j, r, a->best[i].item);
        cli_json_key(j, "score");
        cli_json_float(j, a->best[i].score);
        if (a->reasons) {
            json_reasons(j, r, a, i);
        }
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static void json_list(cli_json *j, const request *r, bool untrained)
{
    char room[RK_ID_BYTES];
    cli_json_key(j, untrained ? "untrained_items" : "items");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < r->items.n; i++) {
        if (!untrained || is_untrained(r, r->list[i])) {
            cli_json_id(j, item_id(r, r->list[i], room), r->integer_ids);
        }
    }
    cli_json_close(j, ']');
}

static void json_answer(cli_json *j, const request *r, const answer *a, int64_t n)
{
    char room[RK_ID_BYTES];
    cli_json_open(j, '{');
    if (!a->user) {
        json_list(j, r, false);
        json_list(j, r, true);
    } else if (a->user->index < 0) {
        cli_json_key(j, "user");
        cli_json_asked(j, a->user->id, r->integer_ids);
    } else {
        cli_json_key(j, "user");
        cli_json_id(j, rk_dataset_user_id(r->dataset, a->user->index, room), r->integer_ids);
        cli_json_key(j, "known_items");
        cli_json_int(j, known_in_all(r->dataset, a->user->index));
    }
    cli_json_key(j, "basis");
    if (a->user && a->user->index < 0) {
        cli_json_text(j, "unknown");
        cli_json_key(j, "error");
        cli_json_text(j, cli_why_unknown(r->dataset, CLI_USERS, a->user->id));
    } else {
        cli_json_text(j, rk_basis_name(a->grounds.basis));
    }
    json_best(j, r, a, n);
    cli_json_close(j, '}');
}

/* ---- lines with tabs ---- */

static void tsv_reasons(FILE *out, const request *r, const answer *a, int64_t i)
{
    char room[RK_ID_BYTES];
    fputs(a->explanations[i].is_exact ? "\t" : "\t~", out);
    for (int k = 0; k < REASONS && a->reasons[i * REASONS + k].item >= 0; k++) {
        fputs(k > 0 ? "; " : "", out);
        cli_tsv_field(out, item_id(r, a->reasons[i * REASONS + k].item, room));
        fprintf(out, " %.4g", (double)a->reasons[i * REASONS + k].part);
    }
}

/* A line an item; one that says so where there is none. */
static void tsv_answer(FILE *out, const request *r, const answer *a, int64_t n)
{
    char room[RK_ID_BYTES], other[RK_ID_BYTES];
    const bool is_unknown = a->user && a->user->index < 0;
    const char *user = !a->user     ? ""
                       : is_unknown ? a->user->id
                                    : rk_dataset_user_id(r->dataset, a->user->index, room);
    const char *basis = is_unknown ? "unknown" : rk_basis_name(a->grounds.basis);
    for (int64_t i = 0; i < n; i++) {
        cli_tsv_field(out, user);
        fprintf(out, "\t%" PRId64 "\t", i + 1);
        cli_tsv_field(out, item_id(r, a->best[i].item, other));
        fprintf(out, "\t%.9g\t%s", (double)a->best[i].score, basis);
        if (a->reasons) {
            tsv_reasons(out, r, a, i);
        }
        fputc('\n', out);
    }
    if (n == 0) {
        cli_tsv_field(out, user);
        fprintf(out, "\t\t\t\t%s%s\n", basis, r->args->explain ? "\t" : "");
    }
}

/* ---- for people ---- */

static void print_item(const request *r, int32_t item, const char *note)
{
    char room[RK_ID_BYTES];
    printf("      %-12s             ", item_id(r, item, room));
    cli_print_label(stdout, rk_dataset_item_label(r->dataset, item), LABEL_WIDTH);
    printf("%s\n", note);
}

/* Prints a few of the user's items, so that a person can judge the answer. */
static void print_known(const request *r, int64_t user)
{
    const int32_t *items;
    int64_t n = 0;
    if (rk_dataset_items(r->dataset, RK_TRAIN, user, &items, &n) != RK_OK || n == 0) {
        return;
    }
    int64_t shown = n < KNOWN_SHOWN ? n : KNOWN_SHOWN;
    for (int64_t i = 0; i < shown; i++) {
        print_item(r, items[i * n / shown], ""); /* spread over the catalogue */
    }
    printf("may like\n");
}

static void print_user(const request *r, const answer *a)
{
    char room[RK_ID_BYTES];
    const int64_t user = a->user->index, train = known_items(r->dataset, user, RK_TRAIN),
                  known = known_in_all(r->dataset, user);
    printf("user %s, who has %s item%s%s\n", rk_dataset_user_id(r->dataset, user, room),
           cli_count(known).s, known == 1 ? "" : "s",
           train > 0 ? ", for example" : " and none in train: the most popular items");
    print_known(r, user);
}

static void print_list(const request *r, const answer *a)
{
    printf("somebody with these items:\n");
    for (int64_t i = 0; i < r->items.n; i++) {
        print_item(r, r->list[i],
                   is_untrained(r, r->list[i]) ? "  (not in train: nothing is known of it)" : "");
    }
    printf(a->grounds.basis == RK_BASIS_POPULARITY
               ? "nothing is known of them: the most popular items\n"
               : "may like\n");
}

static void print_reasons(const request *r, const answer *a, int64_t i)
{
    char room[RK_ID_BYTES];
    for (int k = 0; k < REASONS && a->reasons[i * REASONS + k].item >= 0; k++) {
        const rk_reason *reason = &a->reasons[i * REASONS + k];
        printf("        %s %-10s %10.4f    ", a->explanations[i].is_exact ? " for" : "~for",
               item_id(r, reason->item, room), (double)reason->part);
        cli_print_label(stdout, rk_dataset_item_label(r->dataset, reason->item), REASON_WIDTH);
        fputc('\n', stdout);
    }
}

static void print_answer(const request *r, const answer *a, int64_t n)
{
    char room[RK_ID_BYTES];
    if (a->user && a->user->index < 0) {
        printf("user %s: %s\n", a->user->id, cli_why_unknown(r->dataset, CLI_USERS, a->user->id));
        return;
    }
    if (a->user) {
        print_user(r, a);
    } else {
        print_list(r, a);
    }
    for (int64_t i = 0; i < n; i++) {
        printf("%4" PRId64 "  %-12s %10.4f  ", i + 1, item_id(r, a->best[i].item, room),
               (double)a->best[i].score);
        cli_print_label(stdout, rk_dataset_item_label(r->dataset, a->best[i].item), LABEL_WIDTH);
        fputc('\n', stdout);
        if (a->reasons) {
            print_reasons(r, a, i);
        }
    }
    if (n == 0) {
        printf("      nothing is left that is not known already\n");
    }
}

/* ---- asking ---- */

static void show(request *r, const answer *a)
{
    for (int i = 0; i < r->tops.n; i++) {
        cli_sink *s = &r->sinks[i];
        const int64_t n = a->n < r->tops.v[i] ? a->n : r->tops.v[i];
        if (s->form == CLI_FORM_TSV) {
            tsv_answer(s->out, r, a, n);
        } else if (s->form == CLI_FORM_PEOPLE) {
            print_answer(r, a, n);
        } else {
            json_answer(&s->j, r, a, n);
        }
    }
}

/* Room for the answers of some queries at once, and for the reasons of one. */
typedef struct workspace {
    rk_query *queries;
    rk_recommendation *best; /* [n, longest top] */
    int32_t *items;          /* [longest top], as the reasons */
    rk_reason *reasons;
    rk_explanation *explanations;
    int64_t n;
} workspace;

static workspace make_workspace(const request *r, int64_t total)
{
    const int64_t longest = r->tops.longest, most = MOST_ANSWERS / longest;
    int64_t n = most < 1 ? 1 : most < AT_ONCE ? most : AT_ONCE;
    n = n < total ? n : total;
    return (workspace){.queries = cli_alloc((size_t)n, sizeof(rk_query)),
                       .best = cli_alloc((size_t)(n * longest), sizeof(rk_recommendation)),
                       .items = cli_alloc((size_t)longest, sizeof(int32_t)),
                       .reasons = cli_alloc((size_t)longest * REASONS, sizeof(rk_reason)),
                       .explanations = cli_alloc((size_t)longest, sizeof(rk_explanation)),
                       .n = n};
}

static void free_workspace(workspace *at)
{
    cli_free(at->queries);
    cli_free(at->best);
    cli_free(at->items);
    cli_free(at->reasons);
    cli_free(at->explanations);
}

static rk_status explain(const request *r, workspace *at, answer *a)
{
    if (!r->args->explain || a->n == 0) {
        return RK_OK;
    }
    for (int64_t i = 0; i < a->n; i++) {
        at->items[i] = a->best[i].item;
    }
    a->reasons = at->reasons;
    a->explanations = at->explanations;
    return rk_model_explain(r->model, &a->query, at->items, a->n, REASONS, at->reasons,
                            at->explanations);
}

/* Answers those of users[0, n) who are known together, and shows all in their order. */
static rk_status answer_some(request *r, workspace *at, const cli_asked *users, int64_t n)
{
    const int64_t longest = r->tops.longest;
    int64_t known = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!users) {
            at->queries[known++] = (rk_query){.user = -1, .items = r->list, .n_items = r->items.n};
        } else if (users[i].index >= 0) {
            at->queries[known++] = (rk_query){.user = users[i].index};
        }
    }
    rk_status status =
        rk_model_top_k(r->model, at->queries, known, &r->selection, longest, at->best);
    known = 0;
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        answer a = {.user = users ? &users[i] : NULL};
        if (!users || users[i].index >= 0) {
            a.query = at->queries[known];
            a.best = at->best + known++ * longest;
            while (a.n < longest && a.best[a.n].item >= 0) {
                a.n++;
            }
            status = rk_model_grounds(r->model, &a.query, &a.grounds);
            status = status == RK_OK ? explain(r, at, &a) : status;
        }
        if (status == RK_OK) {
            show(r, &a);
        }
    }
    return status;
}

static bool is_fine(const request *r)
{
    for (int i = 0; i < r->tops.n; i++) {
        if (!cli_sink_fine(&r->sinks[i])) {
            return false;
        }
    }
    return true;
}

static int answer_all(const cli *c, request *r)
{
    const bool by_items = r->items.n > 0;
    const int64_t total = by_items ? 1 : r->users.n;
    workspace at = make_workspace(r, total);
    rk_status status = RK_OK;
    int64_t first = 0;
    for (; first < total && status == RK_OK && is_fine(r) && !cli_signals_stop(); first += at.n) {
        const int64_t n = total - first < at.n ? total - first : at.n;
        status = answer_some(r, &at, by_items ? NULL : r->users.v + first, n);
    }
    free_workspace(&at);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    return first < total && cli_signals_stop() ? rk_status_exit_code(RK_ERR_INTERRUPTED) : 0;
}

/* ---- the request ---- */

static void set_seen(const recommend_args *args, rk_selection *selection)
{
    *selection = rk_selection_defaults();
    if (args->include_known || strcmp(args->seen, "none") == 0) {
        selection->seen = 0;
        selection->keep_given = true;
    } else if (strcmp(args->seen, "train") == 0) {
        selection->seen = 1u << RK_TRAIN | 1u << RK_GIVEN;
    } else if (strcmp(args->seen, "valid") == 0) {
        selection->seen = 1u << RK_TRAIN | 1u << RK_GIVEN | 1u << RK_VALID;
    }
}

static int find_all(const cli *c, request *r)
{
    const recommend_args *args = r->args;
    const rk_dataset *d = r->dataset;
    int code = cli_ask(&r->users, d, CLI_USERS, &args->users);
    if (code == 0 && args->users_file) {
        code = cli_ask_file(&r->users, d, CLI_USERS, args->users_file);
    }
    if (code == 0 && args->all) {
        cli_ask_all(&r->users, d, CLI_USERS);
    }
    code = code ? code : cli_must_know_one(c, &r->users, d, CLI_USERS);
    code = code ? code : cli_ask(&r->items, d, CLI_ITEMS, &args->items);
    code = code ? code : cli_must_know(c, &r->items, d, CLI_ITEMS, "--items");
    return code ? code : cli_ask_labels(&r->items, d, &args->labels);
}

/* Files for the answers, one for each length, or the standard output. */
static int open_sinks(request *r)
{
    const char *out = r->args->sink.out;
    const char *place = out ? strstr(out, "{top}") : NULL;
    int code = 0;
    if (r->tops.n > 1 && !place) {
        return cli_usage("recommend", "several lengths in --top go into a file each: --out "
                                      "lists-{top}.tsv, where {top} is the length");
    }
    for (int i = 0; i < r->tops.n && code == 0; i++) {
        char *path = !place ? NULL
                            : cli_format("%.*s%" PRId64 "%s", (int)(place - out), out, r->tops.v[i],
                                         place + strlen("{top}"));
        code = cli_sink_open(&r->sinks[i], "recommend", &r->args->sink, path ? path : out);
        if (code != 0) {
            r->tops.n = i; /* those that are open */
        }
        cli_free(path);
    }
    return code;
}

/* Closes the sinks and says what is in the files. */
static int close_sinks(request *r, int code)
{
    const int64_t total = r->items.n > 0 ? 1 : r->users.n;
    for (int i = 0; i < r->tops.n; i++) {
        char *path = r->sinks[i].path ? cli_format("%s", r->sinks[i].path) : NULL;
        code = cli_sink_close(&r->sinks[i], code);
        if (code == 0 && path) {
            printf("%s: the best %" PRId64 " for %s user%s", path, r->tops.v[i], cli_count(total).s,
                   total == 1 ? "" : "s");
            printf(r->users.unknown > 0 ? ", of whom %s unknown\n" : "\n",
                   cli_count(r->users.unknown).s);
        }
        cli_free(path);
    }
    if (code == 0 && r->users.unknown > 0) {
        cli_error(0, "note: %s of %s users are not in the data set; their rows say so",
                  cli_count(r->users.unknown).s, cli_count(r->users.n).s);
    }
    return code;
}

static int serve(const cli *c, request *r)
{
    const rk_dataset_stats *stats = rk_dataset_get_stats(r->dataset);
    set_seen(r->args, &r->selection);
    int code = find_all(c, r);
    if (code == 0) {
        code = cli_limits_find(c, &r->args->limits, "recommend", r->dataset, &r->selection);
    }
    if (code != 0) {
        return code;
    }
    cli_tops_clip(&r->tops, stats->items);
    r->list = cli_indices(&r->items);
    r->items.n -= r->items.unknown;
    code = open_sinks(r);
    if (code == 0) {
        cli_signals_install("\nrankine: stopping\n");
        code = answer_all(c, r);
    }
    return close_sinks(r, code);
}

static int check(const recommend_args *args, request *r)
{
    static const char *const ten[] = {"10"};
    const cli_list normal = {(const char **)(uintptr_t)ten, 1};
    const bool by_items = args->items.n + args->labels.n > 0;
    if ((args->users.n > 0) + (args->users_file != NULL) + by_items + args->all != 1) {
        return cli_usage("recommend",
                         "recommend needs one of --user ID..., --users FILE, --all and "
                         "--items ID,ID (or --label TEXT)");
    }
    if (args->include_known && strcmp(args->seen, "all") != 0 && strcmp(args->seen, "none") != 0) {
        return cli_usage("recommend", "--include-known is --seen none; take one of them");
    }
    return cli_tops_parse(&r->tops, "recommend", args->tops.n > 0 ? &args->tops : &normal);
}

static int recommend(cli *c, recommend_args *args)
{
    cli_display display;
    request r = {.args = args};
    int code = check(args, &r);
    if (code != 0) {
        return code;
    }
    c->quiet = true; /* the answer comes at once: progress would only be in the way */
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    code = cli_open_model(c, args->device, args->data, &hooks, &r.model);
    if (code == 0) {
        r.dataset = rk_model_dataset(r.model);
        r.integer_ids = cli_integer_ids(r.model);
        code = serve(c, &r);
    }
    cli_asking_free(&r.users);
    cli_asking_free(&r.items);
    cli_free(r.list);
    rk_model_free(r.model);
    return code;
}

int cmd_recommend(cli *c, int argc, char **argv)
{
    recommend_args args = {.seen = "all"};
    const cli_option table[] = {
        {"--user", CLI_MANY, &args.users, "ID...", "users by their original ids", 0, 0},
        {"--users", CLI_TEXT, &args.users_file, "FILE",
         "instead: users of a file with one id a line; - reads standard input", 0, 0},
        {"--all", CLI_FLAG, &args.all, NULL, "instead: every user of the data set", 0, 0},
        {"--items", CLI_MANY, &args.items, "ID,ID...",
         "instead: a new user who is known by these items; @FILE reads them from\n"
         "a file, one a line",
         0, 0},
        {"--label", CLI_MANY, &args.labels, "TEXT...",
         "the same by words of the items' labels: --label \"star wars\"", 0, 0},
        {"--top", CLI_REPEAT, &args.tops, "K,K...",
         "how many; default 10. Several go into a file each: --out lists-{top}.tsv", 0, 0},
        {"--exclude", CLI_MANY, &args.limits.exclude, "ID,ID...",
         "items that are in no answer; @FILE reads them from a file", 0, 0},
        {"--among", CLI_MANY, &args.limits.among, "ID,ID...",
         "only these items may be in an answer; @FILE reads them from a file", 0, 0},
        {"--include-known", CLI_FLAG, &args.include_known, NULL,
         "what somebody has already may be in the answer", 0, 0},
        {"--seen", CLI_TEXT, &args.seen, "all|valid|train|none",
         "which items that somebody has are left out: of all parts (default), of\n"
         "train and valid, of train, none",
         0, 0},
        {"--min-score", CLI_TEXT, &args.limits.min_score, "SCORE", "nothing with a lower score", 0,
         0},
        {"--explain", CLI_FLAG, &args.explain, NULL,
         "with each answer up to three items that speak for it, and what each adds\n"
         "to its score: exact where the score is such a sum, else marked with ~",
         0, 0},
        {"--json", CLI_FLAG, &args.sink.json, NULL,
         "a JSON list with one object a user: user, known_items, basis (model or\n"
         "popularity; unknown with an error), recommendations [{item, label,\n"
         "score}]; with --items: items, untrained_items, basis (items or popularity)",
         0, 0},
        {"--jsonl", CLI_FLAG, &args.sink.jsonl, NULL, "the same objects, one a line", 0, 0},
        {"--tsv", CLI_FLAG, &args.sink.tsv, NULL,
         "a line an item: user, rank, item, score, basis, with tabs between them;\n"
         "rank, item and score are empty where there is no answer",
         0, 0},
        {"--out", CLI_TEXT, &args.sink.out, "FILE",
         "into a file, which ends in .tsv, .jsonl or .json; one that is there is\n"
         "replaced when the new one is whole",
         0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "recommend",
        "RUN",
        false,
        "The best items that a user does not have yet, by a run's model, best first. A user\n"
        "without a train interaction gets the most popular items, and the answer says so; an id\n"
        "that is not in the data set is a row that says so. RUN is a run folder or a file of\n"
        "rankine export --format model.",
        "  rankine recommend runs/demo --user 17\n"
        "  rankine recommend runs/demo --user 17 23 42 --top 5 --json\n"
        "  rankine recommend runs/demo --items 3,81,207 --explain\n"
        "  rankine recommend runs/demo --label \"star wars\" --among @in-stock.txt\n"
        "  rankine recommend runs/demo --all --seen valid --top 20 --out lists.tsv\n"
        "  rankine recommend runs/demo --users ids.txt --out lists.jsonl",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = recommend(c, &args);
    }
    cli_free(args.users.v);
    cli_free(args.items.v);
    cli_free(args.labels.v);
    cli_free(args.tops.v);
    cli_limits_free(&args.limits);
    return code;
}
