/* data: from rows to a data set. Every split and filter on sets small enough to be worked out by
 * hand. Parts are written in original ids: "7: 10 20; 9: 30" is user 7 with two items, 9 with one.
 */
#include "base/alloc.h"
#include "data/dataset_internal.h"
#include "data/pairs.h"
#include "support/support.h"

typedef struct row {
    int64_t user, item; /* item -1: the user is listed without one */
    double time;
    int part;
} row;

#define ROWS(...)                                                                                  \
    (const row[]){__VA_ARGS__}, (int)(sizeof((const row[]){__VA_ARGS__}) / sizeof(row))

static rk_status add_row(rk_raw *raw, const row *r)
{
    char user[32], item[32];
    snprintf(user, sizeof user, "%lld", (long long)r->user);
    snprintf(item, sizeof item, "%lld", (long long)r->item);
    rk_record record = {
        .user = {user, (int64_t)strlen(user)},
        .item = {item, (int64_t)strlen(item)},
        .user_id = r->user,
        .item_id = r->item,
        .has_item = r->item >= 0,
        .time = r->time,
    };
    raw->rows_read += r->item >= 0;
    return rk__raw_add(raw, &record, 1, r->part);
}

/* A data set of the rows under "key=value; key=value". */
static rk_status try_make(rk_dataset **out, const char *settings, const row *rows, int n)
{
    char copy[500], *rest = copy, *setting;
    rk_config *config = NULL;
    rk_raw raw = {0};
    rk_status status = RK_OK;
    snprintf(copy, sizeof copy, "%s", settings);
    RK_TRY_GOTO(done, rk_config_create(&config));
    while ((setting = strtok_r(rest, ";", &rest))) {
        RK_TRY_GOTO(done, rk_config_set(config, setting + strspn(setting, " "), "test"));
    }
    RK_TRY_GOTO(done, rk__raw_init(&raw, rk__config_options(config), NULL));
    for (int i = 0; i < n; i++) {
        RK_TRY_GOTO(done, add_row(&raw, &rows[i]));
    }
    RK_TRY_GOTO(done, rk__dataset_build(out, &raw, rk__config_options(config)));
done:
    rk__raw_free(&raw);
    rk_config_free(config);
    return status;
}

static rk_dataset *make(const char *settings, const row *rows, int n)
{
    rk_dataset *dataset = NULL;
    assert_ok(try_make(&dataset, settings, rows, n));
    return dataset;
}

static void assert_part(const rk_dataset *dataset, rk_part part, const char *expected)
{
    char text[1000] = "", room[RK_ID_BYTES];
    size_t length = 0;
    for (int64_t user = 0; user < dataset->n_users; user++) {
        const int32_t *items = NULL;
        int64_t n = 0;
        assert_ok(rk_dataset_items(dataset, part, user, &items, &n));
        if (n > 0) {
            length +=
                (size_t)snprintf(text + length, sizeof text - length, "%s%s:", length ? "; " : "",
                                 rk_dataset_user_id(dataset, user, room));
        }
        for (int64_t k = 0; k < n; k++) {
            length += (size_t)snprintf(text + length, sizeof text - length, " %s",
                                       rk_dataset_item_id(dataset, items[k], room));
        }
    }
    assert_string_equal(text, expected);
}

static void assert_parts(const rk_dataset *dataset, const char *train, const char *valid,
                         const char *test)
{
    assert_part(dataset, RK_TRAIN, train);
    assert_part(dataset, RK_VALID, valid);
    assert_part(dataset, RK_TEST, test);
}

static void ids_are_dense_and_ascending(void **state)
{
    (void)state;
    rk_dataset *d =
        make("split.kind=given", ROWS({30, 7, 0, 0}, {9, 100, 0, 0}, {30, 2, 0, 0}, {10, 7, 0, 0}));
    assert_int_equal(d->n_users, 3);
    assert_int_equal(d->n_items, 3);
    char first[RK_ID_BYTES], last[RK_ID_BYTES];
    assert_ptr_equal(rk_dataset_user_id(d, 0, first), first);
    assert_string_equal(rk_dataset_user_id(d, 2, last), "30");
    assert_string_equal(first, "9"); /* the second call leaves it alone */
    assert_null(rk_dataset_user_id(d, 3, first));
    assert_null(rk_dataset_user_id(d, -1, first));
    assert_string_equal(rk_dataset_item_id(d, 1, first), "7");
    assert_part(d, RK_TRAIN, "9: 100; 10: 7; 30: 2 7");
    /* FNV-1a over the arrays, computed by a few lines of Python. */
    assert_string_equal(rk_dataset_fingerprint(d), "65d7c63803303c20");
    int64_t index = -1;
    assert_ok(rk_dataset_find_user(d, "10", &index));
    assert_int_equal(index, 1);
    assert_ok(rk_dataset_find_item(d, "100", &index));
    assert_int_equal(index, 2);
    assert_fails(RK_ERR_DATA,
                 "user '11' is not in the data set run, whose user ids are integers "
                 "from 9 to 30",
                 rk_dataset_find_user(d, "11", &index));
    assert_fails(RK_ERR_DATA, "item 'x' is not in", rk_dataset_find_item(d, "x", &index));
    assert_fails(RK_ERR_DATA, "item '+1' is not in", rk_dataset_find_item(d, "+1", &index));
    assert_fails(RK_ERR_DATA, "user '01' is not in", rk_dataset_find_user(d, "01", &index));
    assert_string_equal(rk_dataset_item_label(d, 0), "");
    const int32_t *items = NULL;
    assert_fails(RK_ERR_DATA, "there is no user 3",
                 rk_dataset_items(d, RK_TRAIN, 3, &items, &index));
    rk_dataset_free(d);

    /* As texts the order is bytewise: "10" < "30" < "9". */
    d = make("data.ids=text; data.name=words",
             ROWS({30, 7, 0, 0}, {9, 100, 0, 0}, {30, 2, 0, 0}, {10, 7, 0, 0}));
    assert_part(d, RK_TRAIN, "10: 7; 30: 2 7; 9: 100");
    assert_ok(rk_dataset_find_user(d, "9", &index));
    assert_int_equal(index, 2);
    assert_ptr_equal(rk_dataset_user_id(d, 2, first), d->users.texts[2]);
    assert_fails(RK_ERR_DATA, "item '70' is not in the data set words",
                 rk_dataset_find_item(d, "70", &index));
    assert_fails(RK_ERR_DATA, "item '' is not in", rk_dataset_find_item(d, "", &index));
    rk_dataset_free(d);
}

/* Threads share a data set: each has its ids in room of its own. */
static void many_threads_may_ask_for_ids(void **state)
{
    (void)state;
    enum { USERS = 5000 };
    static row rows[USERS];
    for (int u = 0; u < USERS; u++) {
        rows[u] = (row){7 * u, u % 10, 0, 0};
    }
    const rk_dataset *d = make("split.kind=given", rows, USERS);
    int wrong = 0;
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
    for (int u = 0; u < USERS; u++) {
        char room[RK_ID_BYTES], expected[RK_ID_BYTES];
        snprintf(expected, sizeof expected, "%d", 7 * u);
        const char *id = rk_dataset_user_id(d, u, room);
        wrong += strcmp(id, expected) != 0;
    }
    assert_int_equal(wrong, 0);
    rk_dataset_free((rk_dataset *)d);
}

/* One name a part, in files, messages and options. */
static void parts_have_names(void **state)
{
    (void)state;
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        assert_string_equal(rk_part_name(part),
                            rk__option_choice("data.sources.part", RK_PART_TRAIN + (int)part));
    }
    assert_string_equal(rk_part_name(RK_VALID), rk__option_choice("eval.split", RK_EVAL_VALID));
    assert_string_equal(rk_part_name(RK_TEST), rk__option_choice("eval.split", RK_EVAL_TEST));
    assert_string_equal(rk_part_name(RK_GIVEN), "given");
    assert_null(rk_part_name((rk_part)4));
    assert_null(rk_part_name((rk_part)-1));
}

static void duplicates_are_dropped_and_counted(void **state)
{
    (void)state;
    rk_dataset *d = make("split.kind=given", ROWS({1, 1, 0, 0}, {2, 1, 0, 0}, {1, 1, 0, 0},
                                                  {1, 2, 0, 0}, {1, 1, 0, 0}));
    assert_int_equal(d->stats.rows_read, 5);
    assert_int_equal(d->stats.duplicates, 2);
    assert_int_equal(d->stats.overlap, 0);
    assert_int_equal(d->stats.interactions, 3);
    assert_part(d, RK_TRAIN, "1: 1 2; 2: 1");
    rk_dataset_free(d);

    /* The earliest time counts: item 1 was met at 1 and is not the latest, though it came again. */
    d = make("split.kind=leave_one_out; split.order=time; split.valid=0",
             ROWS({1, 1, 9, 0}, {1, 2, 5, 0}, {1, 3, 4, 0}, {1, 1, 1, 0}));
    assert_int_equal(d->stats.duplicates, 1);
    assert_parts(d, "1: 1 3", "", "1: 2");
    rk_dataset_free(d);
}

static void a_given_split_is_kept(void **state)
{
    (void)state;
    enum { A = RK_PART_TRAIN, V = RK_PART_VALID, T = RK_PART_TEST };
    rk_dataset *d =
        make("split.kind=given",
             ROWS({5, 1, 0, T}, {5, 2, 0, A}, {5, 3, 0, V}, {6, 2, 0, A}, {6, 9, 0, T},
                  {5, 2, 0, T}, {5, 2, 0, V}, {5, 3, 0, T}, {5, 3, 0, V}, {7, 2, 0, T}));
    assert_parts(d, "5: 2; 6: 2", "5: 3", "5: 1; 6: 9; 7: 2");
    /* Held-out pairs that an earlier part has: (5,2) in valid and test, (5,3) in test. */
    assert_int_equal(d->stats.overlap, 3);
    assert_int_equal(d->stats.duplicates, 1);
    assert_int_equal(d->stats.interactions, 6);
    assert_int_equal(d->stats.cold_test_items, 2); /* 1 and 9 */
    assert_int_equal(d->stats.cold_valid_items, 1);
    assert_int_equal(d->stats.cold_test_users, 1); /* 7 */
    assert_int_equal(d->stats.empty_users, 1);
    assert_int_equal(d->stats.test_users, 3);
    assert_int_equal(d->stats.valid_users, 1);
    rk_dataset_free(d);
}

static void listed_users_keep_a_row(void **state)
{
    (void)state;
    enum { A = RK_PART_TRAIN, T = RK_PART_TEST };
    const row rows[] = {{1, 1, 0, A},  {2, -1, 0, A}, {3, -1, 0, A}, {3, 1, 0, T},
                        {2, -1, 0, T}, {0, 1, 0, A},  {0, 2, 0, A},  {1, 2, 0, T}};
    rk_dataset *d = make("split.kind=given", rows, 8);
    assert_int_equal(d->n_users, 4);
    assert_int_equal(d->stats.empty_users, 2); /* 2 and 3 */
    assert_int_equal(d->stats.cold_test_users, 1);
    assert_int_equal(d->stats.filter_passes, 0);
    assert_parts(d, "0: 1 2; 1: 1", "", "1: 2; 3: 1");
    rk_dataset_free(d);
    d = make("split.kind=given; data.min_user=2", rows, 8);
    assert_int_equal(d->n_users, 2); /* 0 and 1, counted over all parts */
    assert_int_equal(d->stats.users_dropped, 2);
    rk_dataset_free(d);
}

static void filters_run_until_nothing_changes(void **state)
{
    (void)state;
    /* Round 1 drops user 4 (one item); then item 3 has one user left, round 2 drops it; then user 3
     * has one item left, round 3 drops them; what remains is stable. */
    const row rows[] = {{1, 1, 0, 0}, {1, 2, 0, 0}, {2, 1, 0, 0}, {2, 2, 0, 0},
                        {3, 2, 0, 0}, {3, 3, 0, 0}, {4, 3, 0, 0}};
    rk_dataset *d = make("split.kind=given; data.min_user=2; data.min_item=2", rows, 7);
    assert_parts(d, "1: 1 2; 2: 1 2", "", "");
    assert_int_equal(d->stats.filter_passes, 3);
    assert_int_equal(d->stats.users_dropped, 2);
    assert_int_equal(d->stats.items_dropped, 1);
    rk_dataset_free(d);
    /* Only items: user 4 keeps item 3; items 1 and 3 have two users each. */
    d = make("split.kind=given; data.min_item=3", rows, 7);
    assert_parts(d, "1: 2; 2: 2; 3: 2", "", "");
    assert_int_equal(d->stats.filter_passes, 2); /* users without any item left go in the second */
    assert_int_equal(d->stats.users_dropped, 1);
    rk_dataset_free(d);
    /* Duplicates do not help over the bar. */
    rk_dataset *none = NULL;
    assert_fails(RK_ERR_DATA,
                 "of 2 rows 'where' dropped 0 and 1 were duplicates, then data.min_user 2 and "
                 "data.min_item 1 dropped all 1 users and 1 items in 2 rounds; lower them",
                 try_make(&none, "data.min_user=2", ROWS({1, 1, 0, 0}, {1, 1, 0, 0})));
}

static void leave_one_out_by_time(void **state)
{
    (void)state;
    const row rows[] = {{1, 5, 30, 0}, {1, 6, 10, 0}, {1, 7, 20, 0}, {1, 8, 5, 0}, {2, 5, 1, 0},
                        {2, 6, 2, 0},  {3, 7, 4, 0},  {3, 6, 4, 0},  {3, 5, 4, 0}};
    rk_dataset *d = make("split.kind=leave_one_out; split.order=time", rows, 9);
    /* User 2 has two items only; of user 3's equal stamps the larger item counts as later. */
    assert_parts(d, "1: 6 8; 2: 5 6; 3: 5", "1: 7; 3: 6", "1: 5; 3: 7");
    rk_dataset_free(d);
    d = make("split.kind=leave_one_out; split.order=time; split.valid=0", rows, 9);
    assert_parts(d, "1: 6 7 8; 2: 5 6; 3: 5 6", "", "1: 5; 3: 7");
    rk_dataset_free(d);
}

/* The draws of users 0..3 with 4, 3, 2 and 10 items under seed 2020, computed by an independent
 * implementation of Philox and of the draw (Python): positions [1, 0], [1, 0], none, [6, 7, 5]. */
static void random_splits_are_the_documented_draws(void **state)
{
    (void)state;
    row rows[19];
    int n = 0;
    for (int64_t i = 9; i >= 0; i--) { /* the order of the rows must not matter */
        rows[n++] = (row){3, i, 0, 0};
        if (i < 4) {
            rows[n++] = (row){0, i, 0, 0};
        }
        if (i < 3) {
            rows[n++] = (row){1, i, 0, 0};
        }
        if (i < 2) {
            rows[n++] = (row){2, i, 0, 0};
        }
    }
    rk_dataset *d = make("split.kind=leave_one_out; split.seed=2020", rows, n);
    assert_parts(d, "0: 2 3; 1: 2; 2: 0 1; 3: 0 1 2 3 4 5 8 9", "0: 0; 1: 0; 3: 7",
                 "0: 1; 1: 1; 3: 6");
    rk_dataset_free(d);
    d = make("split.kind=ratio; split.test=0.2; split.valid=0.1; split.seed=2020", rows, n);
    assert_parts(d, "0: 2 3; 1: 2; 2: 0 1; 3: 0 1 2 3 4 8 9", "0: 0; 1: 0; 3: 5",
                 "0: 1; 1: 1; 3: 6 7");
    char before[17];
    snprintf(before, sizeof before, "%s", rk_dataset_fingerprint(d));
    rk_dataset_free(d);
    for (int i = 0; i < n / 2; i++) {
        row held = rows[i];
        rows[i] = rows[n - 1 - i];
        rows[n - 1 - i] = held;
    }
    d = make("split.kind=ratio; split.test=0.2; split.valid=0.1; split.seed=2020", rows, n);
    assert_string_equal(rk_dataset_fingerprint(d), before);
    rk_dataset_free(d);
    d = make("split.kind=ratio; split.test=0.2; split.valid=0.1; split.seed=2021", rows, n);
    assert_string_not_equal(rk_dataset_fingerprint(d), before);
    rk_dataset_free(d);
}

static void random_choices_are_fair(void **state)
{
    (void)state;
    enum { USERS = 3000, ITEMS = 5 };
    static row rows[USERS * ITEMS];
    int64_t tests[ITEMS] = {0}, valids[ITEMS] = {0};
    for (int i = 0; i < USERS * ITEMS; i++) {
        rows[i] = (row){i / ITEMS, i % ITEMS, 0, 0};
    }
    rk_dataset *d = make("split.kind=leave_one_out", rows, USERS * ITEMS);
    for (int64_t user = 0; user < USERS; user++) {
        const int32_t *items = NULL;
        int64_t n = 0;
        assert_ok(rk_dataset_items(d, RK_TEST, user, &items, &n));
        assert_int_equal(n, 1);
        tests[items[0]]++;
        assert_ok(rk_dataset_items(d, RK_VALID, user, &items, &n));
        assert_int_equal(n, 1);
        valids[items[0]]++;
    }
    for (int i = 0; i < ITEMS; i++) { /* 600 expected, standard deviation 22 */
        assert_in_range(tests[i], 500, 700);
        assert_in_range(valids[i], 500, 700);
    }
    rk_dataset_free(d);
}

static void ratio_by_time(void **state)
{
    (void)state;
    row rows[15];
    for (int i = 0; i < 10; i++) { /* later items have smaller ids */
        rows[i] = (row){1, i, 100 - i, 0};
    }
    rows[10] = (row){2, 0, 1, 0};
    rows[11] = (row){2, 1, 2, 0};
    rows[12] = (row){3, 0, 1, 0};
    rows[13] = (row){3, 1, 3, 0};
    rows[14] = (row){3, 2, 2, 0};
    rk_dataset *d =
        make("split.kind=ratio; split.order=time; split.test=0.3; split.valid=0.15", rows, 15);
    assert_parts(d, "1: 4 5 6 7 8 9; 2: 0 1; 3: 0", "1: 3; 3: 2", "1: 0 1 2; 3: 1");
    rk_dataset_free(d);
    /* Shares that would leave nothing to train on leave one. */
    d = make("split.kind=ratio; split.order=time; split.test=0.8; split.valid=0.1", rows, 15);
    assert_parts(d, "1: 9; 2: 0 1; 3: 0", "1: 8", "1: 0 1 2 3 4 5 6 7; 3: 1 2");
    rk_dataset_free(d);
    /* 0.7 * 10 must be 7 and not 6.999..., 0 no item at all. */
    d = make("split.kind=ratio; split.order=time; split.test=0.7; split.valid=0", rows, 15);
    assert_parts(d, "1: 7 8 9; 2: 0 1; 3: 0", "", "1: 0 1 2 3 4 5 6; 3: 1 2");
    rk_dataset_free(d);
}

static void time_splits_everyone_at_once(void **state)
{
    (void)state;
    const row rows[] = {{1, 1, 10, 0}, {1, 2, 20, 0}, {2, 1, 30, 0}, {2, 3, 40, 0}, {3, 1, 50, 0},
                        {3, 2, 60, 0}, {3, 3, 70, 0}, {1, 4, 80, 0}, {4, 1, 90, 0}, {2, 2, 90, 0}};
    rk_dataset *d = make("split.kind=time; split.valid_from=40; split.test_from=70.5", rows, 10);
    assert_parts(d, "1: 1 2; 2: 1", "2: 3; 3: 1 2 3", "1: 4; 2: 2; 4: 1");
    assert_int_equal(d->stats.cold_test_users, 1); /* 4 */
    assert_int_equal(d->stats.empty_users, 2);     /* 3 and 4 */
    assert_int_equal(d->stats.cold_test_items, 1); /* 4 */
    assert_int_equal(d->stats.cold_valid_items, 1);
    rk_dataset_free(d);
    /* A tenth begins at the last row, 90, and its twin comes along; of the 8 before, the last 2. */
    d = make("split.kind=time; split.test=0.1; split.valid=0.2", rows, 10);
    assert_parts(d, "1: 1 2; 2: 1 3; 3: 1 2", "1: 4; 3: 3", "2: 2; 4: 1");
    rk_dataset_free(d);
    d = make("split.kind=time; split.test=0; split.valid=0; split.test_from=60", rows, 10);
    assert_parts(d, "1: 1 2; 2: 1 3; 3: 1", "", "1: 4; 2: 2; 3: 2 3; 4: 1");
    rk_dataset_free(d);
    rk_dataset *none = NULL;
    assert_fails(RK_ERR_DATA, "leaves nothing to train on: all 10 interactions",
                 try_make(&none, "split.kind=time; split.test_from=5", rows, 10));
    assert_fails(RK_ERR_CONFIG, "valid would begin at time 95, after test at 90",
                 try_make(&none, "split.kind=time; split.valid_from=95; split.test=0.1", rows, 10));
    /* Negative and fractional times sort as numbers. */
    d = make("split.kind=time; split.test=0.5; split.valid=0.25",
             ROWS({1, 1, -2.5, 0}, {1, 2, -1e9, 0}, {1, 3, 0.25, 0}, {1, 4, -0.0, 0}));
    assert_parts(d, "1: 2", "1: 1", "1: 3 4");
    rk_dataset_free(d);
}

static void statistics_are_right(void **state)
{
    (void)state;
    row rows[31];
    int n = 0;
    for (int64_t user = 1; user <= 5; user++) { /* degrees 1..5, item i has 6 - i users */
        for (int64_t item = 1; item <= user; item++) {
            rows[n++] = (row){user, item, 0, RK_PART_TRAIN};
        }
    }
    rows[n++] = (row){6, -1, 0, RK_PART_TRAIN};
    rows[n++] = (row){1, 5, 0, RK_PART_TEST};
    rows[n++] = (row){1, 4, 0, RK_PART_TEST};
    rows[n++] = (row){2, 5, 0, RK_PART_VALID};
    rk_dataset *d = make("split.kind=given", rows, n);
    const rk_dataset_stats *s = rk_dataset_get_stats(d);
    assert_int_equal(s->users, 6);
    assert_int_equal(s->items, 5);
    assert_int_equal(s->rows_read, 18);
    assert_int_equal(s->train, 15);
    assert_int_equal(s->valid, 1);
    assert_int_equal(s->test, 2);
    assert_int_equal(s->interactions, 18);
    assert_close(s->density, 18.0 / 30, 1e-15, 0);
    /* Users: 0 1 2 3 4 5. The q-quantile is the smallest degree that q of the nodes do not pass. */
    assert_int_equal(s->user_degrees.min, 0);
    assert_int_equal(s->user_degrees.median, 2);
    assert_int_equal(s->user_degrees.max, 5);
    assert_close(s->user_degrees.mean, 2.5, 1e-15, 0);
    static const int64_t users[9] = {0, 1, 1, 2, 2, 3, 4, 4, 5};
    static const int64_t items[9] = {1, 1, 2, 2, 3, 3, 4, 4, 5}; /* of 1 2 3 4 5 */
    assert_memory_equal(s->user_degrees.decile, users, sizeof users);
    assert_memory_equal(s->item_degrees.decile, items, sizeof items);
    assert_int_equal(s->item_degrees.min, 1);
    assert_int_equal(s->item_degrees.median, 3);
    assert_close(s->item_degrees.mean, 3, 1e-15, 0);
    rk_dataset_free(d);
}

static void fingerprints_tell_data_apart(void **state)
{
    (void)state;
    const row rows[] = {{1, 1, 0, 0}, {1, 2, 0, 0}, {2, 1, 0, 0}};
    const row other[] = {{1, 1, 0, 0}, {1, 3, 0, 0}, {2, 1, 0, 0}};
    const row held_out[] = {{1, 1, 0, 0}, {1, 2, 0, RK_PART_TEST}, {2, 1, 0, 0}};
    rk_dataset *a = make("data.name=a", rows, 3), *b = make("data.name=b", rows, 3);
    rk_dataset *c = make("", other, 3), *e = make("", held_out, 3);
    rk_dataset *t = make("data.ids=text", rows, 3);
    assert_int_equal(strlen(rk_dataset_fingerprint(a)), 16);
    assert_string_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(b));
    assert_string_not_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(c));
    assert_string_not_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(e));
    assert_string_not_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(t));
    rk_dataset_free(a);
    rk_dataset_free(b);
    rk_dataset_free(c);
    rk_dataset_free(e);
    rk_dataset_free(t);
}

static void id_maps_hold_many(void **state)
{
    (void)state;
    enum { N = 50000 };
    rk_id_map numbers, texts;
    int32_t index = 0;
    int32_t *order = NULL;
    rk__id_map_init(&numbers, false, "users");
    rk__id_map_init(&texts, true, "items");
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < N; i++) {
            char text[32];
            int64_t id = (i * 7919 % N) << 20; /* strides that a bad hash would pile up */
            int length = snprintf(text, sizeof text, "id-%lld", (long long)id);
            assert_ok(rk__id_map_number(&numbers, id, &index));
            assert_int_equal(index, i);
            assert_ok(rk__id_map_text(&texts, text, length, &index));
            assert_int_equal(index, i);
            assert_string_equal(rk__id_map_text_at(&texts, i), text);
        }
    }
    assert_int_equal(numbers.n, N);
    assert_int_equal(texts.n, N);
    assert_ok(rk__id_map_order(&numbers, &order));
    for (int64_t i = 0; i < N; i++) {
        assert_true(numbers.numbers[order[i]] == i << 20);
    }
    rk__free(order);
    rk__id_map_free(&numbers);
    rk__id_map_free(&texts);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const settings[] = {"split.kind=given; data.ids=text",
                                           "split.kind=leave_one_out", "split.kind=time"};
    const row rows[] = {{1, 1, 1, 0}, {1, 2, 2, 0}, {1, 3, 3, 0}, {2, -1, 0, 0}, {2, 1, 4, 0}};
    for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
        rk_dataset *dataset = NULL;
        for (int64_t n = 0;; n++) {
            rk__alloc_fail_after(n);
            rk_status status = try_make(&dataset, settings[s], rows, s == 0 ? 5 : 3);
            rk__alloc_fail_after(-1);
            if (status == RK_OK) {
                assert_true(n > 20);
                break;
            }
            assert_int_equal(status, RK_ERR_MEMORY);
        }
        rk_dataset_free(dataset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_dense_and_ascending),
        cmocka_unit_test(many_threads_may_ask_for_ids),
        cmocka_unit_test(parts_have_names),
        cmocka_unit_test(duplicates_are_dropped_and_counted),
        cmocka_unit_test(a_given_split_is_kept),
        cmocka_unit_test(listed_users_keep_a_row),
        cmocka_unit_test(filters_run_until_nothing_changes),
        cmocka_unit_test(leave_one_out_by_time),
        cmocka_unit_test(random_splits_are_the_documented_draws),
        cmocka_unit_test(random_choices_are_fair),
        cmocka_unit_test(ratio_by_time),
        cmocka_unit_test(time_splits_everyone_at_once),
        cmocka_unit_test(statistics_are_right),
        cmocka_unit_test(fingerprints_tell_data_apart),
        cmocka_unit_test(id_maps_hold_many),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
