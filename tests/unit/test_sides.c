/*
 * Relations and features as they are read and derived: against SciPy's numbers
 * (tests/golden/sides.txt), on small files whose edges can be read off, and on real data.
 */
#include <math.h>

#include "support/golden.h"
#include "support/sides.h"

/* ---- against SciPy ---- */

static void write_rows(const char *name, const golden_array *a, const char *header)
{
    char text[8000];
    size_t at = (size_t)snprintf(text, sizeof text, "%s\n", header);
    for (int64_t i = 0; i < a->rows; i++) {
        for (int64_t c = 0; c < a->cols; c++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.9g", c > 0 ? "," : "",
                                   a->v[i * a->cols + c]);
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "\n");
    }
    sides_put(name, text);
}

static void assert_weights(const rk_dataset *d, const char *name, const golden *g,
                           const char *expected)
{
    const rk_relation *r = sides_relation(d, name);
    const golden_array *a = golden_get(g, expected, 0);
    assert_int_equal(r->n_from, a->rows);
    assert_int_equal(r->n_to, a->cols);
    assert_true(r->is_derived);
    assert_non_null(r->weights);
    double *found = calloc((size_t)(a->rows * a->cols), sizeof *found);
    for (int64_t v = 0; v < r->n_from; v++) {
        for (int64_t k = r->offsets[v]; k < r->offsets[v + 1]; k++) {
            assert_true(k == r->offsets[v] || r->columns[k - 1] < r->columns[k]);
            assert_true(r->weights[k] > 0);
            found[v * a->cols + r->columns[k]] = (double)r->weights[k];
        }
    }
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        assert_close(found[i], a->v[i], 1e-6, 1e-3);
    }
    free(found);
}

static void derived_relations_are_those_of_scipy(void **state)
{
    (void)state;
    golden g;
    golden_read(&g, "sides", NULL);
    write_rows("train.csv", golden_get(&g, "train", 0), "user_id,item_id,time");
    write_rows("tags.csv", golden_get(&g, "tags", 0), "item_id,tag_id");
    rk_dataset *d = sides_prepare(
        "    sources: [{file: train.csv, part: train, time: time}]\n"
        "    relations:\n"
        "        - {name: count, derive: co_count, neighbours: 0}\n"
        "        - {name: best, derive: co_count, weight: count, neighbours: 3}\n"
        "        - {name: decay, derive: co_count, weight: time_decay, neighbours: 0}\n"
        "        - {name: walk, derive: walk, neighbours: 0, self: true}\n"
        "        - {name: users, derive: co_count, from: user, neighbours: 0}\n"
        "        - {name: has_tag, from: item, to: tag, file: tags.csv}\n"
        "        - {name: shared, derive: co_count, of: has_tag, neighbours: 0}\n");
    static const char *const names[] = {"count", "best", "decay", "walk", "users", "shared"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_weights(d, names[i], &g, names[i]);
    }
    rk_dataset_free(d);
    golden_free(&g);
}

static void scaled_numbers_are_those_of_numpy(void **state)
{
    (void)state;
    golden g;
    golden_read(&g, "sides", NULL);
    const golden_array *ages = golden_get(&g, "ages", 0);
    char text[2000] = "user_id,age\n";
    size_t at = strlen(text);
    for (int64_t u = ages->rows - 1; u >= 0; u--) { /* in another order than the data set's */
        at += (size_t)snprintf(text + at, sizeof text - at, "%d,%.9g\n", (int)u, ages->v[u]);
    }
    sides_put("users.csv", text);
    write_rows("train.csv", golden_get(&g, "train", 0), "user_id,item_id,time");
    rk_dataset *d = sides_prepare("    sources: [{file: train.csv, part: train}]\n"
                                  "    features:\n"
                                  "        - of: user\n"
                                  "          file: users.csv\n"
                                  "          columns:\n"
                                  "              - {column: age, name: ages}\n"
                                  "              - {column: age, name: max, scale: max}\n"
                                  "              - {column: age, name: min_max, scale: min_max}\n"
                                  "              - {column: age, name: standard, scale: standard}\n"
                                  "              - {column: age, name: log, scale: log}\n");
    static const char *const names[] = {"ages", "max", "min_max", "standard", "log"};
    const rk_features *f = NULL;
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_int_equal(f->n_dense, 5);
    assert_int_equal(f->n_sparse, 0);
    assert_int_equal(f->nodes_known, 12);
    assert_string_equal(f->dense_names[4], "log(log)");
    for (int c = 0; c < 5; c++) {
        const golden_array *a = golden_get(&g, names[c], 0);
        for (int64_t u = 0; u < f->n_nodes; u++) {
            double found = (double)f->dense[u * 5 + c];
            double x = c == 4 ? log1p(ages->v[u]) : ages->v[u];
            assert_close(found, a->v[u], 1e-6, 1e-2);
            assert_close((x - f->dense_shift[c]) * f->dense_scale[c], found, 1e-6, 1e-2);
        }
    }
    rk_dataset_free(d);
    golden_free(&g);
}

/* ---- small files ---- */

static void edges_are_read(void **state)
{
    (void)state;
    sides_put_small();
    sides_put("view.txt", "1 30 10 10\n2 40 20\n9 10\n3 20\n");
    sides_put("back.txt", "10 1\n30 1\n20 2 3\n");
    sides_put("friends.tsv", "userID\tfriendID\n2\t1\n1\t3\n1\t2\n7\t1\n");
    sides_put("rated.csv", "when,item_id,stars,user_id\n9,10,2,1\n5,10,3,1\n7,30,1.5,1\n");
    sides_put("turned.csv", "item_id,member\n30,2\n");
    sides_put("log.csv", "user_id,item_id,event\n1,10,1\n1,10,2\n1,10,2\n2,30,2\n");
    rk_dataset *d = sides_prepare(
        SIDES_SOURCES "    relations:\n"
                      "        - {name: view, file: view.txt, format: adjacency}\n"
                      "        - {name: clean, file: view.txt, format: adjacency, held_out: drop}\n"
                      "        - {name: back, from: item, to: user, file: back.txt,"
                      "           format: adjacency}\n"
                      "        - {name: back_clean, from: item, to: user, file: back.txt,"
                      "           format: adjacency, held_out: drop}\n"
                      "        - {name: friends, from: user, to: user, file: friends.tsv,"
                      "           separator: \"\\t\"}\n"
                      "        - {name: rated, file: rated.csv, weight: stars, time: when}\n"
                      "        - {name: turned, file: turned.csv}\n"
                      "        - {name: twice, file: log.csv, weight: count, where: event == 2}\n");
    assert_string_equal(sides_edges(d, "view"), "1>10 1>30 2>20 3>20");
    const rk_relation *r = sides_relation(d, "view");
    assert_int_equal(r->rows_read, 7);
    assert_int_equal(r->edges_unknown, 2); /* item 40, user 9 */
    assert_int_equal(r->edges_repeated, 1);
    assert_int_equal(r->held_out, 2);
    assert_false(r->drops_held_out);
    assert_null(r->weights);
    assert_null(r->types);
    assert_null(r->times);
    assert_string_equal(sides_edges(d, "clean"), "1>10 2>20");
    assert_int_equal(sides_relation(d, "clean")->held_out, 2);
    assert_true(sides_relation(d, "clean")->drops_held_out);
    assert_string_equal(sides_edges(d, "back"), "10>1 20>2 20>3 30>1");
    assert_int_equal(sides_relation(d, "back")->held_out, 2);
    assert_string_equal(sides_edges(d, "back_clean"), "10>1 20>2");
    assert_int_equal(sides_relation(d, "back_clean")->held_out, 2);
    assert_string_equal(sides_edges(d, "friends"), "1>2 1>3 2>1");
    assert_string_equal(sides_edges(d, "rated"), "1>10*5@5 1>30*1.5@7");
    assert_string_equal(sides_edges(d, "turned"), "2>30"); /* item_id is not taken for a user */
    assert_string_equal(sides_edges(d, "twice"), "1>10*2 2>30*1");
    assert_int_equal(sides_relation(d, "twice")->rows_filtered, 1);
    assert_int_equal(rk_dataset_n_relations(d), 8);
    assert_null(rk_dataset_relation(d, 8));
    assert_fails(
        RK_ERR_DATA,
        "no relation cart; it has view, clean, back, back_clean, friends, rated, turned, twice",
        rk_dataset_find_relation(d, "cart", &r));
    rk_dataset_free(d);
}

/* Nodes of other types are in the order of numbers if all are, else of bytes: "007" is none. */
static void other_types_have_nodes_of_their_own(void **state)
{
    (void)state;
    sides_put_small();
    sides_put("kg.tsv", "100\tmade_by\t9\n9\tin\t20\n100\tin\t9\n100\tmade_by\t9\n20\tin\t100\n");
    sides_put("entity.tsv", "10\t100\n20\t20\n77\t5\n");
    sides_put("tags.csv", "item_id,tags\n10,b| a \n20,\n30,007|7|b||b\n99,z\n");
    sides_put("flags.txt", "10|x|0|1|1\n20|y|0|0|0\n30|z|1|0|1\n");
    rk_dataset *d = sides_prepare(
        SIDES_SOURCES
        "    relations:\n"
        "        - {name: kg, from: entity, to: entity, file: kg.tsv, header: false,"
        "           separator: \"\\t\", type: \"1\"}\n"
        "        - {name: entity_of, from: item, to: entity, file: entity.tsv,"
        "           header: false, separator: \"\\t\"}\n"
        "        - {name: tagged, from: item, to: tag, file: tags.csv, split: \"|\","
        "           tail: tags}\n"
        "        - {name: genres, from: item, to: genre, file: flags.txt, header: false,"
        "           separator: \"|\", kind: flags, columns: \"2:5\"}\n"
        "        - {name: named, from: item, to: kind, file: flags.txt, header: false,"
        "           separator: \"|\", kind: flags, columns: \"4,2\", names: \"war, art\"}\n");
    int64_t n = 0;
    char room[RK_ID_BYTES];
    assert_int_equal(rk_dataset_n_node_types(d), 6);
    assert_string_equal(rk_dataset_node_type(d, 2, &n), "entity");
    assert_int_equal(n, 4);
    assert_string_equal(rk_dataset_node_id(d, 2, 1, room), "9");
    assert_null(rk_dataset_node_id(d, 2, 4, room));
    assert_null(rk_dataset_node_id(d, 6, 0, room));
    assert_string_equal(rk_dataset_node_type(d, 0, &n), "user");
    assert_int_equal(n, 3);
    assert_string_equal(sides_edges(d, "kg"), "9>20:in 20>100:in 100>9:in 100>9:made_by");
    assert_int_equal(sides_relation(d, "kg")->n_types, 2);
    assert_int_equal(sides_relation(d, "kg")->edges_repeated, 1);
    assert_string_equal(sides_edges(d, "entity_of"), "10>100 20>20");
    assert_string_equal(sides_edges(d, "tagged"), "10>a 10>b 30>007 30>7 30>b");
    assert_string_equal(rk_dataset_node_type(d, 3, &n), "tag");
    assert_int_equal(n, 5); /* z of an item that is not there, too */
    assert_string_equal(sides_edges(d, "genres"), "10>3 10>4 30>2 30>4");
    assert_string_equal(sides_edges(d, "named"), "10>war 30>art 30>war");
    rk_dataset_free(d);
}

/* What sources may be, relations and features may be: JSON lines, MatrixMarket, Latin-1, decimal
 * commas, quotes that are characters, dates, words in where. */
/* A word for nothing is no node, just as it is no user or item. */
static void nodes_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"10,\n", "tags.csv:3:4: tag is empty; to leave such rows out set data.missing_ids"},
        {"10,nan\n", "tags.csv:3:4: tag 'nan' is a word for a missing value; to leave such"},
        {"10,caf\xe9\n", "tags.csv:3:4: tag 'caf\xe9' is not UTF-8; if the file is in Latin-1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[64];
        rk_dataset *d = NULL;
        sides_put_small();
        snprintf(text, sizeof text, "item_id,tag\n20,7\n%s", wrong[i][0]);
        sides_put("tags.csv", text);
        assert_fails(RK_ERR_DATA, wrong[i][1],
                     sides_try(&d, SIDES_SOURCES "    relations: [{name: has, from: item, to: tag, "
                                                 "file: tags.csv}]\n"));
    }
    rk_dataset *none = NULL;
    assert_fails(RK_ERR_CONFIG, "relation.head ('0') and relation.tail ('item_id') are the same",
                 sides_try(&none, SIDES_SOURCES "    relations: [{name: has, from: item, to: tag, "
                                                "file: tags.csv, head: '0', tail: item_id}]\n"));
    sides_put("tags.csv", "item_id,tag\n20,7\n10,nan\n10,\n10,\"NULL\"\n");
    rk_dataset *d = sides_prepare(
        SIDES_SOURCES "    missing_ids: drop\n"
                      "    relations: [{name: has, from: item, to: tag, file: tags.csv}]\n");
    assert_string_equal(sides_edges(d, "has"), "10>NULL 20>7");
    assert_int_equal(sides_relation(d, "has")->edges_unknown, 2);
    rk_dataset_free(d);
}

static void files_may_be_of_other_kinds(void **state)
{
    (void)state;
    sides_put_small();
    sides_put("events.jsonl",
              "{\"user_id\": 1, \"item_id\": 30, \"event\": \"like\", \"ts\": 5}\n"
              "{\"user_id\": 1, \"item_id\": 10, \"event\": \"listen\", \"ts\": 5}\n"
              "{\"user_id\": 2, \"item_id\": 10, \"event\": \"like\", \"ts\": 6}\n");
    sides_put("near.mtx",
              "%%MatrixMarket matrix coordinate real general\n30 30 2\n10 20 1.5\n20 30 2\n");
    sides_put("dates.csv", "user_id;item_id;when;w\n1;10;1970-01-02;0,5\n");
    sides_put("latin.csv", "item_id,name\n10,Caf\xe9\n20,\"x\n");
    rk_dataset *d = sides_prepare(
        SIDES_SOURCES
        "    relations:\n"
        "        - {name: like, file: events.jsonl, format: jsonl, time: ts,"
        "           where: event == like}\n"
        "        - {name: all, from: item, to: user, file: events.jsonl, format: jsonl,"
        "           type: event}\n"
        "        - {name: near, from: item, to: item, file: near.mtx, format: mtx,"
        "           weight: value}\n"
        "        - {name: dated, file: dates.csv, separator: \";\", time: when, weight: w,"
        "           decimal: comma}\n"
        "        - {name: named, from: item, to: name, file: latin.csv, encoding: latin-1,"
        "           quotes: false}\n"
        "    features:\n"
        "        - {file: latin.csv, encoding: latin-1, quotes: false,"
        "           columns: [{column: name, kind: category}]}\n"
        "        - {of: user, file: events.jsonl, format: jsonl,"
        "           columns: [{column: event, kind: category}]}\n");
    const rk_features *f = NULL;
    assert_string_equal(sides_edges(d, "like"), "1>30@5 2>10@6");
    assert_string_equal(sides_edges(d, "all"), "10>1:listen 10>2:like 30>1:like");
    assert_string_equal(sides_edges(d, "near"), "10>20*1.5 20>30*2");
    assert_string_equal(sides_edges(d, "dated"), "1>10*0.5@86400");
    assert_string_equal(sides_edges(d, "named"), "10>Caf\xc3\xa9 20>\"x");
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_string_equal(sides_words(f, 0), "name=Caf\xc3\xa9");
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_string_equal(sides_words(f, 0), "event=like");
    rk_dataset_free(d);
}

static void features_are_read(void **state)
{
    (void)state;
    sides_put_small();
    sides_put("users.csv", "id,age,job,zip\n3,30,nurse,\n1,50,cook,7\n9,1,pilot,1\n1,99,pilot,3\n");
    sides_put("items.csv", "title,item_id,kinds,war,art\n\"a, b\",10,x/y,1,0\nc,20,y / x/y,0,0\n");
    sides_put("more.csv", "item_id,pages\n30,100\n");
    rk_dataset *d = sides_prepare(
        SIDES_SOURCES
        "    features:\n"
        "        - {of: user, file: users.csv, columns: [{column: age, missing: mean},"
        "           {column: zip, missing: zero, scale: max}, {column: job, kind: category}]}\n"
        "        - {file: items.csv, columns: [{column: kinds, kind: list, split: /, name: kind},"
        "           {column: \"3:5\", kind: flags}]}\n"
        "        - {file: more.csv, columns: [{column: pages, missing: zero}]}\n");
    const rk_features *f = NULL;
    assert_int_equal(rk_dataset_n_features(d), 2);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_int_equal(f->n_nodes, 3);
    assert_int_equal(f->nodes_known, 2);
    assert_int_equal(f->rows_unknown, 1);
    assert_int_equal(f->rows_repeated, 1); /* the first row of a node counts */
    assert_int_equal(f->numbers_missing, 3);
    static const float users[] = {50, 1, 40, 0, 30, 0};
    for (int i = 0; i < 6; i++) {
        assert_true(f->dense[i] == users[i]);
    }
    assert_string_equal(sides_words(f, 0), "job=cook");
    assert_string_equal(sides_words(f, 1), "");
    assert_string_equal(sides_words(f, 2), "job=nurse");
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_int_equal(f->n_dense, 1);
    assert_int_equal(f->n_sparse, 4);
    assert_int_equal(f->nodes_known, 3);
    assert_true(f->dense[2] == 100 && f->dense[0] == 0);
    assert_string_equal(sides_words(f, 0), "kind=x kind=y war");
    assert_string_equal(sides_words(f, 1), "kind=x kind=y");
    assert_string_equal(sides_words(f, 2), "");
    assert_fails(RK_ERR_DATA, "no features of tag; it has those of user, item",
                 rk_dataset_find_features(d, "tag", &f));
    rk_dataset_free(d);
}

/* Numbers that no training survives are refused where they stand, scaled ones are not. */
static void numbers_have_bounds(void **state)
{
    (void)state;
    static const char *const refused[][3] = {
        {"1e30", "none", "size is 1e+30, and numbers beyond 1e+06 overflow in training"},
        {"-2e6", "none", "give the column a scale"},
        {"1e39", "max", "size is 1e+39, beyond 3.4e38, what a feature may be without scale log"},
        {"-1e200", "standard", "size is -1e+200, beyond 3.4e38"},
        {"-1", "log", "scale is log, for numbers above -1"}};
    static const struct {
        const char *number, *scale;
        float first, last;
    } taken[] = {{"1e6", "none", 1, 1e6F},
                 {"1e30", "max", 1e-30F, 1},
                 {"1e300", "log", 0.69314718F, 690.77553F},
                 {"1e-310", "max", 0, 0}}; /* too small to divide by: all are the same */
    sides_put_small();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0] + sizeof taken / sizeof taken[0];
         i++) {
        const size_t n = sizeof refused / sizeof refused[0];
        const bool is_taken = i >= n;
        const char *number = is_taken ? taken[i - n].number : refused[i][0];
        char text[200], lists[400];
        rk_dataset *d = NULL;
        const int others = is_taken && taken[i - n].first == 0 ? 0 : 1;
        snprintf(text, sizeof text, "item_id,size\n10,%d\n20,%d\n30,%s\n", others, others, number);
        snprintf(lists, sizeof lists,
                 SIDES_SOURCES
                 "    features: [{file: sizes.csv, columns: [{column: size, scale: %s}]}]\n",
                 is_taken ? taken[i - n].scale : refused[i][1]);
        sides_put("sizes.csv", text);
        if (is_taken) {
            assert_ok(sides_try(&d, lists));
            const rk_features *f = rk_dataset_features(d, 0);
            assert_close((double)f->dense[0], (double)taken[i - n].first, 1e-6, 0);
            assert_close((double)f->dense[2], (double)taken[i - n].last, 1e-6, 0);
        } else {
            assert_fails(RK_ERR_DATA, refused[i][2], sides_try(&d, lists));
            assert_non_null(strstr(rk_last_error(), "sizes.csv:4:4"));
        }
        rk_dataset_free(d);
    }
}

static void ids_may_be_texts(void **state)
{
    (void)state;
    sides_put("train.csv", "user_id,item_id\nann,apple\nbob,pear\nann,pear\n");
    sides_put("likes.csv", "user_id,item_id\nbob,apple\neve,apple\n");
    rk_dataset *d = sides_prepare("    ids: text\n"
                                  "    sources: [{file: train.csv, part: train}]\n"
                                  "    relations: [{name: likes, file: likes.csv}]\n");
    assert_string_equal(sides_edges(d, "likes"), "bob>apple");
    assert_int_equal(sides_relation(d, "likes")->edges_unknown, 1);
    rk_dataset_free(d);
}

/* ---- real data; the numbers are those of Python with csv, numpy and scipy.sparse ---- */

static double sum_of_weights(const rk_relation *r)
{
    double sum = 0;
    for (int64_t k = 0; k < r->n_edges; k++) {
        sum += (double)r->weights[k];
    }
    return sum;
}

/* With R, 943 x 1682, of all ratings: the non-zeros and the sum of R.T @ R without
 * the diagonal; sums of the 50 largest n / (1 + mean days) of each row. */
static void movielens_is_as_scipy_counts_it(void **state)
{
    (void)state;
    char lists[4000];
    snprintf(lists, sizeof lists,
             "    root: %s\n"
             "    sources: [{file: u.data, format: movielens, part: train}]\n"
             "    relations:\n"
             "        - {name: genre, from: item, to: genre, file: u.item, separator: \"|\","
             "           header: false, kind: flags, columns: \"5:24\", encoding: latin-1}\n"
             "        - {name: near, derive: co_count, weight: time_decay, neighbours: 50}\n"
             "        - {name: all, derive: co_count, neighbours: 0}\n"
             "    features:\n"
             "        - of: user\n"
             "          file: u.user\n"
             "          separator: \"|\"\n"
             "          header: false\n"
             "          columns: [{column: \"1\", name: age, scale: max}, {column: \"2\", kind: "
             "category},"
             "           {column: \"3\", kind: category}]\n",
             test_data_or_skip("ml-100k"));
    rk_dataset *d = sides_prepare(lists);
    const rk_features *f = NULL;
    assert_int_equal(sides_relation(d, "genre")->n_edges, 2893);
    assert_int_equal(sides_relation(d, "genre")->n_to, 19);
    assert_int_equal(sides_relation(d, "all")->n_edges, 1966412);
    assert_close(sum_of_weights(sides_relation(d, "all")), 20100812, 1e-12, 1);
    assert_close(sum_of_weights(sides_relation(d, "near")), 760415.6573422195, 1e-6, 1);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_int_equal(f->n_sparse, 2 + 21);
    assert_close((double)f->dense[0], 24.0 / 73, 1e-6, 1); /* u.user: 1|24|M|technician|85711 */
    assert_string_equal(sides_words(f, 0), "2=M 3=technician");
    rk_dataset_free(d);
}

/* The README of the data: of 15,449 held-out purchases 12,315 are in view_train, 3,024 in cart. */
static void taobao_has_three_behaviours(void **state)
{
    (void)state;
    char lists[2000];
    snprintf(lists, sizeof lists,
             "    root: %s\n"
             "    sources: [{file: buy_train.txt, format: adjacency, part: train},"
             " {file: buy_test.txt, format: adjacency, part: test}]\n"
             "    relations:\n"
             "        - {name: view, file: view_train.txt, format: adjacency}\n"
             "        - {name: cart, file: cart_train.txt, format: adjacency, held_out: drop}\n",
             test_data_or_skip("taobao-mb"));
    rk_dataset *d = sides_prepare(lists);
    const rk_relation *view = sides_relation(d, "view"), *cart = sides_relation(d, "cart");
    assert_int_equal(view->held_out, 12315);
    assert_int_equal(view->n_edges + view->edges_unknown, 858505);
    assert_int_equal(cart->held_out, 3024);
    assert_int_equal(cart->n_edges + cart->edges_unknown + cart->held_out, 180027);
    rk_dataset_free(d);
}

/* The README of the data: 20,782 triples of 7 relations among 7,008 entities, 2,347 of them movies;
 * ratings.csv has 1,853 of those. */
static void movies_join_a_knowledge_graph(void **state)
{
    (void)state;
    char lists[2000];
    const char *kg = test_data_or_skip("movie-kg/kg.txt");
    char *root = strdup(kg);
    root[strlen(root) - strlen("movie-kg/kg.txt")] = '\0';
    snprintf(lists, sizeof lists,
             "    root: %s\n"
             "    sources: [{file: ml-latest-small/ratings.csv, format: movielens, part: train}]\n"
             "    relations:\n"
             "        - {name: entity_of, from: item, to: entity, separator: \"\\t\","
             "           file: movie-kg/item_index2entity_id.txt, header: false}\n"
             "        - {name: kg, from: entity, to: entity, file: movie-kg/kg.txt,"
             "           separator: \"\\t\", header: false, type: \"1\"}\n"
             "    features: [{file: ml-latest-small/movies.csv, id: movieId,"
             " columns: [{column: genres, kind: list}]}]\n",
             root);
    free(root);
    rk_dataset *d = sides_prepare(lists);
    const rk_relation *r = sides_relation(d, "kg");
    const rk_features *f = NULL;
    assert_int_equal(r->n_edges, 20782);
    assert_int_equal(r->n_from, 7008);
    assert_int_equal(r->n_types, 7);
    assert_string_equal(r->type_names[2], "film.film.genre");
    int64_t genres = 0;
    for (int64_t k = 0; k < r->n_edges; k++) {
        genres += r->types[k] == 2;
    }
    assert_int_equal(genres, 5271);
    assert_int_equal(sides_relation(d, "entity_of")->n_edges, 1853);
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_int_equal(f->n_sparse, 20);
    assert_int_equal(f->nodes_known, 9724);
    assert_int_equal(f->rows_unknown, 18);
    rk_dataset_free(d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sides_set_up, sides_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(derived_relations_are_those_of_scipy),
        TEST(scaled_numbers_are_those_of_numpy),
        TEST(edges_are_read),
        TEST(other_types_have_nodes_of_their_own),
        TEST(nodes_that_are_none),
        TEST(files_may_be_of_other_kinds),
        TEST(features_are_read),
        TEST(numbers_have_bounds),
        TEST(ids_may_be_texts),
        TEST(movielens_is_as_scipy_counts_it),
        TEST(taobao_has_three_behaviours),
        TEST(movies_join_a_knowledge_graph),
    };
#undef TEST
    return cmocka_run_group_tests_name("sides", tests, NULL, NULL);
}
