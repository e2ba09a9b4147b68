/* What a file looks like: small files of many kinds, and what their config says. */
#include "rankine/guess.h"

#include "base/alloc.h"
#include "rankine/dataset.h"
#include "support/support.h"

typedef struct sample {
    const char *what, *name;
    const char *head, *row; /* row: with %d for user, item, rating and seconds, in `order` */
    const char *order;      /* of u i r t; n = the number of the row */
    const char *format, *separator;
    bool header;
    const char *user, *item, *time, *ids;
    const char *also; /* a line of the config; NULL = none */
} sample;

static const sample samples[] = {
    {"csv", "a.csv", "user_id,item_id,rating,ts\n", "%d,%d,%d,%d\n", "uirt", "csv", ",", true,
     "user_id", "item_id", "ts", "integer", "# where: \"rating >= 4\""},
    {"other order", "a.csv", "rating,when,movieId,userId\n", "%d,%d,%d,%d\n", "rtiu", "csv", ",",
     true, "userId", "movieId", "when", "integer", NULL},
    {"other names", "a.csv", "listener,song,stars,order_id,heard_at\n", "%d,%d,%d,1600000000,%d\n",
     "uirt", "csv", ",", true, "listener", "song", "heard_at", "integer", NULL},
    {"semicolons, decimal commas", "a.csv", "Time;Product;Customer;Price;Rating\n",
     "%d;%d;%d;3,50;%d\n", "tiur", "csv", ";", true, "Customer", "Product", "Time", "integer",
     "decimal: comma"},
    {"u.data", "u.data", "", "%d\t%d\t%d\t%d\n", "uirt", "csv", "\t", false, "0", "1", "3",
     "integer", NULL},
    {"ratings.dat", "ratings.dat", "", "%d::%d::%d::%d\n", "uirt", "csv", "::", false, "0", "1",
     "3", "integer", NULL},
    {"rows of pandas", "a.csv", ",user,item\n", "%d,%d,%d\n", "nui", "csv", ",", true, "user",
     "item", NULL, "integer", NULL},
    {"words", "a.tsv", "", "u%d\tit em %d\n", "ui", "csv", "\t", false, "0", "1", NULL, "text",
     "without names: the first line is a row"},
    {"names in another language", "a.csv", "kunde,artikel\n", "k%d,it em %d\n", "ui", "csv", ",",
     true, "kunde", "artikel", NULL, "text", NULL},
    {"leading zeros", "a.csv", "user,item\n", "%05d,%d\n", "ui", "csv", ",", true, "user", "item",
     NULL, "text", NULL},
    {"check-ins", "a.txt", "", "%d 2010-10-%02dT10:00:00Z 30.25 -97.5 %d\n", "uri", "csv", " ",
     false, "0", "4", "1", "integer", NULL},
    {"dates", "a.csv", "visitor,sku,date\n", "%d,%d,2020-01-%02d\n", "uir", "csv", ",", true,
     "visitor", "sku", "date", "integer", NULL},
    {"atomic", "a.inter", "user_id:token\titem_id:token\ttimestamp:float\n", "%d\t%d\t%d\n", "uit",
     "inter", "\t", true, "user_id", "item_id", "timestamp", "integer", NULL},
    {"JSON lines", "a.json", "",
     "{\"reviewerID\": \"A%d\", \"tags\": [1], \"asin\": \"B%d\", \"at\": {\"x\": 1}, \"overall\": "
     "%d, "
     "\"unixReviewTime\": %d}\n",
     "uirt", "jsonl", NULL, true, "reviewerID", "asin", "unixReviewTime", "text",
     "300 rows. Keys:"},
    {"twice the same name", "a.csv", "user,item,item\n", "%d,%d,7\n", "ui", "csv", ",", true,
     "user", "1", NULL, "integer", NULL},
    {"stray quotes", "a.csv", "user,item,title\n", "%d,%d,5\" disk\n", "ui", "csv", ",", true,
     "user", "item", NULL, "integer", NULL},
    {"a quote at the front", "a.csv", "user,title,item\n", "%d,\"oh,%d\n", "ui", "csv", ",", true,
     "user", "item", NULL, "integer", "quotes: false"},
    {"who is missing", "a.csv", "user,item\n", "%d,%d\n,5\nnan,6\n", "ui", "csv", ",", true, "user",
     "item", NULL, "integer", "missing_ids: drop"},
    {"Latin-1", "a.csv", "user,item\n", "Jos\xe9%d,%d\n", "ui", "csv", ",", true, "user", "item",
     NULL, "text", "encoding: latin-1"},
};
enum { N_SAMPLES = sizeof samples / sizeof samples[0] };

static int number_of(char what, int row)
{
    const int user = 1 + row % 25, item = 1 + (row / 25 + row * 7) % 17;
    switch (what) {
    case 'u':
        return user;
    case 'i':
        return item;
    case 'r':
        return 1 + (user + item) % 5;
    case 't':
        return 1600000000 + 86400 * (row * 37 % 100);
    default:
        return row;
    }
}

static void write_sample(const sample *s, const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(s->head, file);
    for (int row = 0; row < 300; row++) {
        int v[4] = {0};
        for (int i = 0; s->order[i]; i++) {
            v[i] = number_of(s->order[i], row);
        }
        /* the format is one of the table above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        fprintf(file, s->row, v[0], v[1], v[2], v[3]);
#pragma GCC diagnostic pop
    }
    fclose(file);
}

static void assert_text(const char *what, const char *got, const char *wanted)
{
    if ((got == NULL) != (wanted == NULL) || (got && strcmp(got, wanted) != 0)) {
        fail_msg("%s: '%s' instead of '%s'", what, got ? got : "nothing",
                 wanted ? wanted : "nothing");
    }
}

/* The config is one, it reads the file, and users and items are the right ones. */
static void check_config(const sample *s, const rk_guess *g, const char *folder)
{
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    char path[600];
    int64_t ignored;
    snprintf(path, sizeof path, "%s", test_path(folder, "guessed.yaml"));
    test_write(path, g->config, -1);
    assert_ok(rk_config_load(&config, path));
    assert_ok(rk_config_check(config));
    rk_status status = rk_dataset_prepare(config, true, NULL, &dataset);
    if (status != RK_OK) {
        fail_msg("%s: %s\n%s", s->what, rk_last_error(), g->config);
    }
    assert_int_equal(rk_dataset_get_stats(dataset)->users, 25);
    assert_int_equal(rk_dataset_get_stats(dataset)->items, 17);
    if (strcmp(s->ids, "integer") == 0) {
        assert_ok(rk_dataset_find_user(dataset, "25", &ignored));
    }
    rk_dataset_free(dataset);
    rk_config_free(config);
}

static void files_of_many_kinds(void **state)
{
    (void)state;
    char *folder = test_scratch();
    for (int i = 0; i < N_SAMPLES; i++) {
        const sample *s = &samples[i];
        const char *path = test_path(folder, s->name);
        rk_guess g = {.config = NULL};
        write_sample(s, path);
        rk_status status = rk_guess_file(path, s->name, "sample", &g);
        if (status != RK_OK) {
            fail_msg("%s: %s", s->what, rk_last_error());
        }
        assert_text(s->what, g.format, s->format);
        assert_text(s->what, g.separator, s->separator);
        assert_text(s->what, g.user, s->user);
        assert_text(s->what, g.item, s->item);
        assert_text(s->what, g.time, s->time);
        assert_text(s->what, g.ids, s->ids);
        assert_true(g.header == s->header && g.whole);
        if (s->also && !strstr(g.config, s->also)) {
            fail_msg("%s: no '%s' in\n%s", s->what, s->also, g.config);
        }
        assert_non_null(strstr(g.config, s->time ? "order: time" : "order: random"));
        check_config(s, &g, folder);
        rk_guess_free(&g);
        rk_guess_free(&g);
        remove(path);
    }
    test_scratch_remove(folder);
}

static void lists_of_users(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_guess g;
    test_write(test_path(folder, "train.txt"), "0 1 2 3\n1 2\n2 0 3 1 4\n", -1);
    assert_ok(rk_guess_file(test_path(folder, "train.txt"), "train.txt", "x", &g));
    assert_string_equal(g.format, "adjacency");
    assert_null(g.user);
    rk_guess_free(&g);
    test_write(test_path(folder, "m.mtx"),
               "%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 1\n2 3 1\n", -1);
    assert_ok(rk_guess_file(test_path(folder, "m.mtx"), "m.mtx", "x", &g));
    assert_string_equal(g.format, "mtx");
    rk_guess_free(&g);
    test_scratch_remove(folder);
}

static void what_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        rk_status status;
    } bad[] = {
        {"", "has no lines", RK_ERR_DATA},
        {"user,item\n", "has names in its first line and no rows", RK_ERR_DATA},
        {"one\ntwo\nthree\n", "one column only", RK_ERR_DATA},
        {"price,height\n1.5,2.5\n3.25,1.125\n", "no two columns look like users and items",
         RK_ERR_DATA},
        {"{\"user\": 1,\n\"item\": 2}\n", "its first line is no JSON object", RK_ERR_DATA},
        {"PAR1\x15\x04\x15", "Parquet", RK_ERR_DATA},
    };
    char *folder = test_scratch();
    const char *path = test_path(folder, "x.csv");
    rk_guess g = {.config = NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_write(path, bad[i].text, -1);
        assert_fails(bad[i].status, bad[i].message, rk_guess_file(path, "x.csv", "x", &g));
        assert_null(g.config);
    }
    char list[4096] = "item_id,title\n";
    for (int i = 0; i < 40; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "%d,Title %d\n", i, i);
    }
    test_write(path, list, -1);
    assert_fails(RK_ERR_DATA, "looks like a list", rk_guess_file(path, "x.csv", "x", &g));
    assert_fails(RK_ERR_IO, "nowhere.csv",
                 rk_guess_file(test_path(folder, "nowhere.csv"), "x.csv", "x", &g));
    assert_fails(RK_ERR_IO, "is a folder: name a file", rk_guess_file(folder, "x.csv", "x", &g));
    assert_fails(RK_ERR_IO, "is no regular file", rk_guess_file("/dev/null", "x.csv", "x", &g));
    test_scratch_remove(folder);
}

static void no_memory(void **state)
{
    (void)state;
    static const int kinds[] = {0, 12}; /* text, JSON lines */
    char *folder = test_scratch();
    for (int k = 0; k < 2; k++) {
        const sample *s = &samples[kinds[k]];
        const char *path = test_path(folder, s->name);
        int64_t failures = 0;
        write_sample(s, path);
        for (;; failures++) {
            rk_guess g;
            rk__alloc_fail_after(failures);
            rk_status status = rk_guess_file(path, s->name, "x", &g);
            rk__alloc_fail_after(-1);
            if (status == RK_OK) {
                rk_guess_free(&g);
                break;
            }
            assert_int_equal(status, RK_ERR_MEMORY);
            assert_null(g.config);
            assert_true(failures < 1000);
        }
        assert_true(failures > 20);
    }
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_many_kinds),
        cmocka_unit_test(lists_of_users),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
