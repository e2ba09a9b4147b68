/* data: what rows say besides user and item, in files: read, cached, read back, refused. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "io/h5.h"
#include "support/support.h"

#define FIELDS "data.fields=[{name: mood}, {name: before, derive: previous_item}]"

/* All that is asked for at once, from a file and back from the cache. */
#define ALL                                                                                        \
    "data.name=all; data.sources[0].file=rows.csv; data.sources[0].time=t; "                       \
    "data.sources[0].value=rating; data.repeats=keep; data.repeat_value=mean; split.kind=users; "  \
    "split.order=time; split.test=0.2; split.ties=row; split.candidates=3; " FIELDS

static char *scratch;

enum { N_ROWS = 600 };
static int64_t users[N_ROWS], items[N_ROWS];
static double times[N_ROWS], values[N_ROWS];
static const char *moods[N_ROWS];

static int set_up(void **state)
{
    (void)state;
    static const char *const words[] = {"calm", "angry", "", "zen"};
    scratch = test_scratch();
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    fprintf(file, "user_id,item_id,t,rating,mood\n");
    for (int i = 0; i < N_ROWS; i++) {
        rk_words w = rk__philox(14, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        rk_words v = rk__philox(14, RK_PURPOSE_SPLIT, 1, (uint64_t)i, 0);
        users[i] = w.v[0] % 40;
        items[i] = w.v[1] % 30;
        times[i] = w.v[2] % 50;
        values[i] = (double)(w.v[3] % 11) - 2;
        moods[i] = words[v.v[0] % 4];
        fprintf(file, "%d,%d,%g,%g,%s\n", (int)users[i], (int)items[i], times[i], values[i],
                moods[i]);
    }
    fclose(file);
    test_write(test_path(scratch, "rows.csv"), text, (int64_t)size);
    free(text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return 0;
}

static rk_config *files_config(const char *settings)
{
    char all[1000];
    snprintf(all, sizeof all, "data.root=%s; data.cache=%s/cache; %s", scratch, scratch, settings);
    return config_of(all);
}

static rk_status prepare(const char *settings, bool force, rk_dataset **out)
{
    rk_config *config = files_config(settings);
    rk_status status = rk_dataset_prepare(config, force, NULL, out);
    rk_config_free(config);
    return status;
}

static void add_row(rk_buffer *b, const rk_dataset *d, const rk_rows *r, int64_t k, rk_part part,
                    int64_t user)
{
    char room[RK_ID_BYTES];
    rk__buffer_add(b, "%s %s %a %a %d", rk_part_name(part),
                   rk_dataset_item_id(d, r->items[k], room), r->times[k], (double)r->values[k],
                   r->places[k]);
    for (int64_t f = 0; f < rk_dataset_n_fields(d); f++) {
        const int32_t *numbers = NULL;
        assert_ok(rk_dataset_field(d, f, part, user, &numbers));
        const char *value = rk_dataset_field_value(d, f, numbers[k], room);
        rk__buffer_add(b, " %s", value ? value : "-");
    }
    rk__buffer_add(b, "\n");
}

/* Everything that the public calls tell of rows, as text; free with rk__buffer_free. */
static rk_buffer tell(const rk_dataset *d)
{
    rk_buffer b = {0};
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        for (int64_t user = 0; user < d->n_users; user++) {
            rk_rows r = rk_rows_defaults();
            const int32_t *candidates = NULL;
            int64_t each = 0;
            assert_ok(rk_dataset_rows(d, part, user, &r));
            assert_ok(rk_dataset_candidates(d, part, user, &candidates, &each));
            for (int64_t k = 0; k < r.n; k++) {
                add_row(&b, d, &r, k, part, user);
            }
            for (int64_t k = 0; k < each * rk__lists_count(&d->parts[part], user); k++) {
                rk__buffer_add(&b, "%d ", candidates[k]);
            }
        }
    }
    assert_ok(b.status);
    return b;
}

/* What was read is what stands in the file, from the cache and opened by its path. */
static void a_file_has_all_of_it(void **state)
{
    (void)state;
    rk_dataset *made = NULL, *cached = NULL, *opened = NULL;
    assert_ok(prepare(ALL, true, &made));
    assert_true(made->stats.given > 0 && made->stats.repeats > 0);
    assert_ok(prepare(ALL, false, &cached));
    assert_ok(rk_dataset_open(rk_dataset_path(made), &opened));
    rk_buffer a = tell(made), b = tell(cached), c = tell(opened);
    assert_true(a.length > 10000);
    assert_string_equal(a.at, b.at);
    assert_string_equal(a.at, c.at);
    assert_string_equal(made->fingerprint, opened->fingerprint);
    assert_memory_equal(&made->stats, &opened->stats, sizeof made->stats);
    rk__buffer_free(&a);
    rk__buffer_free(&b);
    rk__buffer_free(&c);
    rk_dataset_free(made);
    rk_dataset_free(cached);
    rk_dataset_free(opened);
}

static void arrays_give_the_same(void **state)
{
    (void)state;
    const char *const *fields[2] = {moods, NULL};
    rk_columns columns = rk_columns_defaults();
    rk_config *config = files_config(ALL);
    rk_dataset *by_file = NULL, *by_arrays = NULL;
    columns.n = N_ROWS;
    columns.users = users;
    columns.items = items;
    columns.times = times;
    columns.values = values;
    columns.fields = fields;
    assert_ok(prepare(ALL, true, &by_file));
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &by_arrays));
    rk_buffer a = tell(by_file), b = tell(by_arrays);
    assert_string_equal(a.at, b.at);
    assert_string_equal(by_file->fingerprint, by_arrays->fingerprint);
    rk__buffer_free(&a);
    rk__buffer_free(&b);
    rk_dataset_free(by_file);
    rk_dataset_free(by_arrays);
    fields[0] = NULL;
    assert_fails(RK_ERR_CONFIG, "is of a column, but the columns have no field of it",
                 rk_dataset_from_columns(config, &columns, NULL, &by_arrays));
    fields[0] = fields[1] = moods;
    assert_fails(RK_ERR_CONFIG, "is derived, but the columns have a field of it",
                 rk_dataset_from_columns(config, &columns, NULL, &by_arrays));
    rk_config_free(config);
}

/* A file of the layout before this one is not read, and prepared anew where the sources are. */
static void an_older_layout_is_prepared_anew(void **state)
{
    (void)state;
    rk_dataset *first = NULL, *again = NULL;
    rk_h5 *file = NULL;
    assert_ok(prepare(ALL, true, &first));
    const char *path = rk_dataset_path(first);
    assert_ok(rk__h5_create(&file, path, "data set", 1));
    assert_ok(rk__h5_commit(file));
    rk__h5_close(file);
    assert_fails(RK_ERR_DATA,
                 "is a data set of layout 1, and this version of rankine reads layout 2",
                 rk_dataset_open(path, &again));
    assert_ok(prepare(ALL, false, &again));
    assert_string_equal(first->fingerprint, again->fingerprint);
    rk_dataset_free(again);
    assert_ok(rk_dataset_open(path, &again));
    rk_dataset_free(again);
    rk_dataset_free(first);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rk_config *config = files_config(ALL);
    for (int force = 1; force >= 0; force--) { /* made, then read back */
        rk_dataset *d = NULL;
        rk_status status = RK_ERR_MEMORY;
        for (int64_t n = 0; status != RK_OK; n++) {
            rk__alloc_fail_after(n);
            status = rk_dataset_prepare(config, force, NULL, &d);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK ? n > 60 : status == RK_ERR_MEMORY);
        }
        rk_dataset_free(d);
    }
    rk_config_free(config);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *message;
        rk_status status;
    } wrong[] = {
        {"data.sources[0].value=stars", "source.value", RK_ERR_DATA},
        {"data.sources[0].value=mood", "rows.csv:2:", RK_ERR_DATA},
        {"data.sources[0].value=t; data.sources[1].file=rows.csv; data.sources[1].part=test",
         "data.sources[1] (test) has no values, but other sources have", RK_ERR_CONFIG},
        {"data.fields=[{name: weather}]", "data.fields[0].column", RK_ERR_DATA},
        {"data.fields=[{name: a/b, column: mood}]", "1 to 60 bytes and no /", RK_ERR_CONFIG},
        {"data.fields=[{column: mood}]", "1 to 60 bytes and no /", RK_ERR_CONFIG},
        {"data.fields=[{name: mood}, {name: mood}]", "is called mood, as data.fields[0] is",
         RK_ERR_CONFIG},
        {"data.sources[0].format=adjacency; data.sources[0].value=t",
         "has 'value', but adjacency files have no columns", RK_ERR_CONFIG},
        {"data.sources[0].format=adjacency; data.fields=[{name: mood}]",
         "adjacency lists have no columns, and data.fields[0]", RK_ERR_CONFIG},
        {"data.sources[1].file=rows.csv; data.sources[1].part=test; split.test=0",
         "split.test is 0 (test), but data.sources[1] (test) is a test part", RK_ERR_CONFIG},
        {"data.sources[0].part=all; split.kind=users; split.test=0.6; split.valid=0.5",
         "their sum must be below 1", RK_ERR_CONFIG},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char settings[400];
        rk_dataset *d = NULL;
        snprintf(settings, sizeof settings,
                 "data.sources[0].file=rows.csv; data.sources[0].part=train; %s",
                 wrong[i].settings);
        assert_fails(wrong[i].status, wrong[i].message, prepare(settings, true, &d));
        assert_null(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_has_all_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_give_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_layout_is_prepared_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
