/* Evaluations beside the usual one, against plain loops over the scores of all items. */
#include <math.h>

#include "base/alloc.h"
#include "train/fitted.h"

enum { N_USERS = 37, N_ITEMS = 23, MOST_K = 7, N_K = 3, N_VALUES = 2 * N_K };
static const int64_t cut_offs[N_K] = {1, 3, MOST_K};

static const char *const settings[] = {"model.kind=mf",  "model.dim=8", "train.epochs=4",
                                       "train.batch=64", "eval.k=[5]",  NULL};

typedef struct world {
    fitted_data d;
    fitted f;
    bool part[3][N_USERS][N_ITEMS]; /* by rk_part */
} world;

static void read_parts(world *w)
{
    for (int part = 0; part < 3; part++) {
        for (int u = 0; u < N_USERS; u++) {
            const int32_t *items = NULL;
            int64_t n = 0;
            assert_ok(rk_dataset_items(w->f.dataset, (rk_part)part, u, &items, &n));
            for (int64_t i = 0; i < n; i++) {
                w->part[part][u][items[i]] = true;
            }
        }
    }
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    fitted_data_init(&w->d, N_USERS, N_ITEMS, false);
    w->f = fitted_fit(&w->d, settings);
    read_parts(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    fitted_free(&w->f);
    fitted_data_free(&w->d);
    free(w);
    return 0;
}

/* ---- the plain way ---- */

typedef bool marks[N_USERS][N_ITEMS];

/* The best MOST_K items of a user that are not masked; -1 behind the last. scores: of all items. */
static void rank(const float *scores, const bool *masked, int *out)
{
    bool used[N_ITEMS] = {false};
    for (int r = 0; r < MOST_K; r++) {
        out[r] = -1;
        for (int i = 0; i < N_ITEMS; i++) {
            bool fits = !masked[i] && !used[i] && scores[i] > -INFINITY;
            if (fits && (out[r] < 0 || scores[i] > scores[out[r]])) {
                out[r] = i;
            }
        }
        if (out[r] >= 0) {
            used[out[r]] = true;
        }
    }
}

/* recall and ndcg at each cut-off, of the items that are held out and, with `only`, in it. */
static int values_of(const int *ranked, const bool *held, const bool *only, double *values)
{
    int n = 0;
    for (int i = 0; i < N_ITEMS; i++) {
        n += held[i] && (!only || only[i]);
    }
    for (int j = 0; n > 0 && j < N_K; j++) {
        double hits = 0, gain = 0, ideal = 0;
        for (int r = 0; r < cut_offs[j]; r++) {
            int item = ranked[r];
            bool hit = item >= 0 && held[item] && (!only || only[item]);
            hits += hit;
            gain += hit ? 1 / log2(r + 2) : 0;
            ideal += r < n ? 1 / log2(r + 2) : 0;
        }
        values[j] = hits / n;
        values[N_K + j] = gain / ideal;
    }
    return n;
}

static float *scores_of(const world *w, int user, bool by_popularity)
{
    float *scores = fitted_user_scores(w->f.model, user);
    for (int i = 0; by_popularity && i < N_ITEMS; i++) {
        int degree = fitted_item_degree(&w->d, i);
        scores[i] = degree > 0 ? (float)degree : -INFINITY;
    }
    return scores;
}

typedef struct plain {
    double mean[N_VALUES], each[N_USERS][N_VALUES];
    int held[N_USERS]; /* 0 = not evaluated */
    int users, pairs;
} plain;

/* only: the held-out items that count; wanted: the users; both NULL = all. */
static void evaluate_plainly(const world *w, const marks masked, const marks held, const bool *only,
                             const bool *wanted, bool by_popularity, plain *out)
{
    *out = (plain){.users = 0};
    for (int u = 0; u < N_USERS; u++) {
        int ranked[MOST_K];
        if (wanted && !wanted[u]) {
            continue;
        }
        float *scores = scores_of(w, u, by_popularity);
        rank(scores, masked[u], ranked);
        free(scores);
        out->held[u] = values_of(ranked, held[u], only, out->each[u]);
        out->users += out->held[u] > 0;
        out->pairs += out->held[u];
        for (int v = 0; v < N_VALUES; v++) {
            out->mean[v] += out->each[u][v];
        }
    }
    for (int v = 0; v < N_VALUES; v++) {
        out->mean[v] /= out->users;
    }
}

static void join(marks out, const marks a, const marks b)
{
    for (int u = 0; u < N_USERS; u++) {
        for (int i = 0; i < N_ITEMS; i++) {
            out[u][i] = a[u][i] || b[u][i];
        }
    }
}

static rk_evaluate_options wanted_options(void)
{
    rk_evaluate_options how = rk_evaluate_defaults();
    how.metrics = "recall,ndcg,coverage";
    how.k = cut_offs;
    how.n_k = N_K;
    return how;
}

static void assert_means(const rk_evaluation *e, const plain *p)
{
    static const char *const names[] = {"recall@1",   "recall@3",   "recall@7",
                                        "ndcg@1",     "ndcg@3",     "ndcg@7",
                                        "coverage@1", "coverage@3", "coverage@7"};
    assert_int_equal(e->metrics.count, N_VALUES + N_K);
    assert_int_equal(e->metrics.users, p->users);
    for (int v = 0; v < N_VALUES; v++) {
        assert_string_equal(e->metrics.values[v].name, names[v]);
        assert_close(e->metrics.values[v].value, p->mean[v], 1e-12, 1e-9);
    }
}

/* ---- tests ---- */

static void other_cut_offs_and_each_user(void **state)
{
    const world *w = *state;
    static marks masked;
    static plain p;
    rk_evaluation e;
    rk_evaluate_options how = wanted_options();
    how.each = true;
    for (int popularity = 0; popularity < 2; popularity++) {
        how.popularity = popularity;
        join(masked, w->part[RK_TRAIN], w->part[RK_VALID]);
        evaluate_plainly(w, masked, w->part[RK_TEST], NULL, NULL, popularity, &p);
        assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
        assert_means(&e, &p);
        int64_t at = 0;
        for (int u = 0; u < N_USERS; u++) {
            if (p.held[u] == 0) {
                continue;
            }
            assert_int_equal(e.users[at], u);
            assert_int_equal(e.held_out[at], p.held[u]);
            for (int v = 0; v < N_VALUES; v++) {
                assert_close(e.values[at * e.metrics.count + v], p.each[u][v], 1e-12, 1e-9);
            }
            assert_true(isnan(e.values[at * e.metrics.count + N_VALUES]));
            at++;
        }
        assert_int_equal(at, e.metrics.users);
        rk_evaluation_free(&e);
    }
    how.part = RK_VALID;
    how.popularity = false;
    evaluate_plainly(w, w->part[RK_TRAIN], w->part[RK_VALID], NULL, NULL, false, &p);
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    assert_means(&e, &p);
    rk_evaluation_free(&e);
}

static void some_users(void **state)
{
    const world *w = *state;
    const int32_t users[] = {30, 2, 2, 11, 36};
    bool wanted[N_USERS] = {false};
    static marks masked;
    static plain p;
    rk_evaluation e;
    rk_evaluate_options how = wanted_options();
    how.users = users;
    how.n_users = 5;
    for (int i = 0; i < 5; i++) {
        wanted[users[i]] = true;
    }
    join(masked, w->part[RK_TRAIN], w->part[RK_VALID]);
    evaluate_plainly(w, masked, w->part[RK_TEST], NULL, wanted, false, &p);
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    assert_int_equal(e.metrics.users, 4);
    assert_means(&e, &p);
    rk_evaluation_free(&e);
    const int32_t nobody = N_USERS;
    how.users = &nobody;
    how.n_users = 1;
    assert_fails(RK_ERR_CONFIG, "there is no user 37; they go from 0 to 36",
                 rk_evaluate(w->f.model, &how, NULL, &e));
    how.n_users = 0;
    assert_fails(RK_ERR_DATA, "none of 0 users", rk_evaluate(w->f.model, &how, NULL, &e));
}

/* Every third pair, known or not, and some twice. */
static rk_holdout *make_holdout(const world *w, marks held, rk_holdout_facts *out)
{
    static int32_t users[2 * N_USERS * N_ITEMS], items[2 * N_USERS * N_ITEMS];
    rk_holdout *holdout = NULL;
    int64_t n = 0;
    *out = (rk_holdout_facts){.rows = 0};
    memset(held, 0, sizeof(marks));
    for (int u = N_USERS - 1; u >= 0; u--) {
        for (int i = 0; i < N_ITEMS; i++) {
            if ((u * 5 + i) % 3 != 0 || u % 6 == 5) {
                continue;
            }
            bool known = w->part[RK_TRAIN][u][i] || w->part[RK_VALID][u][i];
            for (int times = i % 4 == 0 ? 2 : 1; times > 0; times--) {
                users[n] = u;
                items[n++] = i;
                out->known += known;
                out->repeated += !known && held[u][i];
                held[u][i] = !known;
            }
            out->pairs += !known;
        }
    }
    out->rows = n;
    assert_ok(rk_holdout_from_pairs(w->f.model, users, items, n, &holdout));
    return holdout;
}

static void new_data(void **state)
{
    const world *w = *state;
    static marks held, masked, others;
    static plain p;
    rk_holdout_facts wanted;
    rk_evaluation e;
    rk_holdout *holdout = make_holdout(w, held, &wanted);
    const rk_holdout_facts f = rk_holdout_get_facts(holdout);
    assert_true(wanted.known > 20 && wanted.repeated > 20 && wanted.pairs > 100);
    assert_true(f.rows == wanted.rows && f.known == wanted.known && f.repeated == wanted.repeated &&
                f.pairs == wanted.pairs);
    /* What they have is left out, in test, too, but for what is held out now. */
    for (int u = 0; u < N_USERS; u++) {
        for (int i = 0; i < N_ITEMS; i++) {
            others[u][i] = (w->part[RK_VALID][u][i] || w->part[RK_TEST][u][i]) && !held[u][i];
        }
    }
    join(masked, w->part[RK_TRAIN], others);
    rk_evaluate_options how = wanted_options();
    how.holdout = holdout;
    for (int popularity = 0; popularity < 2; popularity++) {
        how.popularity = popularity;
        evaluate_plainly(w, masked, held, NULL, NULL, popularity, &p);
        assert_int_equal(f.users, p.users);
        assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
        assert_means(&e, &p);
        rk_evaluation_free(&e);
    }
    rk_holdout_free(holdout);
    /* A model's own test part, given as new data, is the usual evaluation. */
    static int32_t users[N_USERS * N_ITEMS], items[N_USERS * N_ITEMS];
    int64_t n = 0;
    for (int u = 0; u < N_USERS; u++) {
        for (int i = 0; i < N_ITEMS; i++) {
            if (w->part[RK_TEST][u][i] || w->part[RK_TRAIN][u][i]) {
                users[n] = u;
                items[n++] = i;
            }
        }
    }
    assert_ok(rk_holdout_from_pairs(w->f.model, users, items, n, &holdout));
    how.popularity = false;
    how.holdout = holdout;
    join(masked, w->part[RK_TRAIN], w->part[RK_VALID]);
    evaluate_plainly(w, masked, w->part[RK_TEST], NULL, NULL, false, &p);
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    assert_means(&e, &p);
    rk_evaluation_free(&e);
    rk_holdout_free(holdout);
    const int32_t known_user = 0, known_item = (int32_t)(w->part[RK_TRAIN][0][0] ? 0 : 1);
    if (w->part[RK_TRAIN][0][known_item]) {
        assert_fails(RK_ERR_DATA, "nothing to evaluate",
                     rk_holdout_from_pairs(w->f.model, &known_user, &known_item, 1, &holdout));
    }
    assert_fails(RK_ERR_CONFIG, "there is no item",
                 rk_holdout_from_pairs(w->f.model, users, &(int32_t){N_ITEMS}, 1, &holdout));
}

static void slices(void **state)
{
    const world *w = *state;
    static marks masked;
    static plain p;
    rk_evaluation e;
    rk_evaluate_options how = wanted_options();
    int64_t users = 0, pairs = 0, of_items = 0;
    how.slices = true;
    join(masked, w->part[RK_TRAIN], w->part[RK_VALID]);
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    for (int64_t s = 0; s < e.n_slices; s++) {
        const rk_slice *slice = &e.slices[s];
        bool wanted[N_USERS], only[N_ITEMS];
        assert_true(slice->first <= slice->last);
        if (s > 0 && slice->of_items == e.slices[s - 1].of_items) {
            assert_true(slice->first > e.slices[s - 1].last);
        }
        for (int u = 0; u < N_USERS; u++) {
            int degree = fitted_user_degree(&w->d, u);
            wanted[u] = degree >= slice->first && degree <= slice->last;
        }
        for (int i = 0; i < N_ITEMS; i++) {
            int degree = fitted_item_degree(&w->d, i);
            only[i] = degree >= slice->first && degree <= slice->last;
        }
        evaluate_plainly(w, masked, w->part[RK_TEST], slice->of_items ? only : NULL,
                         slice->of_items ? NULL : wanted, false, &p);
        assert_int_equal(slice->users, p.users);
        assert_int_equal(slice->pairs, p.pairs);
        for (int v = 0; v < N_VALUES; v++) {
            assert_close(slice->values[v], p.mean[v], 1e-12, 1e-9);
        }
        assert_true(isnan(slice->values[N_VALUES]));
        users += slice->of_items ? 0 : slice->users;
        pairs += slice->of_items ? slice->pairs : 0;
        of_items += slice->of_items;
    }
    evaluate_plainly(w, masked, w->part[RK_TEST], NULL, NULL, false, &p);
    assert_means(&e, &p);
    assert_int_equal(users, p.users);
    assert_int_equal(pairs, p.pairs);
    assert_true(of_items >= 3 && e.n_slices - of_items >= 3);
    rk_evaluation_free(&e);
}

static void bad_options(void **state)
{
    const world *w = *state;
    rk_evaluation e;
    rk_evaluate_options how = wanted_options();
    how.metrics = "recall,ndgc";
    assert_fails(RK_ERR_CONFIG, "not 'ndgc'", rk_evaluate(w->f.model, &how, NULL, &e));
    how = wanted_options();
    how.k = &(int64_t){N_ITEMS + 1};
    how.n_k = 1;
    assert_fails(RK_ERR_CONFIG, "between 1 and the number of items",
                 rk_evaluate(w->f.model, &how, NULL, &e));
    how = wanted_options();
    how.part = RK_TRAIN;
    assert_fails(RK_ERR_CONFIG, "train is what was learnt",
                 rk_evaluate(w->f.model, &how, NULL, &e));
    assert_null(e.slices);
}

/* Whatever cannot be had leaves nothing behind. */
static void no_memory(void **state)
{
    const world *w = *state;
    static marks held;
    rk_holdout_facts ignored;
    rk_holdout *holdout = make_holdout(w, held, &ignored);
    rk_evaluate_options how = wanted_options();
    how.slices = how.each = true;
    how.holdout = holdout;
    int64_t failures = 0;
    for (;; failures++) {
        rk_evaluation e;
        rk__alloc_fail_after(failures);
        rk_status status = rk_evaluate(w->f.model, &how, NULL, &e);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            rk_evaluation_free(&e);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_true(failures < 5000);
    }
    assert_true(failures > 10);
    rk_holdout_free(holdout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_cut_offs_and_each_user),
        cmocka_unit_test(some_users),
        cmocka_unit_test(new_data),
        cmocka_unit_test(slices),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
