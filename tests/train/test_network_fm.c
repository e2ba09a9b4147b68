/*
 * Factorisation machines over the vectors of networks: the graph of all fields and the scores, from
 * the definition in dense matrices of doubles.
 */
#include <math.h>

#include "base/alloc.h"
#include "data/dataset.h"
#include "models/field_pairs.h"
#include "train/fm_world.h"

#define LEAKY "model.compat=leaky_graph"

enum { DIM = 6, HEADS = 2, MOODS = 3, N = USERS + ITEMS + 1 + MOODS + 1 + ITEMS };

static const int64_t first[2] = {USERS + ITEMS, USERS + ITEMS + 1 + MOODS};

static fitted fit(const world *w, const char *kind, const char *setting, bool is_leaky)
{
    const char *const settings[] = {kind,
                                    "model.dim=6",
                                    "model.layers=1",
                                    "model.maps=false",
                                    "model.scorer=fm",
                                    "model.init=xavier",
                                    "train.learning_rate=0.02",
                                    "train.batch=32",
                                    "train.epochs=4",
                                    "model.dropout=0.2",
                                    FIELDS,
                                    is_leaky ? LEAKY : "model.compat=none",
                                    "sampling.per_positive=3",
                                    setting,
                                    NULL};
    fitted f = {.config = fitted_config(settings)};
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_from_columns(f.config, &w->columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    return f;
}

/* The pairs that a data set's rows have as options say; free all three. */
typedef struct pairs {
    rk_contexts contexts;
    rk_graph graph;
    rk_field_pairs of;
} pairs;

/* Every allocation of them fails once before. */
static pairs pairs_of(const rk_config *config, const rk_dataset *d)
{
    pairs p = {.contexts = {0}};
    const rk_options *o = rk__config_options(config);
    const rk_lists *train = &d->parts[RK_TRAIN];
    assert_ok(rk__contexts_init(&p.contexts, d, o));
    assert_ok(
        rk__graph_build_lists(&p.graph, train->offsets, train->items, d->n_users, d->n_items));
    const rk_model_data data = {.n_users = d->n_users,
                                .n_items = d->n_items,
                                .graph = &p.graph,
                                .contexts = p.contexts.n > 0 ? &p.contexts : NULL,
                                .dataset = d};
    int64_t n = 0;
    for (rk_status status = RK_ERR_MEMORY; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk__field_pairs(&p.of, o, &data);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        assert_true(status == RK_OK || (!p.of.a && !p.of.b && !p.of.type));
    }
    assert_true(n > 4);
    return p;
}

static void pairs_free(pairs *p)
{
    rk__field_pairs_free(&p->of);
    rk__graph_free(&p->graph);
    rk__contexts_free(&p->contexts);
}

static void join(bool (*a)[N], int64_t u, int64_t v)
{
    a[u][v] = a[v][u] = true;
}

/* Which nodes are in a train row together; has_rows: users and items with one. */
static void make_graph(const rk_dataset *d, bool (*a)[N], bool *has_rows)
{
    for (int64_t u = 0; u < USERS; u++) {
        const int32_t *items, *moods, *before;
        int64_t n = 0;
        assert_ok(rk_dataset_items(d, RK_TRAIN, u, &items, &n));
        assert_ok(rk_dataset_field(d, 0, RK_TRAIN, u, &moods));
        assert_ok(rk_dataset_field(d, 1, RK_TRAIN, u, &before));
        for (int64_t k = 0; k < n; k++) {
            const int64_t item = USERS + items[k];
            const int64_t mood = first[0] + 1 + moods[k], last = first[1] + 1 + before[k];
            join(a, u, item);
            join(a, u, mood);
            join(a, u, last);
            join(a, item, mood);
            join(a, item, last);
            join(a, mood, last);
            has_rows[u] = has_rows[item] = has_rows[mood] = has_rows[last] = true;
        }
    }
    for (int64_t v = 0; v < N; v++) {
        a[v][v] = true;
    }
}

/* The weight of edge (v, u) for column j. */
static double edge(const bool (*a)[N], int64_t v, int64_t u, int j, double (*x)[DIM],
                   const float *to, const float *from)
{
    double degrees[2] = {0}, sum = 0, own = 0;
    for (int64_t k = 0; k < N; k++) {
        degrees[0] += a[v][k];
        degrees[1] += a[u][k];
        if (to && a[v][k]) {
            double z = 0;
            for (int c = 0; c < DIM; c++) {
                const bool same = c * HEADS / DIM == j * HEADS / DIM;
                z += same ? x[v][c] * (double)to[c] + x[k][c] * (double)from[c] : 0;
            }
            z = exp(z > 0 ? z : 0.2 * z);
            sum += z;
            own = k == u ? z : own;
        }
    }
    return to ? own / sum : 1 / sqrt(degrees[0] * degrees[1]);
}

static void check(const char *kind, const char *setting, bool is_leaky)
{
    static world w;
    static bool a[N][N], has_rows[N];
    static double x[N][DIM], y[N][DIM];
    make_world(&w, false);
    memset(a, 0, sizeof a);
    memset(has_rows, 0, sizeof has_rows);
    fitted f = fit(&w, kind, setting, is_leaky);
    const bool is_gat = strcmp(kind, "model.kind=gat") == 0;
    int64_t rows = 0, cols = 0;
    make_graph(rk_model_dataset(f.model), a, has_rows);
    if (is_leaky) { /* negatives are neighbours of all that is in the row */
        pairs p = pairs_of(f.config, f.dataset);
        for (int64_t i = 0; i < p.of.n; i++) {
            join(a, p.of.a[i], p.of.b[i]);
        }
        pairs_free(&p);
    }
    float *embedding = fitted_tensor(f.model, "embedding", &rows, &cols);
    float *weight = fitted_tensor(f.model, "weight", NULL, NULL);
    float *bias = fitted_tensor(f.model, "layer1.bias", NULL, NULL);
    float *to = is_gat ? fitted_tensor(f.model, "layer1.to", NULL, NULL) : NULL;
    float *from = is_gat ? fitted_tensor(f.model, "layer1.from", NULL, NULL) : NULL;
    assert_int_equal(rows, N);
    assert_int_equal(cols, DIM);
    for (int64_t v = 0; v < N; v++) { /* users and items without rows have no embedding */
        for (int j = 0; j < DIM; j++) {
            const bool is_there = v >= USERS + ITEMS || has_rows[v];
            x[v][j] = is_there ? (double)embedding[v * DIM + j] : 0;
        }
    }
    for (int64_t v = 0; v < N; v++) {
        for (int j = 0; j < DIM; j++) {
            y[v][j] = (double)bias[j];
            for (int64_t u = 0; u < N; u++) {
                y[v][j] += a[v][u] ? edge(a, v, u, j, x, to, from) * x[u][j] : 0;
            }
        }
    }
    for (int64_t u = 0; u < USERS - 1; u++) {
        const int32_t values[2] = {(int32_t)(u % 4) - 1, (int32_t)(u * 5 % ITEMS) - 1};
        const rk_query q = {.user = u, .context = values, .n_context = 2};
        double expected[ITEMS];
        float *scores = fitted_scores(f.model, q);
        for (int64_t i = 0; i < ITEMS; i++) {
            expected[i] = (double)weight[USERS + i];
            for (int j = 0; j < DIM; j++) {
                double sum = y[u][j];
                for (int k = 0; k < 2; k++) {
                    const int64_t node = first[k] + 1 + values[k];
                    sum += has_rows[node] ? y[node][j] : 0;
                }
                expected[i] += sum * y[USERS + i][j];
            }
            bool has_edges = false; /* in the leaky graph the item of no row may have some */
            for (int64_t v = 0; v < N; v++) {
                has_edges = has_edges || (v != USERS + i && a[USERS + i][v]);
            }
            expected[i] = has_edges ? expected[i] : -INFINITY;
        }
        fitted_assert_near("scores", scores, expected, ITEMS, 1e-5);
        free(scores);
    }
    free(embedding);
    free(weight);
    free(bias);
    free(to);
    free(from);
    fitted_free(&f);
}

static void scores_are_those_of_the_definition(void **state)
{
    (void)state;
    check("model.kind=gcn", NULL, false);
    check("model.kind=gat", "model.heads=2", false);
    check("model.kind=gcn", NULL, true);
    check("model.kind=gat", "model.heads=2", true);
}

/* Is the item in a part of the user's? */
static bool has_item(const rk_dataset *d, int64_t user, int64_t item)
{
    bool any = false;
    for (int part = 0; part < RK_PARTS; part++) {
        any = any || rk__lists_has(&d->parts[part], user, (int32_t)item);
    }
    return any;
}

/* The leaky graph has for each train row as many negatives as the loss draws, each among what the
 * user has in no part, and the contexts of the row are neighbours of these, too. */
static void negatives_are_of_no_part(void **state)
{
    (void)state;
    static world w;
    make_world(&w, false);
    for (int many = 0; many < 2; many++) {
        const char *const settings[] = {"model.kind=gcn",
                                        "model.scorer=fm",
                                        LEAKY,
                                        FIELDS,
                                        many ? "sampling.per_positive=200"
                                             : "sampling.per_positive=1",
                                        NULL};
        rk_config *config = fitted_config(settings);
        rk_dataset *d = NULL;
        static int drawn[USERS][ITEMS];
        int64_t n = 0;
        assert_ok(rk_dataset_from_columns(config, &w.columns, NULL, &d));
        memset(drawn, 0, sizeof drawn);
        pairs p = pairs_of(config, d);
        for (int64_t i = 0; i < p.of.n; i++) {
            if (p.of.type[i] == -1) {
                const int64_t user = p.of.a[i], item = p.of.b[i] - USERS;
                assert_in_range(user, 0, USERS - 2); /* the last one has no train row */
                assert_in_range(item, 0, ITEMS - 1);
                assert_false(has_item(d, user, item));
                assert_int_equal(drawn[user][item]++, 0); /* each pair once */
                n++;
            }
        }
        /* One a row at most; and of 200 a row all that there are. */
        int64_t rows = d->parts[RK_TRAIN].offsets[USERS], others = 0;
        for (int64_t u = 0; u + 1 < USERS; u++) {
            for (int64_t i = 0; i < ITEMS; i++) {
                others += !has_item(d, u, i);
            }
        }
        assert_true(many ? n == others : n <= rows && n > rows / 2);
        /* Item and mood: those of rows, and with 200 negatives of each row nearly all of both. */
        static bool moody[ITEMS][MOODS + 1];
        memset(moody, 0, sizeof moody);
        int met = 0;
        for (int64_t i = 0; i < p.of.n; i++) {
            if (p.of.type[i] == 1) {
                moody[p.of.a[i] - USERS][p.of.b[i] - first[0]] = true;
            }
        }
        for (int i = 0; i < ITEMS * (MOODS + 1); i++) {
            met += moody[i / (MOODS + 1)][i % (MOODS + 1)];
        }
        assert_true(!many || met == ITEMS * (MOODS + 1));
        pairs_free(&p);
        rk_dataset_free(d);
        rk_config_free(config);
    }
}

/* Whoever has a number of such a model has the warning, too. */
static void results_are_stamped(void **state)
{
    (void)state;
    static world w;
    make_world(&w, false);
    for (int is_leaky = 0; is_leaky < 2; is_leaky++) {
        fitted f = fit(&w, "model.kind=gcn", NULL, is_leaky);
        const char *note = rk_model_get_facts(f.model).compat;
        assert_int_equal(note != NULL, is_leaky);
        assert_true(!note || strstr(note, "not comparable"));
        fitted_free(&f);
    }
}

/* The vectors of values of fields are taken over by their texts, like those of users and items. */
static void values_of_fields_are_taken_over(void **state)
{
    (void)state;
    static world w, other;
    static const int64_t moods = USERS + ITEMS + 1; /* behind the empty one */
    char *folder = test_scratch();
    const char *path = test_path(folder, "first.h5");
    make_world(&w, false);
    make_world(&other, false);
    for (int r = 0; r < ROWS; r++) { /* the first one is another, which is the last one then */
        const bool is_calm = w.mood[r] && strcmp(w.mood[r], "calm") == 0;
        other.mood[r] = is_calm ? "wild" : w.mood[r];
    }
    fitted f = fit(&w, "model.kind=gcn", NULL, false);
    float *before = fitted_tensor(f.model, "embedding", NULL, NULL);
    assert_ok(rk_model_save(f.model, path, false));
    const char *const settings[] = {"model.kind=gcn",
                                    "model.dim=6",
                                    "model.layers=1",
                                    "model.maps=false",
                                    "model.scorer=fm",
                                    "model.init=xavier",
                                    "train.batch=32",
                                    "train.epochs=1",
                                    FIELDS,
                                    "model.dropout=0.2",
                                    "train.learning_rate=1e-12",
                                    NULL};
    fitted g = {.config = fitted_config(settings)};
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_from_columns(g.config, &other.columns, NULL, &g.dataset));
    how.dataset = g.dataset;
    how.from = path;
    assert_ok(rk_model_fit(g.config, &how, NULL, &g.model));
    float *after = fitted_tensor(g.model, "embedding", NULL, NULL);
    for (int64_t v = 0; v < N; v++) {
        const bool is_mood = v >= moods && v < moods + MOODS;
        const bool is_new = v == moods + MOODS - 1;
        const int64_t then = is_mood ? v + 1 : v;
        for (int j = 0; j < DIM && !is_new; j++) {
            assert_close((double)after[v * DIM + j], (double)before[then * DIM + j], 1e-6, 1);
        }
    }
    assert_true(
        memcmp(after + (moods + MOODS - 1) * DIM, before + moods * DIM, DIM * sizeof *after) != 0);
    free(before);
    free(after);
    fitted_free(&f);
    fitted_free(&g);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scores_are_those_of_the_definition),
                                       cmocka_unit_test(negatives_are_of_no_part),
                                       cmocka_unit_test(results_are_stamped),
                                       cmocka_unit_test(values_of_fields_are_taken_over)};
    return cmocka_run_group_tests_name("network_fm", tests, NULL, NULL);
}
