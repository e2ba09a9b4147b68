/* data: items found by the words of their labels. */
#include "base/alloc.h"
#include "data/dataset.h"
#include "rankine/search.h"
#include "support/support.h"

/* Labels by id from 1 on; an item has as many interactions as the digit before its label. */
static const char *const labels[] = {
    "3Star Wars: Episode IV (1977)",
    "5STAR WARS: The Last Jedi",
    "5Rogue One: A Star Wars Story",
    "1Star",
    "2Stars at Noon",
    "4The Promised Land: Łódź",
    "1Schindler’s List",
    "1Schindler's List 2",
    "2Amélie",                 /* é in one character, */
    "1Ame\xCC\x81lie returns", /* and in two */
    "1Straße nach Lodz",
    "1ﬁlm №5",
    "1星球大战",
    "1Starship... Troopers!!!",
    "1O'Clock, A Long One: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
    "0123456789 0123456789 0123456789 0123456789 end",
    "1",
};
enum { N = sizeof labels / sizeof labels[0] };

typedef struct world {
    char *folder;
    rk_dataset *dataset;
    rk_label_index *index;
} world;

static int open_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->folder = test_scratch();
    FILE *rows = fopen(test_path(w->folder, "r.csv"), "wb");
    FILE *names = fopen(test_path(w->folder, "l.csv"), "wb");
    assert_true(rows && names);
    fputs("user_id,item_id\n", rows);
    fputs("item_id,title\n", names);
    for (int i = 0; i < N; i++) {
        for (int u = 0; u < labels[i][0] - '0'; u++) {
            fprintf(rows, "%d,%d\n", u, i + 1);
        }
        fprintf(names, "%d,\"%s\"\n", i + 1, labels[i] + 1);
    }
    fclose(rows);
    fclose(names);
    char settings[1000];
    snprintf(settings, sizeof settings,
             "data.root=%s; data.cache=%s; labels.file=l.csv; split.kind=ratio; split.valid=0; "
             "split.test=0; data.sources=[{file: r.csv}]",
             w->folder, w->folder);
    rk_config *config = config_of(settings);
    assert_ok(rk_dataset_prepare(config, false, NULL, &w->dataset));
    rk_config_free(config);
    assert_ok(rk_label_index_create(w->dataset, &w->index));
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    rk_label_index_free(w->index);
    rk_dataset_free(w->dataset);
    test_scratch_remove(w->folder);
    free(w);
    return 0;
}

/* The ids that are found, as "1 2 3". */
static const char *found(const world *w, const char *text)
{
    static char out[200];
    int32_t items[N];
    int64_t n = -1;
    size_t length = 0;
    out[0] = '\0';
    assert_ok(rk_label_index_find(w->index, text, N, items, &n));
    for (int64_t i = 0; i < n; i++) {
        length += (size_t)snprintf(out + length, sizeof out - length, "%s%d", i > 0 ? " " : "",
                                   items[i] + 1);
    }
    return out;
}

static void words_find_labels(void **state)
{
    world *w = *state;
    static const char *const cases[][2] = {
        {"star wars", "2 1 3"},        /* begins with it, the more popular first; then has it */
        {"wars star", "2 3 1"},        /* in any order, but then none begins with it */
        {"star", "4 2 1 5 14 3"},      /* the whole label first */
        {"STAR w", "2 1 3"},           /* beginnings of words */
        {"tar", ""},                   /* not their middles */
        {"star trek", ""},             /* every word must be there */
        {"star star", "2 3 1 5 4 14"}, /* one word may do for two; nothing begins so */
        {"  star,  WARS: ", "2 1 3"},  /* punctuation is none */
        {"lodz", "6 11"},              /* strokes and accents */
        {"ŁÓDŹ", "6 11"},
        {"schindlers", "7 8"}, /* apostrophes, of either kind */
        {"Schindler's list", "7 8"},
        {"amelie", "9 10"}, /* any form of Unicode */
        {"ame\xCC\x81lie", "9 10"},
        {"amélie", "9 10"},
        {"STRASSE", "11"},
        {"film no5", "12"},
        {"星球", "13"},
        {"troopers starship", "14"},
        {"1977", "1"},
        {"oclock end a LONG 0123456789", "15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *is = found(w, cases[i][0]);
        if (strcmp(is, cases[i][1]) != 0) {
            fail_msg("'%s' finds '%s', expected '%s'", cases[i][0], is, cases[i][1]);
        }
    }
}

static void a_few_of_many(void **state)
{
    world *w = *state;
    int32_t items[2] = {-1, -1};
    int64_t n = 0;
    assert_ok(rk_label_index_find(w->index, "star wars", 1, items, &n));
    assert_true(n == 3 && items[0] == 1 && items[1] == -1);
    assert_ok(rk_label_index_find(w->index, "star wars", 0, NULL, &n));
    assert_int_equal(n, 3);
}

static void bad_questions_are_refused(void **state)
{
    world *w = *state;
    int64_t n = 0;
    assert_fails(RK_ERR_CONFIG, "has no word to look for",
                 rk_label_index_find(w->index, "", 0, NULL, &n));
    assert_fails(RK_ERR_CONFIG, "' -- ' has no word to look for",
                 rk_label_index_find(w->index, " -- ", 0, NULL, &n));
    assert_fails(RK_ERR_CONFIG, "is not UTF-8",
                 rk_label_index_find(w->index, "caf\xE9", 0, NULL, &n));
    const int64_t users[] = {1, 2}, items[] = {3, 4};
    rk_columns columns = {.size = sizeof columns, .n = 2, .users = users, .items = items};
    rk_config *config = config_of("split.kind=ratio; split.valid=0; split.test=0");
    rk_dataset *nameless = NULL;
    rk_label_index *none = NULL;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &nameless));
    assert_fails(RK_ERR_DATA, "has no labels to look for", rk_label_index_create(nameless, &none));
    assert_null(none);
    rk_dataset_free(nameless);
    rk_config_free(config);
}

static void lack_of_memory_is_survived(void **state)
{
    world *w = *state;
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n++) {
        rk_label_index *index = NULL;
        int32_t items[3];
        int64_t count = 0;
        rk__alloc_fail_after(n);
        status = rk_label_index_create(w->dataset, &index);
        status =
            status == RK_OK ? rk_label_index_find(index, "star wars", 3, items, &count) : status;
        rk__alloc_fail_after(-1);
        rk_label_index_free(index);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_find_labels),
        cmocka_unit_test(a_few_of_many),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests_name("label_index", tests, open_world, close_world);
}
