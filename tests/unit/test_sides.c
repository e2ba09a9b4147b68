/*
 * Relations and features: against SciPy's numbers (tests/golden/sides.txt), against small files
 * whose edges can be read off, through the data set's file and its cache, and on real data.
 */
#include <math.h>

#include "base/alloc.h"
#include "data/dataset.h"
#include "rankine/sides.h"
#include "support/golden.h"
#include "support/support.h"

static char *scratch;

static int set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return 0;
}

static void put(const char *name, const char *text)
{
    test_write(test_path(scratch, name), text, -1);
}

/* A config of YAML below "data:", whose files are in the scratch folder. */
static rk_status try_config(rk_config **out, const char *lists)
{
    char text[8000];
    snprintf(text, sizeof text, "data:\n    cache: cache\n%s", lists);
    return rk__config_parse(out, test_path(scratch, "sides.yaml"), text, (int64_t)strlen(text));
}

static rk_status try_prepare(rk_dataset **out, const char *lists)
{
    rk_config *config = NULL;
    rk_status status = try_config(&config, lists);
    if (status == RK_OK) {
        status = rk_dataset_prepare(config, false, NULL, out);
    }
    rk_config_free(config);
    return status;
}

static rk_dataset *prepare(const char *lists)
{
    rk_dataset *d = NULL;
    assert_ok(try_prepare(&d, lists));
    return d;
}

static const rk_relation *relation(const rk_dataset *d, const char *name)
{
    const rk_relation *r = NULL;
    assert_ok(rk_dataset_find_relation(d, name, &r));
    return r;
}

static int64_t type_index(const rk_dataset *d, const char *type)
{
    for (int64_t t = 0; t < rk_dataset_n_node_types(d); t++) {
        if (strcmp(rk_dataset_node_type(d, t, NULL), type) == 0) {
            return t;
        }
    }
    fail_msg("there is no node type %s", type);
    return -1;
}

/* All edges as "from>to[:type][*weight][@time]", by the ids of the nodes. */
static const char *edges_of(const rk_dataset *d, const char *name)
{
    static char text[4000];
    const rk_relation *r = relation(d, name);
    int64_t from = type_index(d, r->from), to = type_index(d, r->to);
    size_t at = 0;
    text[0] = '\0';
    assert_int_equal(r->offsets[0], 0);
    assert_int_equal(r->offsets[r->n_from], r->n_edges);
    for (int64_t v = 0; v < r->n_from; v++) {
        for (int64_t k = r->offsets[v]; k < r->offsets[v + 1]; k++) {
            char a[RK_ID_BYTES], b[RK_ID_BYTES];
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s>%s", at > 0 ? " " : "",
                                   rk_dataset_node_id(d, from, v, a),
                                   rk_dataset_node_id(d, to, r->columns[k], b));
            if (r->types) {
                at += (size_t)snprintf(text + at, sizeof text - at, ":%s",
                                       r->type_names[r->types[k]]);
            }
            if (r->weights) {
                at += (size_t)snprintf(text + at, sizeof text - at, "*%g", (double)r->weights[k]);
            }
            if (r->times) {
                at += (size_t)snprintf(text + at, sizeof text - at, "@%g", r->times[k]);
            }
            assert_true(at < sizeof text - 100);
        }
    }
    return text;
}

/* The words of a node, sorted as stored, with blanks between. */
static const char *words_of(const rk_features *f, int64_t node)
{
    static char text[1000];
    text[0] = '\0';
    for (int64_t k = f->offsets[node]; k < f->offsets[node + 1]; k++) {
        if (text[0] != '\0') {
            strcat(text, " ");
        }
        strcat(text, f->sparse_names[f->columns[k]]);
    }
    return text;
}

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
    put(name, text);
}

static void assert_weights(const rk_dataset *d, const char *name, const golden *g,
                           const char *expected)
{
    const rk_relation *r = relation(d, name);
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
    rk_dataset *d =
        prepare("    sources: [{file: train.csv, part: train, time: time}]\n"
                "    relations:\n"
                "        - {name: count, derive: co_count, neighbours: 0}\n"
                "        - {name: best, derive: co_count, weight: count, neighbours: 3}\n"
                "        - {name: decay, derive: co_count, weight: time_decay, neighbours: 0}\n"
                "        - {name: walk, derive: walk, neighbours: 0, self: true}\n"
                "        - {name: users, derive: co_count, from: user, to: user, neighbours: 0}\n"
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
    for (int64_t u = ages->rows - 1; u >= 0; u--) { /* in another order than the data set's */
        char line[64];
        snprintf(line, sizeof line, "%d,%.9g\n", (int)u, ages->v[u]);
        strcat(text, line);
    }
    put("users.csv", text);
    write_rows("train.csv", golden_get(&g, "train", 0), "user_id,item_id,time");
    rk_dataset *d = prepare("    sources: [{file: train.csv, part: train}]\n"
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

#define SOURCES "    sources: [{file: train.csv, part: train}, {file: test.csv, part: test}]\n"

static void put_small(void)
{
    put("train.csv", "user_id,item_id\n1,10\n1,20\n2,20\n2,30\n3,10\n");
    put("test.csv", "user_id,item_id\n1,30\n3,20\n");
}

static void edges_are_read(void **state)
{
    (void)state;
    put_small();
    put("view.txt", "1 30 10 10\n2 40 20\n9 10\n3 20\n");
    put("friends.tsv", "userID\tfriendID\n2\t1\n1\t3\n1\t2\n7\t1\n");
    put("rated.csv", "when,item_id,stars,user_id\n9,10,2,1\n5,10,3,1\n7,30,1.5,1\n");
    put("log.csv", "user_id,item_id,event\n1,10,1\n1,10,2\n1,10,2\n2,30,2\n");
    rk_dataset *d = prepare(
        SOURCES "    relations:\n"
                "        - {name: view, file: view.txt, format: adjacency}\n"
                "        - {name: clean, file: view.txt, format: adjacency, held_out: drop}\n"
                "        - {name: friends, from: user, to: user, file: friends.tsv,"
                "           separator: \"\\t\"}\n"
                "        - {name: rated, file: rated.csv, weight: stars, time: when}\n"
                "        - {name: twice, file: log.csv, weight: count, where: event == 2}\n");
    assert_string_equal(edges_of(d, "view"), "1>10 1>30 2>20 3>20");
    const rk_relation *r = relation(d, "view");
    assert_int_equal(r->rows_read, 7);
    assert_int_equal(r->edges_unknown, 2); /* item 40, user 9 */
    assert_int_equal(r->edges_repeated, 1);
    assert_int_equal(r->held_out, 2);
    assert_false(r->drops_held_out);
    assert_null(r->weights);
    assert_null(r->types);
    assert_null(r->times);
    assert_string_equal(edges_of(d, "clean"), "1>10 2>20");
    assert_int_equal(relation(d, "clean")->held_out, 2);
    assert_true(relation(d, "clean")->drops_held_out);
    assert_string_equal(edges_of(d, "friends"), "1>2 1>3 2>1");
    assert_string_equal(edges_of(d, "rated"), "1>10*5@5 1>30*1.5@7");
    assert_string_equal(edges_of(d, "twice"), "1>10*2 2>30*1");
    assert_int_equal(relation(d, "twice")->rows_filtered, 1);
    assert_int_equal(rk_dataset_n_relations(d), 5);
    assert_null(rk_dataset_relation(d, 5));
    assert_fails(RK_ERR_DATA, "no relation cart; it has view, clean, friends, rated, twice",
                 rk_dataset_find_relation(d, "cart", &r));
    rk_dataset_free(d);
}

/* Nodes of other types are in the order of numbers if all are, else of bytes: "007" is no number. */
static void other_types_have_nodes_of_their_own(void **state)
{
    (void)state;
    put_small();
    put("kg.tsv", "100\tmade_by\t9\n9\tin\t20\n100\tin\t9\n100\tmade_by\t9\n20\tin\t100\n");
    put("entity.tsv", "10\t100\n20\t20\n77\t5\n");
    put("tags.csv", "item_id,tags\n10,b| a \n20,\n30,007|7|b||b\n99,z\n");
    put("flags.txt", "10|x|0|1|1\n20|y|0|0|0\n30|z|1|0|1\n");
    rk_dataset *d = prepare(
        SOURCES
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
    assert_string_equal(edges_of(d, "kg"), "9>20:in 20>100:in 100>9:in 100>9:made_by");
    assert_int_equal(relation(d, "kg")->n_types, 2);
    assert_int_equal(relation(d, "kg")->edges_repeated, 1);
    assert_string_equal(edges_of(d, "entity_of"), "10>100 20>20");
    assert_string_equal(edges_of(d, "tagged"), "10>a 10>b 30>007 30>7 30>b");
    assert_string_equal(rk_dataset_node_type(d, 3, &n), "tag");
    assert_int_equal(n, 5); /* z of an item that is not there, too */
    assert_string_equal(edges_of(d, "genres"), "10>3 10>4 30>2 30>4");
    assert_string_equal(edges_of(d, "named"), "10>war 30>art 30>war");
    rk_dataset_free(d);
}

/* What sources may be, relations and features may be: JSON lines, MatrixMarket, Latin-1, decimal
 * commas, quotes that are characters, dates, words in where. */
static void files_may_be_of_other_kinds(void **state)
{
    (void)state;
    put_small();
    put("events.jsonl", "{\"user_id\": 1, \"item_id\": 30, \"event\": \"like\", \"ts\": 5}\n"
                        "{\"user_id\": 1, \"item_id\": 10, \"event\": \"listen\", \"ts\": 5}\n"
                        "{\"user_id\": 2, \"item_id\": 10, \"event\": \"like\", \"ts\": 6}\n");
    put("near.mtx", "%%MatrixMarket matrix coordinate real general\n30 30 2\n10 20 1.5\n20 30 2\n");
    put("dates.csv", "user_id;item_id;when;w\n1;10;1970-01-02;0,5\n");
    put("latin.csv", "item_id,name\n10,Caf\xe9\n20,\"x\n");
    rk_dataset *d = prepare(
        SOURCES "    relations:\n"
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
    assert_string_equal(edges_of(d, "like"), "1>30@5 2>10@6");
    assert_string_equal(edges_of(d, "all"), "10>1:listen 10>2:like 30>1:like");
    assert_string_equal(edges_of(d, "near"), "10>20*1.5 20>30*2");
    assert_string_equal(edges_of(d, "dated"), "1>10*0.5@86400");
    assert_string_equal(edges_of(d, "named"), "10>Caf\xc3\xa9 20>\"x");
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_string_equal(words_of(f, 0), "name=Caf\xc3\xa9");
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_string_equal(words_of(f, 0), "event=like");
    rk_dataset_free(d);
}

static void features_are_read(void **state)
{
    (void)state;
    put_small();
    put("users.csv", "id,age,job,zip\n3,30,nurse,\n1,50,cook,7\n9,1,pilot,1\n1,99,pilot,3\n");
    put("items.csv", "title,item_id,kinds,war,art\n\"a, b\",10,x/y,1,0\nc,20,y / x/y,0,0\n");
    put("more.csv", "item_id,pages\n30,100\n");
    rk_dataset *d = prepare(
        SOURCES
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
    assert_string_equal(words_of(f, 0), "job=cook");
    assert_string_equal(words_of(f, 1), "");
    assert_string_equal(words_of(f, 2), "job=nurse");
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_int_equal(f->n_dense, 1);
    assert_int_equal(f->n_sparse, 4);
    assert_int_equal(f->nodes_known, 3);
    assert_true(f->dense[2] == 100 && f->dense[0] == 0);
    assert_string_equal(words_of(f, 0), "kind=x kind=y war");
    assert_string_equal(words_of(f, 1), "kind=x kind=y");
    assert_string_equal(words_of(f, 2), "");
    assert_fails(RK_ERR_DATA, "no features of tag; it has those of user, item",
                 rk_dataset_find_features(d, "tag", &f));
    rk_dataset_free(d);
}

static void ids_may_be_texts(void **state)
{
    (void)state;
    put("train.csv", "user_id,item_id\nann,apple\nbob,pear\nann,pear\n");
    put("likes.csv", "user_id,item_id\nbob,apple\neve,apple\n");
    rk_dataset *d = prepare("    ids: text\n"
                            "    sources: [{file: train.csv, part: train}]\n"
                            "    relations: [{name: likes, file: likes.csv}]\n");
    assert_string_equal(edges_of(d, "likes"), "bob>apple");
    assert_int_equal(relation(d, "likes")->edges_unknown, 1);
    rk_dataset_free(d);
}

/* ---- the file, the fingerprint, the cache ---- */

#define EVERYTHING                                                                                 \
    SOURCES                                                                                        \
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
    put_small();
    put("kg.csv", "10,has,x,1,7\n20,is,x,2,8\n20,has,y,3,9\n");
    put("users.csv", "user_id,age,job\n1,20,cook\n2,30,cook\n3,40,nurse\n");
    put("names.csv", "tag_id,name\ny,Yes\nx,Ex\n");
}

static void assert_everything(const rk_dataset *d)
{
    const rk_features *f = NULL;
    assert_string_equal(edges_of(d, "kg"), "10>x:has*1@7 20>x:is*2@8 20>y:has*3@9");
    assert_string_equal(edges_of(d, "near"), "10>20*1 20>10*1 20>30*1 30>20*1");
    assert_true(relation(d, "near")->is_derived);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_true(f->dense[0] == 20 && f->dense[2] == 40 && f->dense_scale[0] == 1);
    assert_string_equal(words_of(f, 2), "job=nurse");
    assert_ok(rk_dataset_find_features(d, "tag", &f));
    assert_string_equal(words_of(f, 0), "name=Ex");
    assert_int_equal(f->nodes_known, 2);
}

static void the_file_has_them(void **state)
{
    (void)state;
    put_everything();
    rk_dataset *d = prepare(EVERYTHING), *plain = prepare(SOURCES), *again = NULL;
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
    rk_dataset *d = prepare(EVERYTHING);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        put_everything();
        put(changes[i].file, changes[i].text);
        rk_dataset *other = NULL;
        rk_config *config = NULL;
        assert_ok(try_config(&config, EVERYTHING));
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
    rk_dataset_free(prepare(EVERYTHING));
    put("kg.csv", "10,has,x,1,7\n20,is,yy,2,8\n");
    rk_dataset *d = prepare(EVERYTHING);
    assert_string_equal(edges_of(d, "kg"), "10>x:has*1@7 20>yy:is*2@8");
    rk_dataset_free(d);
    put("users.csv", "user_id,age,job\n1,20,baker\n2,30,cook\n3,40,nurse\n");
    const rk_features *f = NULL;
    d = prepare(EVERYTHING);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_string_equal(words_of(f, 0), "job=baker");
    rk_dataset_free(d);
    d = prepare(SOURCES "    relations: [{name: near, derive: co_count, neighbours: 1}]\n");
    assert_string_equal(edges_of(d, "near"), "10>20*1 20>10*1 30>20*1");
    rk_dataset_free(d);
    d = prepare(SOURCES "    relations: [{name: near, derive: walk, neighbours: 1}]\n");
    assert_string_equal(edges_of(d, "near"), "10>20*0.25 20>10*0.25 30>20*0.5");
    rk_dataset_free(d);
}

static void arrays_may_have_relations(void **state)
{
    (void)state;
    static const int64_t users[] = {1, 1, 2}, items[] = {10, 20, 20};
    static const uint8_t parts[] = {RK_TRAIN, RK_TRAIN, RK_TRAIN};
    put("view.txt", "2 10\n");
    rk_config *config = NULL;
    rk_dataset *d = NULL;
    assert_ok(try_config(&config, "    relations:\n"
                                  "        - {name: view, file: view.txt, format: adjacency}\n"
                                  "        - {name: near, derive: co_count}\n"));
    rk_columns columns = rk_columns_defaults();
    columns.n = 3;
    columns.users = users;
    columns.items = items;
    columns.parts = parts;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &d));
    assert_string_equal(edges_of(d, "view"), "2>10");
    assert_string_equal(edges_of(d, "near"), "10>20*1 20>10*1");
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
    put_small();
    put("good.csv", "user_id,item_id,word\n1,10,w\n2,20,v\n");
    put("bad.csv", "user_id,item_id\n1,10\n1,x\n");
    put("minus.csv", "item_id,n\n10,-1\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char lists[1000];
        rk_dataset *d = NULL;
        snprintf(lists, sizeof lists, SOURCES "    %s\n", cases[i].lists);
        rk_status status = try_prepare(&d, lists);
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
    assert_ok(try_config(&config, EVERYTHING));
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

/* ---- real data; the numbers are those of /usr/bin/python3 with csv, numpy and scipy.sparse ---- */

static double sum_of_weights(const rk_relation *r)
{
    double sum = 0;
    for (int64_t k = 0; k < r->n_edges; k++) {
        sum += (double)r->weights[k];
    }
    return sum;
}

/* R: 943 x 1682 of the train part (all ratings but each user's last two); (R.T @ R).sum() without
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
    rk_dataset *d = prepare(lists);
    const rk_features *f = NULL;
    assert_int_equal(relation(d, "genre")->n_edges, 2893);
    assert_int_equal(relation(d, "genre")->n_to, 19);
    assert_int_equal(relation(d, "all")->n_edges, 1966412);
    assert_close(sum_of_weights(relation(d, "all")), 20100812, 1e-12, 1);
    assert_close(sum_of_weights(relation(d, "near")), 760415.6573422195, 1e-6, 1);
    assert_ok(rk_dataset_find_features(d, "user", &f));
    assert_int_equal(f->n_sparse, 2 + 21);
    assert_close((double)f->dense[0], 24.0 / 73, 1e-6, 1); /* u.user: 1|24|M|technician|85711 */
    assert_string_equal(words_of(f, 0), "2=M 3=technician");
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
    rk_dataset *d = prepare(lists);
    const rk_relation *view = relation(d, "view"), *cart = relation(d, "cart");
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
    rk_dataset *d = prepare(lists);
    const rk_relation *r = relation(d, "kg");
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
    assert_int_equal(relation(d, "entity_of")->n_edges, 1853);
    assert_ok(rk_dataset_find_features(d, "item", &f));
    assert_int_equal(f->n_sparse, 20);
    assert_int_equal(f->nodes_known, 9724);
    assert_int_equal(f->rows_unknown, 18);
    rk_dataset_free(d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(derived_relations_are_those_of_scipy),
        TEST(scaled_numbers_are_those_of_numpy),
        TEST(edges_are_read),
        TEST(other_types_have_nodes_of_their_own),
        TEST(files_may_be_of_other_kinds),
        TEST(features_are_read),
        TEST(ids_may_be_texts),
        TEST(the_file_has_them),
        TEST(every_change_is_another_data_set),
        TEST(the_cache_goes_by_their_files_and_keys),
        TEST(arrays_may_have_relations),
        TEST(what_is_wrong_is_said),
        TEST(no_memory_leaves_nothing),
        TEST(movielens_is_as_scipy_counts_it),
        TEST(taobao_has_three_behaviours),
        TEST(movies_join_a_knowledge_graph),
    };
#undef TEST
    return cmocka_run_group_tests_name("sides", tests, NULL, NULL);
}
