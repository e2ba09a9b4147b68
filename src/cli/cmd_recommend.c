/* rankine recommend: the best items for known users, or for somebody known only by items. */
#include <inttypes.h>
#include <string.h>

#include "cli.h"

enum {
    LABEL_WIDTH = 60,
    MAX_TOP = 1000000,
    KNOWN_SHOWN = 5,
    AT_ONCE = 1024,
    MOST_ANSWERS = 1 << 20
};

typedef struct recommend_args {
    cli_list users, items, allow, deny;
    const char *device, *data, *seen;
    int64_t top;
    bool all, json, tsv;
} recommend_args;

/* Items of the command line as dense indices. */
typedef struct item_list {
    int32_t *v;
    int64_t n;
} item_list;

/* The request, as dense indices. */
typedef struct recommend_query {
    int64_t *users;
    int64_t n_users;
    item_list items, allow, deny;
} recommend_query;

typedef rk_status (*find_fn)(const rk_dataset *dataset, const char *id, int64_t *out);

/* Looks up one word of the command line: an id, or several separated by commas. A word with commas
 * that is itself an id counts as one. */
static rk_status find_ids(const rk_dataset *dataset, find_fn find, const char *word, int64_t *out,
                          int64_t *n)
{
    rk_status status = find(dataset, word, &out[*n]);
    if (status == RK_OK || !strchr(word, ',')) {
        *n += status == RK_OK;
        return status;
    }
    char *copy = cli_format("%s", word);
    char *at = copy;
    do {
        char *comma = strchr(at, ',');
        if (comma) {
            *comma = '\0';
        }
        status = find(dataset, at, &out[*n]);
        *n += status == RK_OK;
        at = comma ? comma + 1 : NULL;
    } while (status == RK_OK && at);
    cli_free(copy);
    return status;
}

static size_t count_words(const cli_list *list)
{
    size_t n = (size_t)list->n;
    for (int i = 0; i < list->n; i++) {
        for (const char *at = list->v[i]; *at; at++) {
            n += *at == ',';
        }
    }
    return n;
}

static rk_status resolve_items(const rk_dataset *dataset, const cli_list *words, item_list *out)
{
    int64_t *found = cli_alloc(count_words(words), sizeof *found);
    rk_status status = RK_OK;
    out->v = cli_alloc(count_words(words), sizeof *out->v);
    for (int i = 0; i < words->n && status == RK_OK; i++) {
        status = find_ids(dataset, rk_dataset_find_item, words->v[i], found, &out->n);
    }
    for (int64_t i = 0; i < out->n; i++) {
        out->v[i] = (int32_t)found[i];
    }
    cli_free(found);
    return status;
}

static rk_status resolve(const rk_dataset *dataset, const recommend_args *args,
                         recommend_query *query)
{
    int64_t n = args->all ? rk_dataset_get_stats(dataset)->users : 0;
    rk_status status = RK_OK;
    query->users = cli_alloc(count_words(&args->users) + (size_t)n, sizeof *query->users);
    for (; query->n_users < n; query->n_users++) {
        query->users[query->n_users] = query->n_users;
    }
    for (int i = 0; i < args->users.n && status == RK_OK; i++) {
        status = find_ids(dataset, rk_dataset_find_user, args->users.v[i], query->users,
                          &query->n_users);
    }
    if (status == RK_OK) {
        status = resolve_items(dataset, &args->items, &query->items);
    }
    if (status == RK_OK) {
        status = resolve_items(dataset, &args->allow, &query->allow);
    }
    return status == RK_OK ? resolve_items(dataset, &args->deny, &query->deny) : status;
}

static void json_answer(cli_json *j, const rk_model *model, const rk_recommendation *best,
                        int64_t n)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    bool integer = cli_integer_ids(model);
    char room[RK_ID_BYTES];
    cli_json_key(j, "recommendations");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < n; i++) {
        cli_json_open(j, '{');
        cli_json_key(j, "item");
        cli_json_id(j, rk_dataset_item_id(dataset, best[i].item, room), integer);
        cli_json_key(j, "label");
        cli_json_text(j, rk_dataset_item_label(dataset, best[i].item));
        cli_json_key(j, "score");
        cli_json_float(j, best[i].score);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static void print_answer(const rk_model *model, const rk_recommendation *best, int64_t n)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    char room[RK_ID_BYTES];
    for (int64_t i = 0; i < n; i++) {
        printf("%4" PRId64 "  %-12s %10.4f  ", i + 1,
               rk_dataset_item_id(dataset, best[i].item, room), (double)best[i].score);
        cli_print_label(stdout, rk_dataset_item_label(dataset, best[i].item), LABEL_WIDTH);
        fputc('\n', stdout);
    }
    if (n == 0) {
        printf("      nothing is left that is not known already\n");
    }
}

static int64_t known_items(const rk_dataset *dataset, int64_t user, rk_part part)
{
    const int32_t *items;
    int64_t n = 0;
    return rk_dataset_items(dataset, part, user, &items, &n) == RK_OK ? n : 0;
}

static void print_item(const rk_dataset *dataset, int32_t item)
{
    char room[RK_ID_BYTES];
    printf("      %-12s             ", rk_dataset_item_id(dataset, item, room));
    cli_print_label(stdout, rk_dataset_item_label(dataset, item), LABEL_WIDTH);
    fputc('\n', stdout);
}

/* Prints a few of the user's items, so that a person can judge the answer. */
static void print_known(const rk_dataset *dataset, int64_t user)
{
    const int32_t *items;
    int64_t n = 0;
    if (rk_dataset_items(dataset, RK_TRAIN, user, &items, &n) != RK_OK || n == 0) {
        return;
    }
    int64_t shown = n < KNOWN_SHOWN ? n : KNOWN_SHOWN;
    for (int64_t i = 0; i < shown; i++) {
        print_item(dataset, items[i * n / shown]); /* spread over the catalogue */
    }
    printf("may like\n");
}

/* Whether the model has learnt anything that bears on the user. */
static bool is_known(const rk_model *model, int64_t user)
{
    return rk_model_get_facts(model).is_same_for_all ||
           known_items(rk_model_dataset(model), user, RK_TRAIN) > 0;
}

static void start_user(cli_json *j, const rk_model *model, int64_t user, bool json)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    char room[RK_ID_BYTES];
    const char *id = rk_dataset_user_id(dataset, user, room);
    int64_t train = known_items(dataset, user, RK_TRAIN);
    int64_t known =
        train + known_items(dataset, user, RK_VALID) + known_items(dataset, user, RK_TEST);
    if (json) {
        cli_json_key(j, "user");
        cli_json_id(j, id, cli_integer_ids(model));
        cli_json_key(j, "known_items");
        cli_json_int(j, known);
        cli_json_key(j, "basis");
        cli_json_text(j, is_known(model, user) ? "model" : "popularity");
    } else {
        printf("user %s, who has %s item%s%s\n", id, cli_count(known).s, known == 1 ? "" : "s",
               train > 0 ? ", for example" : " and none in train: the most popular items");
        print_known(dataset, user);
    }
}

static void start_items(cli_json *j, const rk_model *model, const recommend_query *query, bool json)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    if (!json) {
        printf("somebody with these items:\n");
        for (int64_t i = 0; i < query->items.n; i++) {
            print_item(dataset, query->items.v[i]);
        }
        printf("may like\n");
        return;
    }
    char room[RK_ID_BYTES];
    cli_json_key(j, "items");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < query->items.n; i++) {
        cli_json_id(j, rk_dataset_item_id(dataset, query->items.v[i], room),
                    cli_integer_ids(model));
    }
    cli_json_close(j, ']');
}

/* A field of a line: what would end it is escaped with a backslash, as by export. */
static void tsv_field(const char *text)
{
    for (const char *at = text; *at; at++) {
        const char *special = strchr("\tt\nn\rr\\\\", *at);
        if (special) {
            printf("\\%c", special[1]);
        } else {
            fputc(*at, stdout);
        }
    }
}

/* A line an item: user, rank, item, score; with --items the user is empty. */
static void tsv_answer(const rk_model *model, const char *user, const rk_recommendation *best,
                       int64_t n)
{
    char room[RK_ID_BYTES];
    for (int64_t i = 0; i < n; i++) {
        tsv_field(user);
        printf("\t%" PRId64 "\t", i + 1);
        tsv_field(rk_dataset_item_id(rk_model_dataset(model), best[i].item, room));
        printf("\t%.9g\n", (double)best[i].score);
    }
}

/* user -1: somebody with the items of the request. */
static void show(cli_json *j, const rk_model *model, const recommend_args *args,
                 const recommend_query *query, int64_t user, const rk_recommendation *best)
{
    char room[RK_ID_BYTES];
    int64_t n = 0;
    while (n < args->top && best[n].item >= 0) {
        n++;
    }
    if (args->tsv) {
        tsv_answer(model, user < 0 ? "" : rk_dataset_user_id(rk_model_dataset(model), user, room),
                   best, n);
        return;
    }
    if (args->json) {
        cli_json_open(j, '{');
    }
    if (user < 0) {
        start_items(j, model, query, args->json);
    } else {
        start_user(j, model, user, args->json);
    }
    if (args->json) {
        json_answer(j, model, best, n);
        cli_json_close(j, '}');
    } else {
        print_answer(model, best, n);
    }
}

static rk_selection selection_of(const recommend_args *args, const recommend_query *query)
{
    rk_selection selection = rk_selection_defaults();
    if (strcmp(args->seen, "none") == 0) {
        selection.seen = 0;
        selection.keep_given = true;
    } else if (strcmp(args->seen, "train") == 0) {
        selection.seen = 1u << RK_TRAIN | 1u << RK_GIVEN;
    } else if (strcmp(args->seen, "valid") == 0) {
        selection.seen = 1u << RK_TRAIN | 1u << RK_GIVEN | 1u << RK_VALID;
    }
    selection.allow = args->allow.n > 0 ? query->allow.v : NULL;
    selection.n_allow = query->allow.n;
    selection.deny = query->deny.v;
    selection.n_deny = query->deny.n;
    return selection;
}

static rk_status answer(const rk_model *model, const recommend_args *args,
                        const recommend_query *query)
{
    const rk_selection selection = selection_of(args, query);
    const int64_t total = query->items.n > 0 ? 1 : query->n_users;
    const int64_t room = MOST_ANSWERS / args->top > 0 ? MOST_ANSWERS / args->top : 1;
    const int64_t most = room < AT_ONCE ? room : AT_ONCE;
    const int64_t at_once = total < most ? total : most;
    rk_query *queries = cli_alloc((size_t)at_once, sizeof *queries);
    rk_recommendation *best = cli_alloc((size_t)(at_once * args->top), sizeof *best);
    rk_status status = RK_OK;
    cli_json j = {.out = stdout};
    if (args->json) {
        cli_json_open(&j, '[');
    }
    for (int64_t first = 0; first < total && status == RK_OK; first += at_once) {
        int64_t n = total - first < at_once ? total - first : at_once;
        for (int64_t i = 0; i < n; i++) {
            queries[i] =
                query->items.n > 0
                    ? (rk_query){.user = -1, .items = query->items.v, .n_items = query->items.n}
                    : (rk_query){.user = query->users[first + i]};
        }
        status = rk_model_top_k(model, queries, n, &selection, args->top, best);
        for (int64_t i = 0; i < n && status == RK_OK; i++) {
            show(&j, model, args, query, queries[i].user, best + i * args->top);
        }
    }
    if (args->json && status == RK_OK) {
        cli_json_close(&j, ']');
    }
    cli_free(queries);
    cli_free(best);
    return status;
}

static int recommend(cli *c, const recommend_args *args)
{
    cli_display display;
    rk_model *model = NULL;
    recommend_query query = {.n_users = 0};
    if ((args->users.n > 0) + (args->items.n > 0) + args->all != 1) {
        return cli_usage("recommend",
                         "recommend needs one of --user ID..., --all and --items ID,ID");
    }
    if (args->json && args->tsv) {
        return cli_usage("recommend", "take one of --json and --tsv");
    }
    c->quiet = true; /* the answer comes at once: progress would only be in the way */
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_open_model(c, args->device, args->data, &hooks, &model);
    if (code != 0) {
        return code;
    }
    int64_t catalogue = rk_dataset_get_stats(rk_model_dataset(model))->items;
    if (args->top > catalogue) {
        code = cli_usage("recommend",
                         "--top %" PRId64 " is larger than the catalogue of %" PRId64 " items",
                         args->top, catalogue);
    } else {
        rk_status status = resolve(rk_model_dataset(model), args, &query);
        if (status == RK_OK) {
            status = answer(model, args, &query);
        }
        code = status == RK_OK ? 0 : cli_fail(c, status);
    }
    cli_free(query.users);
    cli_free(query.items.v);
    cli_free(query.allow.v);
    cli_free(query.deny.v);
    rk_model_free(model);
    return code;
}

int cmd_recommend(cli *c, int argc, char **argv)
{
    recommend_args args = {.top = 10, .seen = "all"};
    const cli_option table[] = {
        {"--user", CLI_MANY, &args.users, "ID...", "users by their original ids", 0, 0},
        {"--items", CLI_MANY, &args.items, "ID,ID...",
         "instead: a new user who is known by these items", 0, 0},
        {"--all", CLI_FLAG, &args.all, NULL, "instead: every user of the data set", 0, 0},
        {"--seen", CLI_TEXT, &args.seen, "all|valid|train|none",
         "which items that somebody has are left out: of all parts (default), of\n"
         "train and valid, of train, none",
         0, 0},
        {"--allow", CLI_MANY, &args.allow, "ID,ID...", "only these items may be in an answer", 0,
         0},
        {"--deny", CLI_MANY, &args.deny, "ID,ID...", "these items may not", 0, 0},
        {"--top", CLI_INT, &args.top, "K", "how many; default 10", 1, MAX_TOP},
        {"--json", CLI_FLAG, &args.json, NULL,
         "a JSON list with one object a user: user, known_items, basis (model or\n"
         "popularity), recommendations [{item, label, score}]; with --items: items,\n"
         "recommendations. Ids are numbers where data.ids is integer, else texts",
         0, 0},
        {"--tsv", CLI_FLAG, &args.tsv, NULL,
         "a line an item: user, rank, item, score, with tabs between them", 0, 0},
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
        "without a train interaction gets the most popular items. RUN is a run folder or a file\n"
        "of rankine export --format model.",
        "  rankine recommend runs/demo --user 17\n"
        "  rankine recommend runs/demo --user 17 23 42 --top 5 --json\n"
        "  rankine recommend runs/demo --items 3,81,207\n"
        "  rankine recommend runs/demo --all --seen valid --top 20 --tsv > lists.tsv",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = recommend(c, &args);
    }
    cli_free(args.users.v);
    cli_free(args.items.v);
    cli_free(args.allow.v);
    cli_free(args.deny.v);
    return code;
}
