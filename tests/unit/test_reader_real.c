/*
 * Real data sets, with their line ends, quotes and odd numbers, against an independent parser:
 * the constants were made once with Python's csv module (adjacency: str.split), e.g.
 *
 *   r = csv.DictReader(open(file, newline="", encoding="utf-8")); n = check = 0
 *   for row in r:
 *       check += (31 * int(row[user]) + 17 * int(row[item])) * (n % 1009 + 1); n += 1
 *
 * check mod 2^64. Skipped where the data sets are not there.
 */
#include <math.h>

#include "support/readers.h"

typedef struct expected {
    const char *file;
    int format;
    const char *separator;
    bool header;
    const char *user, *item, *time, *where;
    int64_t records;
    uint64_t users, items, check;
    double times;
} expected;

static void compare(const expected *e, rk_line_options limits)
{
    const char *path = test_data_or_skip(e->file);
    rk_source_options source = test_source(e->format);
    source.separator = (char *)e->separator;
    source.header = e->header;
    source.user = (char *)(e->user ? e->user : "user_id");
    source.item = (char *)(e->item ? e->item : "item_id");
    source.time = (char *)(e->time ? e->time : "");
    source.where = (char *)(e->where ? e->where : "");
    test_sums sums;
    assert_ok(test_read_all(&source, path, RK_IDS_INTEGER, limits, &sums));
    assert_int_equal(sums.records, e->records);
    assert_int_equal(sums.users, e->users);
    assert_int_equal(sums.items, e->items);
    assert_int_equal(sums.check, e->check);
    assert_true(fabs(sums.times - e->times) <= 1e-12 * e->times);
    assert_int_equal(sums.counts.rows, e->records + sums.counts.filtered);
    assert_int_equal(sums.counts.bytes, sums.counts.file_bytes);
}

static const expected movielens[] = {
    {"ml-100k/u.data", RK_FORMAT_MOVIELENS, "", true, NULL, NULL, NULL, NULL, 100000, 46248475,
     42553013, 1089338305922, 88352885148862},
    {"ml-latest-small/ratings.csv", RK_FORMAT_MOVIELENS, "", true, NULL, NULL, NULL, NULL, 100836,
     32885399, 1959777479, 17091248726173, 121602779665887},
    {"ml-latest-small/ratings.csv", RK_FORMAT_MOVIELENS, "", true, NULL, NULL, NULL,
     "rating >= 3.5", 61716, 19802768, 1267358710, 11395143515219, 75292470072523},
};

/* CRLF and a quoted header; no newline at the end; quoted titles with commas; scientific counts. */
static const expected csv[] = {
    {"spotify-mini/mini-spotify-data.csv", RK_FORMAT_CSV, "", true, "user_id", "song_id", NULL,
     NULL, 193693, 968976454, 582565794, 20186554736938, 0},
    {"goodbooks/ratings_head.csv", RK_FORMAT_CSV, "", true, "user_id", "book_id", NULL, NULL, 49886,
     41923203, 85164806, 1383596418003, 0},
    {"goodbooks/books.csv", RK_FORMAT_CSV, "", true, "book_id", "goodreads_book_id",
     "average_rating", NULL, 10000, 50005000, 52646965132, 455563973699302, 40021.91},
    {"lastfm/lightgcn-pytorch/data1.txt", RK_FORMAT_CSV, "\\t", false, "0", "1", "2", NULL, 42135,
     39717429, 59638664, 1129281811842, 25856520},
};

/* Blanks; tabs; no newline at the end; "user:item item". */
static const expected adjacency[] = {
    {"gowalla/train.txt", RK_FORMAT_ADJACENCY, "", true, NULL, NULL, NULL, NULL, 810128,
     10096762527, 12798663031, 267609010885753, 0},
    {"gowalla/test.txt", RK_FORMAT_ADJACENCY, "", true, NULL, NULL, NULL, NULL, 217242, 2743064743,
     3666811640, 74428269323568, 0},
    {"taobao-mb/buy_train.txt", RK_FORMAT_ADJACENCY, "", true, NULL, NULL, NULL, NULL, 92180,
     712521784, 411901526, 14668831058677, 0},
    {"taobao-mb/buy_test.txt", RK_FORMAT_ADJACENCY, "", true, NULL, NULL, NULL, NULL, 15449,
     119328076, 69993202, 2453006591436, 0},
    {"amazon-beauty/selfrec/train.txt", RK_FORMAT_ADJACENCY, ":", true, NULL, NULL, NULL, NULL,
     176139, 1784783104, 749876562, 34357740101316, 0},
};

static void movielens_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof movielens / sizeof movielens[0]; i++) {
        compare(&movielens[i], (rk_line_options){0});
        compare(&movielens[i], (rk_line_options){.block = 4093});
    }
}

static void csv_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof csv / sizeof csv[0]; i++) {
        compare(&csv[i], (rk_line_options){0});
        compare(&csv[i], (rk_line_options){.block = 61});
    }
}

static void adjacency_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof adjacency / sizeof adjacency[0]; i++) {
        compare(&adjacency[i], (rk_line_options){0});
        compare(&adjacency[i], (rk_line_options){.block = 509});
    }
}

typedef struct label_sums {
    int64_t n, bytes;
    uint64_t check; /* id times the sum of the label's bytes in UTF-8 */
} label_sums;

static rk_status take(void *self, const rk_record *record, rk_text label)
{
    label_sums *sums = self;
    uint64_t bytes = 0;
    for (int64_t i = 0; i < label.length; i++) {
        bytes += (unsigned char)label.at[i];
    }
    sums->n++;
    sums->bytes += label.length;
    sums->check += (uint64_t)record->item_id * bytes;
    return RK_OK;
}

/* Quoted UTF-8 titles; and ml-100k's Latin-1, which Python read as latin-1. */
static void labels(void **state)
{
    (void)state;
    static const struct {
        const char *file, *separator;
        bool header;
        const char *id, *text;
        label_sums sums;
    } files[] = {
        {"ml-latest-small/movies.csv", ",", true, "movieId", "title", {9742, 252293, 846045018770}},
        {"goodbooks/books.csv", ",", true, "book_id", "title", {10000, 322439, 142527925505}},
        {"ml-100k/u.item", "|", false, "0", "1", {1682, 39471, 2597996603}},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = test_data_or_skip(files[i].file);
        rk_options options = {0};
        options.labels.separator = (char *)files[i].separator;
        options.labels.header = files[i].header;
        options.labels.id = (char *)files[i].id;
        options.labels.text = (char *)files[i].text;
        label_sums sums = {0};
        assert_ok(rk__labels_read(&options, path, (rk_stop){0}, take, &sums));
        assert_int_equal(sums.n, files[i].sums.n);
        assert_int_equal(sums.bytes, files[i].sums.bytes);
        assert_int_equal(sums.check, files[i].sums.check);
    }
}

/* What a newcomer tries first on these files must be answered with what to change. */
static void wrong_guesses_are_answered(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums;
    assert_fails(RK_ERR_DATA, "(the first line has tabs: set separator to \\t)",
                 test_read_all(&source, test_data_or_skip("ml-100k/u.data"), RK_IDS_INTEGER,
                               (rk_line_options){0}, &sums));
    assert_fails(RK_ERR_DATA, "there are: userId, movieId, rating, timestamp",
                 test_read_all(&source, test_data_or_skip("ml-latest-small/ratings.csv"),
                               RK_IDS_INTEGER, (rk_line_options){0}, &sums));
    source.format = RK_FORMAT_ADJACENCY;
    assert_fails(RK_ERR_DATA, "(for \"user:item item\" set separator to ':')",
                 test_read_all(&source, test_data_or_skip("amazon-beauty/selfrec/train.txt"),
                               RK_IDS_INTEGER, (rk_line_options){0}, &sums));
    assert_fails(RK_ERR_DATA, "data1.txt:6769:10: the item '3.2466e+05'", /* a count, not an item */
                 test_read_all(&source, test_data_or_skip("lastfm/lightgcn-pytorch/data1.txt"),
                               RK_IDS_INTEGER, (rk_line_options){0}, &sums));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movielens_files),
        cmocka_unit_test(csv_files),
        cmocka_unit_test(adjacency_files),
        cmocka_unit_test(labels),
        cmocka_unit_test(wrong_guesses_are_answered),
    };
    return cmocka_run_group_tests_name("reader_real", tests, NULL, NULL);
}
