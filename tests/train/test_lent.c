/*
 * What the library lends without a copy: ids, labels, lists and tensors are those that the calls
 * for one element give, and none of it is lost to a failed allocation.
 */
#include "base/alloc.h"
#include "rankine/info.h"
#include "train/fitted.h"

enum { USERS = 40, ITEMS = 30, DIM = 6 };

static void the_interface_has_a_number(void **state)
{
    (void)state;
    assert_int_equal(rk_abi_version(), RK_ABI_VERSION);
    assert_true(rk_abi_version() >= 1);
}

static void origins_of_options(void **state)
{
    (void)state;
    char *folder = test_scratch();
    const char *path = test_path(folder, "exp.yaml"), *text = NULL;
    rk_config *config = NULL;
    test_write(path, "train:\n  epochs: 3\n", -1);
    assert_ok(rk_config_load(&config, path));
    assert_ok(rk_config_get_origin(config, "train.epochs", &text));
    assert_non_null(strstr(text, "exp.yaml:2"));
    assert_ok(rk_config_get_origin(config, "model.dim", &text));
    assert_string_equal(text, "default");
    assert_ok(rk_config_set(config, "model.dim=8", "here"));
    assert_ok(rk_config_get_origin(config, "model.dim", &text));
    assert_string_equal(text, "here");
    assert_fails(RK_ERR_CONFIG, "model.dim", rk_config_get_origin(config, "model.dimm", &text));
    assert_string_equal(text, "here"); /* a failure leaves it alone */
    rk_config_free(config);
    test_scratch_remove(folder);
}

static void check_list(const rk_dataset *d, rk_id_list list, int64_t n, bool of_items)
{
    char room[RK_ID_BYTES], number[RK_ID_BYTES];
    assert_int_equal(list.n, n);
    assert_true((list.numbers == NULL) != (list.texts == NULL));
    for (int64_t i = 0; i < n; i++) {
        const char *one =
            of_items ? rk_dataset_item_id(d, i, room) : rk_dataset_user_id(d, i, room);
        if (list.numbers) {
            snprintf(number, sizeof number, "%lld", (long long)list.numbers[i]);
        }
        assert_string_equal(list.texts ? list.texts[i] : number, one);
        assert_true(i == 0 || (list.texts ? strcmp(list.texts[i - 1], list.texts[i]) < 0
                                          : list.numbers[i - 1] < list.numbers[i]));
    }
}

static void check_parts(const rk_dataset *d)
{
    const rk_dataset_stats *stats = rk_dataset_get_stats(d);
    const int64_t *offsets = NULL;
    const int32_t *items = NULL;
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        const int32_t *one = NULL;
        int64_t n = 0;
        assert_ok(rk_dataset_lists(d, part, &offsets, &items));
        assert_non_null(offsets);
        assert_int_equal(offsets[0], 0);
        for (int64_t user = 0; user < stats->users; user++) {
            assert_ok(rk_dataset_items(d, part, user, &one, &n));
            assert_int_equal(offsets[user + 1] - offsets[user], n);
            assert_true(n == 0 || one == items + offsets[user]);
        }
        const int64_t rows[] = {stats->train, stats->valid, stats->test};
        assert_int_equal(offsets[stats->users], rows[part]);
    }
    assert_ok(rk_dataset_lists(d, RK_GIVEN, &offsets, &items));
    assert_true(offsets == NULL && items == NULL);
    assert_fails(RK_ERR_DATA, "part 4", rk_dataset_lists(d, (rk_part)4, &offsets, &items));
}

/* A data set of files, with labels of some items, and of either type of id. */
static void ids_labels_and_lists(void **state)
{
    (void)state;
    char *folder = test_scratch();
    FILE *rows = fopen(test_path(folder, "rows.csv"), "w");
    assert_non_null(rows);
    fprintf(rows, "user_id,item_id\n");
    for (int i = 0; i < 600; i++) {
        fprintf(rows, "%d,%d\n", 3 * (i % USERS), 2 * (i * 7 / USERS % ITEMS));
    }
    fclose(rows);
    test_write(test_path(folder, "names.csv"), "item_id,title\n0,Nought\n4,Four\n", -1);
    for (int with = 0; with < 4; with++) {
        char settings[600];
        rk_dataset *d = NULL;
        snprintf(settings, sizeof settings,
                 "data.root=%s; data.cache=%s; data.ids=%s; split.kind=ratio; "
                 "data.sources=[{file: rows.csv}]%s",
                 folder, folder, with & 1 ? "text" : "integer",
                 with & 2 ? "; labels.file=names.csv; labels.text=title" : "");
        rk_config *config = config_of(settings);
        assert_ok(rk_dataset_prepare(config, true, NULL, &d));
        check_list(d, rk_dataset_user_ids(d), rk_dataset_get_stats(d)->users, false);
        check_list(d, rk_dataset_item_ids(d), rk_dataset_get_stats(d)->items, true);
        assert_int_equal(rk_dataset_user_ids(d).texts != NULL, with & 1);
        const char *const *labels = rk_dataset_item_labels(d);
        assert_int_equal(labels != NULL, with >> 1);
        for (int64_t i = 0; labels && i < rk_dataset_get_stats(d)->items; i++) {
            assert_true(labels[i] == rk_dataset_item_label(d, i));
        }
        assert_string_equal(rk_dataset_item_label(d, 0), labels ? "Nought" : "");
        check_parts(d);
        rk_dataset_free(d);
        rk_config_free(config);
    }
    test_scratch_remove(folder);
}

static fitted fit(const char *const *settings)
{
    fitted_data data;
    fitted_data_init(&data, USERS, ITEMS, true);
    fitted f = fitted_fit(&data, settings);
    fitted_data_free(&data);
    return f;
}

/* A call with every allocation failing in turn ends like without, and *view with it. */
static void allocate_less(const rk_model *model, const char *name, rk_status expected)
{
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status == RK_ERR_MEMORY && n < 1000; n++) {
        const void *view = NULL;
        rk__alloc_fail_after(n);
        status = rk_model_view_tensor(model, name, &view);
        rk__alloc_fail_after(-1);
        assert_true((view != NULL) == (status == RK_OK));
        assert_true(status != RK_ERR_MEMORY || strstr(rk_last_error(), "out of memory"));
    }
    assert_int_equal(status, expected);
    assert_true(n > 1 || expected == RK_OK); /* an unknown name lists the known ones */
}

static void tensors_are_those_that_are_read(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=lightgcn", "model.dim=6", "train.epochs=2",
                                           "run.device=cpu", NULL};
    fitted f = fit(settings);
    const rk_model *model = f.model;
    rk_tensor_info t, vectors;
    assert_ok(rk_model_embeddings(model, &vectors));
    assert_int_equal(vectors.type, RK_TENSOR_F32);
    assert_int_equal(vectors.cols, DIM);
    const rk_model_facts facts = rk_model_get_facts(model);
    assert_true(vectors.rows >= facts.users + facts.items);
    allocate_less(model, vectors.name, RK_OK);
    allocate_less(model, "nothing", RK_ERR_CONFIG);
    for (int64_t i = 0; i < facts.tensors; i++) {
        const void *view = NULL, *again = NULL;
        assert_ok(rk_model_tensor_info(model, i, &t));
        const int64_t bytes = t.rows * t.cols * (t.type == RK_TENSOR_I64 ? 8 : 4);
        char *copy = malloc((size_t)bytes);
        assert_non_null(copy);
        assert_ok(rk_model_read_tensor(model, t.name, 0, t.rows, copy, bytes));
        assert_ok(rk_model_view_tensor(model, t.name, &view));
        assert_memory_equal(view, copy, (size_t)bytes);
        free(copy);
        assert_ok(rk_model_view_tensor(model, t.name, &again));
        assert_ptr_equal(view, again);
    }

    /* The score of a pair is the product of their rows. */
    const void *view = NULL;
    const int64_t user = 3;
    const int32_t item = 5;
    float score = 0;
    double product = 0;
    assert_ok(rk_model_view_tensor(model, vectors.name, &view));
    const float *x = (const float *)view + user * DIM;
    const float *y = (const float *)view + (facts.users + item) * DIM;
    for (int d = 0; d < DIM; d++) {
        product += (double)x[d] * (double)y[d];
    }
    assert_ok(rk_model_score_pairs(model, &user, &item, 1, &score));
    assert_close((double)score, product, 1e-5, 1e-3);
    fitted_free(&f);
}

static void models_without_vectors_say_so(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=ease", "run.device=cpu", NULL};
    fitted f = fit(settings);
    rk_tensor_info t;
    assert_fails(RK_ERR_CONFIG, "kind ease has no embeddings", rk_model_embeddings(f.model, &t));
    fitted_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interface_has_a_number),
        cmocka_unit_test(origins_of_options),
        cmocka_unit_test(ids_labels_and_lists),
        cmocka_unit_test(tensors_are_those_that_are_read),
        cmocka_unit_test(models_without_vectors_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
