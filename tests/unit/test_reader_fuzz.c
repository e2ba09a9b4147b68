/*
 * Files cut, flipped and stuffed at random: either records or an error that names the place, never
 * a crash (run with sanitizers), and never a difference that depends on the size of a block.
 */
#include "base/philox.h"
#include "support/readers.h"

static const struct seed_file {
    const char *name, *text;
    int format, ids;
    const char *separator;
    bool header;
    const char *time, *where;
} seeds[] = {
    {"a.csv",
     "user_id,item_id,rating,time\r\n1,20,4.5,100\r\n\"2\",10,3,50\r\n\n3,\"30\",\"1e1\",7\r\n4,5,"
     "6,7",
     RK_FORMAT_CSV, RK_IDS_INTEGER, "", true, "time", "rating >= 3"},
    {"b.csv",
     "\xef\xbb\xbfuser_id,x,item_id\nann,\"a, "
     "\"\"b\"\"\nc\",x\nbob,\"\",\"y\n\"\nd\xc3\xa9j\xc3\xa0,5\"\","
     "z\n",
     RK_FORMAT_CSV, RK_IDS_TEXT, "", true, "", ""},
    {"c.csv", "user_id::\"item_id\"::n\n1::\"2::3\"::4\n:5::6:::\n6::7::\n", RK_FORMAT_CSV,
     RK_IDS_TEXT, "::", true, "", ""},
    {"u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n",
     RK_FORMAT_MOVIELENS, RK_IDS_INTEGER, "", true, "", "rating > 2"},
    {"ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n2::914::3.5::978301968",
     RK_FORMAT_MOVIELENS, RK_IDS_INTEGER, "", true, "", ""},
    {"train.txt", "0 1 2 33 444\n1\n2 5 \r\n3\t6\t7\n\n4 8 9 10 11 12", RK_FORMAT_ADJACENCY,
     RK_IDS_INTEGER, "", true, "", ""},
    {"seq.txt", "u1:i1 i2 i3\nu2:\nu3:i1\n", RK_FORMAT_ADJACENCY, RK_IDS_TEXT, ":", true, "", ""},
    {"d.inter", "user_id:token\titem_id:token\ttimestamp:float\r\n1\t2\t3.5\r\n4\t5\t6\r\n",
     RK_FORMAT_INTER, RK_IDS_INTEGER, "", true, "", ""},
    {"e.csv",
     "user_id,item_id,event,day\r1,2,buy,2020-09-20\r3,4,view,2020-09-20T01:02:03.5+01:00\r5,6,buy,"
     "1969-01-01",
     RK_FORMAT_CSV, RK_IDS_TEXT, "", true, "day", "event in [buy, 'a b'] or not day >= 2020-01-01"},
    {"f.jsonl",
     "{\"user_id\": 1, \"item_id\": \"2\", \"t\": 3.5}\n\n{\"item_id\": 5, \"user_id\": 4, \"t\": "
     "6}\r\n",
     RK_FORMAT_JSONL, RK_IDS_INTEGER, "", true, "t", ""},
    {"g.mtx", "%%MatrixMarket matrix coordinate real general\n%\n3 9 3\n1 2 3\n2  9 1e1\n3 3 -4\n",
     RK_FORMAT_MTX, RK_IDS_INTEGER, "", true, "", "value > -10"},
};
enum { SEEDS = sizeof seeds / sizeof seeds[0] };

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

static rk_source_options source_of(const struct seed_file *seed)
{
    rk_source_options source = test_source(seed->format);
    source.separator = (char *)seed->separator;
    source.header = seed->header;
    source.time = (char *)seed->time;
    source.where = (char *)seed->where;
    return source;
}

/* Reads with blocks of several sizes: the same records, the same error. */
static rk_status read_in_blocks(const struct seed_file *seed, const char *path, test_sums *first)
{
    static const int64_t blocks[] = {0, 1, 2, 3, 7, 16, 61};
    rk_source_options source = source_of(seed);
    rk_status status = test_read_all(&source, path, seed->ids, (rk_line_options){0}, first);
    char message[512];
    snprintf(message, sizeof message, "%s", rk_last_error());
    for (size_t i = 1; i < sizeof blocks / sizeof blocks[0]; i++) {
        test_sums sums;
        rk_line_options limits = {.block = blocks[i]};
        assert_int_equal(test_read_all(&source, path, seed->ids, limits, &sums), status);
        assert_int_equal(sums.records, first->records);
        assert_int_equal(sums.users_without_items, first->users_without_items);
        assert_int_equal(sums.check, first->check);
        assert_int_equal(sums.words, first->words);
        assert_true(sums.times == first->times);
        assert_int_equal(sums.counts.rows, first->counts.rows);
        assert_int_equal(sums.counts.filtered, first->counts.filtered);
        if (status != RK_OK) {
            assert_string_equal(rk_last_error(), message);
        }
    }
    return status;
}

static void blocks_of_any_size(void **state)
{
    (void)state;
    static const int64_t records[SEEDS] = {4, 3, 3, 2, 3, 12, 4, 2, 2, 2, 3};
    for (int i = 0; i < SEEDS; i++) {
        const char *path = test_path(folder, seeds[i].name);
        test_write(path, seeds[i].text, -1);
        test_sums sums;
        assert_ok(read_in_blocks(&seeds[i], path, &sums));
        assert_int_equal(sums.records, records[i]);
    }
}

/* Every file cut at every byte. */
static void truncated_files(void **state)
{
    (void)state;
    for (int i = 0; i < SEEDS; i++) {
        const char *path = test_path(folder, seeds[i].name);
        for (int64_t length = 0; length < (int64_t)strlen(seeds[i].text); length++) {
            test_write(path, seeds[i].text, length);
            test_sums sums;
            rk_status status = read_in_blocks(&seeds[i], path, &sums);
            assert_true(status == RK_OK || status == RK_ERR_DATA);
        }
    }
}

/* "file:line:column: " where the file is that path; JSON has no columns of values. */
static bool is_located(const char *message, const char *path)
{
    const char *at = strstr(message, path);
    int line = 0, column = 0;
    int found = at ? sscanf(at + strlen(path), ":%d:%d: ", &line, &column) : 0;
    return found >= 1 && line > 0 && (found == 1 || column > 0);
}

/* A header or a whole file is wrong in no single place. */
static bool is_of_whole(const char *message)
{
    static const char *const texts[] = {
        "no such column",        "is UTF-16",           "is JSON",
        "has no rows",           "is it whole?",        "is empty",
        "was it copied",         "begins with",         "no names but numbers",
        "no line with its size", "set header to false", "two columns are called that"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strstr(message, texts[i])) {
            return true;
        }
    }
    return false;
}

/* Copies the seed with one to four bytes changed, put in or taken out. */
static int64_t mutate(const char *text, uint64_t round, int seed, char *out)
{
    static const char bytes[] = "\0\r\n\t\",;:| -+.eE0123456789aZ\xff\xef\xc3\x80";
    int64_t length = (int64_t)strlen(text);
    memcpy(out, text, (size_t)length);
    rk_words first = rk__philox(7, RK_PURPOSE_SYNTH, round, (uint64_t)seed, 0);
    for (uint32_t k = 0; k <= first.v[0] % 4; k++) {
        rk_words w = rk__philox(7, RK_PURPOSE_SYNTH, round, (uint64_t)seed, k + 1);
        int64_t at = (int64_t)rk__bounded(w.v[0], 0, (uint64_t)length);
        char byte = w.v[1] % 4 ? bytes[w.v[2] % (sizeof bytes - 1)] : (char)w.v[2];
        size_t behind = (size_t)(length - at);
        if (w.v[3] % 3 == 0) {
            out[at] = byte;
        } else if (w.v[3] % 3 == 1) {
            memmove(out + at + 1, out + at, behind);
            out[at] = byte;
            length++;
        } else if (length > 1) {
            memmove(out + at, out + at + 1, behind - 1);
            length--;
        }
    }
    return length;
}

static void mutated_files(void **state)
{
    (void)state;
    enum { ROUNDS = 100 };
    int failed = 0, read = 0;
    for (int i = 0; i < SEEDS; i++) {
        const char *path = test_path(folder, seeds[i].name);
        for (uint64_t round = 0; round < ROUNDS; round++) {
            char text[1024];
            test_write(path, text, mutate(seeds[i].text, round, i, text));
            test_sums sums;
            rk_status status = read_in_blocks(&seeds[i], path, &sums);
            if (status == RK_OK) {
                read++;
                continue;
            }
            failed++;
            assert_int_equal(status, RK_ERR_DATA);
            const char *message = rk_last_error();
            if (!is_located(message, path) && !is_of_whole(message)) {
                fail_msg("%s: no place in: %s", path, message);
            }
        }
    }
    /* Both must be common, or this tests nothing. */
    assert_in_range(read, SEEDS * ROUNDS / 8, SEEDS * ROUNDS);
    assert_in_range(failed, SEEDS * ROUNDS / 5, SEEDS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_any_size),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(mutated_files),
    };
    return cmocka_run_group_tests_name("reader_fuzz", tests, setup, teardown);
}
