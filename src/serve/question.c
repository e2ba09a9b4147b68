#include "serve/question.h"

#include <stdio.h>
#include <string.h>

#include "serve/memory.h"
#include "serve/reply.h"

/* ---- life ---- */

static bool no_memory(serve_reply *reply)
{
    serve_reply_problem(reply, 503, "There is no memory for the question: ask later");
    reply->retry_after = 1;
    return false;
}

question *question_create(serve_world *world, const serve_request *request, serve_reply *reply)
{
    question *q = serve_alloc(1, sizeof *q);
    if (!q) {
        no_memory(reply);
        return NULL;
    }
    q->world = world;
    q->run = serve_world_take(world);
    q->request = request;
    q->reply = reply;
    q->ask.run = q->run;
    q->ask.n = q->ask.k = 1;
    return q;
}

void question_free(question *q)
{
    serve_world_give(q->world, q->run);
    serve_wants_free(&q->wants);
    serve_free(q->queries);
    serve_free(q->context);
    serve_free(q->items);
    serve_free(q->deny);
    serve_free(q->allow);
    serve_free(q->weights);
    serve_free(q->unknown.at);
    serve_free(q);
}

bool question_wait(question *q)
{
    serve_reply *reply = q->reply;
    reply->wait(reply);
    if (!serve_world_ask(q->world, &q->ask)) {
        question_free(q);
        serve_reply_problem(reply, 503, "As many questions wait for an answer as may: ask later");
        reply->retry_after = 1;
        reply->done(reply);
    }
    return false;
}

void question_done(question *q)
{
    serve_reply *reply = q->reply;
    question_free(q);
    reply->done(reply);
}

void question_problem(question *q, rk_status status, const char *why)
{
    bool is_refused = status == RK_ERR_CONFIG || status == RK_ERR_DATA;
    serve_reply_problem(q->reply,
                        is_refused                ? 422
                        : status == RK_ERR_MEMORY ? 503
                                                  : 500,
                        "%s", why);
}

/* ---- the context ---- */

static const char *field_name(const serve_run *run, int64_t field)
{
    return rk_dataset_field_name(run->dataset, rk_model_field(run->model, field));
}

/* 400 of a parameter, 422 of a body. */
static int bad(const question *q)
{
    return q->request->body ? 422 : 400;
}

/* The field that a text names, wholly or, where `value` is to be found, before its '='. The longest
 * name is meant, as names may have a '='. -1 = none. */
static int64_t find_field(const question *q, const char *text, const char **value)
{
    int64_t best = -1;
    size_t longest = 0;
    for (int64_t f = 0; f < rk_model_n_fields(q->run->model); f++) {
        const char *name = field_name(q->run, f);
        const size_t length = strlen(name);
        bool is_one = strncmp(text, name, length) == 0 && text[length] == (value ? '=' : '\0');
        if (is_one && length >= longest) {
            best = f;
            longest = length;
        }
    }
    if (best >= 0 && value) {
        *value = text + longest + 1;
    }
    return best;
}

static bool refuse_field(const question *q, const char *text)
{
    char names[400] = "";
    size_t length = 0;
    const int64_t n = rk_model_n_fields(q->run->model);
    for (int64_t f = 0; f < n && length < sizeof names; f++) {
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", f > 0 ? ", " : "",
                                   field_name(q->run, f));
    }
    if (n == 0) {
        serve_reply_problem(q->reply, bad(q), "The model reads no context: leave '%.100s' out",
                            text);
    } else {
        serve_reply_problem(
            q->reply, bad(q), "context '%.100s' names no field that the model reads; it reads %s%s",
            text, names, q->wants.values.n > 0 ? "" : ", each as context=NAME=VALUE");
    }
    return false;
}

/* The same value in every field that the model reads. */
static bool fill_context(question *q, int32_t value)
{
    const int64_t n = rk_model_n_fields(q->run->model);
    q->context = serve_alloc(n, sizeof *q->context);
    if (!q->context) {
        return no_memory(q->reply);
    }
    for (int64_t f = 0; f < n; f++) {
        q->context[f] = value;
    }
    return true;
}

bool question_empty_context(question *q)
{
    return fill_context(q, -1);
}

static bool look_up_context(question *q)
{
    const int64_t n = rk_model_n_fields(q->run->model);
    const serve_texts *fields = &q->wants.fields;
    enum { MISSING = -2 };
    if (!fill_context(q, MISSING)) {
        return false;
    }
    for (int64_t i = 0; i < fields->n; i++) {
        const char *value = q->wants.values.n > 0 ? q->wants.values.at[i] : NULL;
        const int64_t f = find_field(q, fields->at[i], value ? NULL : &value);
        int64_t number = -1;
        if (f < 0) {
            return refuse_field(q, fields->at[i]);
        }
        if (q->context[f] != MISSING) {
            serve_reply_problem(q->reply, bad(q), "context names the field %s twice",
                                field_name(q->run, f));
            return false;
        }
        if (rk_dataset_find_value(q->run->dataset, rk_model_field(q->run->model, f), value,
                                  &number) != RK_OK) {
            serve_reply_problem(q->reply, bad(q), "%s", rk_last_error());
            return false;
        }
        q->context[f] = (int32_t)number;
    }
    for (int64_t f = 0; f < n; f++) {
        if (q->context[f] == MISSING) {
            const char *name = field_name(q->run, f);
            serve_reply_problem(q->reply, bad(q),
                                "The model reads the field %s of what it answers: say what it is "
                                "in the context, or that it is empty (%s=)",
                                name, name);
            return false;
        }
    }
    return true;
}

/* ---- items ---- */

/* Those of texts that are in the data set. The others cannot be in an answer. */
static bool look_up_list(question *q, const serve_texts *texts, int32_t **out, int64_t *out_n)
{
    int32_t *items = serve_alloc(texts->n, sizeof *items);
    if (!items) {
        return no_memory(q->reply);
    }
    *out = items;
    for (int64_t i = 0; i < texts->n; i++) {
        int64_t item = -1;
        if (rk_dataset_find_item(q->run->dataset, texts->at[i], &item) == RK_OK) {
            items[(*out_n)++] = (int32_t)item;
        }
    }
    return true;
}

/* The items of somebody, their weights, and the ids that are none. */
static bool look_up_items(question *q)
{
    const serve_texts *texts = &q->wants.items;
    q->items = serve_alloc(texts->n, sizeof *q->items);
    q->unknown.at = serve_alloc(texts->n, sizeof *q->unknown.at);
    if (q->wants.given & SERVE_WANT_WEIGHTS) {
        q->weights = serve_alloc(texts->n, sizeof *q->weights);
    }
    if (!q->items || !q->unknown.at || (!q->weights && (q->wants.given & SERVE_WANT_WEIGHTS))) {
        return no_memory(q->reply);
    }
    for (int64_t i = 0; i < texts->n; i++) {
        int64_t item = -1;
        if (rk_dataset_find_item(q->run->dataset, texts->at[i], &item) != RK_OK) {
            q->unknown.at[q->unknown.n++] = texts->at[i];
            continue;
        }
        if (q->weights) {
            q->weights[q->n_items] = q->wants.weights[i];
        }
        q->items[q->n_items++] = (int32_t)item;
    }
    return true;
}

bool question_look_up(question *q)
{
    if (!look_up_context(q) || !look_up_list(q, &q->wants.exclude, &q->deny, &q->n_deny)) {
        return false;
    }
    if (q->wants.given & SERVE_WANT_AMONG) {
        if (!look_up_list(q, &q->wants.among, &q->allow, &q->n_allow)) {
            return false;
        }
        q->ask.allow = q->allow;
        q->ask.n_allow = q->n_allow;
    }
    return look_up_items(q);
}

rk_query question_query(const question *q, int64_t user)
{
    return (rk_query){.user = user,
                      .context = q->context,
                      .n_context = rk_model_n_fields(q->run->model),
                      .deny = q->deny,
                      .n_deny = q->n_deny};
}

bool question_find_item(question *q, const char *id, int32_t *out)
{
    int64_t item = -1;
    if (!serve_wants_id(id, q->reply)) {
        return false;
    }
    if (rk_dataset_find_item(q->run->dataset, id, &item) != RK_OK) {
        serve_reply_problem(q->reply, 404, "%s", rk_last_error());
        return false;
    }
    *out = (int32_t)item;
    return true;
}
