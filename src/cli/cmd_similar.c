/* rankine similar: the items that are most like given ones. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"

enum { LABEL_WIDTH = 60, AT_ONCE = 1024, MOST_ANSWERS = 1 << 20 };

typedef struct similar_args {
    cli_list items, labels, tops;
    const char *device, *data;
    cli_sink_args sink;
    cli_limits limits;
    bool all;
} similar_args;

typedef struct request {
    const rk_model *model;
    const rk_dataset *dataset;
    cli_asking asking;
    cli_context context; /* empty: likeness has none */
    rk_selection selection;
    int64_t top;
    cli_sink sink;
    bool integer_ids;
} request;

static const char *id_of(const request *r, const cli_asked *a, char room[RK_ID_BYTES])
{
    return a->index < 0 ? a->id : rk_dataset_item_id(r->dataset, a->index, room);
}

/* Why an item has no answers: its vector was never trained. */
static bool is_untrained(const request *r, int64_t item)
{
    const int32_t one = (int32_t)item;
    rk_query alone = cli_context_query(&r->context, -1);
    alone.items = &one;
    alone.n_items = 1;
    rk_grounds grounds = {.items_used = 1};
    return rk_model_grounds(r->model, &alone, &grounds) == RK_OK && grounds.items_used == 0;
}

static const char *basis_of(const request *r, const cli_asked *a, int64_t n)
{
    if (a->index < 0) {
        return "unknown";
    }
    return n == 0 && is_untrained(r, a->index) ? "untrained" : "model";
}

static void json_item(cli_json *j, const request *r, int64_t item)
{
    char room[RK_ID_BYTES];
    cli_json_key(j, "item");
    cli_json_id(j, rk_dataset_item_id(r->dataset, item, room), r->integer_ids);
    cli_json_key(j, "label");
    cli_json_text(j, rk_dataset_item_label(r->dataset, item));
}

static void show_json(request *r, const cli_asked *a, const rk_recommendation *best, int64_t n)
{
    cli_json *j = &r->sink.j;
    cli_json_open(j, '{');
    if (a->index < 0) {
        cli_json_key(j, "item");
        cli_json_asked(j, a->id, r->integer_ids);
    } else {
        json_item(j, r, a->index);
    }
    cli_json_key(j, "basis");
    cli_json_text(j, basis_of(r, a, n));
    if (a->index < 0) {
        cli_json_key(j, "error");
        cli_json_text(j, cli_why_unknown(r->dataset, CLI_ITEMS, a->id));
    }
    cli_json_key(j, "similar");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < n; i++) {
        cli_json_open(j, '{');
        json_item(j, r, best[i].item);
        cli_json_key(j, "score");
        cli_json_float(j, best[i].score);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
    cli_json_close(j, '}');
}

static void show_tsv(request *r, const cli_asked *a, const rk_recommendation *best, int64_t n)
{
    char room[RK_ID_BYTES];
    FILE *out = r->sink.out;
    const char *basis = basis_of(r, a, n);
    for (int64_t i = 0; i < n || i == 0; i++) {
        cli_tsv_field(out, id_of(r, a, room));
        if (n == 0) {
            fprintf(out, "\t\t\t\t%s\n", basis);
            break;
        }
        fprintf(out, "\t%" PRId64 "\t", i + 1);
        cli_tsv_field(out, rk_dataset_item_id(r->dataset, best[i].item, room));
        fprintf(out, "\t%.9g\t%s\n", (double)best[i].score, basis);
    }
}

static void print_row(const request *r, int64_t item)
{
    cli_print_label(stdout, rk_dataset_item_label(r->dataset, item), LABEL_WIDTH);
    fputc('\n', stdout);
}

static void show_people(const request *r, const cli_asked *a, const rk_recommendation *best,
                        int64_t n)
{
    char room[RK_ID_BYTES];
    if (a->index < 0) {
        printf("item %s: %s\n", a->id, cli_why_unknown(r->dataset, CLI_ITEMS, a->id));
        return;
    }
    printf("like ");
    cli_print_id(stdout, id_of(r, a, room), 0);
    printf("  ");
    print_row(r, a->index);
    for (int64_t i = 0; i < n; i++) {
        printf("%4" PRId64 "  ", i + 1);
        cli_print_id(stdout, rk_dataset_item_id(r->dataset, best[i].item, room), 12);
        printf(" %10s  ", cli_score(best[i].score).s);
        print_row(r, best[i].item);
    }
    if (n == 0) {
        if (is_untrained(r, a->index)) {
            cli_print_nothing(NULL, "it has no interactions in train: nothing is known of it");
        } else {
            cli_print_nothing(&r->selection, "nothing has anything in common with it");
        }
    }
}

static rk_status answer_some(request *r, const cli_asked *asked, int64_t n, int32_t *items,
                             rk_recommendation *best)
{
    int64_t known = 0;
    for (int64_t i = 0; i < n; i++) {
        if (asked[i].index >= 0) {
            items[known++] = (int32_t)asked[i].index;
        }
    }
    rk_status status = rk_model_similar(r->model, items, known, &r->selection, r->top, best);
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        int64_t found = 0;
        while (asked[i].index >= 0 && found < r->top && best[found].item >= 0) {
            found++;
        }
        switch (r->sink.form) {
        case CLI_FORM_TSV:
            show_tsv(r, &asked[i], best, found);
            break;
        case CLI_FORM_PEOPLE:
            show_people(r, &asked[i], best, found);
            break;
        default:
            show_json(r, &asked[i], best, found);
        }
        best += asked[i].index >= 0 ? r->top : 0;
    }
    return status;
}

static int answer_all(const cli *c, request *r)
{
    const int64_t total = r->asking.n, most = MOST_ANSWERS / r->top;
    const int64_t room = most < 1 ? 1 : most < AT_ONCE ? most : AT_ONCE;
    const int64_t at_once = room < total ? room : total;
    int32_t *items = cli_alloc((size_t)at_once, sizeof *items);
    rk_recommendation *best = cli_alloc((size_t)(at_once * r->top), sizeof *best);
    rk_status status = RK_OK;
    int64_t first = 0;
    for (; first < total && status == RK_OK && cli_sink_fine(&r->sink) && !cli_signals_stop();
         first += at_once) {
        const int64_t n = total - first < at_once ? total - first : at_once;
        status = answer_some(r, r->asking.v + first, n, items, best);
    }
    cli_free(items);
    cli_free(best);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    return first < total && cli_signals_stop() ? rk_status_exit_code(RK_ERR_INTERRUPTED) : 0;
}

static int close_sink(request *r, int code)
{
    const char *path = r->sink.file.path;
    code = cli_sink_close(&r->sink, code);
    if (code == 0 && path && !r->sink.quiet) {
        fprintf(cli_is_standard_output(path) ? stderr : stdout,
                "%s: the %" PRId64 " most similar of %s item%s\n", path, r->top,
                cli_count(r->asking.n).s, r->asking.n == 1 ? "" : "s");
    }
    if (code == 0 && r->asking.unknown > 0) {
        fprintf(stderr, "warning: %s of %s items are not in the data set; their rows say so\n",
                cli_count(r->asking.unknown).s, cli_count(r->asking.n).s);
    }
    return code;
}

static int serve(const cli *c, request *r, similar_args *args, cli_tops *tops)
{
    r->selection = rk_selection_defaults();
    int code = cli_ask(&r->asking, r->model, CLI_ITEMS, &args->items);
    code = code ? code : cli_must_know_one(c, &r->asking, r->dataset, CLI_ITEMS);
    code = code ? code : cli_ask_labels(&r->asking, r->dataset, &args->labels);
    code = code ? code : cli_limits_find(c, &args->limits, "similar", r->model, &r->selection);
    if (code != 0) {
        return code;
    }
    if (args->all) {
        cli_ask_all(&r->asking, r->dataset, CLI_ITEMS);
    }
    cli_tops_clip(tops, rk_dataset_get_stats(r->dataset)->items, true);
    r->top = tops->longest;
    code = cli_sink_open(&r->sink, "similar", &args->sink, args->sink.out);
    if (code != 0) {
        return code;
    }
    cli_signals_install("\nrankine: stopping\n");
    return close_sink(r, answer_all(c, r));
}

static int similar(cli *c, similar_args *args)
{
    cli_display display;
    cli_tops tops = {.n = 0};
    rk_model *model = NULL;
    if ((args->items.n + args->labels.n > 0) + args->all != 1) {
        return cli_usage("similar", "similar needs --items ID,ID, --label TEXT or --all");
    }
    int code = cli_tops_parse(&tops, "similar", &args->tops);
    if (code == 0 && tops.n > 1) {
        code = cli_usage("similar", "similar takes one --top");
    }
    if (code != 0) {
        return code;
    }
    c->quiet = true;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    code = cli_open_model(c, args->device, args->data, &hooks, &model);
    if (code == 0) {
        request r = {.model = model,
                     .dataset = rk_model_dataset(model),
                     .integer_ids = cli_integer_ids(model)};
        cli_context_empty(&r.context, model);
        code = serve(c, &r, args, &tops);
        cli_asking_free(&r.asking);
        cli_context_free(&r.context);
    }
    rk_model_free(model);
    return code;
}

int cmd_similar(cli *c, int argc, char **argv)
{
    similar_args args = {.all = false};
    const cli_option table[] = {
        {"--items", CLI_MANY, &args.items, "ID,ID...",
         "items by their original ids; @FILE reads them from a file, one a line", 0, 0},
        {"--label", CLI_MANY, &args.labels, "TEXT...",
         "items by words of their labels: --label \"star wars\"", 0, 0},
        {"--all", CLI_FLAG, &args.all, NULL, "instead: every item of the data set", 0, 0},
        {"--top", CLI_REPEAT, &args.tops, "K", "how many; default 10", 0, 0},
        {"--exclude", CLI_MANY, &args.limits.exclude, "ID,ID...",
         "items that are in no answer; @FILE reads them from a file", 0, 0},
        {"--among", CLI_MANY, &args.limits.among, "ID,ID...",
         "only these items may be in an answer; @FILE reads them from a file", 0, 0},
        {"--min-score", CLI_TEXT, &args.limits.min_score, "SCORE", "nothing with a lower score", 0,
         0},
        {"--json", CLI_FLAG, &args.sink.json, NULL,
         "a JSON list with one object an item: item, label, basis (model, untrained,\n"
         "or unknown with an error), similar [{item, label, score}]",
         0, 0},
        {"--jsonl", CLI_FLAG, &args.sink.jsonl, NULL, "the same objects, one a line", 0, 0},
        {"--tsv", CLI_FLAG, &args.sink.tsv, NULL,
         "a line an answer: item, rank, similar item, score, basis, with tabs\n"
         "between them",
         0, 0},
        CLI_FILE_OPTIONS(args.sink),
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "similar",
        "RUN",
        false,
        "The items that are most like others. Of a model of vectors (lightgcn, lightgcn++, mf,\n"
        "ials) by the cosine of the items' vectors; of models that score by items (item_knn,\n"
        "slim, rp3beta, turbo_cf, ease) by what an item adds to the score of the other one.\n"
        "RUN is a run folder or a file of rankine export --format model.",
        "  rankine similar runs/demo --items 5\n"
        "  rankine similar runs/demo --label \"star wars\" --top 5\n"
        "  rankine similar runs/demo --all --top 20 --out similar.tsv",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = similar(c, &args);
    }
    cli_free(args.items.v);
    cli_free(args.labels.v);
    cli_free(args.tops.v);
    cli_limits_free(&args.limits);
    return code;
}
