/*
 * The answers to the questions of request.h: what needs no model at once, the others through the
 * answering thread. Each has a function that asks and, where it waits, one that writes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rankine/info.h"
#include "serve/memory.h"
#include "serve/openapi.h"
#include "serve/question.h"
#include "serve/reply.h"

/* MOST_OF_REASONS: answers times items of a list. They are found by the one thread that answers, so
 * that a long question keeps everybody waiting: this many take some hundredths of a second. */
enum { USUAL = 10, FOUND = 20, MOST_OF_BATCH = 100000, MOST_OF_REASONS = 100000 };

static void text(text_json *j, const char *key, const char *value)
{
    text_json_key(j, key);
    text_json_text(j, value);
}

static void number(text_json *j, const char *key, int64_t value)
{
    text_json_key(j, key);
    text_json_int(j, value);
}

static void truth(text_json *j, const char *key, bool value)
{
    text_json_key(j, key);
    text_json_bool(j, value);
}

/* The wants of a question into it; false: the reply is a problem. */
static bool read(question *q, unsigned known, unsigned needed, int64_t usual)
{
    const int64_t most = serve_world_get_options(q->world)->most;
    return serve_wants_read(&q->wants, q->request, known, needed, usual, most, q->reply);
}

/* The end of a question that is answered at once, or that is a problem. */
static bool at_once(question *q)
{
    question_free(q);
    return true;
}

static bool has_reasons(question *q)
{
    const rk_model_facts *f = &q->run->facts;
    if (q->wants.reasons > 0 && !f->explains && !f->is_same_for_all) {
        serve_reply_problem(q->reply, 422,
                            "Model %s cannot say what its scores come from: ask without reasons",
                            f->kind);
        return false;
    }
    if (q->wants.reasons > 0 && q->wants.n * q->n_items > MOST_OF_REASONS) {
        serve_reply_problem(q->reply, 422,
                            "%lld answers with reasons among %lld items: answers times items may "
                            "be %d, so ask for fewer, or without reasons",
                            (long long)q->wants.n, (long long)q->n_items, MOST_OF_REASONS);
        return false;
    }
    return true;
}

/* ---- what is served ---- */

static void write_scale(text_json *j, const rk_model_facts *f)
{
    text_json_key(j, "ratings");
    if (!f->predicts_ratings) {
        text_json_raw(j, "null");
        return;
    }
    text_json_open(j, '{');
    text_json_key(j, "low");
    text_json_real(j, f->low);
    text_json_key(j, "high");
    text_json_real(j, f->high);
    text_json_close(j, '}');
}

static bool answer_info(question *q)
{
    const serve_world_options *o = serve_world_get_options(q->world);
    const serve_run *r = q->run;
    const char *dim = NULL;
    if (!read(q, 0, 0, USUAL)) {
        return at_once(q);
    }
    text_json json = serve_json(&q->reply->text), *j = &json;
    text_json_open(j, '{');
    text(j, "rankine", rk_version());
    text(j, "run", o->run);
    text(j, "model", r->facts.kind);
    number(j, "epoch", r->facts.epoch);
    text(j, "data", rk_dataset_name(r->dataset));
    text(j, "fingerprint", rk_dataset_fingerprint(r->dataset));
    number(j, "users", r->facts.users);
    number(j, "items", r->facts.items);
    text_json_key(j, "dim");
    bool has_dim = false;
    (void)rk_config_is_read(rk_model_config(r->model), "model.dim", &has_dim);
    has_dim = has_dim && rk_config_get(rk_model_config(r->model), "model.dim", &dim) == RK_OK;
    text_json_raw(j, has_dim ? dim : "null");
    text(j, "loaded_at", r->loaded_at);
    text_json_key(j, "fields");
    text_json_open(j, '[');
    for (int64_t f = 0; f < rk_model_n_fields(r->model); f++) {
        text_json_text(j, rk_dataset_field_name(r->dataset, rk_model_field(r->model, f)));
    }
    text_json_close(j, ']');
    truth(j, "folds_in", r->facts.folds_in);
    truth(j, "finds_similar", r->facts.finds_similar);
    truth(j, "explains", r->facts.explains);
    truth(j, "has_labels", r->labels != NULL);
    truth(j, "approximate", r->index != NULL);
    truth(j, "feedback", o->feedback);
    number(j, "most", o->most);
    write_scale(j, &r->facts);
    text_json_key(j, "metrics");
    text_json_raw(j, r->metrics.at);
    text_json_close(j, '}');
    serve_reply_json(q->reply, 200);
    return at_once(q);
}

/* Examples that find something: the ids of the run, and a word of the most popular item. */
static bool answer_openapi(question *q)
{
    const serve_run *r = q->run;
    char user[RK_ID_BYTES], items[2][RK_ID_BYTES], summary[512], word[64] = "";
    const char *ids[2] = {"", ""};
    const int64_t most = serve_world_get_options(q->world)->most;
    if (!read(q, 0, 0, USUAL)) {
        return at_once(q);
    }
    for (int64_t i = 0; i < 2; i++) {
        ids[i] = rk_dataset_item_id(r->dataset, r->popular[i < r->facts.items ? i : 0], items[i]);
    }
    const char *label = rk_dataset_item_label(r->dataset, r->popular[0]);
    const size_t length = strcspn(label, " ");
    bool has_word = length > 0 && length < sizeof word;
    memcpy(word, label, has_word ? length : 0);
    snprintf(summary, sizeof summary, "%s on %s: %lld users, %lld items", r->facts.kind,
             rk_dataset_name(r->dataset), (long long)r->facts.users, (long long)r->facts.items);
    serve_openapi_write(&q->reply->text,
                        &(serve_examples){.version = rk_version(),
                                          .summary = summary,
                                          .user = rk_dataset_user_id(r->dataset, 0, user),
                                          .item = ids[0],
                                          .other_item = ids[1],
                                          .words = has_word ? word : ids[0],
                                          .most = most,
                                          .usual = USUAL < most ? USUAL : most,
                                          .found = FOUND < most ? FOUND : most});
    serve_reply_json(q->reply, 200);
    return at_once(q);
}

/* ---- items ---- */

static bool write_items(question *q, const int32_t *items, int64_t n, int64_t found)
{
    text_json j = serve_json(&q->reply->text);
    text_json_open(&j, '{');
    if (q->wants.words) {
        text(&j, "query", q->wants.words);
        number(&j, "found", found);
    }
    text_json_key(&j, "items");
    text_json_open(&j, '[');
    for (int64_t i = 0; i < n; i++) {
        rows_counted_item(&j, q->run, items[i]);
    }
    text_json_close(&j, ']');
    text_json_close(&j, '}');
    serve_reply_json(q->reply, 200);
    return at_once(q);
}

/* Where there are no labels, the item with that id. */
static bool answer_search(question *q)
{
    int64_t found = 0, item = -1;
    if (!read(q, SERVE_WANT_WORDS | SERVE_WANT_N, SERVE_WANT_WORDS, FOUND)) {
        return at_once(q);
    }
    q->items = serve_alloc(q->wants.n, sizeof *q->items);
    if (!q->items) {
        question_problem(q, RK_ERR_MEMORY, "There is no memory for the question: ask later");
        return at_once(q);
    }
    if (!q->run->labels) {
        found = rk_dataset_find_item(q->run->dataset, q->wants.words, &item) == RK_OK;
        q->items[0] = (int32_t)item;
    } else if (rk_label_index_find(q->run->labels, q->wants.words, q->wants.n, q->items, &found) !=
               RK_OK) {
        serve_reply_problem(q->reply, 400, "%s", rk_last_error());
        return at_once(q);
    }
    return write_items(q, q->items, found < q->wants.n ? found : q->wants.n, found);
}

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): numbers below `bound`. */
static int64_t draw(uint64_t *state, int64_t bound)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return (int64_t)((z ^ z >> 31) % (uint64_t)bound);
}

/* Some of the items that anybody has, each once: the beginning of a random order. */
static bool answer_random(question *q)
{
    if (!read(q, SERVE_WANT_SEED | SERVE_WANT_N, 0, USUAL)) {
        return at_once(q);
    }
    const int64_t all = q->run->n_trained, n = q->wants.n < all ? q->wants.n : all;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t state = q->wants.given & SERVE_WANT_SEED
                         ? (uint64_t)q->wants.seed
                         : (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec;
    int32_t *items = q->items = serve_alloc(all, sizeof *items);
    if (!items) {
        question_problem(q, RK_ERR_MEMORY, "There is no memory for the question: ask later");
        return at_once(q);
    }
    memcpy(items, q->run->popular, (size_t)all * sizeof *items);
    for (int64_t i = 0; i < n; i++) {
        const int64_t other = i + draw(&state, all - i);
        const int32_t item = items[i];
        items[i] = items[other];
        items[other] = item;
    }
    return write_items(q, items, n, n);
}

static bool answer_popular(question *q)
{
    if (!read(q, SERVE_WANT_N, 0, USUAL)) {
        return at_once(q);
    }
    const int64_t all = q->run->n_trained;
    return write_items(q, q->run->popular, q->wants.n < all ? q->wants.n : all, all);
}

static bool answer_item(question *q)
{
    if (read(q, 0, 0, USUAL) && question_find_item(q, q->request->path[0].text, &q->item)) {
        text_json j = serve_json(&q->reply->text);
        rows_counted_item(&j, q->run, q->item);
        serve_reply_json(q->reply, 200);
    }
    return at_once(q);
}

/* ---- recommendations ---- */

static question *of(serve_ask *ask)
{
    return (question *)ask;
}

/* The end of the writing, in the answering thread. */
static void finish(question *q, rk_status status, const char *why)
{
    if (status != RK_OK) {
        question_problem(q, status, why);
    } else {
        serve_reply_json(q->reply, 200);
    }
    question_done(q);
}

static void write_one(serve_ask *ask)
{
    question *q = of(ask);
    text_json j = serve_json(&q->reply->text);
    rk_status status = ask->status;
    if (status != RK_OK) {
        finish(q, status, ask->why);
        return;
    }
    switch (q->request->question) {
    case SERVE_GORSE_USER:
        status = rows_ids(&j, q, q->queries, ask->best);
        break;
    case SERVE_GORSE_LIST:
        status = rows_gorse(&j, q, q->queries, ask->best);
        break;
    case SERVE_GORSE_SIMILAR:
        status = rows_gorse(&j, q, NULL, ask->best);
        break;
    case SERVE_SIMILAR:
        rows_similar(&j, q, ask->best);
        break;
    case SERVE_USER:
        status = rows_answer(&j, q, q->request->path[0].text, q->queries, ask->best);
        break;
    default:
        status = rows_answer(&j, q, NULL, q->queries, ask->best);
    }
    finish(q, status, rk_last_error());
}

/* Hands over one query with the usual limits. */
static bool ask_one(question *q, rk_query query)
{
    q->queries = serve_alloc(1, sizeof *q->queries);
    if (!q->queries) {
        question_problem(q, RK_ERR_MEMORY, "There is no memory for the question: ask later");
        return at_once(q);
    }
    q->queries[0] = query;
    q->ask.kind = SERVE_ASK_TOP;
    q->ask.queries = q->queries;
    q->ask.k = q->wants.n + q->wants.offset;
    q->ask.answer = write_one;
    return question_wait(q);
}

/* The index of a user; -1 of somebody unknown, where the model has answers for such people. */
static bool find_user(question *q, const char *id, int64_t *out)
{
    *out = -1;
    bool is_known = rk_dataset_find_user(q->run->dataset, id, out) == RK_OK;
    if (!is_known && !q->run->answers_nobody) {
        serve_reply_problem(q->reply, 404, "%s", rk_last_error());
        return false;
    }
    *out = is_known ? *out : -1;
    return true;
}

static bool answer_user(question *q)
{
    const bool is_gorse = q->request->question == SERVE_GORSE_USER;
    const char *id = q->request->path[0].text;
    int64_t user = -1;
    bool is_fine = read(q,
                        is_gorse ? SERVE_WANT_N | SERVE_WANT_OFFSET
                                 : SERVE_WANT_N | SERVE_WANT_OFFSET | SERVE_WANT_REASONS |
                                       SERVE_WANT_EXCLUDE | SERVE_WANT_AMONG | SERVE_WANT_CONTEXT,
                        0, USUAL) &&
                   serve_wants_id(id, q->reply) && question_look_up(q) && has_reasons(q) &&
                   find_user(q, id, &user);
    return is_fine ? ask_one(q, question_query(q, user)) : at_once(q);
}

static bool answer_list(question *q)
{
    const unsigned known = SERVE_WANT_ITEMS | SERVE_WANT_WEIGHTS | SERVE_WANT_N |
                           SERVE_WANT_OFFSET | SERVE_WANT_REASONS | SERVE_WANT_EXCLUDE |
                           SERVE_WANT_AMONG | SERVE_WANT_CONTEXT;
    const int64_t most = serve_world_get_options(q->world)->most;
    bool is_fine = q->request->question == SERVE_GORSE_LIST
                       ? serve_wants_read_session(&q->wants, q->request, USUAL, most, q->reply)
                       : read(q, known, SERVE_WANT_ITEMS, USUAL);
    if (!(is_fine && question_look_up(q) && has_reasons(q))) {
        return at_once(q);
    }
    rk_query query = question_query(q, -1);
    query.items = q->items;
    query.weights = q->weights;
    query.n_items = q->n_items;
    return ask_one(q, query);
}

/* ---- many users ---- */

static void write_error(text_json *j, const char *user, int status, const char *why)
{
    text_json_open(j, '{');
    text(j, "user", user);
    text_json_key(j, "error");
    text_json_open(j, '{');
    text(j, "type", "about:blank");
    text(j, "title", serve_status_title(status));
    number(j, "status", status);
    text(j, "detail", why);
    text_json_close(j, '}');
    text_json_close(j, '}');
}

/* The answer of one of many where they were not answered together. */
static rk_status ask_again(const question *q, const rk_query *query, rk_recommendation *best)
{
    rk_selection selection = rk_selection_defaults();
    selection.allow = q->ask.allow;
    selection.n_allow = q->ask.n_allow;
    return rk_model_top_k(q->run->model, query, 1, &selection, q->ask.k, best);
}

static void write_batch(serve_ask *ask)
{
    question *q = of(ask);
    text_json json = serve_json(&q->reply->text), *j = &json;
    rk_recommendation *alone = serve_alloc(ask->k, sizeof *alone);
    rk_status status = alone ? RK_OK : RK_ERR_MEMORY;
    text_json_open(j, '{');
    text_json_key(j, "results");
    text_json_open(j, '[');
    for (int64_t i = 0; i < ask->n && status == RK_OK; i++) {
        const rk_query *query = &q->queries[i];
        const char *user = q->wants.users.at[i];
        const rk_recommendation *best = ask->best ? ask->best + i * ask->stride : alone;
        int64_t ignored;
        if (query->user < 0 && !q->run->answers_nobody) {
            (void)rk_dataset_find_user(q->run->dataset, user, &ignored);
            write_error(j, user, 404, rk_last_error());
        } else if (ask->status != RK_OK && ask_again(q, query, alone) != RK_OK) {
            write_error(j, user, 422, rk_last_error());
        } else {
            status = rows_answer(j, q, user, query, ask->status == RK_OK ? best : alone);
        }
    }
    text_json_close(j, ']');
    text_json_close(j, '}');
    serve_free(alone);
    finish(q, status, rk_last_error());
}

static bool answer_batch(question *q)
{
    if (!read(q,
              SERVE_WANT_USERS | SERVE_WANT_N | SERVE_WANT_EXCLUDE | SERVE_WANT_AMONG |
                  SERVE_WANT_CONTEXT,
              SERVE_WANT_USERS, USUAL) ||
        !question_look_up(q)) {
        return at_once(q);
    }
    const int64_t n = q->wants.users.n;
    if (n == 0 || n * q->wants.n > MOST_OF_BATCH) {
        serve_reply_problem(q->reply, 422,
                            "%lld users with %lld items each: ask for 1 user or more, and for %d "
                            "items in all at most",
                            (long long)n, (long long)q->wants.n, MOST_OF_BATCH);
        return at_once(q);
    }
    q->queries = serve_alloc(n, sizeof *q->queries);
    if (!q->queries) {
        question_problem(q, RK_ERR_MEMORY, "There is no memory for the question: ask later");
        return at_once(q);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t user = -1;
        bool is_known = rk_dataset_find_user(q->run->dataset, q->wants.users.at[i], &user) == RK_OK;
        q->queries[i] = question_query(q, is_known ? user : -1);
    }
    q->ask.kind = SERVE_ASK_TOP;
    q->ask.queries = q->queries;
    q->ask.n = n;
    q->ask.k = q->wants.n;
    q->ask.answer = write_batch;
    return question_wait(q);
}

/* ---- similar items, scores ---- */

static bool answer_similar(question *q)
{
    if (!read(q, SERVE_WANT_N, 0, USUAL) ||
        !question_find_item(q, q->request->path[0].text, &q->item) || !question_empty_context(q)) {
        return at_once(q);
    }
    if (!q->run->facts.finds_similar) {
        serve_reply_problem(q->reply, 422, "Model %s does not know which items are alike",
                            q->run->facts.kind);
        return at_once(q);
    }
    q->ask.kind = SERVE_ASK_SIMILAR;
    q->ask.items = &q->item;
    q->ask.k = q->wants.n;
    q->ask.answer = write_one;
    return question_wait(q);
}

static void write_scores(serve_ask *ask)
{
    question *q = of(ask);
    text_json j = serve_json(&q->reply->text);
    text_json_open(&j, '{');
    text_json_key(&j, "scores");
    const rk_status status = rows_scores(&j, q);
    text_json_close(&j, '}');
    finish(q, status, rk_last_error());
}

static bool answer_scores(question *q)
{
    if (!read(q, SERVE_WANT_PAIRS | SERVE_WANT_CONTEXT, SERVE_WANT_PAIRS, USUAL) ||
        !question_look_up(q)) {
        return at_once(q);
    }
    q->ask.kind = SERVE_ASK_ELSE;
    q->ask.answer = write_scores;
    return question_wait(q);
}

/* ---- all of them ---- */

static bool reload(serve_world *world, serve_reply *reply)
{
    reply->wait(reply);
    serve_world_reload(world, reply);
    return false;
}

bool serve_answer(serve_world *world, const serve_request *request, serve_reply *reply)
{
    static bool (*const answers[])(question *) = {
        [SERVE_INFO] = answer_info,       [SERVE_USER] = answer_user,
        [SERVE_LIST] = answer_list,       [SERVE_BATCH] = answer_batch,
        [SERVE_SCORES] = answer_scores,   [SERVE_SEARCH] = answer_search,
        [SERVE_RANDOM] = answer_random,   [SERVE_POPULAR] = answer_popular,
        [SERVE_ITEM] = answer_item,       [SERVE_SIMILAR] = answer_similar,
        [SERVE_OPENAPI] = answer_openapi, [SERVE_GORSE_USER] = answer_user,
        [SERVE_GORSE_LIST] = answer_list, [SERVE_GORSE_SIMILAR] = answer_similar,
    };
    if (request->question == SERVE_RELOAD) {
        return reload(world, reply);
    }
    question *q = question_create(world, request, reply);
    return q ? answers[request->question](q) : true;
}
