/* rankine recommend: the best unseen items for known users, or for somebody known only by items. */
#include <inttypes.h>
#include <string.h>

#include "cli.h"

enum { LABEL_WIDTH = 60, MAX_TOP = 1000000, KNOWN_SHOWN = 5 };

typedef struct recommend_args {
    cli_list users, items;
    const char *device, *data;
    int64_t top;
    bool json;
} recommend_args;

/* The request, as dense indices. */
typedef struct recommend_query {
    int64_t *users;
    int64_t n_users;
    int32_t *items;
    int64_t n_items;
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

static rk_status resolve(const rk_dataset *dataset, const recommend_args *args,
                         recommend_query *query)
{
    int64_t *found = cli_alloc(count_words(&args->items), sizeof *found);
    rk_status status = RK_OK;
    query->users = cli_alloc(count_words(&args->users), sizeof *query->users);
    query->items = cli_alloc(count_words(&args->items), sizeof *query->items);
    for (int i = 0; i < args->users.n && status == RK_OK; i++) {
        status = find_ids(dataset, rk_dataset_find_user, args->users.v[i], query->users,
                          &query->n_users);
    }
    for (int i = 0; i < args->items.n && status == RK_OK; i++) {
        status = find_ids(dataset, rk_dataset_find_item, args->items.v[i], found, &query->n_items);
    }
    for (int64_t i = 0; i < query->n_items; i++) {
        query->items[i] = (int32_t)found[i];
    }
    cli_free(found);
    return status;
}

static void json_answer(cli_json *j, const rk_run *run, const rk_recommendation *best, int64_t n)
{
    const rk_dataset *dataset = rk_run_dataset(run);
    bool integer = cli_integer_ids(run);
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

static void print_answer(const rk_run *run, const rk_recommendation *best, int64_t n)
{
    const rk_dataset *dataset = rk_run_dataset(run);
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

static void start_user(cli_json *j, const rk_run *run, int64_t user, bool json)
{
    const rk_dataset *dataset = rk_run_dataset(run);
    char room[RK_ID_BYTES];
    const char *id = rk_dataset_user_id(dataset, user, room);
    int64_t train = known_items(dataset, user, RK_TRAIN);
    int64_t known =
        train + known_items(dataset, user, RK_VALID) + known_items(dataset, user, RK_TEST);
    const char *basis = train > 0 ? "model" : "popularity";
    if (json) {
        cli_json_key(j, "user");
        cli_json_id(j, id, cli_integer_ids(run));
        cli_json_key(j, "known_items");
        cli_json_int(j, known);
        cli_json_key(j, "basis");
        cli_json_text(j, basis);
    } else {
        printf("user %s, who has %s item%s%s\n", id, cli_count(known).s, known == 1 ? "" : "s",
               train > 0 ? ", for example" : " and none in train: the most popular items");
        print_known(dataset, user);
    }
}

static void start_items(cli_json *j, const rk_run *run, const recommend_query *query, bool json)
{
    const rk_dataset *dataset = rk_run_dataset(run);
    if (!json) {
        printf("somebody with these items:\n");
        for (int64_t i = 0; i < query->n_items; i++) {
            print_item(dataset, query->items[i]);
        }
        printf("may like\n");
        return;
    }
    char room[RK_ID_BYTES];
    cli_json_key(j, "items");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < query->n_items; i++) {
        cli_json_id(j, rk_dataset_item_id(dataset, query->items[i], room), cli_integer_ids(run));
    }
    cli_json_close(j, ']');
}

static rk_status answer(rk_run *run, const recommend_args *args, const recommend_query *query)
{
    rk_recommendation *best = cli_alloc((size_t)args->top, sizeof *best);
    rk_status status = RK_OK;
    cli_json j = {.out = stdout};
    int64_t n = 0;
    int64_t answers = query->n_items > 0 ? 1 : query->n_users;
    if (args->json) {
        cli_json_open(&j, '[');
    }
    for (int64_t i = 0; i < answers && status == RK_OK; i++) {
        if (query->n_items > 0) {
            status = rk_run_recommend_items(run, query->items, query->n_items, args->top, best, &n);
        } else {
            status = rk_run_recommend(run, query->users[i], args->top, best, &n);
        }
        if (status != RK_OK) {
            break;
        }
        if (args->json) {
            cli_json_open(&j, '{');
        }
        if (query->n_items > 0) {
            start_items(&j, run, query, args->json);
        } else {
            start_user(&j, run, query->users[i], args->json);
        }
        if (args->json) {
            json_answer(&j, run, best, n);
            cli_json_close(&j, '}');
        } else {
            print_answer(run, best, n);
        }
    }
    if (args->json && status == RK_OK) {
        cli_json_close(&j, ']');
    }
    cli_free(best);
    return status;
}

static int recommend(cli *c, const recommend_args *args)
{
    cli_display display;
    rk_run *run = NULL;
    recommend_query query = {.n_users = 0};
    if ((args->users.n > 0) == (args->items.n > 0)) {
        return cli_usage("recommend", "recommend needs either --user ID... or --items ID,ID");
    }
    c->quiet = true; /* the answer comes at once: progress would only be in the way */
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_open_run(c, args->device, args->data, &hooks, &run);
    if (code != 0) {
        return code;
    }
    int64_t catalogue = rk_dataset_get_stats(rk_run_dataset(run))->items;
    if (args->top > catalogue) {
        code = cli_usage("recommend",
                         "--top %" PRId64 " is larger than the catalogue of %" PRId64 " items",
                         args->top, catalogue);
    } else {
        rk_status status = resolve(rk_run_dataset(run), args, &query);
        if (status == RK_OK) {
            status = answer(run, args, &query);
        }
        code = status == RK_OK ? 0 : cli_fail(c, status);
    }
    cli_free(query.users);
    cli_free(query.items);
    rk_run_free(run);
    return code;
}

int cmd_recommend(cli *c, int argc, char **argv)
{
    recommend_args args = {.top = 10};
    const cli_option table[] = {
        {"--user", CLI_MANY, &args.users, "ID...", "users by their original ids", 0, 0},
        {"--items", CLI_MANY, &args.items, "ID,ID...",
         "instead: a new user who is known by these items", 0, 0},
        {"--top", CLI_INT, &args.top, "K", "how many; default 10", 1, MAX_TOP},
        {"--json", CLI_FLAG, &args.json, NULL,
         "a JSON list with one object a user: user, known_items, basis (model or\n"
         "popularity), recommendations [{item, label, score}]; with --items: items,\n"
         "recommendations. Ids are numbers where data.ids is integer, else texts",
         0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "recommend",
        "RUN",
        false,
        "The best items that a user does not have yet, by a run's model, best first. A user\n"
        "without a train interaction gets the most popular items.",
        "  rankine recommend runs/demo --user 17\n"
        "  rankine recommend runs/demo --user 17 23 42 --top 5 --json\n"
        "  rankine recommend runs/demo --items 3,81,207",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = recommend(c, &args);
    }
    cli_free(args.users.v);
    cli_free(args.items.v);
    return code;
}
