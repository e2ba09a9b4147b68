/*
 * The other things a model is asked: similar items against cosines and weights computed here, the
 * score taken apart into reasons, pairs, what an answer is based on, items that were never trained.
 */
#include <math.h>

#include "base/alloc.h"
#include "train/every_kind.h"
#include "train/fitted.h"

enum { FIRST_LISTS = 4, FIRST_FACTORS = 8, TOP = 12 };

/* Whether scores come from items, and whether from vectors. */
static bool is_of_lists(int m)
{
    return m >= FIRST_LISTS && m < FIRST_FACTORS;
}

static float score_of(const rk_model *model, rk_query q, int32_t item)
{
    float score = 0;
    assert_ok(rk_model_score(model, &q, 1, &item, 1, &score));
    return score;
}

/* ---- similar items ---- */

/* What all items have with one: cosines of vectors, or what it adds to their scores. */
static void likeness(const rk_model *model, int m, int32_t item, double out[N_ITEMS])
{
    if (is_of_lists(m)) {
        static const int32_t base = 20;
        const int32_t both[] = {base, item};
        for (int32_t i = 0; i < N_ITEMS; i++) { /* scores are linear but for a constant */
            out[i] = i == COLD_ITEM || item == base
                         ? 0
                         : (double)score_of(
                               model, (rk_query){.user = -1, .items = both, .n_items = 2}, i) -
                               (double)score_of(
                                   model, (rk_query){.user = -1, .items = &base, .n_items = 1}, i);
        }
        return;
    }
    int64_t rows = 0, cols = 0;
    float *table = fitted_tensor(model, m >= FIRST_FACTORS ? "factors" : "final", &rows, &cols);
    const float *x = table + (N_USERS + item) * cols;
    for (int32_t i = 0; i < N_ITEMS; i++) {
        const float *y = table + (N_USERS + i) * cols;
        double xy = 0, xx = 0, yy = 0;
        for (int64_t d = 0; d < cols; d++) {
            xy += (double)x[d] * (double)y[d];
            xx += (double)x[d] * (double)x[d];
            yy += (double)y[d] * (double)y[d];
        }
        out[i] = xy / sqrt(xx * yy);
    }
    free(table);
}

static void similar_items_are_those_by_hand(void **state)
{
    world *w = *state;
    static const int32_t asked[] = {3, 77, 120};
    for (int m = 0; m < N_KINDS; m++) {
        const rk_model *model = w->models[m];
        assert_int_equal(rk_model_get_facts(model).finds_similar, m != POPULARITY);
        if (m == POPULARITY) {
            continue;
        }
        rk_recommendation best[3][N_ITEMS];
        assert_ok(rk_model_similar(model, asked, 3, NULL, N_ITEMS, best[0]));
        for (int a = 0; a < 3; a++) {
            double expected[N_ITEMS], most = 0;
            likeness(model, m, asked[a], expected);
            int n = 0, wanted = 0;
            for (int i = 0; i < N_ITEMS; i++) {
                most = i == asked[a] ? most : fmax(most, fabs(expected[i]));
            }
            for (int i = 0; i < N_ITEMS; i++) {
                wanted += i != asked[a] && i != COLD_ITEM && fabs(expected[i]) > 1e-5 * most;
            }
            for (; n < N_ITEMS && best[a][n].item >= 0; n++) {
                assert_true(best[a][n].item != asked[a] && best[a][n].item != COLD_ITEM);
                assert_close((double)best[a][n].score, expected[best[a][n].item], 2e-4, most);
                assert_true(n == 0 || best[a][n].score < best[a][n - 1].score ||
                            (best[a][n].score == best[a][n - 1].score &&
                             best[a][n].item > best[a][n - 1].item));
            }
            assert_true(n >= wanted && wanted > 10);
        }
    }
}

/* Alone or with others, short or long, the answers are the same bits; and the limits hold. */
static void limits_hold_for_similar_items(void **state)
{
    world *w = *state;
    static const int32_t deny[] = {5, 9, 77}, allow[] = {2, 3, 5, 7, 11, 60, 77, 100};
    int32_t all[N_ITEMS];
    static rk_recommendation together[N_ITEMS * N_ITEMS];
    for (int32_t i = 0; i < N_ITEMS; i++) {
        all[i] = i;
    }
    for (int m = 0; m < N_KINDS; m++) {
        const rk_model *model = w->models[m];
        if (m == POPULARITY) {
            continue;
        }
        const rk_selection limited = {.deny = deny, .n_deny = 3, .allow = allow, .n_allow = 8},
                           own = {.keep_given = true};
        rk_recommendation best[N_ITEMS], some[N_ITEMS];
        assert_ok(rk_model_similar(model, all, N_ITEMS, NULL, N_ITEMS, together));
        for (int32_t i = 0; i < N_ITEMS; i += 25) {
            assert_ok(rk_model_similar(model, &i, 1, NULL, TOP, best));
            assert_memory_equal(best, together + i * N_ITEMS, sizeof *best * TOP);
            assert_ok(rk_model_similar(model, &i, 1, &limited, N_ITEMS, some));
            int n = 0;
            for (int j = 0; j < N_ITEMS && together[i * N_ITEMS + j].item >= 0; j++) {
                const rk_recommendation *r = &together[i * N_ITEMS + j];
                bool is_allowed = false;
                for (int k = 0; k < 8; k++) {
                    is_allowed = is_allowed || r->item == allow[k];
                }
                if (is_allowed && r->item != 5 && r->item != 9 && r->item != 77) {
                    assert_memory_equal(&some[n++], r, sizeof *r);
                }
            }
            assert_int_equal(some[n].item, -1);
            assert_ok(rk_model_similar(model, &i, 1, &own, 1, some));
            if (!is_of_lists(m) && i != COLD_ITEM) {
                assert_int_equal(some[0].item, i);
                assert_close((double)some[0].score, 1, 1e-5, 1);
            }
        }
        for (int j = 0; j < N_ITEMS; j++) { /* nothing was ever learnt of it */
            assert_int_equal(together[COLD_ITEM * N_ITEMS + j].item, -1);
        }
    }
}

static void a_least_score_cuts_answers(void **state)
{
    world *w = *state;
    for (int m = 0; m < N_KINDS; m++) {
        rk_query queries[N_MIXED];
        rk_recommendation whole[N_MIXED][TOP], cut[N_MIXED][TOP];
        mixed_queries(queries);
        assert_ok(rk_model_top_k(w->models[m], queries, N_MIXED, NULL, TOP, whole[0]));
        for (int q = 0; q < N_MIXED; q++) {
            rk_selection s = rk_selection_defaults();
            s.has_min_score = true;
            s.min_score = whole[q][5].score;
            assert_ok(rk_model_top_k(w->models[m], &queries[q], 1, &s, TOP, cut[q]));
            int n = 6; /* equal scores are kept */
            while (n < TOP && whole[q][n].score == s.min_score) {
                n++;
            }
            assert_memory_equal(cut[q], whole[q], sizeof whole[q][0] * (size_t)n);
            for (int j = n; j < TOP; j++) {
                assert_true(cut[q][j].item == -1 && cut[q][j].score == 0);
            }
        }
    }
}

/* ---- reasons ---- */

static void check_reasons(const rk_model *model, int m, const rk_query *q, bool is_exact)
{
    rk_recommendation best[TOP];
    rk_reason reasons[TOP][N_ITEMS], few[TOP][2];
    rk_explanation e[TOP], same[TOP];
    int32_t items[TOP];
    int64_t n = 0;
    assert_ok(rk_model_top_k(model, q, 1, NULL, TOP, best));
    for (; n < TOP && best[n].item >= 0; n++) {
        items[n] = best[n].item;
    }
    assert_ok(rk_model_explain(model, q, items, n, N_ITEMS, reasons[0], e));
    assert_ok(rk_model_explain(model, q, items, n, 2, few[0], same));
    for (int64_t i = 0; i < n; i++) {
        double above = 0;
        assert_int_equal(e[i].is_exact, is_exact);
        assert_memory_equal(few[i], reasons[i], sizeof few[i]);
        for (int j = 0; j < N_ITEMS && reasons[i][j].item >= 0; j++) {
            above += (double)reasons[i][j].part;
            assert_true(reasons[i][j].part > 0 && reasons[i][j].item != COLD_ITEM);
            assert_true(j == 0 || reasons[i][j].part <= reasons[i][j - 1].part);
        }
        assert_true(above >= (double)e[i].sum - 1e-4 * fabs(above));
        if (is_exact && m != BARS) {
            assert_close((double)e[i].sum, (double)best[i].score, 1e-4, 1e-3);
        }
    }
}

static void scores_are_the_sum_of_their_reasons(void **state)
{
    world *w = *state;
    static const int32_t list[] = {77, 3, 12, 60};
    static const float weights[] = {0.5F, 1, 2, 0};
    for (int m = 0; m < N_KINDS; m++) {
        if (m == POPULARITY) {
            continue;
        }
        const rk_query queries[] = {{.user = -1, .items = list, .n_items = 4},
                                    {.user = -1, .items = list, .n_items = 4, .weights = weights},
                                    {.user = -1, .items = list, .n_items = 1},
                                    {.user = 7},
                                    {.user = 200}};
        for (int q = 0; q < 5; q++) {
            check_reasons(w->models[m], m, &queries[q], q < 3 || is_of_lists(m));
        }
    }
}

/* The parts of bars leave a number that an item has for everybody. */
static void what_bars_adds_for_everybody_is_the_same(void **state)
{
    world *w = *state;
    static const int32_t lists[2][2] = {{77, 3}, {12, 60}}, items[] = {1, 2, 30, 99};
    double rest[2][4];
    for (int q = 0; q < 2; q++) {
        const rk_query query = {.user = -1, .items = lists[q], .n_items = 2};
        rk_explanation e[4];
        assert_ok(rk_model_explain(w->models[BARS], &query, items, 4, 0, NULL, e));
        for (int i = 0; i < 4; i++) {
            rest[q][i] = (double)score_of(w->models[BARS], query, items[i]) - (double)e[i].sum;
        }
    }
    for (int i = 0; i < 4; i++) {
        assert_close(rest[0][i], rest[1][i], 1e-5, 0.1);
    }
}

/* Of somebody with a vector of their own: as of somebody new with the same items. */
static void approximate_reasons_are_those_of_the_list(void **state)
{
    world *w = *state;
    static const int32_t asked[] = {1, 2, 3, 140};
    for (int m = 0; m < N_KINDS; m++) {
        const int32_t *items = NULL;
        int64_t n = 0;
        rk_reason own[4][3], folded[4][3];
        rk_explanation a[4], b[4];
        if (is_of_lists(m) || m == POPULARITY) {
            continue;
        }
        assert_ok(rk_dataset_items(rk_model_dataset(w->models[m]), RK_TRAIN, 17, &items, &n));
        const rk_query user = {.user = 17}, list = {.user = -1, .items = items, .n_items = n};
        assert_ok(rk_model_explain(w->models[m], &user, asked, 4, 3, own[0], a));
        assert_ok(rk_model_explain(w->models[m], &list, asked, 4, 3, folded[0], b));
        assert_memory_equal(own, folded, sizeof own);
        for (int i = 0; i < 4; i++) {
            assert_true(!a[i].is_exact && b[i].is_exact && a[i].sum == b[i].sum);
        }
    }
}

/* Where an entry counts by its value, so does a reason. */
static void reasons_of_values_have_their_weights(void **unused)
{
    (void)unused;
    static const char *const settings[] = {"model.kind=ials", "model.dim=6", "model.weigh_by=value",
                                           "train.epochs=3", NULL};
    enum { USERS = 40, ITEMS = 30, USER = 7 };
    fitted_data d;
    int32_t items[ITEMS];
    float weights[ITEMS];
    fitted_data_init(&d, USERS, ITEMS, false);
    double *values = calloc((size_t)d.columns.n, sizeof *values);
    assert_non_null(values);
    for (int64_t r = 0; r < d.columns.n; r++) {
        values[r] = 0.5 + (double)((d.users[r] + 2 * d.items[r]) % 5);
    }
    d.columns.values = values;
    fitted f = fitted_fit(&d, settings);
    const int64_t n = fitted_train(&d, USER, items);
    for (int64_t i = 0; i < n; i++) {
        weights[i] = (float)(0.5 + (double)((USER + 2 * items[i]) % 5));
    }
    const rk_query user = {.user = USER},
                   list = {.user = -1, .items = items, .weights = weights, .n_items = n};
    static const int32_t asked[] = {1, 8, 20};
    rk_reason own[3][4], folded[3][4];
    rk_explanation a[3], b[3];
    assert_ok(rk_model_explain(f.model, &user, asked, 3, 4, own[0], a));
    assert_ok(rk_model_explain(f.model, &list, asked, 3, 4, folded[0], b));
    assert_memory_equal(own, folded, sizeof own);
    for (int i = 0; i < 3; i++) {
        assert_close((double)b[i].sum, (double)score_of(f.model, list, asked[i]), 1e-4, 1e-3);
    }
    fitted_free(&f);
    fitted_data_free(&d);
    free(values);
}

static void nobody_has_no_reasons(void **state)
{
    world *w = *state;
    static const int32_t items[] = {1, 2};
    for (int m = 0; m < N_KINDS; m++) {
        const rk_query queries[] = {{.user = COLD_USER}, {.user = -1}, {.user = 3}};
        for (int q = 0; q < (m == POPULARITY ? 3 : 2); q++) {
            rk_reason reasons[2][2];
            rk_explanation e[2];
            assert_ok(rk_model_explain(w->models[m], &queries[q], items, 2, 2, reasons[0], e));
            for (int i = 0; i < 2; i++) {
                assert_true(reasons[i][0].item == -1 && reasons[i][1].item == -1 && e[i].sum == 0 &&
                            !e[i].is_exact);
            }
        }
    }
}

/* ---- what was never trained ---- */

static void items_never_trained_say_nothing(void **state)
{
    world *w = *state;
    static const int32_t with[] = {COLD_ITEM, 12, 3}, without[] = {12, 3}, cold[] = {COLD_ITEM};
    for (int m = 0; m < N_KINDS; m++) {
        const rk_query queries[] = {{.user = -1, .items = with, .n_items = 3},
                                    {.user = -1, .items = without, .n_items = 2},
                                    {.user = -1, .items = cold, .n_items = 1},
                                    {.user = -1},
                                    {.user = COLD_USER},
                                    {.user = 3}};
        rk_recommendation best[6][TOP];
        rk_grounds grounds[6];
        assert_ok(rk_model_top_k(w->models[m], queries, 6, NULL, TOP, best[0]));
        assert_memory_equal(best[0], best[1], sizeof best[0]);
        assert_memory_equal(best[2], best[3], sizeof best[0]);
        for (int q = 0; q < 6; q++) {
            assert_ok(rk_model_grounds(w->models[m], &queries[q], &grounds[q]));
            rk_basis expected = q < 2 ? RK_BASIS_ITEMS : q < 5 ? RK_BASIS_POPULARITY : 0;
            assert_int_equal(grounds[q].basis, m == POPULARITY ? RK_BASIS_MODEL : expected);
            assert_int_equal(grounds[q].items_used, q < 2 ? 2 : 0);
        }
    }
    assert_string_equal(rk_basis_name(RK_BASIS_POPULARITY), "popularity");
    assert_null(rk_basis_name((rk_basis)3));
}

/* ---- pairs ---- */

static void pairs_have_the_scores_of_their_users(void **state)
{
    world *w = *state;
    enum { PAIRS = 2000 };
    static int64_t users[PAIRS];
    static int32_t items[PAIRS];
    static float scores[PAIRS];
    for (int i = 0; i < PAIRS; i++) { /* one user has more than a program takes at a time */
        users[i] = i % 3 == 0 ? 17 : (int64_t)i * 7919 % N_USERS;
        items[i] = (int32_t)((int64_t)i * 104729 % N_ITEMS);
    }
    for (int m = 0; m < N_KINDS; m++) {
        assert_ok(rk_model_score_pairs(w->models[m], users, items, PAIRS, scores));
        for (int i = 0; i < PAIRS; i += m == 0 ? 1 : 37) {
            const float expected = score_of(w->models[m], (rk_query){.user = users[i]}, items[i]);
            assert_memory_equal(&scores[i], &expected, sizeof expected);
        }
    }
    assert_ok(rk_model_score_pairs(w->models[0], NULL, NULL, 0, NULL));
}

/* ---- bad questions, little memory ---- */

static void bad_questions_are_refused(void **state)
{
    world *w = *state;
    const rk_model *model = w->models[0];
    static const int32_t high[] = {1, N_ITEMS}, fine[] = {1, 2};
    static const int64_t nobody[] = {3, -1}, far[] = {3, N_USERS}, users[] = {3, 4};
    const rk_query q = {.user = 3}, bad = {.user = N_USERS};
    rk_recommendation best[4];
    rk_reason reasons[4];
    rk_explanation e[2];
    rk_grounds grounds;
    float scores[2];
    assert_fails(RK_ERR_CONFIG, "there is no item 151",
                 rk_model_similar(model, high, 2, NULL, 2, best));
    assert_fails(RK_ERR_CONFIG, "no list", rk_model_similar(model, NULL, 2, NULL, 2, best));
    assert_fails(RK_ERR_CONFIG, "take 1 or more", rk_model_similar(model, fine, 2, NULL, 0, best));
    assert_fails(RK_ERR_CONFIG, "model popularity does not know which items are alike",
                 rk_model_similar(w->models[POPULARITY], fine, 2, NULL, 2, best));
    assert_ok(rk_model_similar(model, NULL, 0, NULL, 2, best));
    assert_fails(RK_ERR_CONFIG, "there is no item 151",
                 rk_model_explain(model, &q, high, 2, 2, reasons, e));
    assert_fails(RK_ERR_CONFIG, "there is no user 241",
                 rk_model_explain(model, &bad, fine, 2, 2, reasons, e));
    assert_fails(RK_ERR_CONFIG, "-1 reasons", rk_model_explain(model, &q, fine, 2, -1, reasons, e));
    assert_fails(RK_ERR_CONFIG, "there is no user 241", rk_model_grounds(model, &bad, &grounds));
    assert_fails(RK_ERR_CONFIG, "pair 1 names user -1",
                 rk_model_score_pairs(model, nobody, fine, 2, scores));
    assert_fails(RK_ERR_CONFIG, "there is no user 241",
                 rk_model_score_pairs(model, far, fine, 2, scores));
    assert_fails(RK_ERR_CONFIG, "there is no item 151",
                 rk_model_score_pairs(model, users, high, 2, scores));
}

static void lack_of_memory_is_survived(void **state)
{
    world *w = *state;
    static const int32_t list[] = {3, 4, 50}, items[] = {1, 2};
    static const int64_t users[] = {9, 5};
    for (int m = 0; m < N_KINDS; m++) {
        const rk_query q = {.user = -1, .items = list, .n_items = 3};
        rk_status status = RK_ERR_MEMORY;
        for (int64_t n = 0; status != RK_OK; n++) {
            rk_recommendation best[4];
            rk_reason reasons[4];
            rk_explanation e[2];
            float scores[2];
            rk__alloc_fail_after(n);
            status =
                m == POPULARITY ? RK_OK : rk_model_similar(w->models[m], items, 2, NULL, 2, best);
            status = status == RK_OK ? rk_model_explain(w->models[m], &q, items, 2, 2, reasons, e)
                                     : status;
            status = status == RK_OK ? rk_model_score_pairs(w->models[m], users, items, 2, scores)
                                     : status;
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(similar_items_are_those_by_hand),
        cmocka_unit_test(limits_hold_for_similar_items),
        cmocka_unit_test(a_least_score_cuts_answers),
        cmocka_unit_test(scores_are_the_sum_of_their_reasons),
        cmocka_unit_test(what_bars_adds_for_everybody_is_the_same),
        cmocka_unit_test(approximate_reasons_are_those_of_the_list),
        cmocka_unit_test(reasons_of_values_have_their_weights),
        cmocka_unit_test(nobody_has_no_reasons),
        cmocka_unit_test(items_never_trained_say_nothing),
        cmocka_unit_test(pairs_have_the_scores_of_their_users),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests_name("similar", tests, open_world, close_world);
}
