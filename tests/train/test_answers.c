/*
 * What a model answers: the best items under every selection against a sort of all scores, scores
 * of given items, tensors by name, bad questions; an index with all its buckets looked at.
 */
#include <math.h>

#include "base/philox.h"
#include "rankine/approximate.h"
#include "train/every_kind.h"

enum { MOST = 400 }; /* answers, more than there are items */

/* ---- what must come out ---- */

static bool is_among(const int32_t *items, int64_t n, int32_t item)
{
    for (int64_t i = 0; i < n; i++) {
        if (items[i] == item) {
            return true;
        }
    }
    return false;
}

static bool is_left_out(const rk_model *model, const rk_query *q, const rk_selection *s,
                        int32_t item)
{
    for (rk_part part = RK_TRAIN; q->user >= 0 && part <= RK_TEST; part++) {
        const int32_t *items = NULL;
        int64_t n = 0;
        assert_ok(rk_dataset_items(rk_model_dataset(model), part, q->user, &items, &n));
        if ((s->seen & 1u << part) && is_among(items, n, item)) {
            return true;
        }
    }
    return item == COLD_ITEM || is_among(s->deny, s->n_deny, item) ||
           is_among(q->deny, q->n_deny, item) ||
           (s->allow && !is_among(s->allow, s->n_allow, item)) ||
           (q->user < 0 && !s->keep_given && is_among(q->items, q->n_items, item));
}

/* The k best of all scores. */
static void expect(const rk_model *model, const rk_query *q, const rk_selection *s, int64_t k,
                   rk_recommendation *out)
{
    int32_t all[N_ITEMS];
    float scores[N_ITEMS];
    bool taken[N_ITEMS];
    for (int32_t i = 0; i < N_ITEMS; i++) {
        all[i] = i;
        taken[i] = is_left_out(model, q, s, i);
    }
    assert_ok(rk_model_score(model, q, 1, all, N_ITEMS, scores));
    assert_true(isinf(scores[COLD_ITEM]) && scores[COLD_ITEM] < 0);
    for (int64_t n = 0; n < k; n++) {
        int32_t best = -1;
        for (int32_t i = 0; i < N_ITEMS; i++) {
            best = !taken[i] && (best < 0 || scores[i] > scores[best]) ? i : best;
        }
        out[n] = (rk_recommendation){best, best < 0 ? 0 : scores[best]};
        if (best >= 0) {
            taken[best] = true;
        }
    }
}

/* The same bits, whether the queries come together or one by one. */
static void check(const rk_model *model, const rk_query *queries, int64_t n,
                  const rk_selection *selection, int64_t k)
{
    static rk_recommendation together[N_USERS * MOST], alone[MOST], expected[MOST];
    const rk_selection defaults = rk_selection_defaults();
    assert_true(n <= N_USERS && k <= MOST);
    assert_ok(rk_model_top_k(model, queries, n, selection, k, together));
    for (int64_t i = 0; i < n; i++) {
        expect(model, &queries[i], selection ? selection : &defaults, k, expected);
        assert_ok(rk_model_top_k(model, &queries[i], 1, selection, k, alone));
        for (int64_t j = 0; j < k; j++) {
            const rk_recommendation *a = &together[i * k + j], *b = &alone[j];
            if (a->item != expected[j].item || a->score != expected[j].score ||
                b->item != expected[j].item || b->score != expected[j].score) {
                fail_msg("%s, query %d, answer %d of %d: %d (%.9g) together, %d (%.9g) alone, "
                         "expected %d (%.9g)",
                         rk_model_get_facts(model).kind, (int)i, (int)j, (int)k, a->item,
                         (double)a->score, b->item, (double)b->score, expected[j].item,
                         (double)expected[j].score);
            }
        }
    }
}

/* ---- best items ---- */

/* K of the evaluation's tiles is 10; 16 and 128 are the lengths of the programs for one query. */
static void every_length_is_the_same_list(void **state)
{
    world *w = *state;
    static const int64_t lengths[] = {1, 2, 10, 11, 16, 17, 128, 129, N_ITEMS, MOST};
    rk_query queries[N_MIXED];
    mixed_queries(queries);
    for (int m = 0; m < N_KINDS; m++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            check(w->models[m], queries, N_MIXED, NULL, lengths[i]);
        }
    }
}

static void all_users_at_once(void **state)
{
    world *w = *state;
    rk_query queries[N_USERS];
    for (int64_t u = 0; u < N_USERS; u++) {
        queries[u] = (rk_query){.user = N_USERS - 1 - u};
    }
    for (int m = 0; m < N_KINDS; m++) {
        check(w->models[m], queries, N_USERS, NULL, 5);
    }
    assert_ok(rk_model_top_k(w->models[0], NULL, 0, NULL, 5, NULL)); /* nobody */
}

static void selections_leave_out(void **state)
{
    world *w = *state;
    static const int32_t deny[] = {0, 1, 2, 3, 50, 50, COLD_ITEM},
                         allow[] = {5, 3, 120, COLD_ITEM, 77, 5, 12, 9, 60, 61};
    rk_query queries[N_MIXED];
    mixed_queries(queries);
    for (unsigned seen = 0; seen < 8; seen++) {
        const rk_selection selections[] = {
            {.seen = seen},
            {.seen = seen, .keep_given = true},
            {.seen = seen, .deny = deny, .n_deny = 7},
            {.seen = seen, .allow = allow, .n_allow = 10},
            {.seen = seen, .allow = allow, .n_allow = 10, .deny = deny, .n_deny = 7},
            {.seen = seen, .allow = allow, .n_allow = 0, .keep_given = true},
        };
        for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++) {
            for (int m = 0; m < N_KINDS; m += seen == 7 ? 1 : 4) {
                check(w->models[m], queries, N_MIXED, &selections[i], 10);
                check(w->models[m], queries, N_MIXED, &selections[i], 12);
            }
        }
    }
    /* What was left out for one call is back in the next. */
    check(w->models[0], queries, N_MIXED, NULL, 10);
    const rk_selection all = rk_selection_defaults();
    assert_int_equal(all.seen, 1u << RK_TRAIN | 1u << RK_VALID | 1u << RK_TEST | 1u << RK_GIVEN);
    assert_true(!all.keep_given && !all.allow && !all.deny);
}

/* What a query denies is left out of its own answer only, beside what is seen or denied to all. */
static void queries_deny_for_themselves(void **state)
{
    world *w = *state;
    static const int32_t deny[] = {9, 0, 1, 2, 77, 50, 50, 2, COLD_ITEM}, common[] = {0, 3};
    int32_t all[2 * N_ITEMS];
    rk_query queries[N_MIXED];
    for (int32_t i = 0; i < 2 * N_ITEMS; i++) {
        all[i] = i % N_ITEMS;
    }
    for (unsigned seen = 0; seen < 8; seen += 7) {
        const rk_selection selections[] = {{.seen = seen},
                                           {.seen = seen, .keep_given = true},
                                           {.seen = seen, .deny = common, .n_deny = 2}};
        for (int s = 0; s < 3; s++) {
            mixed_queries(queries);
            for (int i = 0; i < N_MIXED; i++) {
                queries[i].deny = i % 4 == 1 ? all : deny;
                queries[i].n_deny = i % 4 == 0 ? 0 : i % 4 == 1 ? 2 * N_ITEMS : 9;
            }
            for (int m = 0; m < N_KINDS; m++) {
                check(w->models[m], queries, N_MIXED, &selections[s], 10);
            }
        }
    }
}

/* Random queries and selections. */
static void whatever_is_asked(void **state)
{
    world *w = *state;
    for (uint64_t round = 0; round < 60; round++) {
        int32_t items[20], lists[2][40];
        float weights[20];
        rk_words r = rk__philox(31, RK_PURPOSE_SYNTH, 0, round, 0);
        for (uint64_t i = 0; i < 40; i++) {
            rk_words x = rk__philox(32, RK_PURPOSE_SYNTH, 0, 100 * round + i, 0);
            lists[0][i] = (int32_t)(x.v[0] % N_ITEMS);
            lists[1][i] = (int32_t)(x.v[1] % N_ITEMS);
            items[i % 20] = (int32_t)(x.v[2] % N_ITEMS);
            weights[i % 20] = x.v[3] % 3 == 0 ? 0 : rk__uniform(x.v[3]);
        }
        const rk_query queries[] = {
            {.user = -1, .items = items, .n_items = 1 + r.v[0] % 20, .weights = weights},
            {.user = r.v[1] % N_USERS, .deny = lists[1], .n_deny = r.v[0] % 40},
            {.user = -1,
             .items = items,
             .n_items = 1 + r.v[1] % 20,
             .deny = lists[0],
             .n_deny = r.v[2] % 40}};
        const rk_selection selection = {.seen = r.v[2] % 8,
                                        .keep_given = r.v[2] & 8,
                                        .deny = lists[0],
                                        .n_deny = r.v[3] % 40,
                                        .allow = r.v[2] & 16 ? lists[1] : NULL,
                                        .n_allow = 40};
        check(w->models[round % N_KINDS], queries, 3, &selection, 1 + r.v[3] % 30);
    }
}

/* Items count in any order and once, with the largest of their weights; a common factor of the
 * weights is none of the ranking's; weights of 0 are no interest, but the items are given. */
static void lists_are_sets_with_weights(void **state)
{
    world *w = *state;
    static const int32_t plain[] = {3, 12, 77}, mixed[] = {77, 3, 12, 3, 77}, zero[] = {3, 3, 5};
    static const float ones[] = {1, 1, 1}, fours[] = {4, 4, 4}, twos[] = {1, 0, 1, 1, 0.5f},
                       half[] = {0, 1, 0};
    for (int m = 0; m < N_KINDS; m++) {
        const rk_model *model = w->models[m];
        const rk_query queries[] = {
            {.user = -1, .items = plain, .n_items = 3},
            {.user = -1, .items = plain, .n_items = 3, .weights = ones},
            {.user = -1, .items = mixed, .n_items = 5},
            {.user = -1, .items = mixed, .n_items = 5, .weights = twos},
            {.user = -1, .items = plain, .n_items = 3, .weights = fours},
        };
        rk_recommendation out[5][10];
        assert_ok(rk_model_top_k(model, queries, 5, NULL, 10, out[0]));
        assert_memory_equal(out[1], out[0], sizeof out[0]);
        assert_memory_equal(out[2], out[0], sizeof out[0]);
        assert_memory_equal(out[3], out[0], sizeof out[0]);
        /* Weights are part of the equations of ials, which count an item of weight 0, too; bars
         * adds means to what is weighed. */
        bool is_als = strcmp(rk_model_get_facts(model).kind, "ials") == 0;
        bool is_linear = !is_als && m != BARS;
        for (int i = 0; is_linear && i < 10; i++) {
            assert_int_equal(out[4][i].item, out[0][i].item);
        }
        const rk_query with_zero = {.user = -1, .items = zero, .n_items = 3, .weights = half},
                       without = {.user = -1, .items = zero, .n_items = 1};
        static const int32_t five[] = {5};
        const rk_selection no_five = {.deny = five, .n_deny = 1};
        assert_ok(rk_model_top_k(model, &with_zero, 1, NULL, 10, out[0]));
        assert_ok(rk_model_top_k(model, &without, 1, &no_five, 10, out[1]));
        for (int i = 0; !is_als && i < 10; i++) {
            assert_true(out[0][i].item == out[1][i].item && out[0][i].score == out[1][i].score);
        }
    }
}

static void those_who_nothing_is_known_of_get_popularity(void **state)
{
    world *w = *state;
    static const int32_t items[] = {20, 30};
    static const float none[] = {0, 0};
    const rk_query queries[] = {{.user = -1},
                                {.user = -1, .items = items, .n_items = 2, .weights = none},
                                {.user = COLD_USER}};
    const rk_selection everything = {.keep_given = true};
    rk_recommendation popular[N_ITEMS], out[3][N_ITEMS];
    assert_ok(rk_model_top_k(w->models[POPULARITY], queries, 1, &everything, N_ITEMS, popular));
    assert_true(popular[0].score > popular[N_ITEMS - 2].score);
    assert_int_equal(popular[N_ITEMS - 1].item, -1);
    for (int m = 0; m < N_KINDS; m++) {
        assert_ok(rk_model_top_k(w->models[m], queries, 3, &everything, N_ITEMS, out[0]));
        for (int i = 0; i < 3; i++) {
            assert_memory_equal(out[i], popular, sizeof popular);
        }
    }
}

/* ---- bad questions ---- */

static void bad_questions_are_refused(void **state)
{
    world *w = *state;
    static const int32_t low[] = {4, -1}, high[] = {N_ITEMS}, fine[] = {1, 2};
    static const float negative[] = {1, -0.5f}, nan[] = {NAN, 1}, infinite[] = {1, INFINITY};
    const struct {
        rk_query query;
        const char *message;
    } cases[] = {
        {{.user = N_USERS}, "there is no user 241; they go from 0 to 240"},
        {{.user = -2}, "there is no user -2"},
        {{.user = INT64_MAX}, "there is no user 9223372036854775807"},
        {{.user = -1, .items = low, .n_items = 2}, "there is no item -1; they go from 0 to 150"},
        {{.user = -1, .items = high, .n_items = 1}, "there is no item 151"},
        {{.user = 3, .items = fine, .n_items = 2}, "names user 3 and 2 items"},
        {{.user = -1, .n_items = 2}, "has 2 items, but no list of them"},
        {{.user = -1, .items = fine, .n_items = -1}, "has -1 items"},
        {{.user = -1, .items = fine, .n_items = 2, .weights = negative},
         "the weight of item 2 is -0.5"},
        {{.user = -1, .items = fine, .n_items = 2, .weights = nan}, "the weight of item 1 is nan"},
        {{.user = -1, .items = fine, .n_items = 2, .weights = infinite},
         "the weight of item 2 is inf: weights of items must be finite, not negative"},
        {{.user = 1, .n_deny = 2}, "a query denies 2 items, but has no list of them"},
        {{.user = 1, .deny = fine, .n_deny = -1}, "a query denies -1 items"},
        {{.user = 1, .deny = high, .n_deny = 1}, "there is no item 151"},
    };
    rk_query queries[N_MIXED];
    rk_recommendation out[3 * 5];
    float score = 0;
    mixed_queries(queries);
    for (int m = 0; m < N_KINDS; m++) {
        const rk_model *model = w->models[m];
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            const rk_query three[] = {{.user = 1}, cases[i].query, {.user = 2}};
            assert_fails(RK_ERR_CONFIG, cases[i].message,
                         rk_model_top_k(model, &cases[i].query, 1, NULL, 5, out));
            assert_fails(RK_ERR_CONFIG, cases[i].message,
                         rk_model_top_k(model, three, 3, NULL, 5, out));
            assert_fails(RK_ERR_CONFIG, cases[i].message,
                         rk_model_score(model, &cases[i].query, 1, fine, 1, &score));
        }
        const rk_selection deny = {.deny = low, .n_deny = 2}, allow = {.allow = high, .n_allow = 1};
        const rk_query fair = {.user = 1};
        assert_fails(RK_ERR_CONFIG, "there is no item -1",
                     rk_model_top_k(model, &fair, 1, &deny, 5, out));
        assert_fails(RK_ERR_CONFIG, "there is no item 151",
                     rk_model_top_k(model, &fair, 1, &allow, 5, out));
        assert_fails(RK_ERR_CONFIG, "take 1 or more",
                     rk_model_top_k(model, &fair, 1, NULL, 0, out));
        assert_fails(RK_ERR_CONFIG, "take 1 or more",
                     rk_model_top_k(model, &fair, 1, NULL, -3, out));
        assert_fails(RK_ERR_CONFIG, "for -1 queries",
                     rk_model_top_k(model, &fair, -1, NULL, 3, out));
        assert_fails(RK_ERR_CONFIG, "there is no item 151",
                     rk_model_score(model, &fair, 1, high, 1, &score));
        check(model, queries, N_MIXED, NULL, 10); /* and nothing stays of it */
    }
}

/* ---- scores of given items ---- */

static void scores_are_dot_products(void **state)
{
    world *w = *state;
    const rk_model *model = w->models[0];
    enum { MANY = 700 }; /* more than a program takes at a time, so repeated */
    static int32_t items[3 * MANY];
    static float scores[3 * MANY];
    rk_tensor_info t;
    assert_ok(rk_model_find_tensor(model, "final", &t));
    float *final = malloc((size_t)(t.rows * t.cols) * sizeof *final);
    assert_non_null(final);
    assert_ok(rk_model_read_tensor(model, "final", 0, t.rows, final,
                                   t.rows * t.cols * (int64_t)sizeof *final));
    for (int i = 0; i < 3 * MANY; i++) {
        items[i] = (int32_t)(((int64_t)i * 7919) % N_ITEMS);
    }
    const rk_query queries[] = {{.user = 7}, {.user = COLD_USER}, {.user = 200}};
    assert_ok(rk_model_score(model, queries, 3, items, MANY, scores));
    for (int q = 0; q < 3; q++) {
        for (int i = q * MANY; i < (q + 1) * MANY; i++) {
            double sum = 0;
            for (int64_t d = 0; d < t.cols; d++) {
                sum += (double) final[queries[q].user * t.cols + d] *
                       (double) final[(N_USERS + items[i]) * t.cols + d];
            }
            if (items[i] == COLD_ITEM) {
                assert_true(isinf(scores[i]) && scores[i] < 0);
            } else if (queries[q].user != COLD_USER) {
                assert_close((double)scores[i], sum, 1e-5, 0.1);
            } else {
                assert_true(scores[i] >= 1 && scores[i] == floorf(scores[i])); /* popularity */
            }
        }
    }
    free(final);
}

/* ---- tensors ---- */

static void tensors_by_number_and_name(void **state)
{
    world *w = *state;
    for (int m = 0; m < N_KINDS; m++) {
        const rk_model *model = w->models[m];
        const rk_model_facts facts = rk_model_get_facts(model);
        assert_true(facts.users == N_USERS && facts.items == N_ITEMS);
        assert_true(facts.cold_users == 1 && facts.cold_items == 1);
        assert_true(facts.folds_in && facts.tensors >= 1);
        assert_int_equal(facts.is_same_for_all, m == POPULARITY);
        rk_tensor_info t, same;
        for (int64_t i = 0; i < facts.tensors; i++) {
            assert_ok(rk_model_tensor_info(model, i, &t));
            assert_ok(rk_model_find_tensor(model, t.name, &same));
            assert_string_equal(same.name, t.name);
            assert_true(same.type == t.type && same.rows == t.rows && same.cols == t.cols);
            const int64_t row = t.cols * (t.type == RK_TENSOR_I64 ? 8 : 4);
            char *whole = malloc((size_t)(t.rows * row)), *part = malloc((size_t)(t.rows * row));
            assert_true(whole && part);
            assert_ok(rk_model_read_tensor(model, t.name, 0, t.rows, whole, t.rows * row));
            const int64_t first = t.rows / 3, rows = t.rows - first;
            assert_ok(rk_model_read_tensor(model, t.name, first, rows, part, rows * row + 1));
            assert_memory_equal(part, whole + first * row, (size_t)(rows * row));
            assert_ok(rk_model_read_tensor(model, t.name, t.rows, 0, NULL, 0));
            assert_fails(RK_ERR_CONFIG, "there is room for",
                         rk_model_read_tensor(model, t.name, 0, 1, part, row - 1));
            assert_fails(RK_ERR_CONFIG, "are not all there",
                         rk_model_read_tensor(model, t.name, 1, t.rows, part, t.rows * row));
            assert_fails(RK_ERR_CONFIG, "are not all there",
                         rk_model_read_tensor(model, t.name, -1, 1, part, row));
            assert_fails(RK_ERR_CONFIG, "are not all there",
                         rk_model_read_tensor(model, t.name, 0, -1, part, row));
            assert_fails(RK_ERR_CONFIG, "are not all there",
                         rk_model_read_tensor(model, t.name, INT64_MAX, 1, part, row));
            free(whole);
            free(part);
        }
        assert_fails(RK_ERR_CONFIG, "there is no tensor", rk_model_tensor_info(model, -1, &t));
        assert_fails(RK_ERR_CONFIG, "there is no tensor",
                     rk_model_tensor_info(model, facts.tensors, &t));
        assert_ok(rk_model_tensor_info(model, 0, &t));
        assert_fails(RK_ERR_CONFIG, "the model has no tensor 'graph.scale'; it has ",
                     rk_model_find_tensor(model, "graph.scale", &same));
        assert_non_null(strstr(rk_last_error(), t.name));
        assert_fails(RK_ERR_CONFIG, "the model has no tensor ''",
                     rk_model_read_tensor(model, "", 0, 1, &same, 4));
    }
}

/* ---- approximate answers ---- */

/* Scores of the host and of the device differ in the last digits: so may the order of such. */
static void check_index(const rk_model *model, const rk_lsh *index, const rk_query *queries,
                        int64_t n, const rk_selection *selection, int64_t k)
{
    rk_recommendation exact[N_MIXED * 20], found[N_MIXED * 20];
    assert_true(n * k <= N_MIXED * 20);
    assert_ok(rk_model_top_k(model, queries, n, selection, k, exact));
    assert_ok(rk_lsh_model_top_k(index, model, queries, n, selection, 1 << 30, k, found));
    for (int64_t i = 0; i < n * k; i++) {
        const double bound = 1e-5 * fmax(1, fabs((double)exact[i].score));
        float own = 0;
        assert_true((found[i].item < 0) == (exact[i].item < 0));
        assert_true(fabs((double)found[i].score - (double)exact[i].score) <= bound);
        if (found[i].item != exact[i].item) {
            assert_ok(rk_model_score(model, &queries[i / k], 1, &found[i].item, 1, &own));
            assert_true(fabs((double)own - (double)exact[i].score) <= bound);
        }
    }
}

static void models_answer_alike(void **state)
{
    world *w = *state;
    static const int32_t deny[] = {0, 1, 2, 3, 50, 50, COLD_ITEM},
                         allow[] = {5, 3, 120, COLD_ITEM, 77, 5, 12, 9, 60, 61};
    rk_query queries[N_MIXED];
    mixed_queries(queries);
    int dots = 0;
    for (int m = 0; m < N_KINDS; m++) {
        rk_lsh *index = NULL;
        const char *kind = rk_model_get_facts(w->models[m]).kind;
        const rk_status status = rk_lsh_of_model(w->models[m], NULL, &index);
        if (status != RK_OK) {
            assert_non_null(strstr(rk_last_error(), kind));
            assert_int_equal(status, RK_ERR_CONFIG);
            continue;
        }
        dots++;
        assert_int_equal(rk_lsh_get_facts(index).items, N_ITEMS - 1); /* without the cold one */
        for (unsigned seen = 0; seen < 8; seen++) {
            const rk_selection selections[] = {
                {.seen = seen},
                {.seen = seen, .keep_given = true},
                {.seen = seen, .deny = deny, .n_deny = 7},
                {.seen = seen, .allow = allow, .n_allow = 10},
                {.seen = seen, .has_min_score = true, .min_score = 0.1F},
            };
            for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++) {
                check_index(w->models[m], index, queries, N_MIXED, &selections[i], 12);
            }
        }
        check_index(w->models[m], index, queries, N_MIXED, NULL, 20);
        for (int i = 0; i < N_MIXED; i += 2) {
            queries[i].deny = deny;
            queries[i].n_deny = 7;
        }
        check_index(w->models[m], index, queries, N_MIXED, NULL, 20);
        mixed_queries(queries);
        rk_lsh_free(index);
    }
    assert_true(dots >= 4); /* lightgcn, lightgcn++, mf and ials among them */
}

static void an_index_of_another_model(void **state)
{
    world *w = *state;
    rk_lsh *index = NULL;
    rk_recommendation best[5];
    float vectors[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const rk_query query = {.user = 1}, nobody = {.user = N_USERS};
    assert_ok(rk_lsh_create(vectors, 4, 2, NULL, &index));
    assert_fails(RK_ERR_CONFIG, "it is another model's",
                 rk_lsh_model_top_k(index, w->models[0], &query, 1, NULL, 0, 5, best));
    rk_lsh_free(index);
    assert_ok(rk_lsh_of_model(w->models[0], NULL, &index));
    assert_fails(RK_ERR_CONFIG, "there is no user",
                 rk_lsh_model_top_k(index, w->models[0], &nobody, 1, NULL, 0, 5, best));
    assert_fails(RK_ERR_CONFIG, "are wanted",
                 rk_lsh_model_top_k(index, w->models[0], &query, 1, NULL, 0, 0, best));
    rk_lsh_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_the_same_list),
        cmocka_unit_test(all_users_at_once),
        cmocka_unit_test(selections_leave_out),
        cmocka_unit_test(queries_deny_for_themselves),
        cmocka_unit_test(whatever_is_asked),
        cmocka_unit_test(lists_are_sets_with_weights),
        cmocka_unit_test(those_who_nothing_is_known_of_get_popularity),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(scores_are_dot_products),
        cmocka_unit_test(tensors_by_number_and_name),
        cmocka_unit_test(models_answer_alike),
        cmocka_unit_test(an_index_of_another_model),
    };
    return cmocka_run_group_tests_name("answers", tests, open_world, close_world);
}
