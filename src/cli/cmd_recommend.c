/* rankine recommend: the best items for known users, or for somebody known only by items. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "answers.h"

enum { AT_ONCE = 1024, MOST_ANSWERS = 1 << 20 };

typedef struct recommend_args {
    cli_list users, items, ratings, labels, tops;
    const char *device, *data, *seen, *users_file, *communicator;
    cli_sink_args sink;
    cli_limits limits;
    cli_context context;
    bool all, explain, include_known;
    cli_approximate approximate;
} recommend_args;

/* Everything that a request needs. */
typedef struct request {
    const cli *c;
    recommend_args *args;
    rk_model *model;
    rk_lsh *index; /* of --approximate; owned */
    const rk_dataset *dataset;
    cli_asking users, items;
    int32_t *list;     /* the items; owned */
    float *ratings;    /* of them; owned; NULL = none are given */
    cli_request shown; /* of all this what rows say; lent */
    rk_selection selection;
    cli_tops tops;
    cli_sink sinks[CLI_MOST_TOPS]; /* one for each length */
    char *paths[CLI_MOST_TOPS];    /* of them; owned */
} request;

/* ---- asking ---- */

static void show(request *r, const cli_answer *a)
{
    for (int i = 0; i < r->tops.n; i++) {
        cli_show_answer(&r->sinks[i], &r->shown, a, a->n < r->tops.v[i] ? a->n : r->tops.v[i]);
    }
}

/* A lot of those who are asked for, of whom each rank answers a share; rank 0 gets all answers. */
typedef struct workspace {
    int64_t n;               /* at most */
    int64_t *bytes;          /* [ranks] */
    rk_query *queries;       /* [n], of the share */
    rk_recommendation *best; /* [n, longest top] */
    /* With --explain, else NULL. */
    int32_t *items; /* [longest top] */
    rk_reason *reasons;
    rk_explanation *explanations;
} workspace;

static workspace make_workspace(const request *r, int64_t total)
{
    const int64_t ranks = rk_ranks_size(r->c->ranks), longest = r->tops.longest;
    const int64_t most = MOST_ANSWERS / (r->args->explain ? CLI_REASONS + 2 : 1) / longest;
    int64_t n = ranks * (most < 1 ? 1 : most < AT_ONCE ? most : AT_ONCE);
    n = n < total ? n : total;
    workspace at = {.n = n,
                    .bytes = cli_alloc((size_t)ranks, sizeof *at.bytes),
                    .queries = cli_alloc((size_t)n, sizeof *at.queries),
                    .best = cli_alloc((size_t)(n * longest), sizeof *at.best)};
    if (r->args->explain) {
        at.items = cli_alloc((size_t)longest, sizeof *at.items);
        at.reasons = cli_alloc((size_t)(n * longest) * CLI_REASONS, sizeof *at.reasons);
        at.explanations = cli_alloc((size_t)(n * longest), sizeof *at.explanations);
    }
    return at;
}

static void free_workspace(workspace *at)
{
    cli_free(at->bytes);
    cli_free(at->queries);
    cli_free(at->best);
    cli_free(at->items);
    cli_free(at->reasons);
    cli_free(at->explanations);
}

static int64_t length_of(const rk_recommendation *best, int64_t longest)
{
    int64_t n = 0;
    while (n < longest && best[n].item >= 0) {
        n++;
    }
    return n;
}

/* The reasons of place i of the lot. */
static rk_status explain(const request *r, workspace *at, int64_t i, const rk_query *query)
{
    const int64_t longest = r->tops.longest;
    const rk_recommendation *best = at->best + i * longest;
    const int64_t n = length_of(best, longest);
    for (int64_t j = 0; j < n; j++) {
        at->items[j] = best[j].item;
    }
    return n == 0 ? RK_OK
                  : rk_model_explain(r->model, query, at->items, n, CLI_REASONS,
                                     at->reasons + i * longest * CLI_REASONS,
                                     at->explanations + i * longest);
}

static rk_query query_of(const request *r, const cli_asked *user)
{
    rk_query query = cli_context_query(&r->args->context, user ? user->index : -1);
    if (!user) {
        query.items = r->list;
        query.weights = r->ratings;
        query.n_items = r->items.n;
    }
    return query;
}

/* Answers places [begin, end) of the lot: those that are known together, each at its place. */
static rk_status answer_share(request *r, workspace *at, const cli_asked *users, int64_t begin,
                              int64_t end)
{
    const int64_t longest = r->tops.longest;
    int64_t known = 0;
    for (int64_t i = begin; i < end; i++) {
        if (!users || users[i].index >= 0) {
            at->queries[known++] = query_of(r, users ? &users[i] : NULL);
        }
    }
    if (known == 0) {
        return RK_OK;
    }
    rk_recommendation *best = at->best + begin * longest;
    rk_status status =
        r->index ? rk_lsh_model_top_k(r->index, r->model, at->queries, known, &r->selection,
                                      r->args->approximate.probes, longest, best)
                 : rk_model_top_k(r->model, at->queries, known, &r->selection, longest, best);
    for (int64_t i = end - 1; i >= begin;
         i--) { /* from the last on, so that nothing is overwritten */
        if (!users || users[i].index >= 0) {
            known--;
            memmove(at->best + i * longest, best + known * longest, (size_t)longest * sizeof *best);
            if (status == RK_OK && r->args->explain) {
                status = explain(r, at, i, &at->queries[known]);
            }
        }
    }
    return status;
}

/* What the ranks have of a lot of n, `width` bytes a place, to rank 0. */
static rk_status gather(const request *r, workspace *at, const char *what, int64_t n, void *values,
                        size_t width)
{
    rk_ranks *ranks = r->c->ranks;
    const int64_t size = rk_ranks_size(ranks);
    for (int64_t rank = 0; rank < size; rank++) {
        at->bytes[rank] =
            (rk_ranks_share(ranks, n, rank + 1) - rk_ranks_share(ranks, n, rank)) * (int64_t)width;
    }
    const int64_t begin = rk_ranks_share(ranks, n, rk_ranks_rank(ranks));
    return rk_ranks_gather(ranks, what, (char *)values + (size_t)begin * width, at->bytes, values);
}

static rk_status show_lot(request *r, const workspace *at, const cli_asked *users, int64_t n)
{
    const int64_t longest = r->tops.longest;
    rk_status status = RK_OK;
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        cli_answer a = {.user = users ? &users[i] : NULL};
        if (!users || users[i].index >= 0) {
            a.query = query_of(r, a.user);
            a.best = at->best + i * longest;
            a.n = length_of(a.best, longest);
            status = rk_model_grounds(r->model, &a.query, &a.grounds);
            if (r->args->explain && a.n > 0) {
                a.reasons = at->reasons + i * longest * CLI_REASONS;
                a.explanations = at->explanations + i * longest;
            }
        }
        if (status == RK_OK) {
            show(r, &a);
        }
    }
    return status;
}

static rk_status answer_lot(request *r, workspace *at, const cli_asked *users, int64_t n)
{
    rk_ranks *ranks = r->c->ranks;
    const size_t longest = (size_t)r->tops.longest;
    const int64_t rank = rk_ranks_rank(ranks);
    rk_status status = answer_share(r, at, users, rk_ranks_share(ranks, n, rank),
                                    rk_ranks_share(ranks, n, rank + 1));
    if (status == RK_OK) {
        status = gather(r, at, "answers", n, at->best, longest * sizeof *at->best);
    }
    if (status == RK_OK && r->args->explain) {
        status =
            gather(r, at, "reasons", n, at->reasons, longest * CLI_REASONS * sizeof *at->reasons);
        status = status == RK_OK ? gather(r, at, "explanations", n, at->explanations,
                                          longest * sizeof *at->explanations)
                                 : status;
    }
    return status == RK_OK && !r->c->is_other ? show_lot(r, at, users, n) : status;
}

static bool is_fine(const request *r)
{
    for (int i = 0; i < r->tops.n && !r->c->is_other; i++) {
        if (!cli_sink_fine(&r->sinks[i])) {
            return false;
        }
    }
    return true;
}

static int answer_all(const cli *c, request *r)
{
    const bool by_items = r->users.n == 0;
    const int64_t total = by_items ? 1 : r->users.n;
    workspace at = make_workspace(r, total);
    rk_status status = RK_OK;
    int64_t first = 0;
    for (; first < total && status == RK_OK && is_fine(r) && !cli_signals_stop(); first += at.n) {
        const int64_t n = total - first < at.n ? total - first : at.n;
        status = answer_lot(r, &at, by_items ? NULL : r->users.v + first, n);
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
    int code = cli_ask(&r->users, r->model, CLI_USERS, &args->users);
    if (code == 0 && args->users_file) {
        code = cli_ask_file(&r->users, r->model, CLI_USERS, args->users_file);
    }
    if (code == 0 && args->all) {
        cli_ask_all(&r->users, d, CLI_USERS);
    }
    code = code ? code : cli_must_know_one(c, &r->users, d, CLI_USERS);
    code = code ? code : cli_ask(&r->items, r->model, CLI_ITEMS, &args->items);
    code = code ? code : cli_must_know(c, &r->items, d, CLI_ITEMS, "--items");
    return code ? code : cli_ask_labels(&r->items, d, &args->labels);
}

/* The numbers of --ratings, one for each item that was named. */
static int take_ratings(request *r)
{
    const cli_list *words = &r->args->ratings;
    int64_t given = 0, known = 0;
    if (words->n == 0) {
        return 0;
    }
    r->ratings = cli_alloc((size_t)r->items.n, sizeof *r->ratings);
    for (int i = 0; i < words->n; i++) {
        for (const char *at = words->v[i]; *at;) {
            float rating = 0;
            int used = 0;
            const bool is_number = sscanf(at, "%f%n", &rating, &used) == 1 &&
                                   strchr("0123456789.", at[used - 1]) && strchr(", ", at[used]) &&
                                   isfinite(rating);
            if (!is_number) {
                return cli_usage("recommend", "--ratings '%s': must be numbers, e.g. 4.5,3",
                                 words->v[i]);
            }
            if (given < r->items.n && r->items.v[given].index >= 0) {
                r->ratings[known++] = rating;
            }
            given++;
            at += used;
            at += strspn(at, ", ");
        }
    }
    if (given != r->items.n) {
        return cli_usage("recommend", "--ratings has %lld numbers for %lld items: give one each",
                         (long long)given, (long long)r->items.n);
    }
    return 0;
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
        char *path = !place ? cli_format("%s", out ? out : "")
                            : cli_format("%.*s%" PRId64 "%s", (int)(place - out), out, r->tops.v[i],
                                         place + strlen("{top}"));
        r->paths[i] = path;
        code = cli_sink_open(&r->sinks[i], "recommend", &r->args->sink, out ? path : NULL);
        if (code != 0) {
            r->tops.n = i; /* those that are open */
        }
    }
    return code;
}

/* Closes the sinks and says what is in the files. */
static int close_sinks(request *r, int code)
{
    const int64_t total = r->users.n == 0 ? 1 : r->users.n;
    for (int i = 0; i < r->tops.n; i++) {
        const char *path = r->sinks[i].file.path;
        code = cli_sink_close(&r->sinks[i], code);
        if (code == 0 && path && !r->sinks[i].quiet) {
            FILE *out = cli_is_standard_output(path) ? stderr : stdout;
            fprintf(out, "%s: the best %" PRId64 " for %s user%s", path, r->tops.v[i],
                    cli_count(total).s, total == 1 ? "" : "s");
            fprintf(out, r->users.unknown > 0 ? ", of whom %s unknown\n" : "\n",
                    cli_count(r->users.unknown).s);
        }
    }
    if (code == 0 && r->users.unknown > 0) {
        fprintf(stderr, "warning: %s of %s users are not in the data set; their rows say so\n",
                cli_count(r->users.unknown).s, cli_count(r->users.n).s);
    }
    return code;
}

/* The index of --approximate, and what it is. */
static int make_index(const cli *c, request *r)
{
    const rk_lsh_options how = {.planes = r->args->approximate.planes};
    rk_status status = rk_lsh_of_model(r->model, &how, &r->index);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    const rk_lsh_facts f = rk_lsh_get_facts(r->index);
    if (!r->args->sink.quiet && !c->is_other) {
        fprintf(stderr,
                "approximate: %s items in %s buckets of %" PRId64 " planes, made in %s; an item "
                "may be missed\n",
                cli_count(f.items).s, cli_count(f.buckets).s, f.planes, cli_seconds(f.seconds).s);
    }
    return 0;
}

/* All ranks must have read the same ids: from files, which may differ on their machines. */
static int agree(const cli *c, const request *r)
{
    cli_asking lists[] = {r->users, r->items, r->args->limits.excluded, r->args->limits.allowed};
    static const char *const names[] = {"list of users", "list of items", "list of --exclude",
                                        "list of --among"};
    const int n = rk_ranks_size(c->ranks) > 1 ? 4 : 0;
    int code = 0;
    for (int i = 0; i < n && code == 0; i++) {
        int32_t *ids = cli_alloc((size_t)lists[i].n, sizeof *ids);
        for (int64_t j = 0; j < lists[i].n; j++) {
            ids[j] = (int32_t)lists[i].v[j].index;
        }
        code = cli_ranks_agree_ids(c, names[i], ids, lists[i].n);
        cli_free(ids);
    }
    return code;
}

static int serve(const cli *c, request *r)
{
    const rk_dataset_stats *stats = rk_dataset_get_stats(r->dataset);
    set_seen(r->args, &r->selection);
    int code = find_all(c, r);
    code = code ? code : cli_context_find(c, &r->args->context, "recommend", r->model);
    if (code == 0) {
        code = cli_limits_find(c, &r->args->limits, "recommend", r->model, &r->selection);
    }
    code = code ? code : agree(c, r);
    if (code == 0 && r->args->approximate.wanted) {
        code = make_index(c, r);
    }
    if (code != 0) {
        return code;
    }
    cli_tops_clip(&r->tops, stats->items, !c->is_other);
    code = take_ratings(r);
    if (code != 0) {
        return code;
    }
    r->list = cli_indices(&r->items);
    r->items.n -= r->items.unknown;
    r->shown = (cli_request){.model = r->model,
                             .dataset = r->dataset,
                             .context = &r->args->context,
                             .items = r->list,
                             .n_items = r->items.n,
                             .selection = &r->selection,
                             .explains = r->args->explain,
                             .integer_ids = cli_integer_ids(r->model)};
    cli_signals_install("\nrankine: stopping\n");
    if (c->is_other) {
        return answer_all(c, r);
    }
    code = open_sinks(r);
    if (code == 0) {
        cli_context_note(&r->args->context);
        code = answer_all(c, r);
    }
    return close_sinks(r, code);
}

static int check(const recommend_args *args, request *r)
{
    const bool by_items = args->items.n + args->labels.n > 0;
    const int who = (args->users.n > 0) + (args->users_file != NULL) + by_items + args->all;
    if (who > 1 || (who == 0 && args->context.words.n == 0)) {
        return cli_usage("recommend",
                         "recommend needs one of --user ID..., --users FILE, --all and "
                         "--items ID,ID (or --label TEXT)");
    }
    if (args->ratings.n > 0 && !by_items) {
        return cli_usage("recommend", "--ratings are those of the items of --items: name these");
    }
    if (args->include_known && strcmp(args->seen, "all") != 0 && strcmp(args->seen, "none") != 0) {
        return cli_usage("recommend", "--include-known is --seen none; take one of them");
    }
    if (!args->approximate.wanted && args->approximate.planes + args->approximate.probes > 0) {
        return cli_usage("recommend", "%s is read with --approximate only: add that, or remove it",
                         args->approximate.planes > 0 ? "--planes" : "--probes");
    }
    return cli_tops_parse(&r->tops, "recommend", &args->tops);
}

static int recommend(cli *c, recommend_args *args)
{
    cli_display display;
    request r = {.c = c, .args = args};
    int code = check(args, &r);
    if (code != 0) {
        return code;
    }
    c->quiet = true; /* the answer comes at once: progress would only be in the way */
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    code = cli_ranks_join(c, "recommend", args->communicator, &hooks);
    code = code ? code : cli_open_model(c, args->device, args->data, &hooks, &r.model);
    if (code == 0) {
        r.dataset = rk_model_dataset(r.model);
        code = serve(c, &r);
    }
    cli_asking_free(&r.users);
    cli_asking_free(&r.items);
    for (int i = 0; i < CLI_MOST_TOPS; i++) {
        cli_free(r.paths[i]);
    }
    cli_free(r.list);
    cli_free(r.ratings);
    rk_lsh_free(r.index);
    rk_model_free(r.model);
    return cli_ranks_leave(c, code);
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
        {"--ratings", CLI_MANY, &args.ratings, "R,R...",
         "what they rate these items with, one each; models of ratings need it", 0, 0},
        {"--label", CLI_MANY, &args.labels, "TEXT...",
         "the same by words of the items' labels: --label \"star wars\"", 0, 0},
        {"--top", CLI_REPEAT, &args.tops, "K,K...",
         "how many; default 10. Several go into a file each: --out lists-{top}.tsv", 0, 0},
        CLI_CONTEXT_OPTION(args.context),
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
        CLI_APPROXIMATE_OPTIONS(args.approximate),
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
        CLI_FILE_OPTIONS(args.sink),
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        CLI_COMMUNICATOR_OPTION(args.communicator),
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
        "  rankine recommend runs/fm --user 17 --context previous=50 skip=0\n"
        "  rankine recommend runs/demo --all --seen valid --top 20 --out lists.tsv\n"
        "  rankine recommend runs/demo --users ids.txt --out lists.jsonl\n"
        "  rankine recommend runs/large --all --approximate --out lists.tsv\n"
        "  mpirun -n 4 rankine recommend runs/large --all --out lists.tsv",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = recommend(c, &args);
    }
    cli_free(args.users.v), cli_free(args.items.v), cli_free(args.ratings.v);
    cli_free(args.labels.v), cli_free(args.tops.v);
    cli_limits_free(&args.limits);
    cli_context_free(&args.context);
    return code;
}
