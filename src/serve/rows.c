/* Answers as JSON: what the commands write with --json, but ids are strings always. */
#include <math.h>
#include <string.h>

#include "serve/memory.h"
#include "serve/question.h"

static void text(text_json *j, const char *key, const char *value)
{
    text_json_key(j, key);
    text_json_text(j, value);
}

static const char *id_of(const serve_run *run, int64_t item, char room[RK_ID_BYTES])
{
    const char *id = rk_dataset_item_id(run->dataset, item, room);
    return id ? id : "";
}

void rows_item(text_json *j, const serve_run *run, int64_t item)
{
    char room[RK_ID_BYTES];
    text_json_open(j, '{');
    text(j, "item", id_of(run, item, room));
    text(j, "label", rk_dataset_item_label(run->dataset, item));
}

void rows_counted_item(text_json *j, const serve_run *run, int64_t item)
{
    rows_item(j, run, item);
    text_json_key(j, "users");
    text_json_int(j, run->counts[item]);
    text_json_close(j, '}');
}

static int64_t count(const rk_recommendation *best, int64_t most)
{
    int64_t n = 0;
    while (n < most && best[n].item >= 0) {
        n++;
    }
    return n;
}

/* ---- recommendations ---- */

/* In all parts. */
static int64_t known_items(const serve_run *run, int64_t user)
{
    int64_t sum = 0;
    for (rk_part part = RK_TRAIN; user >= 0 && part <= RK_GIVEN; part++) {
        const int32_t *items;
        int64_t n = 0;
        sum += rk_dataset_items(run->dataset, part, user, &items, &n) == RK_OK ? n : 0;
    }
    return sum;
}

static void write_context(text_json *j, const question *q)
{
    const int64_t n = rk_model_n_fields(q->run->model);
    if (n == 0) {
        return;
    }
    text_json_key(j, "context");
    text_json_open(j, '{');
    for (int64_t f = 0; f < n; f++) {
        char room[RK_ID_BYTES];
        const int64_t field = rk_model_field(q->run->model, f);
        const char *value = rk_dataset_field_value(q->run->dataset, field, q->context[f], room);
        text(j, rk_dataset_field_name(q->run->dataset, field), value ? value : "");
    }
    text_json_close(j, '}');
}

/* Of the items of the question, whether the model has learnt nothing of it. */
static bool is_untrained(const question *q, int32_t item)
{
    rk_query alone = question_query(q, -1);
    const float rating = (float)q->run->facts.high;
    rk_grounds grounds = {.items_used = 1};
    alone.items = &item;
    alone.weights = q->run->facts.predicts_ratings ? &rating : NULL;
    alone.n_items = 1;
    return rk_model_grounds(q->run->model, &alone, &grounds) == RK_OK && grounds.items_used == 0;
}

static void write_lists(text_json *j, const question *q)
{
    char room[RK_ID_BYTES];
    for (int untrained = 0; untrained < 2; untrained++) {
        text_json_key(j, untrained ? "untrained_items" : "items");
        text_json_open(j, '[');
        for (int64_t i = 0; i < q->n_items; i++) {
            if (!untrained || is_untrained(q, q->items[i])) {
                text_json_text(j, id_of(q->run, q->items[i], room));
            }
        }
        text_json_close(j, ']');
    }
    text_json_key(j, "unknown_items");
    text_json_open(j, '[');
    for (int64_t i = 0; i < q->unknown.n; i++) {
        text_json_text(j, q->unknown.at[i]);
    }
    text_json_close(j, ']');
}

/* The reasons for the answers [n]; k of each. */
typedef struct reasons {
    int32_t *items;
    rk_reason *all;
    rk_explanation *sums;
    int64_t k;
} reasons;

static void free_reasons(reasons *r)
{
    serve_free(r->items);
    serve_free(r->all);
    serve_free(r->sums);
}

static rk_status find_reasons(reasons *r, const question *q, const rk_query *query,
                              const rk_recommendation *best, int64_t n)
{
    r->items = serve_alloc(n, sizeof *r->items);
    r->all = serve_alloc(n * r->k, sizeof *r->all);
    r->sums = serve_alloc(n, sizeof *r->sums);
    if (!r->items || !r->all || !r->sums) {
        return RK_ERR_MEMORY;
    }
    for (int64_t i = 0; i < n; i++) {
        r->items[i] = best[i].item;
    }
    return n > 0 ? rk_model_explain(q->run->model, query, r->items, n, r->k, r->all, r->sums)
                 : RK_OK;
}

static void write_reasons(text_json *j, const question *q, const reasons *r, int64_t i)
{
    const double sum = (double)r->sums[i].sum;
    text_json_key(j, "reasons");
    text_json_open(j, '[');
    for (int64_t k = 0; k < r->k && r->all[i * r->k + k].item >= 0; k++) {
        const rk_reason *reason = &r->all[i * r->k + k];
        rows_item(j, q->run, reason->item);
        text_json_key(j, "part");
        text_json_float(j, reason->part);
        text_json_key(j, "share");
        text_json_float(j, sum > 0 ? (float)((double)reason->part / sum) : NAN);
        text_json_close(j, '}');
    }
    text_json_close(j, ']');
    text_json_key(j, "reasons_sum");
    text_json_float(j, r->sums[i].sum);
    text_json_key(j, "reasons_exact");
    text_json_bool(j, r->sums[i].is_exact);
}

/* best [n]: those behind the offset. */
static rk_status write_best(text_json *j, question *q, const rk_query *query,
                            const rk_recommendation *best, int64_t n)
{
    reasons r = {.k = q->wants.reasons};
    rk_status status = r.k > 0 ? find_reasons(&r, q, query, best, n) : RK_OK;
    text_json_key(j, "recommendations");
    text_json_open(j, '[');
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        rows_item(j, q->run, best[i].item);
        text_json_key(j, "score");
        text_json_float(j, best[i].score);
        if (r.k > 0) {
            write_reasons(j, q, &r, i);
        }
        text_json_close(j, '}');
    }
    text_json_close(j, ']');
    free_reasons(&r);
    return status;
}

rk_status rows_answer(text_json *j, question *q, const char *user, const rk_query *query,
                      const rk_recommendation *best)
{
    const int64_t n = count(best, q->ask.k), first = q->wants.offset < n ? q->wants.offset : n;
    rk_grounds grounds = {.basis = RK_BASIS_MODEL};
    rk_status status = rk_model_grounds(q->run->model, query, &grounds);
    text_json_open(j, '{');
    if (user) {
        text(j, "user", user);
        text_json_key(j, "known_items");
        text_json_int(j, known_items(q->run, query->user));
        if (query->user < 0) {
            text_json_key(j, "unknown_user");
            text_json_bool(j, true);
        }
    } else {
        write_lists(j, q);
    }
    write_context(j, q);
    text(j, "basis", rk_basis_name(grounds.basis));
    if (q->run->index) {
        text_json_key(j, "approximate");
        text_json_bool(j, true);
    }
    status = status == RK_OK ? write_best(j, q, query, best + first, n - first) : status;
    text_json_close(j, '}');
    if (status == RK_OK) {
        serve_world_count(q->world, grounds.basis, 1);
    }
    return status;
}

/* gorse's forms do not say what an answer comes from; the metrics do. */
static rk_status count_answer(const question *q, const rk_query *query)
{
    rk_grounds grounds = {.basis = RK_BASIS_MODEL};
    const rk_status status = rk_model_grounds(q->run->model, query, &grounds);
    if (status == RK_OK) {
        serve_world_count(q->world, grounds.basis, 1);
    }
    return status;
}

rk_status rows_ids(text_json *j, const question *q, const rk_query *query,
                   const rk_recommendation *best)
{
    char room[RK_ID_BYTES];
    const int64_t n = count(best, q->ask.k);
    text_json_open(j, '[');
    for (int64_t i = q->wants.offset; i < n; i++) {
        text_json_text(j, id_of(q->run, best[i].item, room));
    }
    text_json_close(j, ']');
    return count_answer(q, query);
}

rk_status rows_gorse(text_json *j, const question *q, const rk_query *query,
                     const rk_recommendation *best)
{
    char room[RK_ID_BYTES];
    const int64_t n = count(best, q->ask.k);
    text_json_open(j, '[');
    for (int64_t i = q->wants.offset; i < n; i++) {
        text_json_open(j, '{');
        text(j, "Id", id_of(q->run, best[i].item, room));
        text_json_key(j, "Score");
        text_json_float(j, best[i].score);
        text_json_close(j, '}');
    }
    text_json_close(j, ']');
    return query ? count_answer(q, query) : RK_OK;
}

/* ---- similar items ---- */

void rows_similar(text_json *j, question *q, const rk_recommendation *best)
{
    const int64_t n = count(best, q->ask.k);
    rows_item(j, q->run, q->item);
    text(j, "basis", n == 0 && is_untrained(q, q->item) ? "untrained" : "model");
    text_json_key(j, "similar");
    text_json_open(j, '[');
    for (int64_t i = 0; i < n; i++) {
        rows_item(j, q->run, best[i].item);
        text_json_key(j, "score");
        text_json_float(j, best[i].score);
        text_json_close(j, '}');
    }
    text_json_close(j, ']');
    text_json_close(j, '}');
}

/* ---- scores of pairs ---- */

static void write_score(text_json *j, const question *q, int64_t i, int64_t user, int64_t item,
                        float score)
{
    const rk_query query = question_query(q, user);
    rk_grounds grounds = {.basis = RK_BASIS_MODEL};
    int64_t ignored;
    text_json_open(j, '{');
    text(j, "user", q->wants.pair_users.at[i]);
    text(j, "item", q->wants.pair_items.at[i]);
    text_json_key(j, "score");
    text_json_float(j, score); /* null where there is none */
    if (user < 0 || item < 0) {
        text(j, "basis", "unknown");
        (void)(user < 0
                   ? rk_dataset_find_user(q->run->dataset, q->wants.pair_users.at[i], &ignored)
                   : rk_dataset_find_item(q->run->dataset, q->wants.pair_items.at[i], &ignored));
        text(j, "error", rk_last_error());
    } else if (isinf(score) || rk_model_grounds(q->run->model, &query, &grounds) != RK_OK) {
        text(j, "basis", "untrained");
    } else {
        text(j, "basis", rk_basis_name(grounds.basis));
    }
    text_json_close(j, '}');
}

rk_status rows_scores(text_json *j, question *q)
{
    const int64_t n = q->wants.pair_users.n;
    int64_t known = 0, *users = serve_alloc(n, sizeof *users),
            *all = serve_alloc(2 * n, sizeof *all);
    int32_t *items = serve_alloc(n, sizeof *items);
    rk_query *queries = serve_alloc(n, sizeof *queries);
    float *scores = serve_alloc(n, sizeof *scores);
    rk_status status = users && all && items && queries && scores ? RK_OK : RK_ERR_MEMORY;
    for (int64_t i = 0; i < n && status == RK_OK; i++) {
        all[2 * i] = all[2 * i + 1] = -1;
        (void)rk_dataset_find_user(q->run->dataset, q->wants.pair_users.at[i], &all[2 * i]);
        (void)rk_dataset_find_item(q->run->dataset, q->wants.pair_items.at[i], &all[2 * i + 1]);
        if (all[2 * i] >= 0 && all[2 * i + 1] >= 0) {
            users[known] = all[2 * i];
            queries[known] = question_query(q, all[2 * i]);
            items[known++] = (int32_t)all[2 * i + 1];
        }
    }
    if (status == RK_OK) {
        status = rk_model_n_fields(q->run->model) == 0
                     ? rk_model_score_pairs(q->run->model, users, items, known, scores)
                     : rk_model_score(q->run->model, queries, known, items, 1, scores);
    }
    text_json_open(j, '[');
    for (int64_t i = 0, at = 0; i < n && status == RK_OK; i++) {
        bool is_known = all[2 * i] >= 0 && all[2 * i + 1] >= 0;
        write_score(j, q, i, all[2 * i], all[2 * i + 1], is_known ? scores[at] : NAN);
        at += is_known;
    }
    text_json_close(j, ']');
    serve_free(users);
    serve_free(all);
    serve_free(items);
    serve_free(queries);
    serve_free(scores);
    return status;
}
