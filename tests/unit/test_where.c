/* The row filter: what it means, and what is refused. */
#include "base/alloc.h"
#include "data/where.h"
#include "support/support.h"

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

static const char rows[] = "rating,event,n,day,a b,it's\n"
                           "5,buy,1,2020-01-31,0,x\n"
                           "4,view,2,2020-02-01T00:00:00Z,1,y\n"
                           "3.5,add to cart,3,2020-02-01 12:00,0,\n"
                           "1, buy ,4,2021-01-01,1,and\n"
                           "2,R&B,5,1969-12-31,0,\"a \"\"q\"\"\"\n";

/* The rows (by n) that pass, as digits. */
static rk_status passing(const char *where, char out[16])
{
    rk_status status = RK_OK;
    rk_where filter = {0};
    rk_table table = {0};
    const rk_table_format format = {.separator = ",", .header = true, .quotes = true};
    const char *path = test_path(folder, "rows.csv");
    int n = 0, place = 0;
    test_write(path, rows, -1);
    RK_TRY_GOTO(done, rk__where_parse(&filter, where));
    RK_TRY_GOTO(done, rk__table_open(&table, &format, path, (rk_line_options){0}));
    RK_TRY_GOTO(done, rk__where_bind(&filter, &table));
    RK_TRY_GOTO(done, rk__table_want(&table, "n", "a test", &place));
    for (;;) {
        bool is_end = false, passes = !rk__where_is_set(&filter);
        RK_TRY_GOTO(done, rk__table_next(&table, &is_end));
        if (is_end) {
            break;
        }
        if (!passes) {
            RK_TRY_GOTO(done, rk__where_test(&filter, &table, &passes));
        }
        if (passes) {
            out[n++] = table.fields[place].at[0];
        }
    }
    out[n] = '\0';
done:
    rk__table_close(&table);
    rk__where_free(&filter);
    return status;
}

static void conditions_mean_what_they_say(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "12345"},
        {"rating >= 4", "12"},
        {"rating>=3.5", "123"},
        {"event == buy", "14"},
        {"event != buy", "235"},
        {"event == 'buy'", "14"},
        {"event == add to cart", "3"},
        {"event == R&B", "5"},
        {"event in [buy, view]", "124"},
        {"event not in [buy, view]", "35"},
        {"event IN [ 'add to cart' , R&B ]", "35"},
        {"n in [1, 3, 5.0]", "135"},
        {"n not in [1]", "2345"},
        {"rating >= 2 and event == buy", "1"},
        {"rating >= 4 or event == buy", "124"},
        {"rating >= 4 AND n > 1 OR n == 5", "25"},
        {"n == 5 or rating >= 4 and n > 1", "25"},
        {"(n == 5 or rating >= 4) and n > 1", "25"},
        {"(n == 5 or rating >= 4) and not n > 1", "1"},
        {"not (event == buy or event == view)", "35"},
        {"not not n == 2", "2"},
        {"((n==1)or(n==2))and(rating<5)", "2"},
        {"a b > 0", "24"},
        {"\"a b\" == 1", "24"},
        {"`a b` == 1 and n >= 4", "4"},
        {"\"it's\" == y", "2"},
        {"it's == ''", "3"},
        {"it's != ''", "1245"},
        {"it's == 'and'", "4"},
        {"it's == \"a \"\"q\"\"\"", "5"},
        {"2 == 3", "3"},
        {"rating == '5'", "1"},
        {"rating == '5.0'", ""},
        {"rating == 5.0", "1"},
        {"day >= 2020-02-01", "234"},
        {"day < 1970-01-01", "5"},
        {"day > '2020-02-01 00:00:00' and day <= 2020-12-31", "3"},
        {"day >= 2020-02-01T01:00:00+01:00", "234"},
        /* What is behind a false one is not looked at: "buy" is no number. */
        {"n >= 100 and event >= 3", ""},
        {"n >= 0 or event >= 3", "12345"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[16];
        assert_ok(passing(cases[i][0], out));
        if (strcmp(out, cases[i][1]) != 0) {
            fail_msg("where '%s' passes '%s', not '%s'", cases[i][0], out, cases[i][1]);
        }
    }
}

static void what_is_no_condition(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"rating 4", "no operator"},
        {"rating = 4", "no operator"},
        {">= 4", "names no column"},
        {"rating >= four", "'four' is not a number or a date"},
        {"rating >= 4,5", "only; here numbers have a point: 1.5"},
        {"rating >=", "is not a number"},
        {"event == and n == 1", "a value is missing"},
        {"event == a and", "no operator"},
        {"event == a or or n == 1", "no operator"},
        {"event == a && n == 1", "put 'a && n == 1' into quotes"},
        {"event == 'a", "is never closed"},
        {"(n == 1", "a parenthesis is not closed"},
        {"n == 1)", "')' does not belong there"},
        {"n in [1, 2", "the list is not closed"},
        {"n in []", "a value is missing"},
        {"n in 1", "no operator"},
        {"rating >= 4 5", "'4 5' is not a number"},
        {"not", "no operator"},
    };
    char out[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_fails(RK_ERR_CONFIG, cases[i][1], passing(cases[i][0], out));
    }
    assert_fails(RK_ERR_DATA, "rows.csv:2:3: event 'buy' is not a number, which where needs",
                 passing("event >= 3", out));
    assert_fails(RK_ERR_DATA,
                 "rows.csv:4:38: it's '' is not a number, which where needs; where \"COLUMN",
                 passing("n == 3 and it's > 1", out));
    assert_fails(RK_ERR_DATA, "event 'buy' is not a date, which where needs",
                 passing("event >= 2020-01-01", out));
    assert_fails(RK_ERR_DATA, "the column of source.where is 'evnt', but there is no such column",
                 passing("n == 1 and evnt == buy", out));
    assert_non_null(strstr(rk_last_error(), "did you mean 'event'?"));
}

/* A text cannot make it recurse without end. */
static void long_texts_are_bounded(void **state)
{
    (void)state;
    enum { TIMES = 20000 };
    static const char *const pieces[] = {"(", "not ", "n == 1 and ", "n == 1 or "};
    rk_where where = {0};
    char *text = NULL;
    for (int i = 0; i < 4; i++) {
        size_t length = strlen(pieces[i]);
        assert_ok(rk__alloc(&text, TIMES * (int64_t)length + 8, 1, "a test"));
        for (size_t k = 0; k < TIMES; k++) {
            memcpy(text + k * length, pieces[i], length);
        }
        memcpy(text + TIMES * length, "n == 1", 7);
        assert_fails(RK_ERR_CONFIG, i < 2 ? "nested deeper than" : "more than 1000 conditions",
                     rk__where_parse(&where, text));
        rk__free(text);
    }
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status == RK_ERR_MEMORY && n < 200; n++) {
        rk_where where = {0};
        rk__alloc_fail_after(n);
        status =
            rk__where_parse(&where, "not (a in [1, 'x', b] or \"c\" >= 4) and d == 'e' or f < 1");
        rk__alloc_fail_after(-1);
        rk__where_free(&where);
    }
    assert_ok(status);
    assert_in_range(n, 10, 199);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_mean_what_they_say),
        cmocka_unit_test(what_is_no_condition),
        cmocka_unit_test(long_texts_are_bounded),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests_name("where", tests, setup, teardown);
}
