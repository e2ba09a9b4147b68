/* Relations and features in the data set's file, its fingerprint and cache; and what is refused. */
#include "base/alloc.h"
#include "support/sides.h"

/* ---- the file, the fingerprint, the cache ---- */

#define EVERYTHING                                                                                 \
    SIDES_SOURCES                                                                                  \
    "    relations:\n"                                                                             \
    "        - {name: kg, from: item, to: tag, file: kg.csv, head: \"0\", tail: \"2\","            \
    "           type: \"1\", weight: \"3\", time: \"4\", header: false}\n"                         \
    "        - {name: near, derive: co_count, neighbours: 0}\n"                                    \
    "    features:\n"                                                                              \
    "        - {of: user, file: users.csv, columns: [{column: age}, {column: job, kind: "          \
    "category}]}"                                                                                  \
    "\n"                                                                                           \
    "        - {of: tag, file: names.csv, columns: [{column: name, kind: category}]}\n"

static void put_everything(void)
{
    sides_put_small();
    sides_put("kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,has,y,3,9\n");
    sides_put("users.csv", "user_id,age,job\n1,20,cook\n2,30,cook\n3,40,nurse\n");
    sides_put("names.csv", "tag_id,name\ny,Yes\nx,Ex\n");
}

static void assert_everything(const rk_dataset *d)
{
    const rk_features *f = NULL;
    assert_string_equal(sides_edges(d, "kg"), "10>x:has*1@7 20>x:is*2@8 20>y:has*3@9");
    assert_string_equal(sides_edges(d, "near"), "10>20*1 20>10*1 20>30*1 30>20*1");
    assert_true(sides_relation(d, "near")->is_derived);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_true(f->dense[0] == 20 && f->dense[2] == 40 && f->dense_scale[0] == 1);
    assert_string_equal(sides_words(f, 2), "job=nurse");
    assert_ok(rk_dataset_find_features(d, "tag", &f));
    assert_string_equal(sides_words(f, 0), "name=Ex");
    assert_int_equal(f->nodes_known, 2);
}

static void the_file_has_them(void **state)
{
    (void)state;
    put_everything();
    rk_dataset *d = sides_prepare(EVERYTHING), *plain = sides_prepare(SIDES_SOURCES), *again = NULL;
    assert_everything(d);
    assert_ok(rk_dataset_open(rk_dataset_path(d), &again));
    assert_everything(again);
    assert_string_equal(rk_dataset_fingerprint(again), rk_dataset_fingerprint(d));
    assert_string_not_equal(rk_dataset_fingerprint(plain), rk_dataset_fingerprint(d));
    assert_int_equal(rk_dataset_n_node_types(plain), 2);
    assert_int_equal(rk_dataset_n_relations(plain), 0);
    assert_int_equal(rk_dataset_n_features(plain), 0);
    /* As earlier versions had it, which knew no relations. */
    assert_string_equal(rk_dataset_fingerprint(plain), "9d8eb6bb391e5b83");
    rk_dataset_free(again);
    rk_dataset_free(plain);
    rk_dataset_free(d);
}

/* Everything that is stored is in the fingerprint: another file, another data set. */
static void every_change_is_another_data_set(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
    } changes[] = {
        {"kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,has,z,3,9\n"},   /* an id of a node */
        {"kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,was,y,3,9\n"},   /* a type */
        {"kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,has,y,3.5,9\n"}, /* a weight */
        {"kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,has,y,3,10\n"},  /* a time */
        {"kg.csv", "10,has,x,1,7\n20,is,x,2,8\n10,has,y,3,9\n"},   /* an end of an edge */
        {"users.csv", "user_id,age,job\n1,20,cook\n2,31,cook\n3,40,nurse\n"},
        {"users.csv", "user_id,age,job\n1,20,cook\n2,30,cook\n3,40,cook\n"},
        {"users.csv", "user_id,age,job\n1,20,cook\n2,30,cook\n3,40,pilot\n"},
        {"names.csv", "tag_id,name\ny,Yes\nx,Yes\n"},
    };
    put_everything();
    rk_dataset *d = sides_prepare(EVERYTHING);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        put_everything();
        sides_put(changes[i].file, changes[i].text);
        rk_dataset *other = NULL;
        rk_config *config = NULL;
        assert_ok(sides_config(&config, EVERYTHING));
        assert_ok(rk_dataset_prepare(config, true, NULL, &other));
        if (strcmp(rk_dataset_fingerprint(d), rk_dataset_fingerprint(other)) == 0) {
            fail_msg("change %d of %s is not in the fingerprint", (int)i, changes[i].file);
        }
        rk_config_free(config);
        rk_dataset_free(other);
    }
    rk_dataset_free(d);
}

/* A file that changes, and a key that does, is noticed without being told. */
static void the_cache_goes_by_their_files_and_keys(void **state)
{
    (void)state;
    put_everything();
    rk_dataset_free(sides_prepare(EVERYTHING));
    sides_put("kg.csv", "10,has,x,1,7\n20,is,yy,2,8\n");
    rk_dataset *d = sides_prepare(EVERYTHING);
    assert_string_equal(sides_edges(d, "kg"), "10>x:has*1@7 20>yy:is*2@8");
    rk_dataset_free(d);
    sides_put("users.csv", "user_id,age,job\n1,20,baker\n2,30,cook\n3,40,nurse\n");
    const rk_features *f = NULL;
    d = sides_prepare(EVERYTHING);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_string_equal(sides_words(f, 0), "job=baker");
    rk_dataset_free(d);
    d = sides_prepare(SIDES_SOURCES
                      "    relations: [{name: near, derive: co_count, neighbours: 1}]\n");
    assert_string_equal(sides_edges(d, "near"), "10>20*1 20>10*1 30>20*1");
    rk_dataset_free(d);
    d = sides_prepare(SIDES_SOURCES "    relations: [{name: near, derive: walk, neighbours: 1}]\n");
    assert_string_equal(sides_edges(d, "near"), "10>20*0.25 20>10*0.25 30>20*0.5");
    rk_dataset_free(d);
}

static void arrays_may_have_relations(void **state)
{
    (void)state;
    static const int64_t users[] = {1, 1, 2}, items[] = {10, 20, 20};
    static const uint8_t parts[] = {RK_TRAIN, RK_TRAIN, RK_TRAIN};
    sides_put("view.txt", "2 10\n");
    rk_config *config = NULL;
    rk_dataset *d = NULL;
    assert_ok(sides_config(&config, "    relations:\n"
                                    "        - {name: view, file: view.txt, format: adjacency}\n"
                                    "        - {name: near, derive: co_count}\n"));
    rk_columns columns = rk_columns_defaults();
    columns.n = 3;
    columns.users = users;
    columns.items = items;
    columns.parts = parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &d));
    assert_string_equal(sides_edges(d, "view"), "2>10");
    assert_string_equal(sides_edges(d, "near"), "10>20*1 20>10*1");
    rk_dataset_free(d);
    rk_config_free(config);
}

/* ---- what is wrong ---- */

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        rk_status status;
        const char *lists, *message;
    } cases[] = {
        {RK_ERR_CONFIG, "relations: [{file: a.csv}]", "data.relations[0] (sides.yaml:4) is called"},
        {RK_ERR_CONFIG, "relations: [{name: a/b, file: a.csv}]", "1 to 60 letters, digits, _ or -"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: x}, {name: a, file: x}]",
         "data.relations[1] (sides.yaml:4) is called a like data.relations[0]"},
        {RK_ERR_CONFIG, "relations: [{name: a}]", "has no file"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: x, format: movielens}]", "take csv"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: x, format: adjacency, time: t}]",
         "has 'time', but adjacency files have no columns"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: x, kind: flags}]", "no columns: name them"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: x, neighbours: 3}]",
         "data.relations[0].neighbours is 3 (sides.yaml:4), but data.relations[0].derive is none"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, file: x}]",
         "data.relations[0].file is x (sides.yaml:4), but data.relations[0].derive is co_count"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, weight: sum}]",
         "has weight 'sum'; of derive co_count it is count or time_decay"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: walk, weight: count}]", "of its own"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, of: b}]",
         "counts 'b', but no relation before it"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, from: user}]",
         "joins nodes of one type: let from and to both be one of these"},
        {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, weight: time_decay}]",
         "but train has no times: name the column in the key time of every source"},
        {RK_ERR_CONFIG, "relations: [{name: a, from: item, to: item, file: x, held_out: drop}]",
         "only edges from user to item can be held out"},
        {RK_ERR_IO, "relations: [{name: a, file: nowhere.csv}]", "nowhere.csv"},
        {RK_ERR_DATA, "relations: [{name: a, file: good.csv, tail: itme_id}]",
         "did you mean 'item_id'?"},
        {RK_ERR_DATA, "relations: [{name: a, file: bad.csv}]", "bad.csv:3:3: item_id 'x' is not"},
        {RK_ERR_DATA, "relations: [{name: a, file: good.csv, weight: word}]",
         "good.csv:2:6: word 'w' is not a number, which relation.weight needs"},
        {RK_ERR_CONFIG, "relations: [{name: a, file: good.csv, separator: \";\"}]",
         "no column is left for the item"},
        {RK_ERR_DATA,
         "relations: [{name: a, from: item, to: t, file: good.csv, kind: flags, columns: user_id}]",
         "user_id is 2; a flag is 0 or 1"},
        {RK_ERR_CONFIG,
         "relations: [{name: a, from: item, to: t, file: good.csv, kind: flags, columns: \"1:9\"}]",
         "1:9, but the columns of the file are 0:3"},
        {RK_ERR_CONFIG, "features: [{file: good.csv}]",
         "data.features[0] (sides.yaml:4) has no col"},
        {RK_ERR_CONFIG, "features: [{columns: [{column: a}]}]", "has no file"},
        {RK_ERR_CONFIG, "features: [{of: tag, file: good.csv, columns: [{column: word}]}]",
         "data.features[0] (sides.yaml:4) is of 'tag', but there are no such nodes"},
        {RK_ERR_CONFIG, "features: [{file: good.csv, columns: [{column: word, split: \"/\"}]}]",
         "data.features[0].columns[0].kind is number"},
        {RK_ERR_DATA, "features: [{file: good.csv, columns: [{column: word}]}]",
         "word 'w' is not a number"},
        {RK_ERR_DATA, "features: [{file: good.csv, columns: [{column: user_id}]}]",
         "1 of 3 nodes of the type item have no number user_id, the first of them 30: set missing"},
        {RK_ERR_CONFIG,
         "features: [{file: good.csv, columns: [{column: word, kind: category},"
         " {column: word, kind: category}]}]",
         "two features of the type item are called word=v"},
        {RK_ERR_DATA, "features: [{file: minus.csv, columns: [{column: n, scale: log}]}]",
         "minus.csv:2:4: n is -1, and scale is log"},
    };
    sides_put_small();
    sides_put("good.csv", "user_id,item_id,word\n1,10,w\n2,20,v\n");
    sides_put("bad.csv", "user_id,item_id\n1,10\n1,x\n");
    sides_put("minus.csv", "item_id,n\n10,-1\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char lists[1000];
        rk_dataset *d = NULL;
        snprintf(lists, sizeof lists, SIDES_SOURCES "    %s\n", cases[i].lists);
        rk_status status = sides_try(&d, lists);
        if (status != cases[i].status || !strstr(rk_last_error(), cases[i].message)) {
            fail_msg("%s: expected %s, got %s: %s", cases[i].lists, cases[i].message,
                     rk_status_text(status), status == RK_OK ? "" : rk_last_error());
        }
        assert_null(d);
    }
}

/* Each allocation fails in turn, and nothing is left behind. */
static void no_memory_leaves_nothing(void **state)
{
    (void)state;
    rk_config *config = NULL;
    put_everything();
    assert_ok(sides_config(&config, EVERYTHING));
    int64_t n = 0;
    for (rk_status status = RK_ERR_MEMORY; status != RK_OK; n++) {
        rk_dataset *d = NULL;
        rk__alloc_fail_after(n);
        status = rk_dataset_prepare(config, true, NULL, &d);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_everything(d);
            rk_dataset_free(d);
        } else {
            assert_int_equal(status, RK_ERR_MEMORY);
            assert_null(d);
        }
    }
    assert_true(n > 100);
    rk_config_free(config);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sides_set_up, sides_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_file_has_them),
        TEST(every_change_is_another_data_set),
        TEST(the_cache_goes_by_their_files_and_keys),
        TEST(arrays_may_have_relations),
        TEST(what_is_wrong_is_said),
        TEST(no_memory_leaves_nothing),
    };
#undef TEST
    return cmocka_run_group_tests_name("sides file", tests, NULL, NULL);
}
