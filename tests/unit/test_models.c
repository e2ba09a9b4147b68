/*
 * models: the registry, what they declare, what they ask of the data, initial values as
 * distributions, which operations an embedding takes.
 */
#include <math.h>
#include <omp.h>

#include "models/model.h"
#include "support/support.h"

enum { N_USERS = 7, N_ITEMS = 5, N = N_USERS + N_ITEMS, EDGES = 12, DIM = 3, SLOTS = 6 };

static rk_options options_with(int kind, int64_t layers, int weights)
{
    rk_options o = {0};
    o.model.kind = kind;
    o.model.dim = DIM;
    o.model.layers = layers;
    o.model.layer_weights = weights;
    o.model.init = RK_INIT_XAVIER;
    o.model.init_sd = 0.1;
    return o;
}

static void registry_follows_the_choices(void **state)
{
    (void)state;
#define ONE(enumerator, word) +1
    enum { N_KINDS = RK_CHOICES_MODEL(ONE) };
    const rk_model_kind *const *models = rk__models();
    for (int kind = 0; kind < N_KINDS; kind++) {
        assert_string_equal(models[kind]->name, rk__option_choice("model.kind", kind));
        assert_true(strlen(models[kind]->help) > 0);
    }
    assert_null(models[N_KINDS]);
}

static rk_status declare(rk_model_instance *m, const rk_options *o, rk_store *store)
{
    const rk_model_data data = {.n_users = N_USERS, .n_items = N_ITEMS};
    return rk__model_declare(m, rk__model_of(o), o, &data, store);
}

static void declares_one_table(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        rk_options o = options_with(kind, 2, RK_WEIGHTS_MEAN);
        rk_store store = {0};
        rk_model_instance m;
        assert_ok(declare(&m, &o, &store));
        assert_int_equal(m.n_parameters, 1);
        assert_int_equal(m.parameters[0].role, RK_TRAINED);
        assert_true(m.n_tensors > 1 && m.parameters[1].role == RK_TABLE);
        assert_int_equal(m.parameters[0].stored, rk__store_find(&store, "embedding"));
        const rk_stored *s = &store.items[m.parameters[0].stored];
        assert_true(s->dtype == RK_F32 && s->rows == N && s->cols == DIM && !s->constant);
        rk__model_free(&m);
        rk__store_free(&store);
    }
    rk_options o = options_with(RK_MODEL_LIGHTGCN, 0, RK_WEIGHTS_MEAN_WITHOUT_EGO);
    rk_store store = {0};
    rk_model_instance m;
    assert_fails(RK_ERR_CONFIG, "needs model.layers >= 1", declare(&m, &o, &store));
    o = options_with(RK_MODEL_LIGHTGCN, RK_MAX_LAYERS, RK_WEIGHTS_MEAN);
    assert_fails(RK_ERR_CONFIG, "model.layers is 12, at most 11", declare(&m, &o, &store));
    rk__store_free(&store);
}

/* ---- every kind ---- */

/* A data set of which nothing but its size and its times is looked at: users in a ring of items. */
typedef struct ring {
    rk_graph graph;
    double times[2 * N_USERS];
    rk_model_data data;
} ring;

/* left_out: an item without interactions; -1 = none. */
static void make_ring(ring *r, int64_t n_items, int32_t left_out)
{
    int32_t users[2 * N_USERS], items[2 * N_USERS];
    int64_t n = 0;
    for (int32_t u = 0; u < N_USERS; u++) {
        for (int32_t k = 0; k < 2; k++) {
            int32_t item = (int32_t)((u + k) % n_items);
            if (item != left_out) {
                users[n] = u;
                items[n] = item;
                r->times[n++] = 86400 * u;
            }
        }
    }
    assert_ok(rk__graph_build(&r->graph, users, items, n, N_USERS, n_items));
    r->data = (rk_model_data){
        .n_users = N_USERS, .n_items = n_items, .graph = &r->graph, .train_times = r->times};
}

/* Models as options say them, ended by NULL. */
static const char *const variants[][4] = {
    {"model.kind=lightgcn"},
    {"model.kind=lightgcn", "model.layers=0"},
    {"model.kind=lightgcn", "model.layer_weights=learned"},
    {"model.kind=lightgcn", "model.layer_weights=learned_softmax", "loss.contrast=none"},
    {"model.kind=mf"},
    {"model.kind=lightgcn++"},
    {"model.kind=popularity"},
    {"model.kind=popularity", "model.half_life=3"},
    {"model.kind=item_knn", "model.neighbours=2"},
    {"model.kind=item_knn", "model.neighbours=2", "model.similarity=bm25", "model.aggregate=bars"},
    {"model.kind=item_knn", "model.neighbours=2", "model.similarity=tfidf"},
    {"model.kind=user_knn", "model.neighbours=2"},
    {"model.kind=slim", "model.neighbours=2"},
    {"model.kind=turbo_cf"},
    {"model.kind=turbo_cf", "model.filter_power=0.7", "model.neighbours=2"},
    {"model.kind=rp3beta", "model.neighbours=2"},
    {"model.kind=ease"},
    {"model.kind=gf_cf", "model.dim=3"},
    {"model.kind=pure_svd", "model.dim=3"},
    {"model.kind=ials", "model.dim=3"},
};

static rk_config *config_with(const char *const settings[4])
{
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    for (int i = 0; i < 4 && settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

/* What is saved comes first; every name is there once; what is drawn says how; tables and constants
 * are not saved, and constants have their values. */
static void check_declared(const rk_model_instance *m, const rk_store *store)
{
    assert_in_range(m->n_parameters, 1, m->n_tensors);
    for (int i = 0; i < m->n_tensors; i++) {
        const rk_parameter *p = &m->parameters[i];
        bool is_saved = p->role == RK_TRAINED || p->role == RK_COMPUTED;
        assert_int_equal(is_saved, i < m->n_parameters);
        assert_int_equal(p->role == RK_CONSTANT, p->constant != NULL);
        assert_int_equal(p->stored, rk__store_find(store, p->name));
        assert_true(p->rows >= 1 && p->cols >= 1);
        const rk_stored *s = &store->items[p->stored];
        assert_true(s->dtype == p->dtype && s->rows == p->rows && s->cols == p->cols &&
                    s->constant == p->constant);
        if (p->role == RK_TRAINED) {
            assert_int_equal(p->dtype, RK_F32);
            assert_int_equal(p->block_end[1], p->rows);
        }
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(p->name, m->parameters[j].name);
        }
    }
    const char *embeddings = m->model->embeddings;
    if (embeddings) {
        const rk_stored *s = &store->items[rk__store_find(store, embeddings)];
        assert_int_equal(s->rows, m->data.n_users + m->data.n_items);
    }
}

static void kinds_declare_what_is_saved_first(void **state)
{
    (void)state;
    for (int64_t n_items = N_ITEMS; n_items < 3 * N_ITEMS; n_items += N_ITEMS) {
        ring r;
        make_ring(&r, n_items, -1);
        for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
            rk_config *config = config_with(variants[i]);
            const rk_options *o = rk__config_options(config);
            rk_store store = {0};
            rk_model_instance m;
            assert_ok(rk__model_check_data(o, &r.data));
            assert_ok(rk__model_declare(&m, rk__model_of(o), o, &r.data, &store));
            check_declared(&m, &store);
            rk__model_free(&m);
            rk__store_free(&store);
            rk_config_free(config);
        }
        rk__graph_free(&r.graph);
    }
}

/* A model is fitted by gradients or by phases, it scores, and can say what it is about. */
static void kinds_are_whole(void **state)
{
    (void)state;
    for (const rk_model_kind *const *at = rk__models(); *at; at++) {
        const rk_model_kind *m = *at;
        assert_true(m->declare && !m->score == !!m->score_items);
        assert_true(!m->score_items == !m->pair_floats);
        assert_int_equal(m->n_phases > 0, !m->encode && !m->scores); /* one way to be fitted */
        assert_false(m->encode && m->scores);
        assert_int_equal(m->n_phases > 0, m->phase && m->phases);
        assert_true(m->query || m->reads_lists || m->is_same_for_all);
        assert_true(!m->is_closed || m->n_phases > 0);
        assert_true(m->fold_in || !m->query || m->scores);
    }
}

static void check_data_fails(rk_status wanted, const char *message, const ring *r,
                             const char *const settings[4])
{
    rk_config *config = config_with(settings);
    assert_fails(wanted, message, rk__model_check_data(rk__config_options(config), &r->data));
    rk_config_free(config);
}

/* Before any work: what the data set lacks, what is more than it has, what has no solution. */
static void data_that_does_not_do_is_refused(void **state)
{
    (void)state;
    ring r, wide, gap;
    make_ring(&r, N_ITEMS, -1);
    make_ring(&wide, 2 * N_USERS, -1);
    make_ring(&gap, N_ITEMS, 3);
    r.data.train_times = NULL;
    check_data_fails(RK_ERR_DATA, "model.kind popularity needs the times of interactions", &r,
                     (const char *const[4]){"model.kind=popularity", "model.half_life=3"});
    r.data.train_times = r.times;
    check_data_fails(RK_ERR_CONFIG, "model.neighbours is 5, but the data set has 5 items", &r,
                     (const char *const[4]){"model.kind=item_knn", "model.neighbours=5"});
    check_data_fails(RK_ERR_CONFIG, "model.neighbours is 7, but the data set has 7 users", &r,
                     (const char *const[4]){"model.kind=user_knn", "model.neighbours=7"});
    check_data_fails(RK_ERR_CONFIG, "model.l2 is 0, but there are fewer users (7) than items (14)",
                     &wide, (const char *const[4]){"model.kind=ease", "model.l2=0"});
    check_data_fails(RK_ERR_CONFIG, "model.l2 is 0, but some items have no train interaction", &gap,
                     (const char *const[4]){"model.kind=ease", "model.l2=0"});
    check_data_fails(RK_ERR_CONFIG, "model.dim is 6, but the data set has 5 items", &r,
                     (const char *const[4]){"model.kind=ials", "model.dim=6"});
    check_data_fails(RK_ERR_CONFIG, "model.l2 and model.unobserved_weight are both 0", &r,
                     (const char *const[4]){"model.kind=ials", "model.dim=2", "model.l2=0",
                                            "model.unobserved_weight=0"});
    check_data_fails(RK_ERR_CONFIG,
                     "model.l2 is 0 and model.dim (8) is larger than the number of "
                     "users or items (7)",
                     &wide, (const char *const[4]){"model.kind=ials", "model.dim=8", "model.l2=0"});
    rk_config *fine = config_with((const char *const[4]){"model.kind=ease", "model.l2=0"});
    assert_ok(rk__model_check_data(rk__config_options(fine), &r.data));
    rk_config_free(fine);
    rk__graph_free(&r.graph);
    rk__graph_free(&wide.graph);
    rk__graph_free(&gap.graph);
}

/* ---- initial values ---- */

static float *initial(const rk_parameter *p, int number, uint64_t seed)
{
    float *x = malloc((size_t)(p->rows * p->cols) * sizeof *x);
    assert_non_null(x);
    rk__parameter_init(p, number, seed, x);
    return x;
}

/* Empirical distribution function of x[0, n) at t. */
static double below(const float *x, int64_t n, double t)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        count += (double)x[i] < t;
    }
    return (double)count / (double)n;
}

/* Within 5 standard errors of a probability. */
static void assert_share(const float *x, int64_t n, double t, double expected)
{
    assert_close(below(x, n, t), expected, 5 * sqrt(expected * (1 - expected) / (double)n), 1);
}

static void normal_initialiser(void **state)
{
    (void)state;
    const rk_parameter p = {.rows = 3001,
                            .cols = 67,
                            .init = RK_INIT_NORMAL,
                            .init_sd = 0.1,
                            .block_end = {1500, 3001}};
    int64_t n = p.rows * p.cols;
    float *x = initial(&p, 0, 2020);
    double mean = 0, square = 0, lagged[8] = {0};
    for (int64_t i = 0; i < n; i++) {
        mean += (double)x[i];
        square += (double)x[i] * (double)x[i];
        for (int lag = 0; lag < 8; lag++) {
            lagged[lag] += i > lag ? (double)x[i] * (double)x[i - lag - 1] : 0;
        }
    }
    double error = 1 / sqrt((double)n);
    assert_close(mean / (double)n, 0, 5 * 0.1 * error, 1);
    assert_close(square / (double)n, 0.01, 5 * sqrt(2.0) * error, 0);
    for (int lag = 0; lag < 8; lag++) {
        assert_close(lagged[lag] / (double)n, 0, 5 * 0.01 * error, 1);
    }
    for (double z = -3; z <= 3; z += 0.5) {
        assert_share(x, n, 0.1 * z, 0.5 * erfc(-z / sqrt(2.0)));
    }
    free(x);
}

static void xavier_initialiser_by_block(void **state)
{
    (void)state;
    /* 1501 x 67 elements in the first block: no multiple of the 4 that are drawn at once */
    const rk_parameter p = {
        .rows = 1901, .cols = 67, .init = RK_INIT_XAVIER, .block_end = {1501, 1901}};
    float *x = initial(&p, 0, 2020);
    static const int64_t first[] = {0, 1501}, rows[] = {1501, 400};
    for (int b = 0; b < 2; b++) {
        const float *block = x + first[b] * p.cols;
        int64_t n = rows[b] * p.cols;
        double bound = sqrt(6.0 / (double)(rows[b] + p.cols)), largest = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            largest = fmax(largest, fabs((double)block[i]));
            square += (double)block[i] * (double)block[i];
        }
        assert_true(largest <= bound * (1 + 1e-6) && largest > bound * 0.999);
        /* the variance of a square of a uniform number is 4/45 bound^4 */
        assert_close(square / (double)n, bound * bound / 3, 5 * sqrt(0.8 / (double)n), 0);
        for (double t = -0.9; t < 0.95; t += 0.3) {
            assert_share(block, n, t * bound, (1 + t) / 2);
        }
    }
    free(x);
}

/* torch.nn.init.xavier_normal_: standard deviation sqrt(2 / (fan in + fan out)) of each block. */
static void xavier_normal_initialiser_by_block(void **state)
{
    (void)state;
    const rk_parameter p = {.rows = 1901,
                            .cols = 67,
                            .init = RK_INIT_XAVIER_NORMAL,
                            .init_sd = 0.1, /* not looked at */
                            .block_end = {1501, 1901}};
    float *x = initial(&p, 0, 2020);
    static const int64_t first[] = {0, 1501}, rows[] = {1501, 400};
    static const double sd[] = {0.035714286, 0.065441991}; /* of 1568 and of 467 */
    for (int b = 0; b < 2; b++) {
        const float *block = x + first[b] * p.cols;
        const int64_t n = rows[b] * p.cols;
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            mean += (double)block[i];
            square += (double)block[i] * (double)block[i];
        }
        const double error = 1 / sqrt((double)n);
        assert_close(mean / (double)n, 0, 5 * sd[b] * error, 1);
        assert_close(square / (double)n, sd[b] * sd[b], 5 * sqrt(2.0) * error, 0);
        for (double z = -3; z <= 3; z += 0.5) {
            assert_share(block, n, sd[b] * z, 0.5 * erfc(-z / sqrt(2.0)));
        }
    }
    free(x);
}

static void initial_values_are_pure_functions(void **state)
{
    (void)state;
    for (int init = RK_INIT_NORMAL; init <= RK_INIT_XAVIER_NORMAL; init++) {
        const rk_parameter p = {
            .rows = 101, .cols = 5, .init = init, .init_sd = 0.1, .block_end = {33, 101}};
        size_t bytes = (size_t)(p.rows * p.cols) * sizeof(float);
        omp_set_num_threads(1);
        float *reference = initial(&p, 0, 1);
        for (int threads = 1; threads <= 4; threads++) {
            omp_set_num_threads(threads);
            float *again = initial(&p, 0, 1);
            assert_memory_equal(again, reference, bytes);
            free(again);
        }
        float *other_seed = initial(&p, 0, 2), *other_number = initial(&p, 1, 1);
        assert_memory_not_equal(other_seed, reference, bytes);
        assert_memory_not_equal(other_number, reference, bytes);
        free(other_seed);
        free(other_number);
        free(reference);
    }
}

static int count(const rk_program *p, rk_op op)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == op;
    }
    return n;
}

/* Operations of an embedding, at rows or full. */
static void check_operations(rk_options o, bool at_rows, int propagate, int propagate_rows,
                             int combine)
{
    rk_store store = {0};
    rk_model_instance m;
    rk_program p;
    int32_t offsets, columns, scale, nodes;
    assert_ok(rk__store_add(&store, "offsets", RK_I64, N + 1, 1, NULL, &offsets));
    assert_ok(rk__store_add(&store, "columns", RK_I32, 2 * EDGES, 1, NULL, &columns));
    assert_ok(rk__store_add(&store, "scale", RK_F32, N, 1, NULL, &scale));
    assert_ok(rk__store_add(&store, "nodes", RK_I32, SLOTS, 1, NULL, &nodes));
    assert_ok(declare(&m, &o, &store));
    rk__program_init(&p, &store, "embed");
    rk_graph_values graph = {rk__use(&p, offsets), rk__use(&p, columns), rk__use(&p, scale)};
    rk_value values[] = {rk__use(&p, m.parameters[0].stored)};
    rk_row_set rows = rk__unique_rows(&p, rk__use(&p, nodes), N);
    rk_encoded e = m.model->encode(&m, &p, graph, values, RK_NONE);
    assert_ok(p.status);
    assert_true(p.tensors[e.final].rows == N && p.tensors[e.final].cols == DIM);
    assert_true(p.tensors[e.ego].rows == N && p.tensors[e.ego].cols == DIM);
    if (at_rows) {
        rk__gather_rows(&p, e.final, rows);
        assert_ok(rk__program_restrict(&p));
    }
    assert_int_equal(count(&p, RK_OP_PROPAGATE), propagate);
    assert_int_equal(count(&p, RK_OP_PROPAGATE_ROWS), propagate_rows);
    assert_int_equal(count(&p, RK_OP_COMBINE), combine);
    rk__program_free(&p);
    rk__model_free(&m);
    rk__store_free(&store);
}

static void last_layer_at_the_rows_only(void **state)
{
    (void)state;
    for (int k = 1; k <= 4; k++) {
        check_operations(options_with(RK_MODEL_LIGHTGCN, k, RK_WEIGHTS_MEAN), true, k - 1, 1, 1);
        check_operations(options_with(RK_MODEL_LIGHTGCN, k, RK_WEIGHTS_MEAN), false, k, 0, 1);
        check_operations(options_with(RK_MODEL_LIGHTGCN, k, RK_WEIGHTS_LAST), true, k - 1, 1, 0);
        check_operations(options_with(RK_MODEL_MF, k, RK_WEIGHTS_MEAN), true, 0, 0, 0);
    }
    check_operations(options_with(RK_MODEL_LIGHTGCN, 0, RK_WEIGHTS_MEAN), true, 0, 0, 0);
    check_operations(options_with(RK_MODEL_LIGHTGCN, 0, RK_WEIGHTS_LAST), false, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_follows_the_choices),
        cmocka_unit_test(declares_one_table),
        cmocka_unit_test(kinds_declare_what_is_saved_first),
        cmocka_unit_test(kinds_are_whole),
        cmocka_unit_test(data_that_does_not_do_is_refused),
        cmocka_unit_test(normal_initialiser),
        cmocka_unit_test(xavier_initialiser_by_block),
        cmocka_unit_test(xavier_normal_initialiser_by_block),
        cmocka_unit_test(initial_values_are_pure_functions),
        cmocka_unit_test(last_layer_at_the_rows_only),
    };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
