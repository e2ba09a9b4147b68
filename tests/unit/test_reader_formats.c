/* MovieLens, adjacency lists, RecBole's .inter, item labels, where a source is looked for. */
#include "base/alloc.h"
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

static rk_status read_named(const rk_source_options *source, const char *name, const char *text,
                            test_sums *out)
{
    return test_read_text(source, folder, name, text, RK_IDS_INTEGER, out);
}

static void movielens_files_are_told_apart(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"u.data", "1\t20\t3\t100\n2\t10\t5\t50\n"},
        {"u1.base", "1\t20\t3\t100\r\n2\t10\t5\t50\r\n"},
        {"ua.test", "1\t20\t3\t100\n2\t10\t5\t50"},
        {"ratings.dat", "1::20::3::100\n2::10::5::50\n"},
        {"RATINGS.CSV", "userId,movieId,rating,timestamp\r\n1,20,3.0,100\r\n2,10,5.0,50\r\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_MOVIELENS);
        test_sums sums;
        assert_ok(read_named(&source, files[i][0], files[i][1], &sums));
        assert_int_equal(sums.records, 2);
        assert_int_equal(sums.check, 371 + 2 * 232);
        assert_true(sums.times == 150);
        source.where = (char *)"rating >= 4";
        assert_ok(read_named(&source, files[i][0], files[i][1], &sums));
        assert_int_equal(sums.records, 1);
        assert_int_equal(sums.users, 2);
    }
    rk_source_options source = test_source(RK_FORMAT_MOVIELENS);
    test_sums sums;
    assert_fails(RK_ERR_CONFIG, "a movielens file is u.data (or .base, .test), ratings.dat or ra",
                 read_named(&source, "ratings.txt", "1\t2\t3\t4\n", &sums));
    assert_fails(RK_ERR_CONFIG, "use format csv", read_named(&source, "ratings", "1", &sums));
    /* A ratings.csv without times is fine as long as nobody asks for them. */
    const char *without = "userId,movieId,rating\n1,2,3\n";
    assert_ok(read_named(&source, "ratings.csv", without, &sums));
    source.time = (char *)"timestamp";
    assert_fails(RK_ERR_DATA, "source.time is 'timestamp'",
                 read_named(&source, "ratings.csv", without, &sums));
    source.time = (char *)"";
    assert_fails(RK_ERR_DATA, "u.data:1:1: userId 'a' is not a number",
                 read_named(&source, "u.data", "a\t2\t3\t4\n", &sums));
    assert_fails(RK_ERR_DATA, "source.user is 'userId', but there is no such column",
                 read_named(&source, "ratings.csv", "user,movie\n1,2\n", &sums));
}

static void adjacency_lists(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "7 1 2 3\n8 4\n9\n", "7\t1\t2\t3\r\n8\t4\r\n9\r\n",         "7 1 2 3 \n8  4\t \n9 ",
        "7 1 2 3\n8 4\n9",   "\xef\xbb\xbf 7 1 2 3\n\n8 4\n9 \n\n",
    };
    rk_source_options source = test_source(RK_FORMAT_ADJACENCY);
    test_sums sums;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_ok(read_named(&source, "train.txt", texts[i], &sums));
        assert_int_equal(sums.records, 4);
        assert_int_equal(sums.users_without_items, 1);
        assert_int_equal(sums.users, 3 * 7 + 8);
        assert_int_equal(sums.items, 10);
        assert_int_equal(sums.counts.rows, 4);
    }
    /* A user on two lines is accepted; so are two in a row without items. */
    assert_ok(read_named(&source, "train.txt", "1\n2\n1 5 6\n1 7\n2 \n", &sums));
    assert_int_equal(sums.records, 3);
    assert_int_equal(sums.users_without_items, 3);
    /* SELFRec's sequential files. */
    source.separator = (char *)":";
    assert_ok(read_named(&source, "train.txt", "7:1 2 3\n8:4\n9:\n", &sums));
    assert_int_equal(sums.records, 4);
    assert_int_equal(sums.users_without_items, 1);
    source.separator = (char *)"";
    assert_fails(RK_ERR_DATA, "(for \"user:item item\" set separator to ':')",
                 read_named(&source, "train.txt", "7:1 2 3\n", &sums));

    assert_fails(RK_ERR_DATA, "train.txt:2:5: the item 'x' is not a number",
                 read_named(&source, "train.txt", "1 2\n3 4 x 5\n", &sums));
    assert_fails(RK_ERR_DATA, "train.txt:2:1: the user 'x' is not a number",
                 read_named(&source, "train.txt", "1 2\nx 4 5\n", &sums));
    assert_fails(RK_ERR_DATA, "train.txt:1:3: the item '-2' is negative",
                 read_named(&source, "train.txt", "1 -2\n", &sums));
    assert_fails(RK_ERR_DATA, "train.txt:1:3: the item '9223372036854775808' does not fit",
                 read_named(&source, "train.txt", "1 9223372036854775808\n", &sums));
    assert_fails(RK_ERR_DATA, "train.txt is empty", read_named(&source, "train.txt", "", &sums));
    assert_fails(RK_ERR_DATA, "train.txt is empty",
                 read_named(&source, "train.txt", " \n\n", &sums));
    source.time = (char *)"2";
    assert_fails(RK_ERR_CONFIG, "remove source.time",
                 read_named(&source, "train.txt", "1 2\n", &sums));
    source.time = (char *)"", source.where = (char *)"rating > 3";
    assert_fails(RK_ERR_CONFIG, "remove source.where",
                 read_named(&source, "train.txt", "1 2\n", &sums));
}

static void adjacency_says_who_has_nothing(void **state)
{
    (void)state;
    const char *path = test_path(folder, "test.txt");
    test_write(path, "bob ann x\n13647 \n", -1);
    rk_source_options source = test_source(RK_FORMAT_ADJACENCY);
    rk_reader *reader = NULL;
    rk_record r;
    bool is_end = false;
    assert_ok(rk__reader_open(&reader, &source, path, RK_IDS_TEXT));
    for (int i = 0; i < 3; i++) {
        assert_ok(rk__reader_next(reader, &r, &is_end));
    }
    assert_false(is_end);
    assert_false(r.has_item);
    assert_int_equal(r.user.length, 5);
    assert_memory_equal(r.user.at, "13647", 5);
    assert_int_equal(r.line, 2);
    assert_ok(rk__reader_next(reader, &r, &is_end));
    assert_true(is_end);
    rk__reader_close(reader);
}

static void inter_headers(void **state)
{
    (void)state;
    static const struct {
        const char *separator, *text;
        bool has_time;
    } cases[] = {
        {"", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t20\t3\t100\n", true},
        {"", "user_id:token\titem_id:token\trating:float\ttimestamp:float\r\n1\t20\t3\t100\r\n",
         true},
        {"", " user_id:token \titem_id\ttimestamp:float\n1\t20\t1e2", true},
        {",", "timestamp:float,item_id:token,user_id:token,tags:token_seq\n100,20,1,a b c\n", true},
        {"", "user_id:token\titem_id:token\n1\t20\n", false},
        {"", "user_id:int\titem_id:str\ttimestamp:datetime\n1\t20\t1970-01-01 00:01:40\n", true},
        {"", "user_id:token_seq\titem_id:float_seq\ttimestamp:token\n1\t20\t100\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_INTER);
        source.separator = (char *)cases[i].separator;
        test_sums sums;
        assert_ok(read_named(&source, "a.inter", cases[i].text, &sums));
        assert_int_equal(sums.records, 1);
        assert_int_equal(sums.check, 371);
        assert_true(sums.times == (cases[i].has_time ? 100 : 0));
        rk_reader *reader = NULL;
        assert_ok(rk__reader_open(&reader, &source, test_path(folder, "a.inter"), RK_IDS_INTEGER));
        assert_int_equal(rk__reader_has_time(reader), cases[i].has_time);
        rk__reader_close(reader);
    }
    rk_source_options source = test_source(RK_FORMAT_INTER);
    source.item = (char *)"artist_id", source.where = (char *)"weight > 1";
    test_sums sums;
    assert_ok(read_named(&source, "a.inter",
                         "user_id:token\tartist_id:token\tweight:float\n1\t2\t1\n3\t4\t2\n",
                         &sums));
    assert_int_equal(sums.records, 1);
    assert_int_equal(sums.users, 3);
    source = test_source(RK_FORMAT_INTER);
    assert_fails(RK_ERR_DATA, "set separator to ','",
                 read_named(&source, "a.inter", "user_id:token,item_id:token\n1,2\n", &sums));
    source.time = (char *)"timestamp";
    assert_fails(RK_ERR_DATA, "source.time is 'timestamp'",
                 read_named(&source, "a.inter", "user_id:token\titem_id:token\n1\t2\n", &sums));
}

/* ---- labels and paths ---- */

typedef struct taken {
    int64_t n, ids;
    char text[4][32];
} taken;

static rk_status take(void *self, const rk_record *record, rk_text label)
{
    taken *t = self;
    if (label.length == 4 && memcmp(label.at, "stop", 4) == 0) {
        RK_FAIL(RK_ERR_MEMORY, "the taker failed");
    }
    snprintf(t->text[t->n % 4], sizeof t->text[0], "%.*s=%.*s", (int)record->item.length,
             record->item.at, (int)label.length, label.at);
    t->ids += record->item_id;
    t->n++;
    return RK_OK;
}

static rk_options label_options(const char *separator, bool header, const char *id,
                                const char *text)
{
    rk_options options = {0};
    options.labels.separator = (char *)separator;
    options.labels.header = header;
    options.labels.id = (char *)id;
    options.labels.text = (char *)text;
    options.data.ids = RK_IDS_INTEGER;
    return options;
}

static void labels_are_utf8(void **state)
{
    (void)state;
    const char *path = test_path(folder, "items.csv");
    test_write(
        path,
        "item_id,title\r\n01,\"Toy Story, \"\"1\"\"\"\r\n2,Am\xc3\xa9lie\r\n3,Am\xe9lie\r\n4,\r\n",
        -1);
    rk_options options = label_options(",", true, "item_id", "title");
    taken t = {0};
    assert_ok(rk__labels_read(&options, path, (rk_stop){0}, take, &t));
    assert_int_equal(t.n, 4);
    assert_int_equal(t.ids, 10);
    assert_string_equal(t.text[0], "01=Toy Story, \"1\"");
    assert_string_equal(t.text[1], "2=Am\xc3\xa9lie");
    assert_string_equal(t.text[2], "3=Am\xc3\xa9lie");
    assert_string_equal(t.text[3], "4=");
    /* What only looks like UTF-8 is Latin-1: overlong, surrogate, cut short, behind U+10FFFF. */
    test_write(path, "1|\xc0\x80\n2|\xed\xa0\x80\n3|x\xc3\n4|\xf4\x90\x80\x80\n", -1);
    options = label_options("|", false, "0", "1");
    t = (taken){0};
    assert_ok(rk__labels_read(&options, path, (rk_stop){0}, take, &t));
    assert_string_equal(t.text[0], "1=\xc3\x80\xc2\x80");
    assert_string_equal(t.text[1], "2=\xc3\xad\xc2\xa0\xc2\x80");
    assert_string_equal(t.text[2], "3=x\xc3\x83");
    assert_string_equal(t.text[3], "4=\xc3\xb4\xc2\x90\xc2\x80\xc2\x80");
}

static void labels_that_fail(void **state)
{
    (void)state;
    const char *path = test_path(folder, "items.csv");
    taken t = {0};
    rk_options options = label_options(",", true, "item_id", "title");
    test_write(path, "item_id,title\n1,a\nx,b\n", -1);
    assert_fails(RK_ERR_DATA, "items.csv:3:1: item_id 'x' is not a number",
                 rk__labels_read(&options, path, (rk_stop){0}, take, &t));
    test_write(path, "item_id,title\n1,stop\n", -1);
    assert_fails(RK_ERR_MEMORY, "the taker failed",
                 rk__labels_read(&options, path, (rk_stop){0}, take, &t));
    test_write(path, "item_id,name\n1,a\n", -1);
    assert_fails(RK_ERR_DATA, "labels.text is 'title', but there is no such column",
                 rk__labels_read(&options, path, (rk_stop){0}, take, &t));
    assert_fails(RK_ERR_IO, "cannot be read",
                 rk__labels_read(&options, test_path(folder, "none.csv"), (rk_stop){0}, take, &t));
}

static void relative_paths_start_at_the_root(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        /* root, config folder, file, path */
        {"", "exp", "r.csv", "exp/r.csv"},
        {"", ".", "a/r.csv", "./a/r.csv"},
        {"/data/", "exp", "r.csv", "/data/r.csv"},
        {"d", "exp", "/x/r.csv", "/x/r.csv"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_options options = {0};
        options.data.root = (char *)cases[i][0];
        options.config_dir = (char *)cases[i][1];
        char *path = NULL;
        assert_ok(rk__source_path(&options, cases[i][2], &path));
        assert_string_equal(path, cases[i][3]);
        rk__free(path);
    }
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"t", source.where = (char *)"t > 0";
    const char *path = test_path(folder, "oom.csv");
    test_write(path, "user_id,item_id,t\n1,2,3\n3,\"4\",5\n", -1);
    test_sums sums;
    for (int formats = 0; formats < 2; formats++) {
        source.format = formats == 0 ? RK_FORMAT_CSV : RK_FORMAT_ADJACENCY;
        rk_status status = RK_ERR_MEMORY;
        int64_t n = 0;
        for (; status == RK_ERR_MEMORY && n < 100; n++) {
            rk__alloc_fail_after(n);
            status =
                test_read_all(&source, path, RK_IDS_INTEGER, (rk_line_options){.block = 4}, &sums);
            rk__alloc_fail_after(-1);
        }
        assert_in_range(n, 4, 50);
        if (formats == 0) {
            assert_ok(status);
        } else {
            assert_int_equal(status, RK_ERR_DATA);
        }
        source.time = (char *)"", source.where = (char *)"";
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movielens_files_are_told_apart),
        cmocka_unit_test(adjacency_lists),
        cmocka_unit_test(adjacency_says_who_has_nothing),
        cmocka_unit_test(inter_headers),
        cmocka_unit_test(labels_are_utf8),
        cmocka_unit_test(labels_that_fail),
        cmocka_unit_test(relative_paths_start_at_the_root),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests_name("reader_formats", tests, setup, teardown);
}
