/* JSON lines, MatrixMarket and scipy's npz. */
#include "base/alloc.h"
#include "support/readers.h"

#define GOLDEN RANKINE_SOURCE "/tests/golden"

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

/* ---- JSON lines ---- */

static rk_status read_json(rk_source_options *source, const char *text, int ids, test_sums *out)
{
    source->format = RK_FORMAT_JSONL;
    return test_read_text(source, folder, "r.jsonl", text, ids, out);
}

static void json_lines_are_rows(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_JSONL);
    test_sums sums, csv;
    source.time = (char *)"t";
    source.where = (char *)"r >= 3 and ok == true";
    const char *text =
        "{\"user_id\": 1, \"item_id\": 20, \"r\": 4.5, \"t\": 100, \"ok\": true}\n"
        "\n"
        "{\"t\": 50, \"r\": 3, \"item_id\": \"10\", \"user_id\": 2, \"ok\": true}\r\n"
        "{\"user_id\": 3, \"item_id\": 4, \"r\": 1, \"t\": 5, \"ok\": true}\n"
        "{\"user_id\": 3, \"item_id\": 4, \"r\": 5, \"t\": 5, \"ok\": false}\n"
        "{\"user_id\": 3, \"item_id\": 4, \"r\": 5, \"t\": 5}\n"
        "{\"user_id\": 1, \"item_id\": 30, \"r\": 5, \"t\": 2e2, \"ok\": true}";
    assert_ok(read_json(&source, text, RK_IDS_INTEGER, &sums));
    assert_int_equal(sums.records, 3);
    assert_int_equal(sums.check, 371 + 2 * 232 + 3 * 541);
    assert_true(sums.times == 350);
    assert_int_equal(sums.counts.rows, 6);
    assert_int_equal(sums.counts.filtered, 3);
    /* Texts with escapes; a key in an object; ids as in a csv that says the same. */
    source = test_source(RK_FORMAT_CSV);
    assert_ok(test_read_text(&source, folder, "r.csv",
                             "user_id,item_id\nann,\"a \"\"b\"\"\nc\"\nJos\xc3\xa9,7\n",
                             RK_IDS_TEXT, &csv));
    source.user = (char *)"user.id";
    assert_ok(read_json(&source,
                        "{\"user\": {\"id\": \"ann\"}, \"item_id\": \"a \\\"b\\\"\\nc\"}\n\n"
                        "{\"user\": {\"id\": \"Jos\\u00e9\"}, \"item_id\": 7}\n",
                        RK_IDS_TEXT, &sums));
    assert_int_equal(sums.records, 2);
    assert_true(sums.words + 0 != 0 && csv.records == 2);
    source.user = (char *)"a.b";
    assert_ok(read_json(&source, "{\"a.b\": 5, \"a\": {\"b\": 6}, \"item_id\": 7}\n",
                        RK_IDS_INTEGER, &sums));
    assert_int_equal(sums.users, 5);
}

static void json_that_is_wrong(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"user_id\": 1, \"item\": 2}\n", "r.jsonl:1: a key that the config asks for is "
                                            "'item_id', but there is no such column; there "
                                            "are: user_id, item; did you mean 'item'?"},
        {"{\"user_id\": 1, \"item_id\": 2}\n{\"user_id\": 1, \"item_id\": }\n", "r.jsonl:2:"},
        {"{\"user_id\": 1, \"item_id\": 2}\n{\"user_id\": 1}\n", "r.jsonl:2: item_id is empty"},
        {"{\"user_id\": 1, \"item_id\": null}\n",
         "r.jsonl:1: item_id is empty; to leave such rows"},
        {"{\"user_id\": 1.0, \"item_id\": 2}\n",
         "user_id '1.0' is not a number without a fraction"},
        {"{\"user_id\": true, \"item_id\": 2}\n", "user_id 'true' is not a number"},
        {"{\"user_id\": [1], \"item_id\": 2}\n", "user_id is a list, not a text or a number"},
        {"{\"user_id\": {\"id\": 1}, \"item_id\": 2}\n", "user_id is an object"},
        {"{\"user_id\": 1, \"user_id\": 2, \"item_id\": 2}\n", "duplicate object key"},
        {"{\"user_id\": 1, \"item_id\": 2, \"hash\": 18446744073709551615}\n",
         "r.jsonl:1:58: too big integer near '18446744073709551615': a number must fit 64 bits"},
        {"{'user_id': 1, 'item_id': 2}\n", "it is a Python literal: write it by json.dumps"},
        {"[{\"user_id\": 1}]\n", "is a JSON array: write one object a line"},
        {"user_id,item_id\n1,2\n", "'user_id,item_id' is not a JSON object"},
        {"{\"user_id\": 1,\n\"item_id\": 2}\n", "r.jsonl:1:"},
        {"7\n", "r.jsonl:1:1: '7' is not a JSON object"},
        {"", "r.jsonl has no rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_JSONL);
        test_sums sums;
        assert_fails(RK_ERR_DATA, cases[i][1],
                     read_json(&source, cases[i][0], RK_IDS_INTEGER, &sums));
    }
}

/* ---- MatrixMarket ---- */

static rk_status read_mtx(rk_source_options *source, const char *text, test_sums *out)
{
    source->format = RK_FORMAT_MTX;
    return test_read_text(source, folder, "r.mtx", text, RK_IDS_INTEGER, out);
}

static void matrix_market_coordinates(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "%%MatrixMarket matrix coordinate real general\n%\n2 30 3\n1 20 4.5\n2 10 3\n1 30 5\n",
        ("%%matrixmarket MATRIX Coordinate Integer General\r\n% by hand\r\n\r\n2 30 3\r\n1 20 4\r\n"
         "  2\t10  3\r\n% in between\r\n1 30 5"),
        "%%MatrixMarket matrix coordinate pattern general\n2 30 3\n1 20\n2 10\n1 30\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_MTX);
        test_sums sums;
        assert_ok(read_mtx(&source, texts[i], &sums));
        assert_int_equal(sums.records, 3);
        assert_int_equal(sums.check, 371 + 2 * 232 + 3 * 541);
        source.user = (char *)"column";
        source.item = (char *)"row";
        assert_ok(read_mtx(&source, texts[i], &sums));
        assert_int_equal(sums.users, 60);
        assert_int_equal(sums.items, 4);
        source = test_source(RK_FORMAT_MTX);
        source.where = (char *)"value >= 4";
        if (i < 2) {
            assert_ok(read_mtx(&source, texts[i], &sums));
            assert_int_equal(sums.records, 2);
        } else {
            assert_fails(RK_ERR_DATA, "the column of source.where is 'value'",
                         read_mtx(&source, texts[i], &sums));
        }
    }
#define HEAD "%%MatrixMarket matrix coordinate real general\n"
    static const char *const wrong[][2] = {
        {"1 2 3\n", "begins with \"%%MatrixMarket matrix coordinate"},
        {"%%MatrixMarket matrix array real general\n2 2\n1\n", "not 'array'"},
        {"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 1 1\n", "not 'symmetric'"},
        {"%%MatrixMarket matrix coordinate complex general\n2 2 1\n1 1 1 0\n", "not 'complex'"},
        {HEAD, "has no line with its size"},
        {HEAD "2 x 3\n", "r.mtx:2:3: 'x' is not a count"},
        {HEAD "2 3\n", "r.mtx:2:4: '' is not a count"},
        {HEAD "2 3 1\n3 1 1\n", "r.mtx:3:1: the row 3 is not in 1 to 2, as the head says"},
        {HEAD "2 3 1\n0 1 1\n", "the row 0 is not in 1 to 2"},
        {HEAD "2 3 1\n1 4 1\n", "r.mtx:3:3: the column 4 is not in 1 to 3"},
        {HEAD "2 3 1\n1 x 1\n", "r.mtx:3:3: the column 'x' is not a number"},
        {HEAD "2 3 1\n1 1\n", "an entry is row, column and value"},
        {HEAD "2 3 1\n1 1 1 1\n", "an entry is row, column and value"},
        {HEAD "2 3 2\n1 1 1\n", "has 1 entries where its head says 2: is it whole?"},
        {HEAD "2 3 1\n1 1 1\n2 2 2\n", "r.mtx:4:1: more entries than the 1 of its head"},
        {HEAD "2 3 0\n", "has no rows"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_MTX);
        test_sums sums;
        assert_fails(RK_ERR_DATA, wrong[i][1], read_mtx(&source, wrong[i][0], &sums));
    }
}

/* ---- npz ---- */

static rk_status read_npz(rk_source_options *source, const char *path, test_sums *out)
{
    source->format = RK_FORMAT_NPZ;
    return test_read_all(source, path, RK_IDS_INTEGER, (rk_line_options){0}, out);
}

/* tools/make_golden_matrices.py: entry i is at (37 i mod 50, 53 i mod 40), 1 + (i mod 5) / 2.
 * Several may be at one place: csr and csc hold their sum. */
static void sparse_matrices_of_scipy(void **state)
{
    (void)state;
    static const char *const names[] = {"matrix-coo.npz", "matrix-csr.npz", "matrix-csr-stored.npz",
                                        "matrix-csc.npz"};
    int64_t users = 0, items = 0, pairs = 0, large = 0;
    double value[50][40] = {{0}};
    for (int i = 0; i < 100; i++) {
        value[i * 37 % 50][i * 53 % 40] += 1 + i % 5 * 0.5;
    }
    for (int user = 0; user < 50; user++) {
        for (int item = 0; item < 40; item++) {
            users += value[user][item] > 0 ? user : 0;
            items += value[user][item] > 0 ? item : 0;
            pairs += value[user][item] > 0;
            large += value[user][item] >= 2.5;
        }
    }
    assert_int_equal(pairs, 100); /* no two of them at one place */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_NPZ);
        const char *path = test_path(GOLDEN, names[i]);
        test_sums sums;
        assert_ok(read_npz(&source, path, &sums));
        assert_int_equal(sums.records, pairs);
        assert_int_equal(sums.users, users);
        assert_int_equal(sums.items, items);
        source.where = (char *)"value >= 2.5";
        assert_ok(read_npz(&source, path, &sums));
        assert_int_equal(sums.records, large);
        source.user = (char *)"column";
        source.item = (char *)"row";
        source.where = (char *)"";
        assert_ok(read_npz(&source, path, &sums));
        assert_int_equal(sums.users, items);
    }
}

static void archives_that_are_damaged(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_NPZ);
    static const char *const names[] = {"matrix-csr.npz", "matrix-csr-stored.npz",
                                        "matrix-coo.npz"};
    const char *path = test_path(folder, "r.npz");
    test_sums sums;
    const char *dia = test_path(GOLDEN, "matrix-dia.npz");
    assert_fails(RK_ERR_DATA, "is a sparse matrix of the form dia; csr, csc and coo are read",
                 read_npz(&source, dia, &sums));
    test_write(path, "user_id,item_id\n1,2\n", -1);
    assert_fails(RK_ERR_DATA, "is no .npz archive of scipy.sparse.save_npz",
                 read_npz(&source, path, &sums));
    source.where = (char *)"value > -1e9"; /* so that all arrays are read */
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        FILE *file = fopen(test_path(GOLDEN, names[k]), "rb");
        char bytes[8192];
        assert_non_null(file);
        int64_t n = (int64_t)fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        assert_in_range(n, 500, sizeof bytes - 1);
        test_write(path, bytes, n);
        assert_ok(read_npz(&source, path, &sums));
        for (int64_t cut = 2; cut < n; cut += 17) {
            test_sums part;
            test_write(path, bytes, cut);
            assert_int_equal(read_npz(&source, path, &part), RK_ERR_DATA);
        }
        int refused = 0, tries = 0;
        for (int64_t at = 0; at < n; at += 3) { /* what is changed is refused or changes nothing */
            test_sums other;
            bytes[at] = (char)(bytes[at] ^ 0x11);
            test_write(path, bytes, n);
            bytes[at] = (char)(bytes[at] ^ 0x11);
            rk_status status = read_npz(&source, path, &other);
            tries++;
            if (status != RK_OK) {
                assert_int_equal(status, RK_ERR_DATA);
                refused++;
            } else {
                assert_true(other.check == sums.check && other.records == sums.records);
            }
        }
        assert_in_range(refused, tries / 3, tries);
    }
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    test_write(test_path(folder, "m.jsonl"), "{\"user_id\": 1, \"item_id\": 2, \"value\": 3}\n",
               -1);
    test_write(test_path(folder, "m.mtx"),
               "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2 3\n", -1);
    const char *paths[] = {test_path(folder, "m.jsonl"), test_path(folder, "m.mtx"),
                           test_path(GOLDEN, "matrix-csc.npz")};
    static const int formats[] = {RK_FORMAT_JSONL, RK_FORMAT_MTX, RK_FORMAT_NPZ};
    for (int i = 0; i < 3; i++) {
        rk_source_options source = test_source(formats[i]);
        source.where = (char *)"value > 2";
        rk_status status = RK_ERR_MEMORY;
        int64_t n = 0;
        for (; status == RK_ERR_MEMORY && n < 200; n++) {
            test_sums sums;
            rk__alloc_fail_after(n);
            status = test_read_all(&source, paths[i], RK_IDS_INTEGER, (rk_line_options){0}, &sums);
            rk__alloc_fail_after(-1);
        }
        assert_ok(status);
        assert_in_range(n, 8, 199);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_are_rows),       cmocka_unit_test(json_that_is_wrong),
        cmocka_unit_test(matrix_market_coordinates), cmocka_unit_test(sparse_matrices_of_scipy),
        cmocka_unit_test(archives_that_are_damaged), cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests_name("reader_kinds", tests, setup, teardown);
}
