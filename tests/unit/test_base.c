/* base: strict number parsing, allocation, errors, Philox against Random123's known answers. */
#include "base/alloc.h"
#include "base/parse.h"
#include "base/philox.h"
#include "support/support.h"

static void integers_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        rk_parse result;
        int64_t value;
    } cases[] = {
        {"0", RK_PARSE_OK, 0},
        {"-17", RK_PARSE_OK, -17},
        {"+5", RK_PARSE_OK, 5},
        {"9223372036854775807", RK_PARSE_OK, INT64_MAX},
        {"-9223372036854775808", RK_PARSE_OK, INT64_MIN},
        {"9223372036854775808", RK_PARSE_OUT_OF_RANGE, 0},
        {"-9223372036854775809", RK_PARSE_OUT_OF_RANGE, 0},
        {"99999999999999999999999", RK_PARSE_OUT_OF_RANGE, 0},
        {"99999999999999999999x", RK_PARSE_NOT_A_NUMBER, 0},
        {"", RK_PARSE_NOT_A_NUMBER, 0},
        {"-", RK_PARSE_NOT_A_NUMBER, 0},
        {" 1", RK_PARSE_NOT_A_NUMBER, 0},
        {"1 ", RK_PARSE_NOT_A_NUMBER, 0},
        {"1.0", RK_PARSE_NOT_A_NUMBER, 0},
        {"0x10", RK_PARSE_NOT_A_NUMBER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        assert_int_equal(rk__parse_int(cases[i].text, strlen(cases[i].text), &value),
                         cases[i].result);
        if (cases[i].result == RK_PARSE_OK) {
            assert_true(value == cases[i].value);
        }
    }
}

static void reals_are_strict(void **state)
{
    (void)state;
    double value = 0;
    static const char *good[] = {"4", "4.5", "-0.5", ".5", "5.", "3.2466e+05", "1E3"};
    static const double expected[] = {4, 4.5, -0.5, 0.5, 5, 324660, 1000};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(rk__parse_real(good[i], strlen(good[i]), &value), RK_PARSE_OK);
        assert_true(value == expected[i]);
    }
    static const char *bad[] = {"", ".", "e5", "1e", "nan", "inf", "0x1p3", "1,5", " 1", "4 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(rk__parse_real(bad[i], strlen(bad[i]), &value), RK_PARSE_NOT_A_NUMBER);
    }
    assert_int_equal(rk__parse_real("1e999", 5, &value), RK_PARSE_OUT_OF_RANGE);
}

/* The fast path for short decimals must round as strtod does, whatever the digits. */
static void reals_agree_with_strtod(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        rk_words w = rk__philox(3, RK_PURPOSE_SYNTH, 1, i, 0);
        char text[64];
        uint64_t bits = (uint64_t)w.v[0] << 32 | w.v[1];
        int digits = 1 + (int)(w.v[2] % 17), point = (int)(w.v[3] % 20);
        int n = snprintf(text, sizeof text, "%s%0*llu", w.v[3] & 1024 ? "-" : "", digits,
                         (unsigned long long)(bits >> (w.v[2] >> 26)));
        if (point < n) { /* "-.5" and "5." are numbers too */
            int at = point > 0 || text[0] != '-' ? point : 1;
            memmove(text + at + 1, text + at, (size_t)(n - at) + 1);
            text[at] = '.';
        }
        double value = 0;
        assert_int_equal(rk__parse_real(text, strlen(text), &value), RK_PARSE_OK);
        assert_true(value == strtod(text, NULL));
    }
}

static void allocation_checks_sizes(void **state)
{
    (void)state;
    void *pointer = NULL;
    assert_fails(RK_ERR_MEMORY, "the size of a thing overflows",
                 rk__alloc(&pointer, INT64_MAX, 8, "a thing"));
    rk__alloc_fail_after(1);
    assert_ok(rk__alloc(&pointer, 10, 4, "a thing"));
    void *second = NULL;
    assert_fails(RK_ERR_MEMORY, "wanted for a thing", rk__alloc(&second, 10, 4, "a thing"));
    rk__alloc_fail_after(-1);
    rk__free(pointer);
    int64_t product = 0;
    assert_fails(RK_ERR_MEMORY, "overflows", rk__mul(&product, INT64_MAX, 2, "a table"));
}

/* Known answer of Philox4x32-10 for counter and key zero (Random123's kat_vectors), and of the
 * mapping to numbers. */
static void philox_known_answers(void **state)
{
    (void)state;
    philox4x32_ctr_t counter = {{0, 0, 0, 0}};
    philox4x32_key_t key = {{0, 0}};
    philox4x32_ctr_t r = philox4x32(counter, key);
    assert_int_equal(r.v[0], 0x6627e8d5);
    assert_int_equal(r.v[1], 0xe169c58d);
    assert_int_equal(r.v[2], 0xbc57ac4c);
    assert_int_equal(r.v[3], 0x9b00dbd8);

    assert_true(rk__uniform(0) == 0.0f);
    assert_true(rk__uniform(UINT32_MAX) < 1.0f);
    assert_int_equal(rk__bounded(UINT32_MAX, UINT32_MAX, 10), 9);
    assert_int_equal(rk__bounded(0, 0, 10), 0);

    double sum = 0, squares = 0;
    enum { PAIRS = 100000 };
    for (uint64_t i = 0; i < PAIRS; i++) {
        rk_words w = rk__philox(1, RK_PURPOSE_INIT, 0, i, 0);
        float z[2];
        rk__normal2(w.v[0], w.v[1], z);
        sum += (double)z[0] + (double)z[1];
        squares += (double)z[0] * (double)z[0] + (double)z[1] * (double)z[1];
    }
    assert_close(sum / (2 * PAIRS), 0, 0.01, 1);
    assert_close(squares / (2 * PAIRS), 1, 0.01, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_strict),     cmocka_unit_test(reals_are_strict),
        cmocka_unit_test(reals_agree_with_strtod), cmocka_unit_test(allocation_checks_sizes),
        cmocka_unit_test(philox_known_answers),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
