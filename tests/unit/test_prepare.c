/* data: from files to a cached data set, and what bad input does (the cache: test_cache.c). */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/dataset.h"
#include "io/h5.h"
#include "rankine/cache.h"
#include "rankine/dataset.h"
#include "support/support.h"

static char *scratch, *cache;

/* What the hooks saw. */
static struct {
    int64_t rows; /* of the last progress report */
    int reports;
    char messages[2000];
    bool stop;
} seen;

static void on_log(void *user, rk_log_level level, const char *message)
{
    (void)user, (void)level;
    strncat(seen.messages, message, sizeof seen.messages - strlen(seen.messages) - 1);
}

static void on_progress(void *user, const rk_progress *progress)
{
    (void)user;
    if (strncmp(progress->phase, "reading ", 8) != 0) { /* passes say so where they are slow */
        assert_true(progress->done <= progress->total);
        return;
    }
    assert_string_equal(progress->unit, "rows");
    seen.rows = progress->done;
    seen.reports++;
}

static bool on_should_stop(void *user)
{
    (void)user;
    return seen.stop;
}

static const rk_hooks hooks = {
    .log = on_log, .progress = on_progress, .should_stop = on_should_stop};

static int set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    cache = strdup(test_path(scratch, "deep/cache"));
    memset(&seen, 0, sizeof seen);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    free(cache);
    return 0;
}

/* A config of "key=value; key=value" with sources in `root`. */
static rk_status try_config(rk_config **out, const char *root, const char *settings)
{
    char copy[1000], line[600], *rest = copy, *setting;
    rk_status status = RK_OK;
    rk_config *config = NULL;
    snprintf(copy, sizeof copy, "%s", settings);
    RK_TRY_GOTO(done, rk_config_create(&config));
    snprintf(line, sizeof line, "data.root=%s", root);
    RK_TRY_GOTO(done, rk_config_set(config, line, "test"));
    snprintf(line, sizeof line, "data.cache=%s", cache);
    RK_TRY_GOTO(done, rk_config_set(config, line, "test"));
    while ((setting = strtok_r(rest, ";", &rest))) {
        RK_TRY_GOTO(done, rk_config_set(config, setting + strspn(setting, " "), "test"));
    }
    *out = config;
    config = NULL;
done:
    rk_config_free(config);
    return status;
}

static rk_status try_prepare(rk_dataset **out, const char *root, const char *settings, bool force)
{
    rk_config *config = NULL;
    RK_TRY(try_config(&config, root, settings));
    seen.reports = 0;
    seen.messages[0] = '\0';
    rk_status status = rk_dataset_prepare(config, force, &hooks, out);
    rk_config_free(config);
    return status;
}

static rk_dataset *prepare(const char *root, const char *settings)
{
    rk_dataset *dataset = NULL;
    assert_ok(try_prepare(&dataset, root, settings, false));
    return dataset;
}

/* Two data sets are the same in everything that the public interface tells. */
static void assert_same(const rk_dataset *a, const rk_dataset *b)
{
    char of_a[RK_ID_BYTES], of_b[RK_ID_BYTES];
    assert_string_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(b));
    assert_string_equal(rk_dataset_name(a), rk_dataset_name(b));
    assert_string_equal(rk_dataset_path(a), rk_dataset_path(b));
    assert_memory_equal(rk_dataset_get_stats(a), rk_dataset_get_stats(b), sizeof(rk_dataset_stats));
    for (int64_t user = 0; user < a->n_users; user++) {
        assert_string_equal(rk_dataset_user_id(a, user, of_a), rk_dataset_user_id(b, user, of_b));
    }
    for (int64_t item = 0; item < a->n_items; item++) {
        assert_string_equal(rk_dataset_item_id(a, item, of_a), rk_dataset_item_id(b, item, of_b));
        assert_string_equal(rk_dataset_item_label(a, item), rk_dataset_item_label(b, item));
    }
    assert_string_equal(a->times_fingerprint, b->times_fingerprint);
}

/* What was prepared and what is read back from its file are the same. */
static void assert_round_trip(const rk_dataset *dataset)
{
    rk_dataset *again = NULL;
    assert_ok(rk_dataset_open(rk_dataset_path(dataset), &again));
    assert_same(dataset, again);
    rk_dataset_free(again);
}

/* Data sets in the cache, and whatever else is there but its keys. */
static int64_t count_cached(void)
{
    if (access(cache, F_OK) != 0) {
        return 0;
    }
    return test_count_files(cache) - (access(test_path(cache, "keys"), F_OK) == 0);
}

static int64_t count_data_sets(void)
{
    rk_cache *list = NULL;
    assert_ok(rk_cache_open(cache, &list));
    int64_t n = 0;
    for (int64_t i = 0; i < rk_cache_count(list); i++) {
        n += *rk_cache_at(list, i)->name != '\0';
    }
    rk_cache_free(list);
    return n;
}

#define ADJACENCY                                                                                  \
    "split.kind=given; "                                                                           \
    "data.sources[0].file=train.txt; data.sources[0].format=adjacency; "                           \
    "data.sources[0].part=train; "                                                                 \
    "data.sources[1].file=test.txt; data.sources[1].format=adjacency; data.sources[1].part=test"

static void assert_counts(const rk_dataset *d, int64_t users, int64_t items, int64_t train,
                          int64_t valid, int64_t test)
{
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_int_equal(s->users, users);
    assert_int_equal(s->items, items);
    assert_int_equal(s->train, train);
    assert_int_equal(s->valid, valid);
    assert_int_equal(s->test, test);
    assert_int_equal(s->interactions, train + valid + test);
}

static void gowalla_counts(void **state)
{
    (void)state;
    rk_dataset *d = prepare(test_data_or_skip("gowalla"), ADJACENCY "; data.name=gowalla");
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_counts(d, 29858, 40981, 810128, 0, 217242);
    assert_int_equal(s->duplicates + s->overlap + s->empty_users + s->cold_test_items, 0);
    assert_int_equal(s->test_users, 29858);
    assert_int_equal(s->user_degrees.min, 8);
    assert_int_equal(s->user_degrees.median, 16);
    assert_int_equal(s->user_degrees.max, 811);
    assert_round_trip(d);
    rk_dataset_free(d);
}

static void yelp2018_counts(void **state)
{
    (void)state;
    rk_dataset *d = prepare(test_data_or_skip("yelp2018"), ADJACENCY);
    assert_counts(d, 31668, 38048, 1237259, 0, 324147);
    assert_int_equal(rk_dataset_get_stats(d)->user_degrees.median, 25);
    assert_round_trip(d);
    rk_dataset_free(d);
}

static void ml_100k_counts(void **state)
{
    (void)state;
    const char *root = test_data_or_skip("ml-100k");
    const char *base = "data.sources[0].file=u.data; data.sources[0].format=movielens; "
                       "split.kind=leave_one_out; split.order=time; "
                       "labels.file=u.item; labels.separator=|; labels.header=false; labels.id=0; "
                       "labels.text=1";
    rk_dataset *d = prepare(root, base);
    assert_counts(d, 943, 1682, 100000 - 2 * 943, 943, 943);
    int64_t toy_story = -1;
    assert_ok(rk_dataset_find_item(d, "1", &toy_story));
    assert_string_equal(rk_dataset_item_label(d, toy_story), "Toy Story (1995)");
    assert_round_trip(d);
    rk_dataset_free(d);
    char settings[800];
    snprintf(settings, sizeof settings, "%s; split.kind=time; split.valid=0; split.test=0.2", base);
    d = prepare(root, settings);
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_in_range(s->test, 20000, 20100); /* equal stamps stay together */
    assert_true(s->empty_users > 0);        /* who came later */
    rk_dataset_free(d);
}

static void goodbooks_counts(void **state)
{
    (void)state;
    const char *settings =
        "data.sources[0].file=ratings_users5pct.csv; data.sources[0].item=book_id; "
        "data.sources[0].where=rating >= 4; data.min_user=5; data.min_item=5; "
        "split.kind=leave_one_out; labels.file=books.csv; labels.id=book_id";
    rk_dataset *d = prepare(test_data_or_skip("goodbooks"), settings);
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_counts(d, 2668, 7770, 197513 - 2 * 2668, 2668, 2668);
    assert_int_equal(s->rows_read, 298176);
    assert_int_equal(s->rows_filtered, 94473); /* counted with awk */
    int64_t item = -1;
    assert_ok(rk_dataset_find_item(d, "2", &item));
    assert_non_null(strstr(rk_dataset_item_label(d, item), "Harry Potter"));
    assert_round_trip(d);
    rk_dataset_free(d);
}

/* Ratings and a second list of books united, counted with sort and awk. */
static void goodbooks_sources_are_united(void **state)
{
    (void)state;
    rk_dataset *d = prepare(test_data_or_skip("goodbooks"),
                            "data.sources[0].file=ratings_users5pct.csv; "
                            "data.sources[0].item=book_id; data.sources[0].where=rating >= 4; "
                            "data.sources[1].file=to_read_head.csv; "
                            "data.sources[1].item=book_id; split.kind=ratio");
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_int_equal(s->users, 12652);
    assert_int_equal(s->items, 9950);
    assert_int_equal(s->interactions, 304859);
    assert_int_equal(s->duplicates, 13);
    assert_int_equal(s->rows_read, 298176 + 101169);
    rk_dataset_free(d);
}

static void adjacency_may_list_users_without_items(void **state)
{
    (void)state;
    test_write(test_path(scratch, "train.txt"), "0 1 2\n1 2\n2 \n3\n", -1);
    test_write(test_path(scratch, "test.txt"), "0 3\n1 \n2 1\n5\n", -1);
    rk_dataset *d = prepare(scratch, ADJACENCY);
    char room[RK_ID_BYTES];
    assert_counts(d, 5, 3, 3, 0, 2);
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_int_equal(s->empty_users, 3); /* 2, 3 and 5 */
    assert_int_equal(s->cold_test_users, 1);
    assert_int_equal(s->cold_test_items, 1);
    assert_int_equal(s->test_users, 2);
    assert_string_equal(rk_dataset_user_id(d, 4, room), "5");
    assert_round_trip(d);
    rk_dataset_free(d);
}

#define TIMED "; data.sources[0].time=time"
#define SMALL                                                                                      \
    "data.name=small; data.sources[0].file=ratings.csv; data.sources[0].where=rating >= 3; "       \
    "split.kind=leave_one_out; split.valid=0; labels.file=items.csv"

static void write_small(void)
{
    test_write(test_path(scratch, "ratings.csv"),
               "user_id,item_id,rating,time\n7,10,5,70.5\n7,20,4,80\n7,30,3,-90\n7,40,1,2\n"
               "8,10,3,75\n8,20,4,85\n8,30,5,95\n",
               -1);
    test_write(test_path(scratch, "items.csv"),
               "item_id,title\n10,\"Ten, the first\"\n30,Thirty\n99,Nobody\n30,Late\n", -1);
}

/* A file with the right marks and the wrong contents, as nobody but another program writes it. */
static void write_forged(const char *path, const char *fingerprint, const int64_t *users,
                         const int64_t *offsets, const int32_t *items)
{
    static const char *const counts[] = {
        "rows_read", "rows_filtered", "rows_missing",  "ids_trimmed",   "duplicates",
        "overlap",   "filter_passes", "users_dropped", "items_dropped", "tied_users"};
    static const int64_t item_ids[3] = {1, 2, 3};
    rk_h5 *file = NULL;
    assert_ok(rk__h5_create(&file, path, "data set", 2));
    assert_ok(rk__h5_set_text(file, "name", "forged"));
    assert_ok(rk__h5_set_text(file, "fingerprint", fingerprint));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_ok(rk__h5_set_i64(file, counts[i], 0));
    }
    assert_ok(rk__h5_write(file, "users/numbers", RK_H5_I64, 2, 0, users));
    assert_ok(rk__h5_write(file, "items/numbers", RK_H5_I64, 3, 0, item_ids));
    assert_ok(rk__h5_write(file, "train/offsets", RK_H5_I64, 3, 0, offsets));
    assert_ok(rk__h5_write(file, "train/items", RK_H5_I32, 3, 0, items));
    assert_ok(rk__h5_commit(file));
    rk__h5_close(file);
}

static void forged_files_are_refused(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "forged.h5");
    rk_dataset *d = NULL;
    static const int64_t good_users[2] = {4, 5}, bad_users[2] = {5, 5};
    static const int64_t good[3] = {0, 2, 3};
    static const int64_t bad_offsets[5][3] = {
        {1, 2, 3}, {0, 4, 3}, {0, 2, 2}, {0, -1, 3}, {0, 1, 4}};
    static const int32_t fine[3] = {0, 2, 1};
    static const int32_t bad_items[3][3] = {{0, 3, 1}, {2, 0, 1}, {-1, 2, 1}};
    write_forged(path, "short", good_users, good, fine);
    assert_fails(RK_ERR_DATA, "'fingerprint' is not 16 hex digits", rk_dataset_open(path, &d));
    write_forged(path, "0123456789abcdef", bad_users, good, fine);
    assert_fails(RK_ERR_DATA, "the ids of the users are not ascending", rk_dataset_open(path, &d));
    for (int i = 0; i < 5; i++) {
        write_forged(path, "0123456789abcdef", good_users, bad_offsets[i], fine);
        assert_fails(RK_ERR_DATA, "train is no list of items", rk_dataset_open(path, &d));
    }
    for (int i = 0; i < 3; i++) {
        write_forged(path, "0123456789abcdef", good_users, good, bad_items[i]);
        assert_fails(RK_ERR_DATA, "train is no list of items", rk_dataset_open(path, &d));
    }
    write_forged(path, "0123456789abcdef", good_users, good, fine);
    assert_fails(RK_ERR_DATA, "has no array 'valid/offsets'", rk_dataset_open(path, &d));
}

static void bad_input_leaves_nothing_behind(void **state)
{
    (void)state;
    static const struct {
        const char *text, *settings, *message;
        rk_status status;
    } cases[] = {
        {NULL, "", "ratings.csv", RK_ERR_IO},
        {"", "", "ratings.csv", RK_ERR_DATA},
        {"user_id,item_id\n", "", "ratings.csv", RK_ERR_DATA},
        {"user_id,item_id\n1,x\n", "", "ratings.csv:2:3", RK_ERR_DATA},
        {"user_id,item_id\n1,2\n-1,3\n", "", "negative", RK_ERR_DATA},
        {"user,item\n1,2\n", "", "user_id", RK_ERR_DATA},
        {"user_id,item_id\n1,2\n1,3\n", "; data.min_user=3",
         "data.min_user 3 and data.min_item 1 dropped all 1 users and 2 items", RK_ERR_DATA},
        {"user_id,item_id,rating\n1,2,1\n1,3,2\n", "; data.sources[0].where=rating > 4",
         "the conditions in 'where' dropped all 2 rows", RK_ERR_DATA},
        {"user_id,item_id\n1,2\n1,3\n", "; labels.file=nowhere.csv", "nowhere.csv", RK_ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char settings[300];
        rk_dataset *d = NULL;
        if (cases[i].text) {
            test_write(test_path(scratch, "ratings.csv"), cases[i].text, -1);
        }
        snprintf(settings, sizeof settings, "data.sources[0].file=ratings.csv; split.kind=ratio%s",
                 cases[i].settings);
        assert_fails(cases[i].status, cases[i].message, try_prepare(&d, scratch, settings, false));
        assert_int_not_equal(access(cache, F_OK), 0);
    }
}

static void the_cache_folder_may_be_impossible(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    write_small();
    test_write(test_path(scratch, "deep"), "a file where a folder is wanted", -1);
    assert_fails(RK_ERR_IO, "deep/cache cannot be created: Not a directory",
                 try_prepare(&d, scratch, SMALL, false));
}

static void a_wish_to_stop_is_heard(void **state)
{
    (void)state;
    FILE *file = fopen(test_path(scratch, "ratings.csv"), "w");
    assert_non_null(file);
    fprintf(file, "user_id,item_id\n");
    for (int i = 0; i < 200000; i++) {
        fprintf(file, "%d,%d\n", i / 100, i % 100);
    }
    fclose(file);
    rk_dataset *d = NULL;
    seen.stop = true;
    const char *settings = "data.sources[0].file=ratings.csv; split.kind=ratio";
    assert_fails(RK_ERR_INTERRUPTED, "interrupted while reading",
                 try_prepare(&d, scratch, settings, false));
    assert_int_not_equal(access(cache, F_OK), 0);
    seen.stop = false;
    d = prepare(scratch, settings);
    assert_counts(d, 2000, 100, 160000, 20000, 20000);
    rk_dataset_free(d);
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    struct rlimit before, small;
    rk_dataset *d = NULL;
    write_small();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < 3000; limit += 250) {
        small = before;
        small.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &small);
        rk_status status = try_prepare(&d, scratch, SMALL TIMED, false);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, RK_ERR_IO);
        assert_non_null(strstr(rk_last_error(), ".h5 cannot be written: File too large"));
        assert_int_equal(count_cached(), 0);
    }
    signal(SIGXFSZ, handler);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rk_config *config = NULL;
    write_small();
    assert_ok(try_config(&config, scratch, SMALL TIMED "; data.ids=text"));
    rk_dataset *d = NULL;
    for (int64_t n = 0;; n++) {
        rk__alloc_fail_after(n);
        rk_status status = rk_dataset_prepare(config, true, NULL, &d);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_true(n > 50);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        /* Nothing half-written: at most the finished data set, whose key could not be written. */
        int64_t n_files = access(cache, F_OK) == 0 ? count_cached() : 0;
        assert_true(n_files == 0 || (n_files == 1 && count_data_sets() == 1));
    }
    for (int64_t n = 0;; n++) {
        rk_dataset *again = NULL;
        rk__alloc_fail_after(n);
        rk_status status = rk_dataset_prepare(config, false, NULL, &again);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_true(n > 20);
            assert_same(d, again);
            rk_dataset_free(again);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
    }
    rk_dataset_free(d);
    rk_config_free(config);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gowalla_counts),
        TEST(yelp2018_counts),
        TEST(ml_100k_counts),
        TEST(goodbooks_counts),
        TEST(goodbooks_sources_are_united),
        TEST(adjacency_may_list_users_without_items),
        TEST(forged_files_are_refused),
        TEST(bad_input_leaves_nothing_behind),
        TEST(the_cache_folder_may_be_impossible),
        TEST(a_wish_to_stop_is_heard),
        TEST(a_full_disk_is_reported),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
