#include "page/samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "page/html.h"

enum { LISTED = 10, KNOWN = 8, HELD = 6 };

typedef struct person {
    int64_t known; /* items in train, or given */
    int32_t user;
} person;

static int by_activity(const void *left, const void *right)
{
    const person *a = left, *b = right;
    return a->known != b->known ? (a->known > b->known) - (a->known < b->known)
                                : (a->user > b->user) - (a->user < b->user);
}

static rk_status items_of(const rk_dataset *d, rk_part part, int32_t user, const int32_t **out,
                          int64_t *n)
{
    *n = 0;
    *out = NULL;
    return rk_dataset_items(d, part, user, out, n);
}

/* What is known of somebody: train or, of who is held out, what is given. */
static rk_status known_of(const rk_dataset *d, int32_t user, const int32_t **out, int64_t *n)
{
    RK_TRY(items_of(d, RK_TRAIN, user, out, n));
    return *n > 0 ? RK_OK : items_of(d, RK_GIVEN, user, out, n);
}

static void add_item(rk_buffer *out, const rk_dataset *d, int64_t item)
{
    char room[RK_ID_BYTES];
    const char *id = rk_dataset_item_id(d, item, room);
    const char *label = rk_dataset_item_label(d, item);
    if (label && *label) {
        rk__html_name(out, label);
        rk__buffer_add(out, " <small>");
        rk__html_name(out, id);
        rk__buffer_add(out, "</small>");
    } else {
        rk__html_name(out, id);
    }
}

static void add_items(rk_buffer *out, const rk_dataset *d, const char *what, const int32_t *items,
                      int64_t n, int64_t most)
{
    rk__buffer_add(out, "<p>%s: ", what);
    for (int64_t i = 0; i < n && i < most; i++) {
        rk__buffer_add(out, i > 0 ? "; " : "");
        add_item(out, d, items[i]);
    }
    if (n > most) {
        rk__buffer_add(out, " and %lld more", (long long)(n - most));
    }
    rk__buffer_add(out, n > 0 ? "</p>\n" : "nothing</p>\n");
}

static bool is_among(int32_t item, const int32_t *items, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (items[i] == item) {
            return true;
        }
    }
    return false;
}

static rk_status add_person(rk_buffer *out, const rk_model *model, int32_t user, rk_part part,
                            rk_query query)
{
    const rk_dataset *d = rk_model_dataset(model);
    const int32_t *known = NULL, *held = NULL;
    int64_t n_known = 0, n_held = 0;
    char room[RK_ID_BYTES];
    rk_recommendation best[LISTED];
    rk_grounds grounds = {.basis = RK_BASIS_MODEL};
    rk_selection selection = rk_selection_defaults();
    selection.seen &= ~(1u << part);
    query.user = user;
    RK_TRY(known_of(d, user, &known, &n_known));
    RK_TRY(items_of(d, part, user, &held, &n_held));
    RK_TRY(rk_model_top_k(model, &query, 1, &selection, LISTED, best));
    RK_TRY(rk_model_grounds(model, &query, &grounds));
    rk__buffer_add(out, "<div class=\"person\"><h3>");
    rk__html_text(out, rk_dataset_user_id(d, user, room));
    rk__buffer_add(out, "</h3>\n");
    add_items(out, d, "has", known, n_known, KNOWN);
    add_items(out, d, part == RK_TEST ? "held out for test" : "held out for valid", held, n_held,
              HELD);
    if (grounds.basis == RK_BASIS_POPULARITY) {
        rk__buffer_add(out, "<p>Nothing is known of them: these are what is popular.</p>\n");
    }
    rk__buffer_add(out, "<ol>\n");
    for (int i = 0; i < LISTED && best[i].item >= 0; i++) {
        const bool is_hit = is_among(best[i].item, held, n_held);
        rk__buffer_add(out, is_hit ? "<li class=\"hit\">" : "<li>");
        add_item(out, d, best[i].item);
        rk__buffer_add(out, " <small>");
        rk__html_short(out, (double)best[i].score);
        rk__buffer_add(out, is_hit ? "</small> &#10003; held out</li>\n" : "</small></li>\n");
    }
    rk__buffer_add(out, "</ol></div>\n");
    return RK_OK;
}

rk_status rk__samples_add(rk_buffer *out, const rk_model *model, const int32_t *users,
                          int64_t n_users, rk_part part, int64_t n)
{
    const rk_dataset *d = rk_model_dataset(model);
    const int64_t n_context = rk_model_n_fields(model);
    person *people = NULL;
    int32_t *context = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&people, n_users, sizeof *people, "people of a page"));
    RK_TRY_GOTO(done, rk__alloc(&context, n_context, sizeof *context, "the context of a query"));
    for (int64_t i = 0; i < n_context; i++) {
        context[i] = -1;
    }
    for (int64_t i = 0; i < n_users; i++) {
        const int32_t *known = NULL;
        people[i].user = users[i];
        RK_TRY_GOTO(done, known_of(d, users[i], &known, &people[i].known));
    }
    if (n_users > 0) {
        qsort(people, (size_t)n_users, sizeof *people, by_activity);
    }
    n = n < n_users ? n : n_users;
    rk__buffer_add(out, "<div class=\"pair\">\n");
    for (int64_t i = 0; i < n; i++) { /* the middles of n ranges of activity */
        const person *p = &people[(2 * i + 1) * n_users / (2 * n)];
        RK_TRY_GOTO(done, add_person(out, model, p->user, part,
                                     (rk_query){.context = n_context > 0 ? context : NULL,
                                                .n_context = n_context}));
    }
    rk__buffer_add(out, "</div>\n");
done:
    rk__free(people);
    rk__free(context);
    return status;
}
