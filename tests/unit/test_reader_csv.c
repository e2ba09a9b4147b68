/* Delimited text: columns, separators, quotes, line ends, and where bad input is. */
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

/* Reads with integer ids; the sums of three files that say the same must be the same. */
static test_sums read_csv(const rk_source_options *source, const char *text)
{
    test_sums sums;
    assert_ok(test_read_text(source, folder, "ratings.csv", text, RK_IDS_INTEGER, &sums));
    return sums;
}

static rk_status fail_csv(const rk_source_options *source, const char *text)
{
    test_sums sums;
    return test_read_text(source, folder, "ratings.csv", text, RK_IDS_INTEGER, &sums);
}

/* 1-20-4.5-100, 2-10-3-50, 1-30-5-200 in every spelling. */
static void one_table_in_many_spellings(void **state)
{
    (void)state;
    rk_source_options plain = test_source(RK_FORMAT_CSV);
    plain.time = (char *)"time";
    static const char *const texts[] = {
        "user_id,item_id,rating,time\n1,20,4.5,100\n2,10,3,50\n1,30,5,200\n",
        "user_id,item_id,rating,time\r\n1,20,4.5,100\r\n2,10,3,50\r\n1,30,5,200\r\n",
        "user_id,item_id,rating,time\n1,20,4.5,100\n2,10,3,50\n1,30,5,200",
        "user_id,item_id,rating,time\r\r\n1,20,4.5,100\r\r\n2,10,3,50\r\r\n1,30,5,200\r\r\n",
        "user_id,item_id,rating,time\r\n1,20,4.5,100\r\n2,10,3,50\r\n1,30,5,200\r",
        "\xef\xbb\xbfuser_id,item_id,rating,time\n1,20,4.5,100\n2,10,3,50\n1,30,5,200\n\n\n",
        ("\xef\xbb\xbf\"user_id\",\"item_id\",rating,time\n"
         "\"1\",\"20\",4.5,100\n2,10,3,\"50\"\n1,30,5,200"),
        "\n  \nuser_id,item_id,rating,time\n\n1,20,4.5,100\n \t\n2,10,3,50\n1,30,5,200\n",
        ("title,time , rating,item_id, user_id\n"
         "\"a, \"\"b\"\"\",100,4,20,1\n\"c\r\nd\n\",50,3,10,2\nx\",200,5,30,1"),
        "user_id,item_id,rating,time\n1,20,4.5,100,,\n2,10,3, 50 \n1,30,5,2e2\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        test_sums sums = read_csv(&plain, texts[i]);
        assert_int_equal(sums.records, 3);
        assert_int_equal(sums.users, 4);
        assert_int_equal(sums.items, 60);
        assert_int_equal(sums.check, 371 + 2 * 232 + 3 * 541);
        assert_true(sums.times == 350);
        assert_int_equal(sums.counts.rows, 3);
        assert_int_equal(sums.counts.filtered, 0);
        assert_int_equal(sums.counts.bytes, strlen(texts[i]));
        assert_int_equal(sums.counts.file_bytes, strlen(texts[i]));
    }
}

static void separators_and_indices(void **state)
{
    (void)state;
    static const struct {
        const char *separator, *text;
        bool header;
        const char *user, *item, *time;
    } cases[] = {
        {"\\t", "user_id\titem_id\tt\n7\t8\t9\n", true, "user_id", "item_id", "t"},
        {"\t", "7\t8\t9\n", false, "0", "1", "2"},
        {"::", "7::8::5::9\n", false, "0", "1", "3"},
        {"::", "user_id::x:y::item_id::t\n7::a:b::8::9\n", true, "user_id", "item_id", "t"},
        {"::", "user_id::\"x::y\"::item_id::t\n7::\"a::\"\"b\"::8::9\n", true, "0", "2", "3"},
        {", ", "t, item_id, user_id\n9, 8, 7\n", true, "user_id", "item_id", "t"},
        {";", "9;8;7\n", false, "2", "1", "0"},
        {"|", "7|a|b||8|9|\n", false, "0", "4", "5"},
        {" ", "7 8 9 \n", false, "0", "1", "2"},
        {"é", "user_idéitem_idét\n7é8é9\n", true, "user_id", "item_id", "t"},
        {",", "\"7\",\"8\",\"9\"", false, "0", "1", "2"},
        /* An index where there is a header. */
        {",", "t,item_id,user_id\n9,8,7\n", true, "user_id", "1", "t"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_CSV);
        source.separator = (char *)cases[i].separator;
        source.header = cases[i].header;
        source.user = (char *)cases[i].user;
        source.item = (char *)cases[i].item;
        source.time = (char *)cases[i].time;
        test_sums sums = read_csv(&source, cases[i].text);
        assert_int_equal(sums.records, 1);
        assert_int_equal(sums.users, 7);
        assert_int_equal(sums.items, 8);
        assert_true(sums.times == 9);
    }
}

static void text_ids_come_without_quotes(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    const char *path = test_path(folder, "words.csv");
    test_write(path, "user_id,item_id\n\"Ann \"\"A\"\"\",\"x,\ny\"\n-5,\xc3\xa9t\xc3\xa9\n", -1);
    rk_reader *reader = NULL;
    assert_ok(rk__reader_open(&reader, &source, path, RK_IDS_TEXT));
    assert_false(rk__reader_has_time(reader));
    rk_record r;
    bool is_end = false;
    assert_ok(rk__reader_next(reader, &r, &is_end));
    assert_int_equal(r.user.length, 7);
    assert_memory_equal(r.user.at, "Ann \"A\"", 7);
    assert_int_equal(r.item.length, 4);
    assert_memory_equal(r.item.at, "x,\ny", 4);
    assert_int_equal(r.line, 2);
    assert_ok(rk__reader_next(reader, &r, &is_end));
    assert_memory_equal(r.user.at, "-5", 2);
    assert_int_equal(r.item.length, 5);
    assert_int_equal(r.line, 4);
    assert_false(is_end);
    assert_ok(rk__reader_next(reader, &r, &is_end));
    assert_true(is_end);
    rk__reader_close(reader);
}

static void where_filters_and_counts(void **state)
{
    (void)state;
    static const struct {
        const char *where;
        int64_t kept;
    } cases[] = {
        {"rating >= 4", 3}, {"rating>4", 2},    {" rating < 4 ", 2},     {"rating<=4", 3},
        {"rating == 4", 1}, {"rating != 4", 4}, {"rating >= 3.9999", 3}, {"rating > -1e3", 5},
        {"3>=4", 3},        {"time > 20", 3},   {"user_id != 2", 4},     {"a b > 0", 2},
    };
    const char *text = "user_id,item_id,time,rating,a b\n"
                       "1,1,10,4,0\n1,2,20,4.5,1\n2,1,30,3.5,0\n3,3,40,5.0,1\n3,1,50,.5,0\n";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_CSV);
        source.where = (char *)cases[i].where;
        test_sums sums = read_csv(&source, text);
        assert_int_equal(sums.records, cases[i].kept);
        assert_int_equal(sums.counts.rows, 5);
        assert_int_equal(sums.counts.filtered, 5 - cases[i].kept);
    }
    static const char *const bad[][2] = {
        {"rating 4", "no operator"},      {"rating = 4", "no operator"},
        {">= 4", "names no column"},      {"rating >= four", "'four' is not a number"},
        {"rating >=", "is not a number"}, {"rating >= 4 5", "'4 5' is not a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_CSV);
        source.where = (char *)bad[i][0];
        source.origin = (char *)"exp.yaml:12";
        assert_fails(RK_ERR_CONFIG, bad[i][1], fail_csv(&source, text));
        assert_non_null(strstr(rk_last_error(), "exp.yaml:12: "));
    }
}

static void bad_rows_are_located(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1,2,3,4\nabc,2,3,4\n",
         "ratings.csv:3:1: user_id 'abc' is not a number; set data.ids to text for ids that are"},
        {"1,2,3,4\r\n\r\n12,3x,3,4\r\n", "ratings.csv:4:4: item_id '3x' is not a number"},
        {"1,-2,3,4\n", "ratings.csv:2:3: item_id '-2' is negative; integer ids count from 0"},
        {"9223372036854775808,2,3,4\n",
         "ratings.csv:2:1: user_id '9223372036854775808' does not fit 64 bits"},
        {"99999999999999999999999999999999999999999999999999,2,3,4\n",
         "ratings.csv:2:1: user_id '9999999999999999999999999999999999999999...' does not fit"},
        {"1,,3,4\n", "ratings.csv:2:3: item_id is empty"},
        {"1, 2,3,4\n", "ratings.csv:2:3: item_id ' 2' is not a number: there are blanks around"},
        {"1,4.0,3,4\n", "ratings.csv:2:3: item_id '4.0' is not a number without a fraction"},
        {"007,2,3,4\n",
         "ratings.csv:2:1: user_id '007' has a leading zero, so as a number it would"},
        {"+7,2,3,4\n", "ratings.csv:2:1: user_id '+7' has a sign, so as a number it would be the"},
        {"1,nan,3,4\n", "ratings.csv:2:3: item_id 'nan' is a word for a missing value; to leave"},
        {"1,2,3,4\n1,2,3\n", "ratings.csv:3:6: 3 columns where the header has 4"},
        {"1,2,3,4\n1", "ratings.csv:3:2: 1 column where the header has 4"},
        {"1,2,3,4,5\n", "ratings.csv:2:9: more than 4 columns where the header has 4"},
        {"1,2,3,yesterday\n", "ratings.csv:2:7: time 'yesterday' is not a number or a date such"},
        {"1,2,3,\n", "ratings.csv:2:7: time '' is not a number or a date"},
        {"1,2,3,\n", "to leave such rows out set where to \"time != ''\""},
        {"1,2,3,20-09-2020\n", "ratings.csv:2:7: time '20-09-2020' is not a date of one meaning"},
        {"1,2,3,2020-02-30\n",
         "ratings.csv:2:7: time '2020-02-30' is too large, or there is no such"},
        {"1,2,3,4\n1,2,3,2020-01-01\n", "ratings.csv:3:7: time '2020-01-01' is of another form"},
        {"1,2,3,1e999\n", "ratings.csv:2:7: time '1e999' is too large"},
        {"1,2,\"3\nx\",y\n", "ratings.csv:3:4: time 'y' is not a number"},
        {"1,2,\"a \"\"b\"\"\n\nc\",y\n", "ratings.csv:4:4: time 'y' is not a number"},
        {"1,2,\"3,4\n5,6,7,8\n", "ratings.csv:2:5: the quote that opens here is never closed"},
        {"1,2,\"3\"x,4\n", "ratings.csv:2:8: text behind a closing quote"},
        {"\"1\",2,3\n", "ratings.csv:2:8: 3 columns where the header has 4"},
        {"\"1\",2,3,4,5\n", "ratings.csv:2:11: more than 4 columns"},
        {"\xc3\xa9\x01,2,3,4\n", "ratings.csv:2:1: user_id '\xc3\xa9?' is not a number"},
    };
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"time";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "user_id,item_id,x,time\n%s", cases[i][0]);
        assert_fails(RK_ERR_DATA, cases[i][1], fail_csv(&source, text));
    }
    source.where = (char *)"x > 0";
    assert_fails(RK_ERR_DATA, "ratings.csv:2:5: x 'bad' is not a number, which where needs",
                 fail_csv(&source, "user_id,item_id,x,time\n1,2,bad,4\n"));
}

static void largest_ids_fit(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums = read_csv(&source, "user_id,item_id\n9223372036854775807,0\n");
    assert_true(sums.users == INT64_MAX);
    sums = read_csv(&source, "user_id,item_id\n12,999999999999999999\n");
    assert_true(sums.users == 12 && sums.items == 999999999999999999);
}

static rk_status read_rule(const char *text, int ids, int missing, test_sums *out)
{
    rk_source_options source = test_source(RK_FORMAT_CSV);
    const char *path = test_path(folder, "ids.csv");
    test_write(path, text, -1);
    return test_read_with(&source, path, &(rk_reader_options){.ids = ids, .missing = missing},
                          (rk_line_options){0}, out);
}

static void text_ids_are_trimmed_and_missing_ones_said(void **state)
{
    (void)state;
    test_sums plain, other;
    assert_ok(read_rule("user_id,item_id\nu1,i 5\nu2,i5\n", RK_IDS_TEXT, RK_MISSING_ERROR, &plain));
    assert_ok(read_rule("user_id,item_id\n u1,i 5\t\n\"u2 \", i5 \n", RK_IDS_TEXT, RK_MISSING_ERROR,
                        &other));
    assert_true(plain.words == other.words);
    assert_int_equal(plain.counts.trimmed, 0);
    assert_int_equal(other.counts.trimmed, 4);
    /* Blanks that nobody sees as such: no-break, ideographic, zero width. */
    assert_ok(read_rule("user_id,item_id\n\xc2\xa0u1,i 5\xe3\x80\x80\nu2 \xe2\x80\x8b\xc2\xa0,i5\n",
                        RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    assert_true(plain.words == other.words);
    assert_int_equal(other.counts.trimmed, 3);
    /* What does not round-trip as a number does as a text. */
    assert_ok(read_rule("user_id,item_id\n007,+1\n7,1\n", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    static const char *const words[] = {"",     "  ",  "nan", "NaN", "NULL", "null", "None",
                                        "<NA>", "N/A", "\\N", "NA",  "#N/A", " nan "};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char text[128];
        bool is_empty = strspn(words[i], " ") == strlen(words[i]);
        snprintf(text, sizeof text, "user_id,item_id\n1,2\n%s,3\n4,%s\n5,6\n", words[i], words[i]);
        for (int ids = RK_IDS_INTEGER; ids <= RK_IDS_TEXT; ids++) {
            assert_fails(RK_ERR_DATA, "set data.missing_ids to drop",
                         read_rule(text, ids, RK_MISSING_ERROR, &other));
            assert_non_null(strstr(rk_last_error(), "ids.csv:3:1: user_id"));
            assert_ok(read_rule(text, ids, RK_MISSING_DROP, &other));
            assert_int_equal(other.records, 2);
            assert_int_equal(other.counts.rows, 4);
            assert_int_equal(other.counts.missing, 2);
        }
        if (is_empty) {
            assert_fails(RK_ERR_DATA, "is empty",
                         read_rule(text, RK_IDS_TEXT, RK_MISSING_KEEP, &other));
        } else {
            assert_ok(read_rule(text, RK_IDS_TEXT, RK_MISSING_KEEP, &other));
            assert_int_equal(other.records, 4);
        }
    }
    /* What is in quotes is a word. */
    assert_ok(read_rule("user_id,item_id\n\"null\",1\n2,\"NA\"\n", RK_IDS_TEXT, RK_MISSING_ERROR,
                        &other));
    assert_int_equal(other.records, 2);
    assert_fails(RK_ERR_DATA, "user_id is empty",
                 read_rule("user_id,item_id\n\"\",1\n", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    assert_ok(read_rule("user_id,item_id\nNancy,nana\nnan0,Nonesuch\n", RK_IDS_TEXT,
                        RK_MISSING_DROP, &other));
    assert_int_equal(other.records, 2);
    assert_fails(RK_ERR_DATA,
                 "ids.csv:2:1: user_id 'Jos\xe9' is not UTF-8; if the file is in Latin-1",
                 read_rule("user_id,item_id\nJos\xe9,1\n", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    assert_fails(RK_ERR_DATA, "ids.csv:3:1: user_id '\xef\xbb\xbfu2' begins with a byte order mark",
                 read_rule("user_id,item_id\nu1,1\n\xef\xbb\xbfu2,2\n", RK_IDS_TEXT,
                           RK_MISSING_ERROR, &other));
    /* Half a line end is no part of an id, but where it is in quotes. */
    assert_fails(
        RK_ERR_DATA, "ids.csv:2:1: user_id '?u2' has a carriage return at its end: line",
        read_rule("user_id,item_id\n\ru2,i2\n\ru3,i3\n\r", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    assert_ok(read_rule("user_id,item_id\n\"u\r\",i\n", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
    /* A column that nobody reads may be in any encoding. */
    assert_ok(read_rule("user_id,item_id,x\n1,2,Jos\xe9\n", RK_IDS_TEXT, RK_MISSING_ERROR, &other));
}

static void headers_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *item;
        bool header;
        const char *message;
    } cases[] = {
        {"1,2,3\n1,2,3\n", "user_id", "item_id", true,
         "ratings.csv:1: the first line has no names but numbers, so it is data: set header to"},
        {"1,2,2020-01-01\n1,2,2020-01-02\n", "0", "1", true, "has no names but numbers"},
        {"1,5,x\n7,2,y\n", "1", "2", true, "'1', which is the index of a column and the name of"},
        {"7,2,y\n8,3,z\n", "0", "1", true,
         "source.user is '0', and the first line has '7', so it is data and no header"},
        {"u7,i2,4,x\nu8,i3,5,y\n", "0", "1", true,
         "the first line has '4', so it is data and no head"},
        {"a\xe9,b\n1,2\n", "a\xc3\xa9", "b", true,
         "(the first line has bytes that are not UTF-8: if the"},
        {"a,b,a\n1,2,3\n", "a", "b", true,
         "and two columns are called that: give it by index, 0 or 2"},
        {"User_ID,Item_ID\n1,2\n", "user_id", "Item_ID", true, "did you mean 'User_ID'?"},
        {"userid,itemId\n1,2\n", "userid", "item_id", true, "did you mean 'itemId'?"},
        {"user_id,item_id\nu1,2\n", "0", "1", false,
         "ratings.csv:1:1: the first row has 'user_id' and 'item_id', so it is a header"},
        {"user_id,item_id\nu,2\nuser_id,item_id\nv,3\n", "user_id", "item_id", true,
         "ratings.csv:3:1: the header again, as where files were put together: remove the line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_CSV);
        source.header = cases[i].header;
        source.user = (char *)cases[i].user;
        source.item = (char *)cases[i].item;
        test_sums sums;
        assert_fails(
            RK_ERR_DATA, cases[i].message,
            test_read_text(&source, folder, "ratings.csv", cases[i].text, RK_IDS_TEXT, &sums));
    }
    /* Doubled names that nobody asks for do not matter. */
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums = read_csv(&source, "user_id,x,item_id,x\n1,a,2,b\n");
    assert_int_equal(sums.records, 1);
}

static void quotes_and_decimal_commas_by_option(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    const char *stray = "user_id,item_id,x\n1,2,\"open\n3,4,a \"b\" c\n5,6,\"q\"x\n";
    assert_fails(RK_ERR_DATA, "set quotes to false", fail_csv(&source, stray));
    source.quotes = false;
    assert_int_equal(read_csv(&source, stray).records, 3);
    source = test_source(RK_FORMAT_CSV);
    source.separator = (char *)";";
    source.time = (char *)"t";
    source.where = (char *)"r >= 4.5";
    const char *comma = "user_id;item_id;r;t\n1;2;4,5;10,25\n3;4;4,4;1\n5;6;5;2\n";
    assert_fails(RK_ERR_DATA,
                 "r '4,5' is not a number, which where needs; for a decimal comma set deci",
                 fail_csv(&source, comma));
    source.decimal = RK_DECIMAL_COMMA;
    test_sums sums = read_csv(&source, comma);
    assert_int_equal(sums.records, 2);
    assert_true(sums.times == 12.25);
    assert_fails(RK_ERR_DATA, "r '4.5' is not a number",
                 fail_csv(&source, "user_id;item_id;r;t\n1;2;4.5;10\n"));
}

static void zero_bytes_are_located(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    static const char bytes[] = "user_id,item_id\n1,2\n3,\0004\n";
    const char *path = test_path(folder, "nul.csv");
    test_write(path, bytes, sizeof bytes - 1);
    test_sums sums;
    assert_fails(RK_ERR_DATA, "nul.csv:3:3: a zero byte",
                 test_read_all(&source, path, RK_IDS_INTEGER, (rk_line_options){0}, &sums));
    static const char utf16[] = "\xff\xfeu\0s\0e\0r\0";
    test_write(path, utf16, sizeof utf16 - 1);
    assert_fails(RK_ERR_DATA, "nul.csv is UTF-16 text; save it as UTF-8",
                 test_read_all(&source, path, RK_IDS_INTEGER, (rk_line_options){0}, &sums));
}

static void missing_columns_list_what_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *separator, *text, *message;
    } cases[] = {
        {"", "user,item\n1,2\n",
         "source.user is 'user_id', but there is no such column; there are: user, item"},
        {"", "user_id,movieId,rating\n1,2,3\n",
         "source.item is 'item_id', but there is no such column; there are: user_id, movieId, rat"},
        {"", "user_id\titem_id\n1\t2\n", "(the first line has tabs: set separator to \\t)"},
        {"", "user_id;item_id\n1;2\n", "(the first line has semicolons: set separator to ';')"},
        {"", "user_id::item_id\n1::2\n", "(the first line has '::': set separator to '::')"},
        {"", "user_id item_id\n1 2\n", "(the first line has blanks: set separator to ' ')"},
        {"\\t", "user_id,item_id\n1,2\n", "(the first line has commas: set separator to ',')"},
        {"", "1,2,3\n1,2,3\n",
         "the first line has no names but numbers, so it is data: set header to false and give "
         "columns by index"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_source_options source = test_source(RK_FORMAT_CSV);
        source.separator = (char *)cases[i].separator;
        assert_fails(RK_ERR_DATA, cases[i].message, fail_csv(&source, cases[i].text));
    }
    rk_source_options source = test_source(RK_FORMAT_CSV);
    source.time = (char *)"when";
    source.origin = (char *)"exp.yaml:7";
    assert_fails(RK_ERR_DATA, "source.time is 'when'", fail_csv(&source, "user_id,item_id\n1,2\n"));
    assert_true(strncmp(rk_last_error(), "exp.yaml:7: ", 12) == 0);
    source = test_source(RK_FORMAT_CSV);
    source.where = (char *)"rating > 3";
    assert_fails(RK_ERR_DATA, "the column of source.where is 'rating'",
                 fail_csv(&source, "user_id,item_id\n1,2\n"));
    source = test_source(RK_FORMAT_CSV);
    source.header = false;
    assert_fails(RK_ERR_DATA, "without a header columns are given by index, 0 to 1",
                 fail_csv(&source, "1,2\n"));
    source.user = (char *)"0", source.item = (char *)"2";
    assert_fails(RK_ERR_DATA, "source.item is '2', but without a header columns are given by index",
                 fail_csv(&source, "1,2\n"));
}

static void files_that_are_none(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    test_sums sums;
    assert_fails(RK_ERR_DATA, "ratings.csv is empty", fail_csv(&source, ""));
    assert_fails(RK_ERR_DATA, "ratings.csv is empty", fail_csv(&source, "\xef\xbb\xbf"));
    assert_fails(RK_ERR_DATA, "ratings.csv is empty", fail_csv(&source, "\n \n\t\r\n"));
    assert_fails(RK_ERR_DATA, "ratings.csv has a header but no rows",
                 fail_csv(&source, "user_id,item_id\n\n"));
    assert_fails(RK_ERR_IO, "nowhere.csv cannot be read: No such file",
                 test_read_all(&source, test_path(folder, "nowhere.csv"), RK_IDS_INTEGER,
                               (rk_line_options){0}, &sums));
    assert_fails(RK_ERR_IO, "cannot be read: it is a folder",
                 test_read_all(&source, folder, RK_IDS_INTEGER, (rk_line_options){0}, &sums));
    source.separator = (char *)"\"";
    assert_fails(RK_ERR_CONFIG, "the separator '\"' cannot be used", fail_csv(&source, "1"));
    source.separator = (char *)"0123456789abcdef";
    assert_fails(RK_ERR_CONFIG, "cannot be used: up to 15 bytes", fail_csv(&source, "1"));
}

static void unbounded_lines_end(void **state)
{
    (void)state;
    rk_source_options source = test_source(RK_FORMAT_CSV);
    char text[4096] = "user_id,item_id\n1,2\n3,";
    size_t n = strlen(text);
    memset(text + n, '7', 2000);
    text[n + 2000] = '\0';
    const char *path = test_path(folder, "long.csv");
    test_write(path, text, -1);
    test_sums sums;
    rk_line_options limits = {.block = 16, .max_line = 1000};
    assert_fails(RK_ERR_DATA, "long.csv:3: the line is longer than 1000 bytes",
                 test_read_all(&source, path, RK_IDS_TEXT, limits, &sums));
    limits.max_line = 3000;
    assert_ok(test_read_all(&source, path, RK_IDS_TEXT, limits, &sums));
    assert_int_equal(sums.records, 2);
    /* A quote that is never closed must not read the rest of a big file into memory. */
    text[n] = '"';
    for (size_t i = n + 100; i < n + 2000; i += 100) {
        text[i] = '\n';
    }
    test_write(path, text, -1);
    limits.max_line = 1000;
    assert_fails(RK_ERR_DATA, "long.csv:3: the line is longer than 1000 bytes",
                 test_read_all(&source, path, RK_IDS_TEXT, limits, &sums));
    char *wide = NULL;
    assert_ok(rk__alloc(&wide, 20000, 1, "a wide line"));
    memset(wide, ',', 20000);
    test_write(path, wide, 20000);
    rk__free(wide);
    assert_fails(RK_ERR_DATA, "long.csv:1: more than 10000 columns",
                 test_read_all(&source, path, RK_IDS_TEXT, (rk_line_options){0}, &sums));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_table_in_many_spellings),
        cmocka_unit_test(separators_and_indices),
        cmocka_unit_test(text_ids_come_without_quotes),
        cmocka_unit_test(where_filters_and_counts),
        cmocka_unit_test(bad_rows_are_located),
        cmocka_unit_test(largest_ids_fit),
        cmocka_unit_test(text_ids_are_trimmed_and_missing_ones_said),
        cmocka_unit_test(headers_that_are_none),
        cmocka_unit_test(quotes_and_decimal_commas_by_option),
        cmocka_unit_test(zero_bytes_are_located),
        cmocka_unit_test(missing_columns_list_what_is_there),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(unbounded_lines_end),
    };
    return cmocka_run_group_tests_name("reader_csv", tests, setup, teardown);
}
