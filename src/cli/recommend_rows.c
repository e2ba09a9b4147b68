/* How recommend shows the answers to one query: as JSON, as lines with tabs, for people. */
#include <inttypes.h>

#include "answers.h"

enum { LABEL_WIDTH = 60, REASON_WIDTH = 36, KNOWN_SHOWN = 5 };

static const char *item_id(const cli_request *r, int64_t item, char room[RK_ID_BYTES])
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
    int64_t n = 0;
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        n += known_items(dataset, user, part);
    }
    return n;
}

/* Of the items of the request, whether a model has learnt nothing of it. */
static bool is_untrained(const cli_request *r, int32_t item)
{
    rk_query alone = cli_context_query(r->context, -1);
    alone.items = &item;
    alone.n_items = 1;
    rk_grounds grounds = {.items_used = 1};
    return rk_model_grounds(r->model, &alone, &grounds) == RK_OK && grounds.items_used == 0;
}

/* ---- JSON ---- */

static void json_item(cli_json *j, const cli_request *r, int32_t item)
{
    char room[RK_ID_BYTES];
    cli_json_key(j, "item");
    cli_json_id(j, item_id(r, item, room), r->integer_ids);
    cli_json_key(j, "label");
    cli_json_text(j, rk_dataset_item_label(r->dataset, item));
}

static void json_reasons(cli_json *j, const cli_request *r, const cli_answer *a, int64_t i)
{
    cli_json_key(j, "reasons");
    cli_json_open(j, '[');
    for (int k = 0; k < CLI_REASONS && a->reasons[i * CLI_REASONS + k].item >= 0; k++) {
        cli_json_open(j, '{');
        json_item(j, r, a->reasons[i * CLI_REASONS + k].item);
        cli_json_key(j, "part");
        cli_json_float(j, a->reasons[i * CLI_REASONS + k].part);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
    cli_json_key(j, "reasons_sum");
    cli_json_float(j, a->explanations[i].sum);
    cli_json_key(j, "reasons_exact");
    cli_json_bool(j, a->explanations[i].is_exact);
}

static void json_best(cli_json *j, const cli_request *r, const cli_answer *a, int64_t n)
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

static void json_list(cli_json *j, const cli_request *r, bool untrained)
{
    char room[RK_ID_BYTES];
    cli_json_key(j, untrained ? "untrained_items" : "items");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < r->n_items; i++) {
        if (!untrained || is_untrained(r, r->items[i])) {
            cli_json_id(j, item_id(r, r->items[i], room), r->integer_ids);
        }
    }
    cli_json_close(j, ']');
}

static void json_answer(cli_json *j, const cli_request *r, const cli_answer *a, int64_t n)
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
    cli_context_json(j, r->context);
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

static void tsv_reasons(FILE *out, const cli_request *r, const cli_answer *a, int64_t i)
{
    char room[RK_ID_BYTES];
    const bool has_one = a->reasons[i * CLI_REASONS].item >= 0;
    fputs(has_one && !a->explanations[i].is_exact ? "\t~" : "\t", out);
    for (int k = 0; k < CLI_REASONS && a->reasons[i * CLI_REASONS + k].item >= 0; k++) {
        fputs(k > 0 ? "; " : "", out);
        cli_tsv_field(out, item_id(r, a->reasons[i * CLI_REASONS + k].item, room));
        fprintf(out, " %.4g", (double)a->reasons[i * CLI_REASONS + k].part);
    }
}

/* A line an item; one that says so where there is none. */
static void tsv_answer(FILE *out, const cli_request *r, const cli_answer *a, int64_t n)
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
        fprintf(out, "\t\t\t\t%s%s\n", basis, r->explains ? "\t" : "");
    }
}

/* ---- for people ---- */

static void print_item(const cli_request *r, int32_t item, const char *note)
{
    char room[RK_ID_BYTES];
    printf("      ");
    cli_print_id(stdout, item_id(r, item, room), 23);
    printf("  ");
    cli_print_label(stdout, rk_dataset_item_label(r->dataset, item), LABEL_WIDTH);
    printf("%s\n", note);
}

/* What the answers go by: train items, or those that are given of a held-out user. */
static rk_part basis_part(const cli_request *r, int64_t user)
{
    return known_items(r->dataset, user, RK_TRAIN) > 0 ? RK_TRAIN : RK_GIVEN;
}

/* Prints a few of the user's items, so that a person can judge the answer. */
static void print_known(const cli_request *r, int64_t user)
{
    const int32_t *items;
    int64_t n = 0;
    if (rk_dataset_items(r->dataset, basis_part(r, user), user, &items, &n) != RK_OK || n == 0) {
        return;
    }
    int64_t shown = n < KNOWN_SHOWN ? n : KNOWN_SHOWN;
    for (int64_t i = 0; i < shown; i++) {
        print_item(r, items[i * n / shown], ""); /* spread over the catalogue */
    }
    printf("may like\n");
}

static void print_user(const cli_request *r, const cli_answer *a)
{
    char room[RK_ID_BYTES];
    const int64_t user = a->user->index, known = known_in_all(r->dataset, user),
                  based = known_items(r->dataset, user, basis_part(r, user));
    printf("user ");
    cli_print_id(stdout, rk_dataset_user_id(r->dataset, user, room), 0);
    printf(", who has %s item%s%s\n", cli_count(known).s, known == 1 ? "" : "s",
           based > 0                                 ? ", for example"
           : a->grounds.basis == RK_BASIS_POPULARITY ? " and none in train: the most popular items"
                                                     : " and none in train");
    print_known(r, user);
    cli_context_print(r->context);
}

static void print_list(const cli_request *r, const cli_answer *a)
{
    printf(r->n_items > 0 ? "somebody with these items:\n" : "somebody unknown\n");
    for (int64_t i = 0; i < r->n_items; i++) {
        print_item(r, r->items[i],
                   is_untrained(r, r->items[i]) ? "  (not in train: nothing is known of it)" : "");
    }
    cli_context_print(r->context);
    printf(a->grounds.basis == RK_BASIS_POPULARITY
               ? "nothing is known of them: the most popular items\n"
               : "may like\n");
}

static void print_reasons(const cli_request *r, const cli_answer *a, int64_t i)
{
    char room[RK_ID_BYTES];
    for (int k = 0; k < CLI_REASONS && a->reasons[i * CLI_REASONS + k].item >= 0; k++) {
        const rk_reason *reason = &a->reasons[i * CLI_REASONS + k];
        printf("        %s ", a->explanations[i].is_exact ? " for" : "~for");
        cli_print_id(stdout, item_id(r, reason->item, room), 10);
        printf(" %10s    ", cli_score(reason->part).s);
        cli_print_label(stdout, rk_dataset_item_label(r->dataset, reason->item), REASON_WIDTH);
        fputc('\n', stdout);
    }
}

static void print_answer(const cli_request *r, const cli_answer *a, int64_t n)
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
        printf("%4" PRId64 "  ", i + 1);
        cli_print_id(stdout, item_id(r, a->best[i].item, room), 12);
        printf(" %10s  ", cli_score(a->best[i].score).s);
        cli_print_label(stdout, rk_dataset_item_label(r->dataset, a->best[i].item), LABEL_WIDTH);
        fputc('\n', stdout);
        if (a->reasons) {
            print_reasons(r, a, i);
        }
    }
    if (n == 0) {
        cli_print_nothing(r->selection, "nothing is left that is not known already");
    }
}

void cli_show_answer(cli_sink *s, const cli_request *r, const cli_answer *a, int64_t n)
{
    if (s->form == CLI_FORM_TSV) {
        tsv_answer(s->out, r, a, n);
    } else if (s->form == CLI_FORM_PEOPLE) {
        print_answer(r, a, n);
    } else {
        json_answer(&s->j, r, a, n);
    }
}
