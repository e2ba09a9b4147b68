/*
 * The generated data set: the same bytes everywhere, the counts asked for, a power law, tastes; and
 * the fixed-point arithmetic below it against libm.
 */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/power_law.h"
#include "rankine/dataset.h"
#include "support/readers.h"

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = test_scratch();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_scratch_remove(folder);
    return 0;
}

/* folder/name, kept until the next call (test_path's buffers are used over and over). */
static const char *place(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void fixed_point_agrees_with_libm(void **state)
{
    (void)state;
    assert_int_equal(rk__fixed_log2(1), 0);
    assert_int_equal(rk__fixed_log2(1u << 31), (uint64_t)31 << 32);
    assert_int_equal(rk__fixed_exp2_minus(0), (uint64_t)1 << 32);
    assert_int_equal(rk__fixed_exp2_minus((uint64_t)3 << 32), (uint64_t)1 << 29);
    assert_int_equal(rk__fixed_exp2_minus((uint64_t)64 << 32), 1);
    assert_int_equal(rk__fixed_power(INT32_MAX, (uint64_t)4 << 32), 1);
    for (uint64_t n = 1; n < INT32_MAX; n += n / 3 + 1) {
        assert_close((double)rk__fixed_log2(n) * 0x1p-32, log2((double)n), 1e-9, 1);
        for (double exponent = 0; exponent <= 1.5; exponent += 0.3) {
            double power = pow((double)n, -exponent);
            uint64_t fixed = rk__fixed_power(n, (uint64_t)(exponent * 0x1p32));
            assert_true(fabs((double)fixed * 0x1p-32 - power) <= 1e-8 * power + 0x1p-31);
        }
    }
}

static void draw_tables_find_every_index(void **state)
{
    (void)state;
    static const uint64_t weights[] = {1, 1, 1000, 1, 5, 1, 100000, 3, 1};
    enum { N = sizeof weights / sizeof weights[0] };
    rk_draw_table table;
    assert_ok(rk__draw_table_create(&table, weights, N));
    uint64_t at = 0;
    for (int64_t i = 0; i < N; i++) {
        for (uint64_t k = 0; k < weights[i]; k++) {
            assert_int_equal(rk__draw_table_find(&table, at++), i);
        }
    }
    assert_int_equal(at, table.ends[N - 1]);
    rk__draw_table_free(&table);
}

/* What a generated set holds, read back through the csv reader. */
typedef struct measured {
    int64_t rows, users, items, duplicates, disorder;
    int64_t ratings[2][6]; /* by outside / inside the user's cluster */
    int64_t *degrees;      /* of items, descending */
} measured;

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

typedef struct titles {
    int64_t n;
    char (*clusters)[16];
} titles;

static rk_status take_title(void *self, const rk_record *record, rk_text label)
{
    titles *t = self;
    assert_int_equal(record->item_id, ++t->n);
    int64_t length = label.length;
    while (label.at[length] != ' ') {
        length--;
    }
    assert_in_range(length, 3, 15);
    memcpy(t->clusters[record->item_id], label.at, (size_t)length);
    t->clusters[record->item_id][length] = '\0';
    return RK_OK;
}

/* The cluster that most of a user's items have. */
static const char *favourite(const titles *t, const int64_t *items, int64_t n)
{
    const char *best = "";
    int64_t most = 0;
    for (int64_t i = 0; i < n && i < 40; i++) {
        int64_t count = 0;
        for (int64_t j = 0; j < n; j++) {
            count += strcmp(t->clusters[items[i]], t->clusters[items[j]]) == 0;
        }
        if (count > most) {
            most = count;
            best = t->clusters[items[i]];
        }
    }
    return best;
}

static void measure_user(measured *m, const titles *t, int64_t n, const int64_t *items,
                         const int *ratings)
{
    const char *cluster = favourite(t, items, n);
    for (int64_t i = 0; i < n; i++) {
        m->ratings[strcmp(cluster, t->clusters[items[i]]) == 0][ratings[i]]++;
    }
    m->users++;
}

static measured measure(const rk_synth_options *o, const char *directory)
{
    measured m = {0};
    titles t = {.clusters = calloc((size_t)o->items + 1, sizeof *t.clusters)};
    rk_options options = {0};
    options.labels.separator = (char *)",";
    options.labels.header = true;
    options.labels.id = (char *)"item_id";
    options.labels.text = (char *)"title";
    assert_ok(
        rk__labels_read(&options, test_path(directory, "items.csv"), (rk_stop){0}, take_title, &t));
    assert_int_equal(t.n, o->items);

    m.degrees = calloc((size_t)o->items, sizeof *m.degrees);
    int64_t *seen = calloc((size_t)o->items + 1, sizeof *seen);
    int64_t *items = calloc((size_t)o->items, sizeof *items), n = 0, user = 0;
    int *ratings = calloc((size_t)o->items, sizeof *ratings);
    double last_time = 0;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"timestamp";
    rk_reader *reader = NULL;
    rk_record r;
    bool is_end = false;
    assert_ok(
        rk__reader_open(&reader, &source, test_path(directory, "ratings.csv"), RK_IDS_INTEGER));
    for (;;) {
        assert_ok(rk__reader_next(reader, &r, &is_end));
        if (is_end || r.user_id != user) {
            if (n > 0) {
                measure_user(&m, &t, n, items, ratings);
            }
            n = 0, last_time = 0;
        }
        if (is_end) {
            break;
        }
        user = r.user_id;
        assert_in_range(r.item_id, 1, o->items);
        m.rows++;
        m.duplicates += seen[r.item_id] == user;
        m.disorder += r.time <= last_time;
        last_time = r.time;
        seen[r.item_id] = user;
        ratings[n] = r.item.at[r.item.length + 1] - '0';
        assert_in_range(ratings[n], 1, 5);
        items[n++] = r.item_id;
        m.items += m.degrees[r.item_id - 1]++ == 0;
    }
    rk__reader_close(reader);
    qsort(m.degrees, (size_t)o->items, sizeof *m.degrees, descending);
    free(seen), free(items), free(ratings), free(t.clusters);
    return m;
}

/* Least-squares slope of log degree over log rank, ranks [from, to). */
static double slope(const int64_t *degrees, int64_t from, int64_t to)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int64_t i = from; i < to; i++) {
        double a = log((double)i + 1), b = log((double)degrees[i]);
        n += 1, x += a, y += b, xx += a * a, xy += a * b;
    }
    return (n * xy - x * y) / (n * xx - x * x);
}

static void defaults_are_as_asked(void **state)
{
    (void)state;
    rk_synth_options o = rk_synth_defaults();
    const char *directory = place("deep/demo");
    assert_ok(rk_synth_write(&o, directory, false, NULL));
    measured m = measure(&o, directory);
    assert_int_equal(m.rows, o.interactions);
    assert_int_equal(m.users, o.users);
    assert_int_equal(m.items, o.items);
    assert_int_equal(m.duplicates, 0);
    assert_int_equal(m.disorder, 0);
    int64_t inside = 0, outside = 0, good_inside = 0, good_outside = 0;
    for (int rating = 1; rating <= 5; rating++) {
        inside += m.ratings[1][rating];
        outside += m.ratings[0][rating];
        good_inside += rating >= 3 ? m.ratings[1][rating] : 0;
        good_outside += rating >= 3 ? m.ratings[0][rating] : 0;
    }
    assert_close((double)inside / (double)(inside + outside), o.affinity, 0.01, 0);
    assert_close((double)good_inside / (double)inside, 0.95, 0.02, 0);
    assert_close((double)good_outside / (double)outside, 0.40, 0.05, 0);
    /* Nobody draws an item twice, which flattens the law. */
    assert_close(slope(m.degrees, 30, 1500), -0.7, 0.1, 0);
    free(m.degrees);
}

static void popularity_is_a_power_law(void **state)
{
    (void)state;
    static const double exponents[] = {0.3, 0.7, 1};
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        rk_synth_options o = {.users = 40000,
                              .items = 2000,
                              .interactions = 200000,
                              .clusters = 1,
                              .affinity = 1,
                              .exponent = exponents[i],
                              .seed = 5};
        const char *directory = place("law");
        assert_ok(rk_synth_write(&o, directory, true, NULL));
        measured m = measure(&o, directory);
        assert_int_equal(m.rows, o.interactions);
        assert_close(slope(m.degrees, 50, 1000), -exponents[i], 0.05, 0);
        free(m.degrees);
    }
}

/* Small worlds where users have to take almost everything, and every cluster is exhausted. */
static void full_and_odd_worlds(void **state)
{
    (void)state;
    static const rk_synth_options worlds[] = {
        {.users = 1, .items = 1, .interactions = 1, .clusters = 1, .affinity = 0},
        {.users = 7, .items = 5, .interactions = 35, .clusters = 3, .affinity = 0.5, .exponent = 4},
        {.users = 50, .items = 30, .interactions = 1499, .clusters = 30, .affinity = 1},
        {.users = 50,
         .items = 30,
         .interactions = 800,
         .clusters = 7,
         .affinity = 0,
         .exponent = 1},
        {.users = 50, .items = 100, .interactions = 50, .clusters = 60, .affinity = 0.9},
        {.users = 200, .items = 90, .interactions = 9000, .clusters = 2, .affinity = 1, .seed = 9},
    };
    for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
        const char *directory = place("odd");
        assert_ok(rk_synth_write(&worlds[i], directory, true, NULL));
        measured m = measure(&worlds[i], directory);
        assert_int_equal(m.rows, worlds[i].interactions);
        assert_int_equal(m.users, worlds[i].users);
        assert_int_equal(m.duplicates, 0);
        assert_int_equal(m.disorder, 0);
        free(m.degrees);
    }
}

/* FNV-1a of a file. */
static uint64_t hash_of(const char *directory, const char *name)
{
    char *text = test_read(test_path(directory, name));
    assert_non_null(text);
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *c = text; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    free(text);
    return hash;
}

/* The hashes were noted when the generator was written; they must hold with every compiler and on
 * every machine, or figures on the generated set could not be compared. */
static void the_same_bytes_everywhere(void **state)
{
    (void)state;
    rk_synth_options o = rk_synth_defaults();
    const char *directory = place("same");
    assert_ok(rk_synth_write(&o, directory, false, NULL));
    assert_true(hash_of(directory, "ratings.csv") == 0x8154d189b5530329);
    assert_true(hash_of(directory, "items.csv") == 0xc7deadad8ba7218d);
    o.seed++;
    assert_ok(rk_synth_write(&o, directory, true, NULL));
    assert_true(hash_of(directory, "ratings.csv") != 0x8154d189b5530329);
}

static bool is_there(const char *directory, const char *name)
{
    return access(test_path(directory, name), F_OK) == 0;
}

static bool stop(void *user)
{
    return --*(int *)user <= 0;
}

static void count_progress(void *user, const rk_progress *progress)
{
    (void)user;
    assert_string_equal(progress->unit, "rows");
    assert_in_range(progress->done, 1, progress->total);
}

static void nothing_is_overwritten_or_left_behind(void **state)
{
    (void)state;
    rk_synth_options o = rk_synth_defaults();
    const char *directory = place("kept");
    assert_int_equal(mkdir(directory, 0777), 0);
    test_write(test_path(directory, "synth.yaml"), "mine", -1);
    assert_fails(RK_ERR_CONFIG, "synth.yaml is there already; force overwrites it",
                 rk_synth_write(&o, directory, false, NULL));
    char *kept = test_read(test_path(directory, "synth.yaml"));
    assert_string_equal(kept, "mine");
    free(kept);
    assert_false(is_there(directory, "ratings.csv"));

    int looks = 2;
    rk_hooks hooks = {.should_stop = stop, .progress = count_progress, .user = &looks};
    assert_fails(RK_ERR_INTERRUPTED, "interrupted while generating; nothing was written",
                 rk_synth_write(&o, directory, true, &hooks));
    assert_false(is_there(directory, "ratings.csv"));
    assert_false(is_there(directory, "ratings.csv.tmp"));
    assert_false(is_there(directory, "items.csv.tmp"));
    kept = test_read(test_path(directory, "synth.yaml"));
    assert_string_equal(kept, "mine");
    free(kept);

    looks = 1000;
    assert_ok(rk_synth_write(&o, directory, true, &hooks));
    assert_true(is_there(directory, "ratings.csv"));
    assert_fails(RK_ERR_IO, "kept/items.csv",
                 rk_synth_write(&o, test_path(directory, "items.csv"), false, NULL));
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    const char *directory = place("bad");
#define REFUSED(text_, ...)                                                                        \
    do {                                                                                           \
        rk_synth_options o = rk_synth_defaults();                                                  \
        __VA_ARGS__;                                                                               \
        assert_fails(RK_ERR_CONFIG, text_, rk_synth_write(&o, directory, false, NULL));            \
    } while (0)
    REFUSED("users (0)", o.users = 0);
    REFUSED("users (2147483647)", o.users = INT32_MAX);
    REFUSED("items (-1)", o.items = -1);
    REFUSED("clusters (0)", o.clusters = 0);
    REFUSED("clusters (3001)", o.clusters = 3001);
    REFUSED("interactions (5999)", o.interactions = 5999);
    REFUSED("interactions (18000001)", o.interactions = 18000001);
    REFUSED("affinity (1.01)", o.affinity = 1.01);
    REFUSED("affinity (nan)", o.affinity = NAN);
    REFUSED("exponent (-0.1)", o.exponent = -0.1);
    REFUSED("exponent (5)", o.exponent = 5);
#undef REFUSED
    assert_false(is_there(folder, "bad"));
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    rk_synth_options o = {
        .users = 5, .items = 5, .interactions = 9, .clusters = 2, .affinity = 0.5, .exponent = 1};
    const char *directory = place("oom");
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status == RK_ERR_MEMORY && n < 200; n++) {
        assert_false(is_there(directory, "ratings.csv"));
        rk__alloc_fail_after(n);
        status = rk_synth_write(&o, directory, false, NULL);
        rk__alloc_fail_after(-1);
        assert_false(is_there(directory, "ratings.csv.tmp"));
    }
    assert_ok(status);
    assert_in_range(n, 10, 100);
}

/* The config that is written is one that makes a data set of the files beside it. */
static void config_makes_a_data_set(void **state)
{
    (void)state;
    rk_synth_options o = rk_synth_defaults();
    const char *directory = place("config");
    assert_ok(rk_synth_write(&o, directory, false, NULL));
    rk_config *config = NULL;
    char cache[600];
    snprintf(cache, sizeof cache, "data.cache=%s", directory);
    assert_ok(rk_config_load(&config, test_path(directory, "synth.yaml")));
    assert_ok(rk_config_check(config));
    assert_ok(rk_config_set(config, cache, "test"));
    rk_dataset *dataset = NULL;
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    const rk_dataset_stats *stats = rk_dataset_get_stats(dataset);
    assert_int_equal(stats->rows_read, o.interactions);
    assert_int_equal(stats->users, o.users);
    assert_int_equal(stats->items, o.items);
    assert_int_equal(stats->duplicates, 0);
    assert_in_range(stats->rows_filtered, o.interactions / 5, o.interactions / 3);
    assert_int_equal(stats->interactions, stats->rows_read - stats->rows_filtered);
    int64_t item = -1;
    assert_ok(rk_dataset_find_item(dataset, "1", &item));
    assert_non_null(strchr(rk_dataset_item_label(dataset, item), ' '));
    rk_dataset_free(dataset);
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_point_agrees_with_libm),
        cmocka_unit_test(draw_tables_find_every_index),
        cmocka_unit_test(defaults_are_as_asked),
        cmocka_unit_test(popularity_is_a_power_law),
        cmocka_unit_test(full_and_odd_worlds),
        cmocka_unit_test(the_same_bytes_everywhere),
        cmocka_unit_test(nothing_is_overwritten_or_left_behind),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(memory_runs_out_anywhere),
        cmocka_unit_test(config_makes_a_data_set),
    };
    return cmocka_run_group_tests_name("synth", tests, setup, teardown);
}
