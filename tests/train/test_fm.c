/*
 * Factorisation machines over fields of rows: scores in double from the definition, queries with a
 * context, rankings by held-out row, and what is refused.
 */
#include <math.h>

#include "base/alloc.h"
#include "data/contexts.h"
#include "train/fm_world.h"

static fitted fit(const world *w, const char *const *settings)
{
    static const char *const common[] = {"model.kind=fm",
                                         "model.dim=6",
                                         "model.init=xavier",
                                         "train.learning_rate=0.02",
                                         "train.batch=32",
                                         "train.epochs=5",
                                         FIELDS};
    const char *all[16];
    int n = 0;
    for (; n < (int)(sizeof common / sizeof common[0]); n++) {
        all[n] = common[n];
    }
    for (int i = 0; settings[i]; i++) {
        all[n++] = settings[i];
    }
    all[n] = NULL;
    fitted f = {.config = fitted_config(all)};
    rk_train_options how = rk_train_defaults();
    assert_ok(rk_dataset_from_columns(f.config, &w->columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    return f;
}

/* ---- the definition ---- */

/* What a model has learnt, and the rows of its contexts. */
typedef struct learnt {
    const rk_dataset *d;
    int64_t dim, users, items;
    float *embedding, *weight, *context, *context_weight, *bias; /* NULL = none */
    int64_t first[4];                                            /* of fields */
    int n_fields;
    int64_t fields[2];
    bool known[200]; /* by row of the contexts */
} learnt;

static float *maybe(const rk_model *m, const char *name)
{
    rk_tensor_info info;
    return rk_model_find_tensor(m, name, &info) == RK_OK ? fitted_tensor(m, name, NULL, NULL)
                                                         : NULL;
}

static int64_t count_values(const rk_dataset *d, int64_t field)
{
    char room[RK_ID_BYTES];
    int64_t n = 0;
    while (rk_dataset_field_value(d, field, n, room)) {
        n++;
    }
    return n;
}

static void open_learnt(learnt *l, const rk_model *m)
{
    const rk_model_facts facts = rk_model_get_facts(m);
    *l = (learnt){.d = rk_model_dataset(m), .users = facts.users, .items = facts.items};
    l->embedding = fitted_tensor(m, "embedding", NULL, &l->dim);
    l->weight = maybe(m, "weight");
    l->context = maybe(m, "context");
    l->context_weight = maybe(m, "context_weight");
    l->bias = maybe(m, "bias");
    l->n_fields = (int)rk_model_n_fields(m);
    for (int f = 0; f < l->n_fields; f++) {
        l->fields[f] = rk_model_field(m, f);
        l->first[f + 1] = l->first[f] + 1 + count_values(l->d, l->fields[f]);
        for (int64_t u = 0; u < l->users; u++) {
            const int32_t *values;
            rk_rows rows = rk_rows_defaults();
            assert_ok(rk_dataset_rows(l->d, RK_TRAIN, u, &rows));
            assert_ok(rk_dataset_field(l->d, l->fields[f], RK_TRAIN, u, &values));
            for (int64_t i = 0; i < rows.n; i++) {
                l->known[l->first[f] + 1 + values[i]] = true;
            }
        }
    }
}

static void close_learnt(learnt *l)
{
    free(l->embedding);
    free(l->weight);
    free(l->context);
    free(l->context_weight);
    free(l->bias);
}

static bool has_train(const rk_dataset *d, int64_t user)
{
    const int32_t *items;
    int64_t n = 0;
    assert_ok(rk_dataset_items(d, RK_TRAIN, user, &items, &n));
    return n > 0;
}

/* y = b + the sum of the w + the products of every two vectors; without a bias the products with
 * the item's alone. user: the vector of who asks, or NULL. */
static void define(const learnt *l, const double *user, double user_weight, const int32_t *values,
                   double *out)
{
    const double *vectors[4];
    double rows[4][16], weights = user ? user_weight : 0;
    int n = 0;
    if (user) {
        vectors[n++] = user;
    }
    for (int f = 0; f < l->n_fields; f++) {
        const int64_t row = l->first[f] + 1 + values[f];
        if (l->known[row]) {
            for (int64_t j = 0; j < l->dim; j++) {
                rows[f][j] = (double)l->context[row * l->dim + j];
            }
            vectors[n++] = rows[f];
            weights += l->context_weight ? (double)l->context_weight[row] : 0;
        }
    }
    for (int64_t i = 0; i < l->items; i++) {
        double item[16], y = (double)l->weight[l->users + i];
        for (int64_t j = 0; j < l->dim; j++) {
            item[j] = (double)l->embedding[(l->users + i) * l->dim + j];
        }
        vectors[n] = item;
        y += l->bias ? (double)l->bias[0] + weights : 0;
        for (int a = 0; a < n; a++) {
            for (int b = l->bias ? a + 1 : n; b <= n; b++) {
                for (int64_t j = 0; j < l->dim; j++) {
                    y += vectors[a][j] * vectors[b][j];
                }
            }
        }
        out[i] = y;
    }
}

static void cold_items(const learnt *l, double *scores)
{
    for (int64_t i = 0; i < l->items; i++) {
        bool any = false;
        for (int64_t u = 0; u < l->users; u++) {
            const int32_t *items;
            int64_t n = 0;
            assert_ok(rk_dataset_items(l->d, RK_TRAIN, u, &items, &n));
            for (int64_t k = 0; k < n; k++) {
                any = any || items[k] == i;
            }
        }
        scores[i] = any ? scores[i] : -INFINITY;
    }
}

static void compare_query(const learnt *l, const rk_model *m, rk_query q, const double *user,
                          double user_weight)
{
    double expected[ITEMS];
    float *scores = fitted_scores(m, q);
    define(l, user, user_weight, q.context, expected);
    cold_items(l, expected);
    fitted_assert_near("scores", scores, expected, l->items, 2e-6);
    free(scores);
}

static void check_definition(const char *const *settings, bool with_repeats)
{
    static world w;
    learnt l;
    make_world(&w, with_repeats);
    fitted f = fit(&w, settings);
    open_learnt(&l, f.model);
    for (int64_t u = 0; u < USERS; u++) {
        for (int32_t mood = -1; mood < 3; mood++) {
            double row[16];
            const int32_t all[2] = {mood, (int32_t)((u * 7 + mood + 1) % ITEMS) - 1};
            int32_t values[2];
            for (int k = 0; k < l.n_fields; k++) {
                values[k] = all[l.fields[k]];
            }
            for (int64_t j = 0; j < l.dim; j++) {
                row[j] = (double)l.embedding[u * l.dim + j];
            }
            const rk_query known = {.user = u, .context = values, .n_context = l.n_fields};
            rk_grounds grounds;
            assert_ok(rk_model_grounds(f.model, &known, &grounds));
            if (grounds.basis == RK_BASIS_MODEL) {
                compare_query(&l, f.model, known, has_train(l.d, u) ? row : NULL,
                              (double)l.weight[u]);
            } else {
                assert_false(has_train(l.d, u));
            }
            const int32_t list[3] = {3, 9, 4}; /* |I|^-1/2 times the sum of their vectors */
            for (int64_t j = 0; j < l.dim; j++) {
                row[j] = 0;
                for (int k = 0; k < 3; k++) {
                    row[j] += (double)l.embedding[(l.users + list[k]) * l.dim + j] / sqrt(3);
                }
            }
            compare_query(&l, f.model,
                          (rk_query){.user = -1,
                                     .items = list,
                                     .n_items = 3,
                                     .context = values,
                                     .n_context = l.n_fields},
                          row, 0);
        }
    }
    close_learnt(&l);
    fitted_free(&f);
}

static void scores_are_those_of_the_definition(void **unused)
{
    (void)unused;
    static const char *const bpr[] = {"loss.kind=bpr", "model.dropout=0.3", NULL};
    static const char *const bce[] = {"loss.kind=bce", "sampling.per_positive=2", NULL};
    static const char *const softmax[] = {"loss.kind=softmax", "model.fields=before",
                                          "sampling.per_positive=3", NULL};
    static const char *const none[] = {"loss.kind=bce", "model.fields=none", NULL};
    check_definition(bpr, true);
    check_definition(bce, true);
    check_definition(softmax, false);
    check_definition(none, false);
}

/* ---- who asks ---- */

static void a_context_alone_can_ask(void **unused)
{
    (void)unused;
    static world w;
    static const char *const settings[] = {NULL};
    learnt l;
    make_world(&w, false);
    fitted f = fit(&w, settings);
    open_learnt(&l, f.model);
    const int32_t known[2] = {1, 4}, strange[2] = {1, ITEMS - 1}, nothing[2] = {-1, ITEMS - 1};
    const bool knows_empty = l.known[0];
    rk_grounds grounds;
    rk_query q = {.user = -1, .context = known, .n_context = 2};
    compare_query(&l, f.model, q, NULL, 0);
    assert_ok(rk_model_grounds(f.model, &q, &grounds));
    assert_int_equal(grounds.basis, RK_BASIS_MODEL);
    assert_int_equal(grounds.context_used, 2);
    q.user = USERS - 1; /* without a train row */
    compare_query(&l, f.model, q, NULL, 0);
    q.context = strange;
    assert_ok(rk_model_grounds(f.model, &q, &grounds));
    assert_int_equal(grounds.context_used, 1);
    compare_query(&l, f.model, q, NULL, 0);
    q.context = nothing;
    assert_ok(rk_model_grounds(f.model, &q, &grounds));
    assert_int_equal(grounds.basis, knows_empty ? RK_BASIS_MODEL : RK_BASIS_POPULARITY);
    close_learnt(&l);
    fitted_free(&f);
}

/* Known users, people with lists, contexts alone and nobody, mixed in one call, get what they get
 * alone. */
static void queries_of_all_kinds_go_together(void **unused)
{
    (void)unused;
    enum { N = 40, K = 4 };
    static world w;
    static const char *const settings[] = {"loss.kind=bce", NULL};
    static const int32_t list[2] = {2, 11};
    make_world(&w, false);
    fitted f = fit(&w, settings);
    rk_query queries[N];
    int32_t contexts[N][2];
    rk_recommendation all[N * K], one[K];
    for (int i = 0; i < N; i++) {
        contexts[i][0] = i % 4 - 1;
        contexts[i][1] = i % ITEMS;
        queries[i] =
            (rk_query){.user = i % 3 == 0 ? i % USERS : -1, .context = contexts[i], .n_context = 2};
        if (i % 3 == 1) {
            queries[i].items = list;
            queries[i].n_items = 2;
        }
    }
    assert_ok(rk_model_top_k(f.model, queries, N, NULL, K, all));
    for (int i = 0; i < N; i++) {
        assert_ok(rk_model_top_k(f.model, &queries[i], 1, NULL, K, one));
        for (int k = 0; k < K; k++) {
            assert_int_equal(one[k].item, all[i * K + k].item);
            assert_true(one[k].score == all[i * K + k].score);
        }
    }
    fitted_free(&f);
}

/* ---- rankings by row ---- */

static bool has(const rk_dataset *d, rk_part part, int64_t user, int32_t item)
{
    const int32_t *items;
    int64_t n = 0;
    assert_ok(rk_dataset_items(d, part, user, &items, &n));
    for (int64_t k = 0; k < n; k++) {
        if (items[k] == item) {
            return true;
        }
    }
    return false;
}

/* The rank of the item from 0 among those that the user has not seen. */
static int rank_of(const rk_model *m, rk_query q, rk_part part, int32_t item)
{
    const rk_dataset *d = rk_model_dataset(m);
    float *scores = fitted_scores(m, q);
    int rank = 0;
    for (int32_t i = 0; i < rk_model_get_facts(m).items; i++) {
        const bool is_seen =
            has(d, RK_TRAIN, q.user, i) || (part == RK_TEST && has(d, RK_VALID, q.user, i));
        const bool is_before = scores[i] > scores[item] || (scores[i] == scores[item] && i < item);
        rank += !is_seen && i != item && is_before && scores[i] > -INFINITY;
    }
    rank = scores[item] == -INFINITY ? 1000 : rank;
    free(scores);
    return rank;
}

static double value_of(const rk_metrics *m, const char *name)
{
    for (int64_t i = 0; i < m->count; i++) {
        if (strcmp(m->values[i].name, name) == 0) {
            return m->values[i].value;
        }
    }
    fail_msg("no metric %s", name);
    return 0;
}

static void check_by_row(const char *repeats)
{
    static world w;
    const char *const settings[] = {repeats, "eval.metrics=[hit, ndcg, recall]", NULL};
    make_world(&w, true);
    fitted f = fit(&w, settings);
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        double hit = 0, ndcg = 0;
        int64_t users = 0, n_rows = 0;
        rk_metrics metrics = {0};
        for (int64_t u = 0; u < USERS; u++) {
            rk_rows rows = rk_rows_defaults();
            const int32_t *values[2];
            assert_ok(rk_dataset_rows(f.dataset, part, u, &rows));
            for (int k = 0; k < 2; k++) {
                assert_ok(rk_dataset_field(f.dataset, k, part, u, &values[k]));
            }
            users += rows.n > 0;
            n_rows += rows.n;
            for (int64_t i = 0; i < rows.n; i++) {
                const int32_t context[2] = {values[0][i], values[1][i]};
                const rk_query q = {.user = u, .context = context, .n_context = 2};
                const int rank = rank_of(f.model, q, part, rows.items[i]);
                hit += rank < 5 ? 1 / (double)rows.n : 0;
                ndcg += rank < 5 ? 1 / log2(rank + 2) / (double)rows.n : 0;
            }
        }
        assert_true(n_rows > users);
        assert_ok(rk_model_evaluate(f.model, part, false, NULL, &metrics));
        assert_int_equal(metrics.users, users);
        assert_close(value_of(&metrics, "hit@5"), hit / (double)users, 1e-12, 1e-12);
        assert_close(value_of(&metrics, "recall@5"), hit / (double)users, 1e-12, 1e-12);
        assert_close(value_of(&metrics, "ndcg@5"), ndcg / (double)users, 1e-12, 1e-12);
        rk_metrics_free(&metrics);

        rk_evaluate_options how = rk_evaluate_defaults(); /* each user's value is that mean */
        rk_evaluation e = {0};
        double sum = 0;
        how.part = part;
        how.each = true;
        assert_ok(rk_evaluate(f.model, &how, NULL, &e));
        assert_int_equal(e.metrics.users, users);
        for (int64_t i = 0; i < users; i++) {
            assert_true(i == 0 || e.users[i] > e.users[i - 1]);
            sum += e.values[i * e.metrics.count];
        }
        assert_close(sum, hit, 1e-12, 1e-12);
        rk_evaluation_free(&e);
    }
    fitted_free(&f);
}

static void each_held_out_row_is_ranked_in_its_context(void **unused)
{
    (void)unused;
    check_by_row("data.repeats=merge");
    check_by_row("data.repeats=keep");
}

/* The next item follows from the last one: whoever knows that finds it, nobody else. */
static void a_field_that_decides_is_learnt(void **unused)
{
    (void)unused;
    static world w;
    double hits[2];
    for (int i = 0; i < 2; i++) {
        const char *const settings[] = {i == 0 ? "model.fields=none" : "model.fields=before",
                                        "train.epochs=40",
                                        "eval.metrics=[hit]",
                                        "eval.k=[2]",
                                        "eval.metric=hit@2",
                                        NULL};
        rk_metrics metrics = {0};
        make_world(&w, false);
        fitted f = fit(&w, settings);
        assert_ok(rk_model_evaluate(f.model, RK_TEST, false, NULL, &metrics));
        hits[i] = value_of(&metrics, "hit@2");
        rk_metrics_free(&metrics);
        fitted_free(&f);
    }
    if (!(hits[1] > 0.6 && hits[1] > hits[0] + 0.2)) {
        fail_msg("hit@2 is %g without the last item and %g with it", hits[0], hits[1]);
    }
}

/* ---- a file, and what is refused ---- */

static void a_saved_model_keeps_its_fields(void **unused)
{
    (void)unused;
    static world w;
    static const char *const settings[] = {"loss.kind=bce", "data.repeats=keep", NULL};
    char *folder = test_scratch();
    const char *path = test_path(folder, "fm.h5");
    rk_model *opened = NULL;
    make_world(&w, true);
    fitted f = fit(&w, settings);
    assert_ok(rk_model_save(f.model, path, false));
    assert_ok(rk_model_open(path, "cpu", NULL, NULL, &opened));
    assert_int_equal(rk_model_n_fields(opened), 2);
    for (int32_t i = 0; i < 10; i++) {
        const int32_t context[2] = {i % 4 - 1, i};
        const rk_query q = {.user = i, .context = context, .n_context = 2};
        float *here = fitted_scores(f.model, q), *there = fitted_scores(opened, q);
        assert_memory_equal(here, there, ITEMS * sizeof *here);
        free(here);
        free(there);
    }
    rk_model_free(opened);
    fitted_free(&f);
    test_scratch_remove(folder);
}

static void queries_without_their_context_are_refused(void **unused)
{
    (void)unused;
    static world w;
    static const char *const settings[] = {NULL}, *const none[] = {"model.fields=none", NULL};
    rk_recommendation best[3];
    const int32_t context[2] = {0, 1}, beyond[2] = {0, ITEMS};
    int64_t value = 0;
    make_world(&w, false);
    fitted f = fit(&w, settings), g = fit(&w, none);
    rk_query q = {.user = 2};
    assert_fails(RK_ERR_CONFIG, "reads the context of a query (mood, before), but nothing is said",
                 rk_model_top_k(f.model, &q, 1, NULL, 3, best));
    q = (rk_query){.user = 2, .context = context, .n_context = 1};
    assert_fails(RK_ERR_CONFIG, "another number is said",
                 rk_model_top_k(f.model, &q, 1, NULL, 3, best));
    q.n_context = 2;
    assert_ok(rk_model_top_k(f.model, &q, 1, NULL, 3, best));
    assert_fails(RK_ERR_CONFIG, "but the model (fm) reads none",
                 rk_model_top_k(g.model, &q, 1, NULL, 3, best));
    q.context = beyond;
    assert_fails(RK_ERR_CONFIG, "the value 20 of the field before; they go from 0 to 19",
                 rk_model_top_k(f.model, &q, 1, NULL, 3, best));
    q.context = NULL;
    assert_fails(RK_ERR_CONFIG, "2 values of fields, but no list",
                 rk_model_top_k(f.model, &q, 1, NULL, 3, best));
    assert_ok(rk_dataset_find_value(f.dataset, 0, "glad", &value));
    assert_int_equal(value, 2);
    assert_ok(rk_dataset_find_value(f.dataset, 1, "", &value));
    assert_int_equal(value, -1);
    assert_fails(RK_ERR_DATA, "no row of the data set generated has 'sad' in its field mood",
                 rk_dataset_find_value(f.dataset, 0, "sad", &value));
    assert_fails(RK_ERR_DATA, "item '77' is not in the data set",
                 rk_dataset_find_value(f.dataset, 1, "77", &value));
    assert_fails(RK_ERR_DATA, "but no field 2", rk_dataset_find_value(f.dataset, 2, "", &value));
    assert_int_equal(rk_model_field(f.model, 2), -1);
    fitted_free(&f);
    fitted_free(&g);
}

static void fields_that_are_not_there_are_refused(void **unused)
{
    (void)unused;
    rk_config *config =
        config_of("model.kind=fm; model.fields=hour; split.kind=ratio; data.sources=[{file: x}]; "
                  "data.fields=[{name: mood}, {name: skip}]");
    assert_fails(RK_ERR_CONFIG, "model.fields names 'hour', but data.fields has mood, skip",
                 rk_config_check(config));
    rk_config_free(config);
    config = config_of("model.kind=fm; model.fields='skip, skip'; split.kind=ratio; "
                       "data.sources=[{file: x}]; data.fields=[{name: mood}, {name: skip}]");
    assert_fails(RK_ERR_CONFIG, "model.fields names 'skip' twice", rk_config_check(config));
    rk_config_free(config);
    config =
        config_of("model.kind=fm; model.fields=hour; split.kind=ratio; data.sources=[{file: x}]");
    assert_fails(RK_ERR_CONFIG, "data.fields has no field; add it there", rk_config_check(config));
    rk_config_free(config);
    config =
        config_of("model.kind=mf; model.fields=hour; split.kind=ratio; data.sources=[{file: x}]");
    assert_fails(RK_ERR_CONFIG, "model.fields", rk_config_check(config));
    rk_config_free(config);
}

/* Every allocation of the contexts fails once. */
static void memory_that_runs_out_is_an_error(void **unused)
{
    (void)unused;
    static world w;
    static const char *const settings[] = {"data.repeats=keep", NULL};
    make_world(&w, true);
    fitted f = fit(&w, settings);
    rk_contexts c = {0};
    int64_t n = 0;
    for (rk_status status = RK_ERR_MEMORY; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk__contexts_init(&c, f.dataset, rk__config_options(f.config));
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
    }
    assert_true(n > 5);
    assert_int_equal(c.n, 2);
    rk__contexts_free(&c);
    fitted_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_definition),
        cmocka_unit_test(a_context_alone_can_ask),
        cmocka_unit_test(queries_of_all_kinds_go_together),
        cmocka_unit_test(each_held_out_row_is_ranked_in_its_context),
        cmocka_unit_test(a_field_that_decides_is_learnt),
        cmocka_unit_test(a_saved_model_keeps_its_fields),
        cmocka_unit_test(queries_without_their_context_are_refused),
        cmocka_unit_test(fields_that_are_not_there_are_refused),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
