#include "serve/wants.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "rankine/scoring.h"
#include "serve/memory.h"
#include "serve/reply.h"

enum { BAD_PARAMETER = 400, BAD_BODY = 422, NO_MEMORY = 503 };

static const struct {
    const char *name;
    serve_want want;
} names[] = {
    {"n", SERVE_WANT_N},
    {"offset", SERVE_WANT_OFFSET},
    {"reasons", SERVE_WANT_REASONS},
    {"seed", SERVE_WANT_SEED},
    {"q", SERVE_WANT_WORDS},
    {"exclude", SERVE_WANT_EXCLUDE},
    {"among", SERVE_WANT_AMONG},
    {"context", SERVE_WANT_CONTEXT},
    {"items", SERVE_WANT_ITEMS},
    {"weights", SERVE_WANT_WEIGHTS},
    {"users", SERVE_WANT_USERS},
    {"pairs", SERVE_WANT_PAIRS},
};
enum { N_NAMES = sizeof names / sizeof names[0] };

/* What is read, for whom, and where problems go. */
typedef struct reading {
    serve_wants *wants;
    serve_reply *reply;
    unsigned known;
    int64_t most;
    bool is_body;
} reading;

static bool no_memory(serve_reply *reply)
{
    serve_reply_problem(reply, NO_MEMORY, "There is no memory for the question: ask later");
    reply->retry_after = 1;
    return false;
}

static int bad(const reading *r)
{
    return r->is_body ? BAD_BODY : BAD_PARAMETER;
}

static const char *name_of(serve_want want)
{
    int i = 0;
    while (names[i].want != want) {
        i++;
    }
    return names[i].name;
}

/* The bit of a name; 0 and a problem that lists the others where the route does not know it. */
static unsigned find(const reading *r, const char *name)
{
    char known[160] = "";
    size_t length = 0;
    for (int i = 0; i < N_NAMES; i++) {
        if (r->known & names[i].want) {
            if (strcmp(names[i].name, name) == 0) {
                return names[i].want;
            }
            length += (size_t)snprintf(known + length, sizeof known - length, "%s%s",
                                       length > 0 ? ", " : "", names[i].name);
        }
    }
    serve_reply_problem(r->reply, bad(r), "There is no %s '%.60s' here; %s%s",
                        r->is_body ? "member" : "parameter", name,
                        length > 0 ? "there is " : "there is none", known);
    return 0;
}

/* ---- values ---- */

static bool is_id(const char *id, int status, serve_reply *reply)
{
    int64_t characters = 0;
    for (const char *at = id; *at; at++) {
        characters += ((unsigned char)*at & 0xC0) != 0x80;
    }
    if (characters == 0) {
        serve_reply_problem(reply, status, "An id is empty");
    } else if (characters > SERVE_MOST_ID) {
        serve_reply_problem(reply, status, "An id has %lld characters; %d at most are taken",
                            (long long)characters, SERVE_MOST_ID);
    }
    return characters > 0 && characters <= SERVE_MOST_ID;
}

bool serve_wants_id(const char *id, serve_reply *reply)
{
    return is_id(id, BAD_PARAMETER, reply);
}

static bool add(const reading *r, serve_texts *texts, const char *text, bool as_id)
{
    if (as_id && !is_id(text, bad(r), r->reply)) {
        return false;
    }
    if (texts->n >= SERVE_MOST_LISTED) {
        serve_reply_problem(r->reply, bad(r), "A list holds more than %d ids: ask several times",
                            SERVE_MOST_LISTED);
        return false;
    }
    if ((texts->n & (texts->n - 1)) == 0) { /* 0, 1, 2, 4 ... */
        const char **longer =
            serve_grow(texts->at, texts->n > 0 ? 2 * texts->n : 1, sizeof *texts->at);
        if (!longer) {
            return no_memory(r->reply);
        }
        texts->at = longer;
    }
    texts->at[texts->n++] = text;
    return true;
}

static bool set_number(const reading *r, serve_want want, int64_t value)
{
    serve_wants *w = r->wants;
    const struct {
        int64_t *to, least, most;
    } of = want == SERVE_WANT_N         ? (__typeof__(of)){&w->n, 1, r->most}
           : want == SERVE_WANT_OFFSET  ? (__typeof__(of)){&w->offset, 0, SERVE_MOST_OFFSET}
           : want == SERVE_WANT_REASONS ? (__typeof__(of)){&w->reasons, 0, SERVE_MOST_REASONS}
                                        : (__typeof__(of)){&w->seed, 0, INT64_C(1) << 53};
    if (value < of.least || value > of.most) {
        serve_reply_problem(r->reply, bad(r), "%s must be from %lld to %lld", name_of(want),
                            (long long)of.least, (long long)of.most);
        return false;
    }
    *of.to = value;
    return true;
}

/* ---- parameters ---- */

/* Digits alone; -1 for anything else. */
static int64_t whole_number(const char *text)
{
    const size_t length = strlen(text);
    int64_t value = 0;
    if (length == 0 || length > 18 || strspn(text, "0123456789") != length) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

static bool read_parameter(const reading *r, const serve_parameter *p)
{
    const unsigned want = find(r, p->name);
    const unsigned lists = SERVE_WANT_EXCLUDE | SERVE_WANT_AMONG | SERVE_WANT_CONTEXT;
    if (want == 0) {
        return false;
    }
    if ((r->wants->given & want) && !(want & lists)) {
        serve_reply_problem(r->reply, BAD_PARAMETER, "The parameter %s is there twice", p->name);
        return false;
    }
    r->wants->given |= want;
    switch (want) {
    case SERVE_WANT_WORDS:
        r->wants->words = p->text;
        return true;
    case SERVE_WANT_EXCLUDE:
        return add(r, &r->wants->exclude, p->text, true);
    case SERVE_WANT_AMONG:
        return add(r, &r->wants->among, p->text, true);
    case SERVE_WANT_CONTEXT:
        return add(r, &r->wants->fields, p->text, false);
    default:
        return set_number(r, want, whole_number(p->text));
    }
}

/* ---- members ---- */

/* A text in a body has no zero bytes: body.c sees to that. */
static bool read_texts(const reading *r, serve_texts *to, const json_t *list, const char *name)
{
    if (!json_is_array(list)) {
        serve_reply_problem(r->reply, BAD_BODY, "%s must be a list of ids, which are strings",
                            name);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) {
            serve_reply_problem(r->reply, BAD_BODY,
                                "%s: the element %zu is no string; ids are strings, also numbers: "
                                "\"17\"",
                                name, i);
            return false;
        }
        if (!add(r, to, text, true)) {
            return false;
        }
    }
    return true;
}

static bool read_weights(const reading *r, const json_t *list)
{
    const size_t n = json_array_size(list); /* 0 of anything else */
    if (!json_is_array(list) || n > SERVE_MOST_LISTED) {
        serve_reply_problem(r->reply, BAD_BODY, "weights must be a list of numbers, one an item");
        return false;
    }
    r->wants->weights = serve_alloc((int64_t)n, sizeof *r->wants->weights);
    if (!r->wants->weights) {
        return no_memory(r->reply);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        const double weight = json_is_number(value) ? json_number_value(value) : -1;
        if (!(weight >= 0 && weight <= RK_MOST_WEIGHT)) {
            serve_reply_problem(r->reply, BAD_BODY,
                                "weights: the element %zu is no number from 0 to %d", i,
                                RK_MOST_WEIGHT);
            return false;
        }
        r->wants->weights[i] = (float)weight;
    }
    return true;
}

static bool read_pairs(const reading *r, const json_t *list)
{
    bool is_fine = json_is_array(list);
    for (size_t i = 0; is_fine && i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        const char *user = json_string_value(json_object_get(pair, "user"));
        const char *item = json_string_value(json_object_get(pair, "item"));
        if (!user || !item || json_object_size(pair) != 2) {
            is_fine = false;
        } else if (!add(r, &r->wants->pair_users, user, true) ||
                   !add(r, &r->wants->pair_items, item, true)) {
            return false;
        }
    }
    if (!is_fine) {
        serve_reply_problem(r->reply, BAD_BODY,
                            "pairs must be a list of {\"user\": ID, \"item\": ID}, ids as strings");
    }
    return is_fine;
}

/* {"hour": "23"} */
static bool read_context(const reading *r, json_t *object)
{
    const char *name;
    json_t *value;
    bool is_fine = json_is_object(object);
    if (is_fine) {
        json_object_foreach(object, name, value)
        {
            const char *text = json_string_value(value);
            is_fine = is_fine && text;
            if (text && (!add(r, &r->wants->fields, name, false) ||
                         !add(r, &r->wants->values, text, false))) {
                return false;
            }
        }
    }
    if (!is_fine) {
        serve_reply_problem(r->reply, BAD_BODY,
                            "context must be an object with a string for each field");
    }
    return is_fine;
}

static bool read_member(const reading *r, const char *name, json_t *value)
{
    const unsigned want = find(r, name);
    r->wants->given |= want;
    switch (want) {
    case 0:
        return false;
    case SERVE_WANT_ITEMS:
        return read_texts(r, &r->wants->items, value, name);
    case SERVE_WANT_EXCLUDE:
        return read_texts(r, &r->wants->exclude, value, name);
    case SERVE_WANT_AMONG:
        return read_texts(r, &r->wants->among, value, name);
    case SERVE_WANT_USERS:
        return read_texts(r, &r->wants->users, value, name);
    case SERVE_WANT_WEIGHTS:
        return read_weights(r, value);
    case SERVE_WANT_PAIRS:
        return read_pairs(r, value);
    case SERVE_WANT_CONTEXT:
        return read_context(r, value);
    default:
        if (!json_is_integer(value)) {
            serve_reply_problem(r->reply, BAD_BODY, "%s must be a whole number", name);
            return false;
        }
        return set_number(r, want, json_integer_value(value));
    }
}

/* ---- all of it ---- */

static bool read_parameters(const reading *r, const serve_request *request)
{
    for (size_t i = 0; i < request->n_query; i++) {
        if (!read_parameter(r, &request->query[i])) {
            return false;
        }
    }
    return true;
}

static bool read_body(const reading *r, const serve_request *request)
{
    const char *name;
    json_t *value;
    if (!json_is_object(request->body)) {
        serve_reply_problem(r->reply, BAD_BODY, "The body must be an object of JSON");
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)request->body, name, value)
    {
        if (!read_member(r, name, value)) {
            return false;
        }
    }
    if (r->wants->weights && (r->wants->given & SERVE_WANT_WEIGHTS) &&
        (int64_t)json_array_size(json_object_get(request->body, "weights")) != r->wants->items.n) {
        serve_reply_problem(r->reply, BAD_BODY,
                            "There are %zu weights for %lld items: give one each",
                            json_array_size(json_object_get(request->body, "weights")),
                            (long long)r->wants->items.n);
        return false;
    }
    return true;
}

bool serve_wants_read(serve_wants *out, const serve_request *request, unsigned known,
                      unsigned needed, int64_t n, int64_t most, serve_reply *reply)
{
    *out = (serve_wants){.n = n < most ? n : most};
    const reading r = {out, reply, known, most, request->body != NULL};
    const reading none = {out, reply, 0, most, false}; /* a body has no parameters beside it */
    if (!(r.is_body ? read_parameters(&none, request) && read_body(&r, request)
                    : read_parameters(&r, request))) {
        return false;
    }
    for (int i = 0; i < N_NAMES; i++) {
        if (needed & ~out->given & names[i].want) {
            serve_reply_problem(reply, bad(&r), "The %s %s is missing",
                                r.is_body ? "member" : "parameter", names[i].name);
            return false;
        }
    }
    return true;
}

bool serve_wants_read_session(serve_wants *out, const serve_request *request, int64_t n,
                              int64_t most, serve_reply *reply)
{
    *out = (serve_wants){.n = n < most ? n : most};
    const reading r = {out, reply, SERVE_WANT_N | SERVE_WANT_OFFSET, most, false};
    const reading in_body = {out, reply, 0, most, true};
    const json_t *list = request->body;
    if (!read_parameters(&r, request)) {
        return false;
    }
    bool is_fine = json_is_array(list);
    for (size_t i = 0; is_fine && i < json_array_size(list); i++) {
        const char *item = json_string_value(json_object_get(json_array_get(list, i), "ItemId"));
        is_fine = item != NULL;
        if (item && !add(&in_body, &out->items, item, true)) {
            return false;
        }
    }
    if (!is_fine) {
        serve_reply_problem(reply, BAD_BODY,
                            "The body must be a list of objects with an ItemId, which is a string");
    }
    return is_fine;
}

void serve_wants_free(serve_wants *w)
{
    serve_texts *const all[] = {&w->items,      &w->exclude,    &w->among,  &w->users,
                                &w->pair_users, &w->pair_items, &w->fields, &w->values};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        serve_free(all[i]->at);
    }
    serve_free(w->weights);
    *w = (serve_wants){.n = 0};
}
