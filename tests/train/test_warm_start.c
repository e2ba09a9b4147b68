/* A run that begins with the parameters of another: rows by ids, whatever the sizes of tables. */
#include <math.h>

#include "base/alloc.h"
#include "train/fitted.h"

enum { N_USERS = 29, N_ITEMS = 19, DIM = 8 };

typedef struct world {
    fitted_data d;
    char *folder;
    char path[600]; /* of the first model */
} world;

/* Ids are not the dense indices of either data set: the second has others before and between. */
static int64_t user_id(int number)
{
    return 10 + 10 * number;
}

/* The rows of users from first on and of all, with ids; and of two users and an item that are new.
 * Free the arrays by hand. */
typedef struct rows {
    int64_t users[2 * N_USERS * N_ITEMS + 64], items[2 * N_USERS * N_ITEMS + 64];
    uint8_t parts[2 * N_USERS * N_ITEMS + 64];
    int64_t n;
} rows;

static void add(rows *r, int64_t user, int64_t item, rk_part part)
{
    r->users[r->n] = user;
    r->items[r->n] = item;
    r->parts[r->n++] = (uint8_t)part;
}

static void take_rows(const fitted_data *d, int first_user, bool with_new, rows *out)
{
    out->n = 0;
    for (int64_t i = 0; i < d->columns.n; i++) {
        if (d->users[i] >= first_user) {
            add(out, user_id((int)d->users[i]), 100 + 2 * d->items[i], (rk_part)d->parts[i]);
        }
    }
    if (with_new) { /* users 5 (before all) and 155 (between), item 103 (between) */
        add(out, 5, 100, RK_TRAIN);
        add(out, 5, 106, RK_TRAIN);
        add(out, 155, 103, RK_TRAIN);
        add(out, user_id(7), 103, RK_TRAIN);
        add(out, user_id(9), 103, RK_TRAIN);
    }
}

static rk_dataset *dataset_of(const rows *r, const rk_config *config)
{
    rk_columns columns = rk_columns_defaults();
    rk_dataset *dataset = NULL;
    columns.n = r->n;
    columns.users = r->users;
    columns.items = r->items;
    columns.parts = r->parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &dataset));
    return dataset;
}

static const char *const first_settings[] = {"model.kind=mf", "model.dim=8", "train.epochs=3",
                                             "train.batch=32", NULL};
static const char *const later_settings[] = {"model.kind=mf", "model.dim=8", "train.epochs=0",
                                             "run.seed=77", NULL};

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    static rows r;
    assert_non_null(w);
    fitted_data_init(&w->d, N_USERS, N_ITEMS, false);
    w->folder = test_scratch();
    snprintf(w->path, sizeof w->path, "%s", test_path(w->folder, "first.h5"));
    rk_config *config = fitted_config(first_settings);
    take_rows(&w->d, 0, false, &r);
    rk_dataset *dataset = dataset_of(&r, config);
    rk_train_options how = rk_train_defaults();
    rk_model *model = NULL;
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    assert_ok(rk_model_save(model, w->path, false));
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    fitted_data_free(&w->d);
    test_scratch_remove(w->folder);
    free(w);
    return 0;
}

/* The row of an id in a model's table of all nodes; NULL if it does not have it. */
static const float *row_of(const rk_model *model, const float *table, const char *what, int64_t id)
{
    char text[32];
    int64_t at = 0;
    snprintf(text, sizeof text, "%lld", (long long)id);
    rk_status status = *what == 'u' ? rk_dataset_find_user(rk_model_dataset(model), text, &at)
                                    : rk_dataset_find_item(rk_model_dataset(model), text, &at);
    int64_t users = rk_model_get_facts(model).users;
    return status == RK_OK ? table + (at + (*what == 'u' ? 0 : users)) * DIM : NULL;
}

typedef struct later {
    rk_config *config;
    rk_dataset *dataset;
    rk_model *model;
    float *table;
} later;

/* from NULL: initial values only. */
static later begin(const world *w, const char *from, rk_new_ids new_ids)
{
    static rows r;
    later l = {.config = fitted_config(later_settings)};
    rk_train_options how = rk_train_defaults();
    take_rows(&w->d, 4, true, &r); /* the first four users are gone */
    l.dataset = dataset_of(&r, l.config);
    how.dataset = l.dataset;
    how.from = from;
    how.new_ids = new_ids;
    assert_ok(rk_model_fit(l.config, &how, NULL, &l.model));
    l.table = fitted_tensor(l.model, "embedding", NULL, NULL);
    return l;
}

static void end(later *l)
{
    free(l->table);
    rk_model_free(l->model);
    rk_dataset_free(l->dataset);
    rk_config_free(l->config);
}

static double norm(const float *row)
{
    double sum = 0;
    for (int j = 0; j < DIM; j++) {
        sum += (double)row[j] * (double)row[j];
    }
    return sqrt(sum);
}

static void assert_same_row(const float *a, const float *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_memory_equal(a, b, DIM * sizeof *a);
}

static void rows_go_by_ids(void **state)
{
    const world *w = *state;
    rk_model *first = NULL;
    assert_ok(rk_model_open(w->path, NULL, NULL, NULL, &first));
    float *before = fitted_tensor(first, "embedding", NULL, NULL);
    later drawn = begin(w, NULL, RK_NEW_DRAWN), l = begin(w, w->path, RK_NEW_DRAWN);
    assert_int_equal(rk_model_get_facts(l.model).users, N_USERS - 4 + 2);
    for (int u = 4; u < N_USERS; u++) {
        assert_same_row(row_of(l.model, l.table, "user", user_id(u)),
                        row_of(first, before, "user", user_id(u)));
    }
    for (int i = 0; i < N_ITEMS; i++) {
        assert_same_row(row_of(l.model, l.table, "item", 100 + 2 * i),
                        row_of(first, before, "item", 100 + 2 * i));
    }
    /* Who is new has what a run without another one draws. */
    assert_same_row(row_of(l.model, l.table, "user", 5),
                    row_of(drawn.model, drawn.table, "user", 5));
    assert_same_row(row_of(l.model, l.table, "user", 155),
                    row_of(drawn.model, drawn.table, "user", 155));
    assert_same_row(row_of(l.model, l.table, "item", 103),
                    row_of(drawn.model, drawn.table, "item", 103));
    end(&drawn);
    end(&l);
    free(before);
    rk_model_free(first);
}

/* The mean direction of rows, as long as those taken over of a side are on average. */
static void assert_folded(const float *row, const float *const *others, int n, double length)
{
    double sum[DIM] = {0}, size = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < DIM; j++) {
            sum[j] += (double)others[i][j] / n;
        }
    }
    for (int j = 0; j < DIM; j++) {
        size += sum[j] * sum[j];
    }
    for (int j = 0; j < DIM; j++) {
        assert_close((double)row[j], sum[j] * length / sqrt(size), 1e-5, 1e-3);
    }
}

static void who_is_new_is_folded_in(void **state)
{
    const world *w = *state;
    later drawn = begin(w, NULL, RK_NEW_DRAWN), l = begin(w, w->path, RK_NEW_FOLDED);
    double users = 0, items = 0;
    for (int u = 4; u < N_USERS; u++) {
        users += norm(row_of(l.model, l.table, "user", user_id(u))) / (N_USERS - 4);
    }
    for (int i = 0; i < N_ITEMS; i++) {
        items += norm(row_of(l.model, l.table, "item", 100 + 2 * i)) / N_ITEMS;
    }
    const float *of_user[] = {row_of(l.model, l.table, "item", 100),
                              row_of(l.model, l.table, "item", 106)};
    const float *of_item[] = {row_of(l.model, l.table, "user", user_id(7)),
                              row_of(l.model, l.table, "user", user_id(9))};
    assert_folded(row_of(l.model, l.table, "user", 5), of_user, 2, users);
    assert_folded(row_of(l.model, l.table, "item", 103), of_item, 2, items);
    /* Somebody new who has nothing but what is new itself is drawn. */
    assert_same_row(row_of(l.model, l.table, "user", 155),
                    row_of(drawn.model, drawn.table, "user", 155));
    end(&drawn);
    end(&l);
}

/* The text ids "10" of one are the integer ids 10 of the other. */
static void ids_of_another_kind(void **state)
{
    const world *w = *state;
    static rows r;
    static const char *users[2 * N_USERS * N_ITEMS], *items[2 * N_USERS * N_ITEMS];
    static char texts[4 * N_USERS * N_ITEMS][24];
    rk_config *config = fitted_config(later_settings);
    rk_columns columns = rk_columns_defaults();
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL, *first = NULL;
    assert_ok(rk_config_set(config, "data.ids=text", "test"));
    take_rows(&w->d, 0, false, &r);
    for (int64_t i = 0; i < r.n; i++) {
        snprintf(texts[2 * i], sizeof texts[0], "%lld", (long long)r.users[i]);
        snprintf(texts[2 * i + 1], sizeof texts[0], "%lld", (long long)r.items[i]);
        users[i] = texts[2 * i];
        items[i] = texts[2 * i + 1];
    }
    columns.n = r.n;
    columns.user_texts = users;
    columns.item_texts = items;
    columns.parts = r.parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &dataset));
    how.dataset = dataset;
    how.from = w->path;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    assert_ok(rk_model_open(w->path, NULL, NULL, NULL, &first));
    float *table = fitted_tensor(model, "embedding", NULL, NULL);
    float *before = fitted_tensor(first, "embedding", NULL, NULL);
    for (int u = 0; u < N_USERS; u++) {
        assert_same_row(row_of(model, table, "user", user_id(u)),
                        row_of(first, before, "user", user_id(u)));
    }
    free(table);
    free(before);
    rk_model_free(model);
    rk_model_free(first);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

static void refuses(const world *w, const char *const *settings, const char *from, rk_status wanted,
                    const char *message)
{
    static rows r;
    rk_config *config = fitted_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_model *model = NULL;
    take_rows(&w->d, 0, false, &r);
    rk_dataset *dataset = dataset_of(&r, config);
    how.dataset = dataset;
    how.from = from;
    assert_fails(wanted, message, rk_model_fit(config, &how, NULL, &model));
    assert_null(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

static void what_does_not_fit(void **state)
{
    const world *w = *state;
    static const char *const dim[] = {"model.kind=mf", "model.dim=16", NULL};
    static const char *const kind[] = {"model.kind=ials", "model.dim=8", NULL};
    static const char *const closed[] = {"model.kind=ease", NULL};
    static const char *const same[] = {"model.kind=mf", "model.dim=8", NULL};
    refuses(w, dim, w->path, RK_ERR_CONFIG, "model.dim is 16 (test), but the run to begin from");
    refuses(w, kind, w->path, RK_ERR_CONFIG, "was trained with mf: its parameters do not fit");
    refuses(w, closed, w->path, RK_ERR_CONFIG, "was trained with mf");
    refuses(w, same, w->folder, RK_ERR_CONFIG, "is no run folder: it has no config.yaml");
    refuses(w, same, test_path(w->folder, "nothing.h5"), RK_ERR_CONFIG, "is no run folder");
    /* Nobody in common. */
    static rows r;
    rk_config *config = fitted_config(same);
    rk_train_options how = rk_train_defaults();
    rk_model *model = NULL;
    take_rows(&w->d, 0, false, &r);
    for (int64_t i = 0; i < r.n; i++) {
        r.users[i] += 100000;
        r.items[i] += 100000;
    }
    rk_dataset *dataset = dataset_of(&r, config);
    how.dataset = dataset;
    how.from = w->path;
    assert_fails(RK_ERR_DATA, "has no user and no item of",
                 rk_model_fit(config, &how, NULL, &model));
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Fits a model of these settings, from another one, and saves it. */
static void save(const world *w, const char *const *settings, const char *from, const char *path)
{
    static rows r;
    rk_config *config = fitted_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_model *model = NULL;
    take_rows(&w->d, 0, false, &r);
    rk_dataset *dataset = dataset_of(&r, config);
    how.dataset = dataset;
    how.from = from;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    assert_ok(rk_model_save(model, path, false));
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Parameters that a model has no place for are not left behind, whatever they are of. */
static void nothing_is_left_behind(void **state)
{
    const world *w = *state;
#define GCN "model.kind=gcn", "model.dim=8", "train.epochs=1", "train.batch=32"
    static const char *const two[] = {GCN, "model.layers=2", "model.batch_norm=true", NULL};
    static const char *const one[] = {GCN, "model.layers=1", "model.batch_norm=true", NULL};
    static const char *const three[] = {GCN, "model.layers=3", "model.batch_norm=true", NULL};
    static const char *const plain[] = {GCN, "model.layers=2", NULL};
    static const char *const thin[] = {GCN, "model.layers=2", "model.widths=[8,4]",
                                       "model.batch_norm=true", NULL};
    static const char *const from_mf[] = {GCN, "model.layers=2", "model.widths=[4,8]", NULL};
#undef GCN
    char path[600];
    snprintf(path, sizeof path, "%s", test_path(w->folder, "two.h5"));
    save(w, two, NULL, path);
    refuses(w, one, path, RK_ERR_CONFIG,
            "no place for them, layer1.gain, layer1.shift, layer2.bias, layer2.weight: "
            "model.layers is 1 (test), not 2; take the same");
    refuses(w, three, path, RK_ERR_CONFIG,
            "has no layer2.gain, which this model has: model.layers is 3 (test), not 2");
    refuses(w, plain, path, RK_ERR_CONFIG,
            "layer1.gain, layer1.shift: model.batch_norm is false (the default), not true");
    refuses(w, thin, path, RK_ERR_CONFIG, "8 x 4 are wanted: model.widths is [8, 4] (test)");
    refuses(w, from_mf, w->path, RK_ERR_CONFIG, "its first number is the width of embeddings");
    save(w, two, path, test_path(w->folder, "again.h5"));
}

/* Options that change what parameters mean, but not their shapes. */
static void what_fits_by_its_shape_alone(void **state)
{
    const world *w = *state;
    static const struct {
        const char *kind, *then, *now, *message;
    } cases[] = {
        {"gat", "model.heads=2", "model.heads=4",
         "was trained with 2: its parameters do not fit; set model.heads=2"},
        {"gat", "model.join_heads=concat", "model.join_heads=mean", "was trained with concat"},
        {"compgcn", "model.composition=sub", "model.composition=mult", "was trained with sub"},
        {"gcn", "model.activation=tanh", "model.activation=relu", "was trained with tanh"},
        {"gcn", "model.activate_last=true", "model.activate_last=false", "was trained with true"},
        {"gcn", "model.edges=sum", "model.edges=mean", "was trained with sum"},
        {"gcn", "model.self=loop", "model.self=none", "was trained with loop"},
        {"gcn", "model.scorer=dot", "model.scorer=cosine", "was trained with dot"},
        {"gcn", "model.ids=items", "model.ids=all", "was trained with items"},
        {"lightgcn", "model.layer_weights=learned", "model.layer_weights=learned_softmax",
         "was trained with learned"},
        {"lightgcn", "model.layer_weights=mean", "model.layer_weights=last", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char kind[32], path[600], same[600];
        snprintf(kind, sizeof kind, "model.kind=%s", cases[i].kind);
        snprintf(path, sizeof path, "%s", test_path(w->folder, "shapes.h5"));
        snprintf(same, sizeof same, "%s", test_path(w->folder, "same.h5"));
        const char *settings[] = {
            kind,          "model.dim=8", "train.epochs=1", "model.layers=1", "train.batch=32",
            cases[i].then, NULL};
        save(w, settings, NULL, path);
        save(w, settings, path, same);
        settings[5] = cases[i].now;
        assert_int_equal(remove(same), 0);
        if (cases[i].message) {
            refuses(w, settings, path, RK_ERR_CONFIG, cases[i].message);
        } else {
            save(w, settings, path, same);
        }
        assert_int_equal(remove(path), 0);
    }
}

/* A model of items alone begins with the items of mf. */
static void items_of_factors(void **state)
{
    const world *w = *state;
    static const char *const settings[] = {"model.kind=irgnn", "model.dim=8", "model.layers=0",
                                           "train.epochs=0", NULL};
    rk_model *first = NULL, *second = NULL;
    char path[600];
    snprintf(path, sizeof path, "%s", test_path(w->folder, "items.h5"));
    save(w, settings, w->path, path);
    assert_ok(rk_model_open(w->path, NULL, NULL, NULL, &first));
    assert_ok(rk_model_open(path, NULL, NULL, NULL, &second));
    float *before = fitted_tensor(first, "embedding", NULL, NULL);
    float *items = fitted_tensor(second, "embedding", NULL, NULL);
    assert_memory_equal(items, before + N_USERS * DIM, N_ITEMS * DIM * sizeof *items);
    free(before);
    free(items);
    rk_model_free(first);
    rk_model_free(second);
}

/* Whatever cannot be had leaves nothing behind. */
static void no_memory(void **state)
{
    const world *w = *state;
    static rows r;
    rk_config *config = fitted_config(later_settings);
    rk_train_options how = rk_train_defaults();
    int64_t failures = 0;
    take_rows(&w->d, 4, true, &r);
    rk_dataset *dataset = dataset_of(&r, config);
    how.dataset = dataset;
    how.from = w->path;
    how.new_ids = RK_NEW_FOLDED;
    for (;; failures += 13) { /* each of a fit would take long */
        rk_model *model = NULL;
        rk__alloc_fail_after(failures);
        rk_status status = rk_model_fit(config, &how, NULL, &model);
        rk__alloc_fail_after(-1);
        rk_model_free(model);
        if (status == RK_OK) {
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_true(failures < 5000);
    }
    assert_true(failures > 100);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_by_ids),         cmocka_unit_test(who_is_new_is_folded_in),
        cmocka_unit_test(ids_of_another_kind),    cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(nothing_is_left_behind), cmocka_unit_test(what_fits_by_its_shape_alone),
        cmocka_unit_test(items_of_factors),       cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
