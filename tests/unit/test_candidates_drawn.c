/* data: the candidates that are drawn for held-out rows (split.candidates), counted by plain loops
 * over the rows. */
#include <math.h>

#include "base/philox.h"
#include "data/dataset_internal.h"
#include "support/support.h"

typedef struct row {
    int64_t user, item;
    uint8_t part;
} row;

enum { MOST = 4000 };

/* A data set of rows under "key=value; key=value" by rk_dataset_from_columns. */
static rk_status try_make(rk_dataset **out, const char *settings, const row *rows, int n)
{
    static int64_t users[MOST], items[MOST];
    static uint8_t parts[MOST];
    rk_config *config = config_of(settings);
    rk_columns c = rk_columns_defaults();
    assert_true(n <= MOST);
    for (int i = 0; i < n; i++) {
        users[i] = rows[i].user;
        items[i] = rows[i].item;
        parts[i] = rows[i].part;
    }
    c.n = n;
    c.users = users;
    c.items = items;
    c.parts = rk__config_options(config)->split.kind == RK_SPLIT_GIVEN ? parts : NULL;
    rk_status status = rk_dataset_from_columns(config, &c, NULL, out);
    rk_config_free(config);
    return status;
}

static rk_dataset *make(const char *settings, const row *rows, int n)
{
    rk_dataset *d = NULL;
    assert_ok(try_make(&d, settings, rows, n));
    return d;
}

static int64_t item_id(const rk_dataset *d, int32_t item)
{
    char room[RK_ID_BYTES];
    return atoll(rk_dataset_item_id(d, item, room));
}

/* n rows of 40 users and 30 items. */
static void draw_rows(row *rows, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++) {
        rk_words w = rk__philox(seed, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        rows[i] = (row){w.v[0] % 40, w.v[1] % 30, RK_TRAIN};
    }
}

static bool user_has(const row *rows, int n, int64_t user, int64_t item)
{
    bool found = false;
    for (int i = 0; i < n; i++) {
        found = found || (rows[i].user == user && rows[i].item == item);
    }
    return found;
}

/* Distinct, never had, and each about as often as another. */
static void check_candidates(const rk_dataset *d, const row *rows, int64_t each)
{
    int64_t rows_seen = 0;
    double expected = 0, found = 0; /* how often item 17 comes */
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        for (int64_t user = 0; user < d->n_users; user++) {
            char room[RK_ID_BYTES];
            int64_t id = atoll(rk_dataset_user_id(d, user, room)), n = 0, left = 0;
            const int32_t *candidates = NULL;
            assert_ok(rk_dataset_candidates(d, part, user, &candidates, &n));
            assert_int_equal(n, each);
            for (int64_t item = 0; item < 30; item++) {
                left += !user_has(rows, 700, id, item);
            }
            for (int64_t r = 0; r < rk__lists_count(&d->parts[part], user); r++) {
                bool is_seen[30] = {false};
                for (int64_t k = 0; k < n; k++) {
                    int32_t item = candidates[r * n + k];
                    assert_false(user_has(rows, 700, id, item_id(d, item)));
                    assert_false(is_seen[item]);
                    is_seen[item] = true;
                }
                found += is_seen[17];
                if (!user_has(rows, 700, id, item_id(d, 17))) {
                    expected += (double)n / (double)left;
                }
                rows_seen++;
            }
        }
    }
    assert_int_equal(rows_seen, d->stats.valid + d->stats.test);
    assert_true(fabs(found - expected) <= 4 * sqrt(expected));
}

static void candidates_are_items_never_had(void **state)
{
    (void)state;
    static row rows[700];
    static const int each[] = {2, 3, 5, 8}; /* somebody has 22 of the 30 */
    draw_rows(rows, 700, 11);
    for (int e = 0; e < 4; e++) {
        char settings[100];
        snprintf(settings, sizeof settings, "split.kind=ratio; split.test=0.3; split.candidates=%d",
                 each[e]);
        rk_dataset *d = make(settings, rows, 700);
        check_candidates(d, rows, each[e]);
        rk_dataset_free(d);
    }
}

/* The chance that item i is among n items that are drawn one after the other with chances
 * proportional to their weights: over every order of them. */
static double inclusion(const double *weight, int n_items, int item, int n, unsigned drawn)
{
    double all = 0, chance = 0;
    for (int i = 0; i < n_items; i++) {
        all += drawn & 1u << i ? 0 : weight[i];
    }
    for (int i = 0; n > 0 && i < n_items; i++) {
        if (!(drawn & 1u << i)) {
            double rest = i == item ? 1 : inclusion(weight, n_items, item, n - 1, drawn | 1u << i);
            chance += weight[i] / all * rest;
        }
    }
    return chance;
}

/* 1500 users who have items 0 and 1 each, one of them held out, and others who make items 2 to 7
 * popular in a known way; item 8 is in no train row. */
static void popular_candidates_come_more_often(void **state)
{
    (void)state;
    enum { USERS = 1500, EACH = 2 };
    static const int degrees[6] = {60, 30, 12, 6, 3, 1};
    static row rows[2 * USERS + 200];
    int n = 0;
    for (int u = 0; u < USERS; u++) {
        rows[n++] = (row){.user = u, .item = 0, .part = RK_TRAIN};
        rows[n++] = (row){.user = u, .item = 1, .part = RK_TEST};
    }
    for (int item = 0; item < 6; item++) {
        for (int u = 0; u < degrees[item]; u++) {
            rows[n++] = (row){.user = USERS + u, .item = 2 + item, .part = RK_TRAIN};
        }
    }
    rows[n++] = (row){.user = USERS + 99, .item = 8, .part = RK_TEST};
    rk_dataset *d = make("split.candidates=2; split.candidates_by=popularity", rows, n);
    double weight[6], found[9] = {0};
    for (int i = 0; i < 6; i++) {
        weight[i] = degrees[i];
    }
    for (int64_t k = 0; k < (int64_t)USERS * EACH; k++) {
        found[d->candidates[RK_TEST][k]]++;
    }
    assert_true(found[0] + found[1] + found[8] == 0);
    for (int i = 0; i < 6; i++) {
        const double p = inclusion(weight, 6, i, EACH, 0);
        assert_true(fabs(found[2 + i] - p * USERS) <= 4 * sqrt(p * (1 - p) * USERS) + 1);
    }
    rk_dataset_free(d);
}

static void too_few_candidates_are_an_error(void **state)
{
    (void)state;
    static row rows[700];
    draw_rows(rows, 700, 11);
    rk_dataset *d = NULL;
    assert_int_equal(try_make(&d, "split.kind=ratio; split.candidates=29", rows, 700), RK_ERR_DATA);
    assert_non_null(strstr(rk_last_error(), "split.candidates is 29, but user "));
    assert_non_null(strstr(rk_last_error(), "of the 30 items left that are not theirs already"));
    assert_int_equal(try_make(&d,
                              "split.kind=ratio; split.candidates=29; "
                              "split.candidates_by=popularity",
                              rows, 700),
                     RK_ERR_DATA);
    assert_non_null(strstr(rk_last_error(), "left with train interactions that are not theirs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_items_never_had),
        cmocka_unit_test(popular_candidates_come_more_often),
        cmocka_unit_test(too_few_candidates_are_an_error),
    };
    return cmocka_run_group_tests_name("candidates_drawn", tests, NULL, NULL);
}
