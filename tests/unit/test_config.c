/* config: loading, setting, origins, printing, paths. Bad input is in test_config_errors.c. */
#include <unistd.h>

#include "base/alloc.h"
#include "config/internal.h"
#include "ops/builder.h" /* beside a config: no name means two things */
#include "support/support.h"

static rk_config *parse(const char *text)
{
    rk_config *config = NULL;
    assert_ok(rk__config_parse(&config, "dir/exp.yaml", text, (int64_t)strlen(text)));
    return config;
}

static const char *get(const rk_config *config, const char *key)
{
    const char *text = NULL;
    assert_ok(rk_config_get(config, key, &text));
    return text;
}

static const char full_yaml[] =
    "# an experiment\n"
    "data:\n"
    "    name: books\n"
    "    sources:\n"
    "        - file: ratings.csv\n"
    "          where: rating >= 4\n"
    "        - {file: \"to, read.csv\", separator: \"\\t\", header: false,\n"
    "           user: 0, item: 1}\n"
    "split:\n"
    "    kind: leave_one_out\n"
    "model:\n"
    "    kind: mf\n"
    "train:\n"
    "    learning_rate: 2e-3\n"
    "    epochs: +20\n"
    "eval:\n"
    "    k: [5, 10]\n"
    "    metrics: [ndcg]\n";

static void defaults_come_from_the_table(void **state)
{
    (void)state;
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    const rk_options *o = rk__config_options(config);
    assert_int_equal(o->run.seed, 2020);
    assert_int_equal(o->run.device, RK_DEVICE_AUTO);
    assert_int_equal(o->model.kind, RK_MODEL_LIGHTGCN);
    assert_int_equal(o->model.dim, 64);
    assert_true(o->train.learning_rate == 0.001);
    assert_true(o->loss.l2 == 1e-4);
    assert_int_equal(o->eval.k.n, 2);
    assert_int_equal(o->eval.k.v[1], 20);
    assert_int_equal(o->eval.metrics.n, 7);
    assert_int_equal(o->eval.metrics.v[1], 1); /* ndcg */
    assert_int_equal(o->n_sources, 0);
    assert_string_equal(o->config_name, "run");
    assert_string_equal(get(config, "eval.k"), "[10, 20]");
    assert_string_equal(rk__config_origin(config, "eval.k"), "default");
    rk_config_free(config);
}

static void a_file_goes_over_the_defaults(void **state)
{
    (void)state;
    rk_config *config = parse(full_yaml);
    const rk_options *o = rk__config_options(config);
    assert_string_equal(o->data.name, "books");
    assert_int_equal(o->n_sources, 2);
    assert_string_equal(o->sources[0].where, "rating >= 4");
    assert_string_equal(o->sources[0].origin, "exp.yaml:5");
    assert_string_equal(o->sources[1].file, "to, read.csv");
    assert_string_equal(o->sources[1].separator, "\t");
    assert_false(o->sources[1].header);
    assert_string_equal(o->sources[1].user, "0");
    assert_int_equal(o->split.kind, RK_SPLIT_LEAVE_ONE_OUT);
    assert_int_equal(o->model.kind, RK_MODEL_MF);
    assert_true(o->train.learning_rate == 2e-3);
    assert_int_equal(o->train.epochs, 20);
    assert_int_equal(o->eval.k.v[0], 5);
    assert_string_equal(get(config, "train.learning_rate"), "2e-3");
    assert_string_equal(get(config, "data.sources[1].separator"), "\"\\t\"");
    assert_string_equal(rk__config_origin(config, "train.epochs"), "exp.yaml:15");
    assert_string_equal(rk__config_origin(config, "data.sources[1].file"), "exp.yaml:7");
    assert_string_equal(rk__config_origin(config, "data.sources[1].time"), "default");
    assert_string_equal(rk__config_origin(config, "train.batch"), "default");
    rk_config_free(config);
}

/* Nothing, comments, empty sections, a byte order mark, CRLF. */
static void empty_files_are_all_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "\n\n",          "# only this\n",
        "---\n", "train:\neval:", "\xef\xbb\xbftrain: ~\r\neval: {}\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rk_config *config = parse(texts[i]);
        assert_string_equal(get(config, "train.epochs"), "100");
        assert_string_equal(rk__config_origin(config, "train.epochs"), "default");
        rk_config_free(config);
    }
}

static void anchors_may_be_used(void **state)
{
    (void)state;
    rk_config *config =
        parse("data: {sources: [&a {file: &f a.txt}, *a, {file: *f, part: test}]}\n");
    const rk_options *o = rk__config_options(config);
    assert_int_equal(o->n_sources, 3);
    assert_string_equal(o->sources[1].file, "a.txt");
    assert_int_equal(o->sources[2].part, RK_PART_TEST);
    rk_config_free(config);
}

static void set_goes_over_the_file(void **state)
{
    (void)state;
    rk_config *config = parse(full_yaml);
    const rk_options *o = rk__config_options(config);
    assert_ok(rk_config_set(config, "train.epochs=5", "--set"));
    assert_ok(rk_config_set(config, " eval.k = [10, 20, 50] ", "--set"));
    assert_ok(rk_config_set(config, "eval.metrics=recall,ndcg", "--set"));
    assert_int_equal(o->train.epochs, 5);
    assert_int_equal(o->eval.k.n, 3);
    assert_int_equal(o->eval.metrics.n, 2);
    assert_string_equal(rk__config_origin(config, "train.epochs"), "--set");
    assert_ok(rk_config_set(config, "eval.k=10", NULL));
    assert_int_equal(o->eval.k.n, 1);
    assert_string_equal(get(config, "eval.k"), "[10]");

    /* A text is taken as it stands: no YAML surprises. */
    assert_ok(rk_config_set(config, "data.sources[0].file=a: b #c, {d}", "--set"));
    assert_string_equal(o->sources[0].file, "a: b #c, {d}");
    assert_ok(rk_config_set(config, "data.sources[0].separator=|", "--set"));
    assert_string_equal(o->sources[0].separator, "|");
    assert_ok(rk_config_set(config, "data.sources[0].separator=\"\\t\"", "--set"));
    assert_string_equal(o->sources[0].separator, "\t");
    assert_ok(rk_config_set(config, "data.sources[0].where=rating == 4", "--set"));
    assert_string_equal(o->sources[0].where, "rating == 4");
    assert_ok(rk_config_set(config, "data.sources[0].where=", "--set"));
    assert_string_equal(o->sources[0].where, "");

    /* One past the end appends. */
    assert_ok(rk_config_set(config, "data.sources[2].file=more.csv", "--set"));
    assert_int_equal(o->n_sources, 3);
    assert_string_equal(o->sources[2].file, "more.csv");
    assert_string_equal(o->sources[2].user, "user_id");
    assert_string_equal(o->sources[2].origin, "--set");

    assert_ok(rk_config_set(config, "data.sources=[{file: x.inter, format: inter}]", "--set"));
    assert_int_equal(o->n_sources, 1);
    assert_int_equal(o->sources[0].format, RK_FORMAT_INTER);
    assert_ok(rk_config_set(config, "data.sources=[]", "--set"));
    assert_int_equal(o->n_sources, 0);
    rk_config_free(config);
}

/* A list in the maps of a list: from a file, over it, printed and read back. */
static void lists_may_have_lists(void **state)
{
    (void)state;
    rk_config *config = parse("data:\n"
                              "    features:\n"
                              "        - file: users.csv\n"
                              "          columns: [{column: age}, {column: job}]\n"
                              "          of: user\n"
                              "        - file: items.csv\n");
    const rk_options *o = rk__config_options(config);
    assert_int_equal(o->n_features, 2);
    assert_int_equal(o->features[0].n_columns, 2);
    assert_int_equal(o->features[1].n_columns, 0);
    assert_string_equal(o->features[0].of, "user");
    assert_string_equal(o->features[0].columns[1].column, "job");
    assert_string_equal(o->features[0].columns[1].origin, "exp.yaml:4");
    assert_string_equal(rk__config_origin(config, "data.features[0].columns[1].column"),
                        "exp.yaml:4");

    /* One past the end adds, also an element in an element that is added. */
    assert_ok(rk_config_set(config, "data.features[1].columns[0].column=\"5:24\"", "--set"));
    assert_ok(rk_config_set(config, "data.features[2].columns[0].column=x", "--set"));
    assert_ok(rk_config_set(config, "data.features[0].columns=[{column: a}]", "--set"));
    assert_ok(rk_config_set(config, "data.features[3].columns=[{column: b}, {}]", "--set"));
    assert_int_equal(o->n_features, 4);
    assert_int_equal(o->features[0].n_columns, 1);
    assert_string_equal(o->features[1].columns[0].column, "5:24");
    assert_string_equal(o->features[2].columns[0].column, "x");
    assert_string_equal(o->features[2].of, "item");
    assert_int_equal(o->features[3].n_columns, 2);

    char *text = NULL, *again = NULL;
    rk_config *copy = NULL;
    assert_ok(rk_config_text(config, false, &text));
    assert_ok(rk__config_parse(&copy, "copy.yaml", text, (int64_t)strlen(text)));
    assert_ok(rk_config_text(copy, false, &again));
    assert_string_equal(text, again);
    assert_string_equal(get(copy, "data.features[3].columns[0].column"), "b");
    rk_string_free(text);
    rk_string_free(again);
    rk_config_free(copy);

    assert_ok(rk_config_set(config, "data.features=[]", "--set"));
    assert_int_equal(o->n_features, 0);
    rk_config_free(config);
}

/* What a failed call leaves is what was there before. */
static void a_failed_set_changes_nothing(void **state)
{
    (void)state;
    rk_config *config = parse(full_yaml);
    char *before = NULL, *after = NULL;
    assert_ok(rk_config_text(config, true, &before));
    static const char *const bad[] = {
        "train.epochs=many",
        "eval.k=[10, 0]",
        "data.sources[2].format=xml",
        "data.sources=[{file: a.csv}, {format: xml}]",
        "data.sources=nothing",
        "eval.metrics=[hit, hit]",
        "eval.metrics=hit,a",
        "data.features[0].columns[0].kolum=a",
        "data.features[0].columns=[{column: a}, {column: [a]}]",
        "data.fields[0].derive=next_item",
        "data.fields=[{derive: previous_item}, {derive: x}]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_fails(RK_ERR_CONFIG, "--set ", rk_config_set(config, bad[i], "--set"));
    }
    assert_ok(rk_config_text(config, true, &after));
    assert_string_equal(before, after);
    rk_string_free(before);
    rk_string_free(after);
    rk_config_free(config);
}

static void assert_round_trip(const rk_config *config)
{
    char *text = NULL, *again = NULL, *with_origins = NULL;
    rk_config *loaded = NULL;
    assert_ok(rk_config_text(config, false, &text));
    assert_ok(rk__config_parse(&loaded, "runs/7/config.yaml", text, (int64_t)strlen(text)));
    assert_ok(rk_config_text(loaded, false, &again));
    assert_string_equal(text, again);
    rk_config_free(loaded);
    rk_string_free(again);

    assert_ok(rk_config_text(config, true, &with_origins));
    assert_ok(rk__config_parse(&loaded, "runs/7/config.yaml", with_origins,
                               (int64_t)strlen(with_origins)));
    assert_ok(rk_config_text(loaded, false, &again));
    assert_string_equal(text, again);
    rk_config_free(loaded);
    rk_string_free(text);
    rk_string_free(again);
    rk_string_free(with_origins);
}

/* A copy says the same of where values came from, defaults and elements of lists included. */
static void a_copy_keeps_origins(void **state)
{
    (void)state;
    rk_config *config = parse(full_yaml), *copy = NULL;
    char *text = NULL, *again = NULL;
    assert_ok(rk_config_set(config, "data.sources[1].where=rating > 2", "--set"));
    assert_ok(rk__config_copy(config, &copy));
    assert_ok(rk_config_text(config, true, &text));
    rk_config_free(config);
    assert_ok(rk_config_text(copy, true, &again));
    assert_string_equal(text, again);
    assert_non_null(strstr(again, "# exp.yaml:12\n"));
    assert_non_null(strstr(again, "# default\n"));
    assert_string_equal(rk__config_options(copy)->sources[1].origin, "exp.yaml:7");
    rk_config_free(copy);
    rk_string_free(text);
    rk_string_free(again);
}

/* Print, load from elsewhere, print: the same, for every option at a value that is not its default
 * and for texts that need care. */
static void the_printed_config_loads_again(void **state)
{
    (void)state;
    rk_config *config = parse(full_yaml);
    assert_round_trip(config);
    static const char *const texts[] = {
        "plain",
        "two words",
        "",
        "true",
        "null",
        "~",
        "12",
        "1e3",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "\t",
        "a\tb\n",
        "\"",
        "it's",
        "\\t",
        "\\",
        "::",
        "|",
        ">",
        "[a]",
        "{a}",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        ",",
        "?",
        " lead",
        "trail ",
        "yes",
        "caf\xc3\xa9",
        "\xc2\x85x",
        "\xe2\x80\xa8",
        "\xef\xbb\xbf",
        "\x01\x7f",
        "\xf0\x9f\x93\x9a",
    };
    char assignment[64];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i][0] == '"') {
            snprintf(assignment, sizeof assignment, "data.sources[0].file=\"\\\"\"");
        } else {
            snprintf(assignment, sizeof assignment, "data.sources[0].file=%s", texts[i]);
        }
        assert_ok(rk_config_set(config, assignment, "--set"));
        assert_string_equal(rk__config_options(config)->sources[0].file, texts[i]);
        assert_round_trip(config);
        snprintf(assignment, sizeof assignment, "eval.metric=%s",
                 texts[i][0] == '"' ? "\"\\\"\"" : texts[i]);
        assert_ok(rk_config_set(config, assignment, texts[i])); /* the origin is printed, too */
        assert_round_trip(config);
    }
    rk_config_free(config);
}

/* Every scalar option, moved off its default through its own text, survives the round trip. */
static void every_option_prints_and_loads(void **state)
{
    (void)state;
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    for (int64_t i = 0; i < n; i++) {
        char assignment[128];
        const char *value = rows[i].type == RK_TYPE_BOOL   ? "false"
                            : rows[i].type == RK_TYPE_INTS ? "[7, 9]"
                            : rows[i].type == RK_TYPE_REALS
                                ? rows[i].minimum[0] == '-' ? "[0.5, -1e-3, 0.5]" : "[0.5, 0, 0.5]"
                            : rows[i].type == RK_TYPE_PATHS  ? "[one, \"the other: one\", /a/third]"
                            : rows[i].type == RK_TYPE_CHOICE ? rk__choice_next(rows[i].minimum)
                            : rows[i].type == RK_TYPE_SIZE   ? rows[i].maximum
                            : rows[i].type == RK_TYPE_INT    ? rows[i].maximum
                            : rows[i].type == RK_TYPE_REAL   ? rows[i].maximum
                                                             : "some: [thing]";
        value = value ? value : rows[i].minimum;
        value = rows[i].type == RK_TYPE_CHOICES ? "hit,map" : value;
        snprintf(assignment, sizeof assignment, "%s.%s=%s", rows[i].section, rows[i].key, value);
        assert_ok(rk_config_set(config, assignment, "--set"));
    }
    assert_round_trip(config);
    const rk_options *o = rk__config_options(config);
    assert_true(o->run.seed == INT64_MAX);
    assert_true(o->train.learning_rate == 1e30);
    assert_int_equal(o->model.kind, RK_MODEL_MF);
    assert_string_equal(rk__option_choice("eval.metrics", (int)o->eval.metrics.v[1]), "map");
    assert_string_equal(get(config, "eval.metrics"), "[hit, map]");
    const rk_texts *members = &o->model.members; /* from the current folder on */
    assert_int_equal(members->n, 3);
    assert_true(members->v[0][0] == '/' && strcmp(strrchr(members->v[0], '/'), "/one") == 0);
    assert_non_null(strstr(members->v[1], "/the other: one"));
    assert_string_equal(members->v[2], "/a/third");
    assert_fails(RK_ERR_CONFIG, "has an empty element",
                 rk_config_set(config, "model.members=[a, \"\"]", "--set"));
    assert_ok(rk_config_set(config, "model.members=[]", "--set"));
    assert_int_equal(o->model.members.n, 0);
    rk_config_free(config);
}

/* Relative folders: in a file from that file, in set from here; printed absolute. */
static void folders_are_resolved(void **state)
{
    (void)state;
    char here[4096], expected[5000];
    assert_non_null(getcwd(here, sizeof here));
    rk_config *config = parse("");
    const rk_options *o = rk__config_options(config);
    snprintf(expected, sizeof expected, "%s/dir", here);
    assert_string_equal(o->data.root, expected);
    assert_string_equal(o->config_dir, "dir");
    assert_string_equal(o->config_name, "exp");
    assert_string_equal(o->data.name, "exp");
    snprintf(expected, sizeof expected, "%s/.rankine", here);
    assert_string_equal(o->data.cache, expected);
    assert_ok(rk_config_set(config, "data.root=../books/", "--data"));
    snprintf(expected, sizeof expected, "%s/../books", here);
    assert_string_equal(o->data.root, expected);
    assert_ok(rk_config_set(config, "data.root=/books", "--data"));
    assert_string_equal(o->data.root, "/books");
    assert_ok(rk_config_set(config, "data.root=.", "--data"));
    assert_string_equal(o->data.root, here);
    assert_ok(rk_config_set(config, "data.root=", "--data"));
    snprintf(expected, sizeof expected, "%s/dir", here);
    assert_string_equal(o->data.root, expected);
    rk_config_free(config);

    config = parse("data: {root: ./sets/a, cache: ../c}\n");
    o = rk__config_options(config);
    snprintf(expected, sizeof expected, "%s/dir/sets/a", here);
    assert_string_equal(o->data.root, expected);
    snprintf(expected, sizeof expected, "%s/dir/../c", here);
    assert_string_equal(o->data.cache, expected);
    assert_round_trip(config);
    rk_config_free(config);
}

static void files_load(void **state)
{
    (void)state;
    char *folder = test_scratch();
    const char *path = test_path(folder, "my.exp.yaml");
    rk_config *config = NULL;
    test_write(path, full_yaml, -1);
    assert_ok(rk_config_load(&config, path));
    assert_string_equal(rk__config_options(config)->config_dir, folder);
    assert_string_equal(rk__config_options(config)->config_name, "my.exp");
    assert_string_equal(rk__config_options(config)->data.root, folder);
    assert_string_equal(rk__config_origin(config, "data.name"), "my.exp.yaml:3");
    rk_config_free(config);
    test_scratch_remove(folder);
}

static void a_device_is_a_word_and_a_number(void **state)
{
    (void)state;
    rk_config *config = parse("run: {device: cpu}");
    const rk_options *o = rk__config_options(config);
    assert_ok(rk_config_set_device(config, "cuda:3", "--device"));
    assert_int_equal(o->run.device, RK_DEVICE_CUDA);
    assert_int_equal(o->cuda.device, 3);
    assert_string_equal(rk__config_origin(config, "cuda.device"), "--device");
    assert_ok(rk_config_set_device(config, "cuda", "--device")); /* the number stays */
    assert_int_equal(o->cuda.device, 3);
    assert_ok(rk_config_set_device(config, "cpu", "--device"));
    static const char *const bad[] = {"cuda:", "cuda:x", "cuda:-1", "cuda:128", "gpu", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(rk_config_set_device(config, bad[i], "--device"), RK_ERR_CONFIG);
        assert_int_equal(o->run.device, RK_DEVICE_CPU);
        assert_int_equal(o->cuda.device, 3);
    }
    rk_config_free(config);
}

/* Every word of every choice is read as its own number, and that number is called by this word. */
static void words_of_choices_are_numbered(void **state)
{
    (void)state;
    static const struct {
        const char *list, *path; /* NULL: the scalar options */
    } places[] = {{NULL, NULL},
                  {"source", "data.sources[0]"},
                  {"relation", "data.relations[0]"},
                  {"field", "data.fields[0]"},
                  {"feature", "data.features[0]"},
                  {"column", "data.features[0].columns[0]"}};
    rk_config *config = parse("data: {sources: [{}], relations: [{}], fields: [{}],"
                              " features: [{columns: [{}]}]}");
    const rk_options *o = rk__config_options(config);
    const void *elements[] = {o,         o->sources,  o->relations,
                              o->fields, o->features, o->features[0].columns};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        int64_t n = 0;
        const rk_option_list *list = places[p].list ? rk__list_of(places[p].list) : NULL;
        const rk_option *rows = list ? list->rows : rk__option_rows(&n);
        n = list ? list->n_rows : n;
        for (int64_t i = 0; i < n; i++) {
            int expected = 0;
            const char *word = rows[i].type == RK_TYPE_CHOICE ? rows[i].minimum : NULL;
            for (; word; word = rk__choice_next(word), expected++) {
                char key[64], assignment[128];
                int found = -1;
                snprintf(key, sizeof key, "%s.%s", list ? places[p].path : rows[i].section,
                         rows[i].key);
                snprintf(assignment, sizeof assignment, "%s=%s", key, word);
                assert_ok(rk_config_set(config, assignment, "--set"));
                memcpy(&found, (const char *)elements[p] + rows[i].offset, sizeof found);
                assert_int_equal(found, expected);
                assert_string_equal(rk__option_choice(key, found), word);
            }
            assert_true(rows[i].type != RK_TYPE_CHOICE || expected >= 2);
        }
    }
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_come_from_the_table),
        cmocka_unit_test(a_file_goes_over_the_defaults),
        cmocka_unit_test(empty_files_are_all_defaults),
        cmocka_unit_test(anchors_may_be_used),
        cmocka_unit_test(set_goes_over_the_file),
        cmocka_unit_test(lists_may_have_lists),
        cmocka_unit_test(a_failed_set_changes_nothing),
        cmocka_unit_test(the_printed_config_loads_again),
        cmocka_unit_test(a_copy_keeps_origins),
        cmocka_unit_test(every_option_prints_and_loads),
        cmocka_unit_test(folders_are_resolved),
        cmocka_unit_test(files_load),
        cmocka_unit_test(words_of_choices_are_numbered),
        cmocka_unit_test(a_device_is_a_word_and_a_number),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
