/* Relations and features in the data set's file, its fingerprint and cache; and what is refused. */
#include <math.h>
#include <omp.h>

#include "base/alloc.h"
#include "data/sides.h"
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

static const struct {
    rk_status status;
    const char *lists, *message;
} wrong_lists[] = {
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
    {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, from: user, to: item}]",
     "joins nodes of one type: let from and to both be one of these"},
    {RK_ERR_CONFIG, "relations: [{name: a, derive: co_count, weight: time_decay}]",
     "but train has no times: name the column in the key time of every source"},
    {RK_ERR_CONFIG, "relations: [{name: a, from: item, to: item, file: x, held_out: drop}]",
     "only edges between users and items can be held out"},
    {RK_ERR_IO, "relations: [{name: a, file: nowhere.csv}]", "nowhere.csv"},
    {RK_ERR_DATA, "relations: [{name: a, file: good.csv, tail: itme_id}]",
     "did you mean 'item_id'?"},
    {RK_ERR_DATA, "relations: [{name: a, file: bad.csv}]", "bad.csv:3:3: item_id 'x' is not"},
    {RK_ERR_DATA, "relations: [{name: a, file: good.csv, weight: word}]",
     "good.csv:2:6: word 'w' is not a number, which relation.weight needs"},
    {RK_ERR_CONFIG, "relations: [{name: a, file: good.csv, separator: \";\"}]",
     "no column is called user_id; it could be any of user_id,item_id,word: name it in "
     "relation.head, and check the separator"},
    {RK_ERR_CONFIG, "relations: [{name: a, file: odd.csv}]",
     "no column is called item_id; it could be any of stars, sku: name it in relation.tail"},
    {RK_ERR_CONFIG, "features: [{file: odd.csv, columns: [{column: stars}]}]",
     "no column is called item_id; it could be any of uid, stars, sku: name it in feature.id"},
    {RK_ERR_DATA,
     "relations: [{name: a, from: item, to: t, file: good.csv, kind: flags, columns: user_id}]",
     "user_id is 2; a flag is 0 or 1"},
    {RK_ERR_CONFIG,
     "relations: [{name: a, from: item, to: t, file: good.csv, kind: flags, columns: \"1:9\"}]",
     "1:9, but the columns of the file are 0:3"},
    {RK_ERR_CONFIG, "features: [{file: good.csv}]", "data.features[0] (sides.yaml:4) has no col"},
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

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    sides_put_small();
    sides_put("good.csv", "user_id,item_id,word\n1,10,w\n2,20,v\n");
    sides_put("bad.csv", "user_id,item_id\n1,10\n1,x\n");
    sides_put("odd.csv", "uid,stars,sku\n1,5,10\n");
    sides_put("minus.csv", "item_id,n\n10,-1\n");
    for (size_t i = 0; i < sizeof wrong_lists / sizeof wrong_lists[0]; i++) {
        char lists[1000];
        rk_dataset *d = NULL;
        snprintf(lists, sizeof lists, SIDES_SOURCES "    %s\n", wrong_lists[i].lists);
        rk_status status = sides_try(&d, lists);
        if (status != wrong_lists[i].status || !strstr(rk_last_error(), wrong_lists[i].message)) {
            fail_msg("%s: expected %s, got %s: %s", wrong_lists[i].lists, wrong_lists[i].message,
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

/* ---- files that were made elsewhere ---- */

/* What is wrong with the relations and features of a file. */
static void break_it(rk_sides *s, int fault)
{
    rk_relation_store *kg = &s->relations[0], *near = &s->relations[1];
    rk_features_store *user = &s->features[0], *tag = &s->features[1];
    switch (fault) {
    case 0:
        kg->columns[0] = 2; /* two tags */
        break;
    case 1:
        kg->columns[0] = -1;
        break;
    case 2:
        kg->types[1] = 2; /* two types */
        break;
    case 3:
        kg->weights[2] = INFINITY;
        break;
    case 4:
        kg->times[2] = NAN;
        break;
    case 5:
        near->columns[1] = 2; /* 0, 2 becomes 2, 2 */
        break;
    case 6:
        near->offsets[1] = 4;
        near->offsets[2] = 1;
        break;
    case 7:
        near->offsets[0] = 1;
        break;
    case 8:
        kg->to = 9;
        break;
    case 9:
        kg->from = 0; /* three users, as there are items: the edges are fine, the hash is not */
        break;
    case 10:
        user->dense[1] = NAN;
        break;
    case 11:
        user->columns[0] = 2;
        break;
    case 12:
        tag->offsets[1] = 2;
        tag->offsets[2] = 1;
        break;
    default:
        s->types[2].ids.texts[0] = s->types[2].ids.texts[1];
        break;
    }
}

static void faulty_files_are_refused(void **state)
{
    (void)state;
    enum { FAULTS = 14, FINE = FAULTS };
    put_everything();
    for (int fault = 0; fault <= FINE; fault++) {
        rk_dataset *d = sides_prepare(EVERYTHING), *other = sides_prepare(SIDES_SOURCES);
        const char *path = sides_path("broken.h5");
        rk_h5 *file = NULL;
        char hash[17];
        if (fault < FINE) {
            break_it(d->sides, fault);
        }
        assert_ok(rk__h5_create(&file, path, "test", 1));
        assert_ok(rk__sides_write(d->sides, file));
        assert_ok(rk__h5_commit(file));
        rk__h5_close(file);
        assert_ok(rk__h5_open(&file, path, "test", 1));
        rk_status status = rk__sides_load(other, file);
        snprintf(hash, sizeof hash, "%d", fault);
        if (status != (fault < FINE && fault != 9 ? RK_ERR_DATA : RK_OK)) {
            fail_msg("fault %s: %s", hash, status == RK_OK ? "loaded" : rk_last_error());
        }
        if (fault == FINE || fault == 9) {
            bool same = rk__sides_hash(0, other->sides) == rk__sides_hash(0, d->sides);
            assert_true(same == (fault == FINE));
        }
        rk__h5_close(file);
        rk_dataset_free(other);
        rk_dataset_free(d);
    }
}

/* ---- interrupts, threads ---- */

static int looks;

static bool stop_at_once(void *user)
{
    (void)user;
    return looks-- <= 0;
}

static void reading_and_counting_can_be_stopped(void **state)
{
    (void)state;
    const rk_hooks hooks = {.should_stop = stop_at_once};
    rk_config *config = NULL;
    rk_dataset *d = NULL;
    put_everything();
    assert_ok(sides_config(&config, EVERYTHING));
    int interrupted = 0;
    for (int n = 0; !d && n < 1000; n++) {
        looks = n;
        rk_status status = rk_dataset_prepare(config, true, &hooks, &d);
        assert_true(status == RK_OK || (status == RK_ERR_INTERRUPTED && !d));
        interrupted += status == RK_ERR_INTERRUPTED;
    }
    assert_non_null(d);
    assert_true(interrupted > 4); /* two sources, three files, two passes of counting */
    rk_dataset_free(d);
    rk_config_free(config);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    char fingerprint[17] = "", rows[4000] = "user_id,item_id,time\n";
    size_t at = strlen(rows);
    for (int i = 0; i < 150; i++) { /* 15 users, 40 items, no pair twice */
        at += (size_t)snprintf(rows + at, sizeof rows - at, "%d,%d,%d\n", i % 15,
                               (i * 7 + i / 15) % 40, 1000 * ((i * 37) % 101));
    }
    sides_put("many.csv", rows);
    int before = omp_get_max_threads();
    for (int threads = 1; threads <= 4; threads++) {
        rk_config *config = NULL;
        rk_dataset *d = NULL;
        omp_set_num_threads(threads);
        assert_ok(sides_config(&config, "    sources: [{file: many.csv, part: train, time: time}]\n"
                                        "    relations:\n"
                                        "        - {name: walk, derive: walk, neighbours: 7}\n"
                                        "        - {name: decay, derive: co_count,"
                                        "           weight: time_decay, neighbours: 0}\n"));
        assert_ok(rk_dataset_prepare(config, true, NULL, &d));
        if (threads > 1) {
            assert_string_equal(rk_dataset_fingerprint(d), fingerprint);
        }
        snprintf(fingerprint, sizeof fingerprint, "%s", rk_dataset_fingerprint(d));
        rk_dataset_free(d);
        rk_config_free(config);
    }
    omp_set_num_threads(before);
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
        TEST(faulty_files_are_refused),
        TEST(reading_and_counting_can_be_stopped),
        TEST(threads_change_no_bit),
    };
#undef TEST
    return cmocka_run_group_tests_name("sides file", tests, NULL, NULL);
}
