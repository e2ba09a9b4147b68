/* config: every kind of bad input, with the place and the advice that its message must have. */
#include <sys/stat.h>
#include <unistd.h>

#include "config/internal.h"
#include "support/support.h"

typedef struct bad {
    const char *text, *message;
} bad;

static void assert_rejected(const bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rk_config *config = NULL;
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     rk__config_parse(&config, "dir/exp.yaml", cases[i].text,
                                      (int64_t)strlen(cases[i].text)));
        assert_null(config);
    }
}

#define ASSERT_REJECTED(cases) assert_rejected(cases, sizeof(cases) / sizeof(cases)[0])

static void unknown_names(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"\n\ntrain:\n  epoch: 5\n",
         "dir/exp.yaml:4: unknown key 'train.epoch'; did you mean 'train.epochs'?"},
        {"model:\n  learning_rate: 1\n",
         "dir/exp.yaml:2: unknown key 'model.learning_rate'; did you mean 'train.learning_rate'?"},
        {"train:\n  leraning_rate: 1\n", "did you mean 'train.learning_rate'?"},
        {"trian: {}\n", "dir/exp.yaml:1: unknown section 'trian'; did you mean 'train'?"},
        {"epochs: 5\n", "unknown section 'epochs'; did you mean 'train.epochs'?"},
        {"layers: 2\n", "unknown section 'layers'; did you mean 'model.layers'?"},
        {"lable: {}\n", "did you mean 'labels'?"},
        {"lr: 2\n", "did you mean 'train.learning_rate'?"},
        {"sources: []\n", "did you mean 'data.sources'?"},
        {"train.epochs: 5\n",
         "write 'train:' on a line of its own and 'epochs:' indented below it"},
        {"data: {sources: [{file: a, wher: b}]}\n",
         "unknown key 'data.sources[0].wher'; did you mean 'data.sources[].where'?"},
        {"data: {file: a}\n", "did you mean 'data.sources[].file'?"},
        {"data: {sources: [{file: a, epochs: 1}]}\n", "did you mean 'train.epochs'?"},
        {"train: {lr: 1}\n", "did you mean 'train.learning_rate'?"},
        {"train: {batch_size: 1}\n", "did you mean 'train.batch'?"},
        {"eval: {topk: 1}\n", "did you mean 'eval.k'?"},
        {"model: {embedding_size: 64}\n", "did you mean 'model.dim'?"},
        {"model: {wholly_unlike_anything: 1}\n", "the keys of 'model' are kind, dim, "},
        {"wholly_unlike_anything: 1\n",
         "the sections are run, data, labels, split, model, loss, sampling, train, eval"},
        {"data: {source: 1}\n", "did you mean 'data.sources'?"},
        {"source: {file: a}\n", "did you mean 'data.sources'?"},
        {"? [a]\n: b\n", "dir/exp.yaml:1: a list stands where a key is wanted"},
        {"train: {{a: b}: c}\n", "a map stands where a key is wanted"},
        {"train: &t {epochs: 5}\nmodel: {<<: *t}\n", "merge keys are not supported"},
        {"\"\": 1\n", "unknown section ''; the sections are"},
        {"Train: {epochs: 1}\n", "unknown section 'Train'; did you mean 'train'?"},
        {"a\tb\x1b[31m: 1\n", "control characters are not allowed"},
        {"\"a\\e[31m\": 1\n", "unknown section 'a?[31m'"},
    };
    ASSERT_REJECTED(cases);
}

static void wrong_values(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"train:\n  epochs: many\n",
         "dir/exp.yaml:2: train.epochs takes an integer in [0, 100000000], not 'many'"},
        {"train: {epochs: 5.0}\n", "takes an integer in [0, 100000000], not '5.0'"},
        {"train: {epochs: 1e3}\n", "not '1e3'"},
        {"train: {epochs: 0x10}\n", "not '0x10'"},
        {"train: {epochs: '5'}\n", "not the quoted text '5'"},
        {"train: {epochs: 5 000}\n", "not '5 000'"},
        {"train: {epochs: -1}\n", "train.epochs = -1 is out of range [0, 100000000]"},
        {"train: {epochs: 100000001}\n", "is out of range [0, 100000000]"},
        {"run: {seed: 99999999999999999999}\n", "is out of range [0, 9223372036854775807]"},
        {"train: {epochs: }\n", "train.epochs takes an integer in [0, 100000000], not nothing"},
        {"train: {epochs: null}\n", "not nothing"},
        {"train: {epochs: true}\n", "not 'true'"},
        {"model: {init_sd: fast}\n", "model.init_sd takes a number in [0, 100]"},
        {"model: {init_sd: .nan}\n", "not '.nan'"},
        {"model: {init_sd: .inf}\n", "not '.inf'"},
        {"model: {init_sd: \"0.1\"}\n", "not the quoted text '0.1'"},
        {"model: {init_sd: -0.1}\n", "model.init_sd = -0.1 is out of range [0, 100]"},
        {"model: {init_sd: 1e999}\n", "model.init_sd = 1e999 is out of range [0, 100]"},
        {"train: {beta1: 1}\n", "train.beta1 = 1 is out of range [0, 0.9999999]"},
        {"model:\n  kind: sasrec\n",
         "dir/exp.yaml:2: model.kind takes one of lightgcn, mf, lightgcn++, popularity, "},
        {"model: {kind: MF}\n", ", not 'MF'; did you mean mf?"},
        {"labels: {header: yes}\n", "labels.header takes true or false, not 'yes'"},
        {"labels: {header: 'true'}\n", "not the quoted text 'true'"},
        {"data: {name: }\n", "data.name takes a text, not nothing (an empty text is \"\")"},
        {"data: {name: \"a\\0b\"}\n", "data.name has a zero byte in it"},
        {"eval: {k: [10, x]}\n", "eval.k takes a list of integers in [1, 10000], e.g. [10, 20]"},
        {"eval: {k: [10, 0]}\n", "eval.k = 0 is out of range [1, 10000]"},
        {"eval: {k: [10, 10]}\n", "eval.k has '10' twice"},
        {"eval: {k: []}\n", "eval.k needs 1 to 1024 elements, not 0"},
        {"eval: {k: [10, [20]]}\n", "element 2 of eval.k is a list, not a value"},
        {"eval: {k: [10, {a: b}]}\n", "element 2 of eval.k is a map, not a value"},
        {"eval: {k: [10, ]}\neval: 5\n", "'eval' is there twice; the first is in line 1"},
        {"eval: {metrics: [hit, hit]}\n", "eval.metrics has 'hit' twice"},
        {"eval: {metrics: [recall, nDCG]}\n", "not 'nDCG'; did you mean ndcg?"},
        {"eval: {metrics: [hit, ~]}\n", "element 2 of eval.metrics is empty"},
        {"eval: {metrics: [hit, '']}\n", "eval.metrics has an empty element"},
        {"train: {epochs: !!int 5}\n", "remove the tag tag:yaml.org,2002:int"},
        {"train: !mine {epochs: 5}\n", "remove the tag !mine"},
        {"train: {epochs: !!str 5}\n", "remove the tag tag:yaml.org,2002:str"},
    };
    ASSERT_REJECTED(cases);
}

static void wrong_shapes(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"train: 5\n",
         "dir/exp.yaml:1: 'train' is a section, not a value: write its keys indented below it"},
        {"train: [epochs]\n", "'train' is a section, not a list"},
        {"train: {epochs: {a: 1}}\n", "train.epochs takes an integer in [0, 100000000], not a map"},
        {"train: {epochs: [1]}\n", "train.epochs takes an integer in [0, 100000000], not a list"},
        {"eval: {k: {a: 1}}\n",
         "eval.k takes a list of integers in [1, 10000], e.g. [10, 20], not a map"},
        {"5\n", "dir/exp.yaml:1: a config is sections like 'train:' with keys below, not a value"},
        {"- train\n", "a config is sections like 'train:' with keys below, not a list"},
        {"data:\n  sources: ratings.csv\n", "dir/exp.yaml:2: data.sources is a list of maps, not a "
                                            "value; begin each element with '-'"},
        {"data: {sources: {file: a}}\n", "data.sources is a list of maps, not a map"},
        {"data:\n  sources:\n    - ratings.csv\n",
         "dir/exp.yaml:3: data.sources[0] is a value; write its keys, e.g. '- file: ratings.csv'"},
        {"data: {sources: [[a]]}\n", "data.sources[0] is a list"},
        {"data: {sources: [{file: [a]}]}\n", "data.sources[0].file takes a text, not a list"},
        {"train:\n  epochs: 1\n  batch: 2\n  epochs: 3\n",
         "dir/exp.yaml:4: 'train.epochs' is there twice; the first is in line 2"},
        {"train:\nmodel:\ntrain:\n",
         "dir/exp.yaml:3: 'train' is there twice; the first is in line 1"},
        {"data: {sources: [], sources: []}\n", "'data.sources' is there twice"},
        {"data: {sources: [{file: a, file: b}]}\n", "'data.sources[0].file' is there twice"},
    };
    ASSERT_REJECTED(cases);
}

static void not_yaml(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"train:\n\tepochs: 5\n", "dir/exp.yaml:2:1: a tab in the indentation: YAML wants spaces"},
        {"train:\n  epochs: 5\n bad\n", "dir/exp.yaml:3:"},
        {"train: {epochs: 5\n",
         "dir/exp.yaml:2:1: not YAML: did not find expected ',' or '}' while "
         "parsing a flow mapping that began in line 1"},
        {"train: \"abc\n", "not YAML: found unexpected end of stream"},
        {"train: [[[[[[[[[[[[[[[[[[",
         "dir/exp.yaml:1: more than 16 lists and maps inside one another"},
        {"train: *nowhere\n", "dir/exp.yaml:1:8: not YAML: found undefined alias"},
        {"train: {epochs: 5}\n---\nmodel: {}\n",
         "dir/exp.yaml:2: a second document begins here; a config is one document"},
        {"train: {epochs: 5}\n--- \"abc\n", "exp.yaml:2: a second document begins here"},
        {"a: 1\nb: caf\xe9\n", "dir/exp.yaml:2: not UTF-8 (byte 0xe9): save the file as UTF-8"},
        {"a: \xc0\xaf\n", "not UTF-8 (byte 0xc0)"},
        {"a: \xed\xa0\x80\n", "not UTF-8 (byte 0xed)"},
        {"\xff\xfe"
         "a",
         "dir/exp.yaml:1: not UTF-8 (byte 0xff)"},
        {"a: \xe2\x82", "not UTF-8 (byte 0xe2)"},
    };
    ASSERT_REJECTED(cases);
    rk_config *config = NULL;
    assert_fails(RK_ERR_CONFIG, "dir/exp.yaml:2: a zero byte: this is not a text file",
                 rk__config_parse(&config, "dir/exp.yaml", "a: 1\n\0", 6));
}

static void bad_files(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_config *config = NULL;
    assert_fails(RK_ERR_CONFIG, "none.yaml cannot be read: No such file",
                 rk_config_load(&config, test_path(folder, "none.yaml")));
    assert_fails(RK_ERR_CONFIG, "is a folder", rk_config_load(&config, folder));
    const char *path = test_path(folder, "long.yaml");
    test_write(path, "# long\n", -1);
    assert_int_equal(truncate(path, RK_LONGEST_YAML + 1), 0);
    assert_fails(RK_ERR_CONFIG, "1048577 bytes are too long for a config",
                 rk_config_load(&config, path));
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        assert_fails(RK_ERR_IO, "cannot be read", rk_config_load(&config, path));
    }
    test_scratch_remove(folder);
}

static void bad_assignments(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"train.epochs", "--set train.epochs: write KEY=VALUE, e.g. train.epochs=5"},
        {"=5", "--set =5: unknown section ''"},
        {"train=5", "'train' is a section: set one of its keys, e.g. train.epochs=5"},
        {"train.=5", "unknown key 'train.'"},
        {"epochs=5", "unknown section 'epochs'; did you mean 'train.epochs'?"},
        {"train.epoch=5",
         "--set train.epoch=5: unknown key 'train.epoch'; did you mean 'train.epochs'?"},
        {"source.file=a", "unknown section 'source'; did you mean 'data.sources'?"},
        {"train.epochs=", "train.epochs takes an integer in [0, 100000000], not ''"},
        {"train.epochs=five", "not 'five'"},
        {"train.epochs=\"5\"", "not the quoted text '5'"},
        {"train.epochs=-1", "train.epochs = -1 is out of range [0, 100000000]"},
        {"model.kind=x", "model.kind takes one of lightgcn, mf, lightgcn++, popularity, "},
        {"eval.k=[10", "--set eval.k=[10: the value is not YAML"},
        {"eval.k=", "eval.k needs 1 to 1024 elements, not 0"},
        {"eval.k=[]", "eval.k needs 1 to 1024 elements, not 0"},
        {"eval.k=10;20", "not '10;20'"},
        {"data.name=\"open", "the value is not YAML"},
        {"data.name=\xff", "the value of data.name is not UTF-8: '?'"},
        {"data.name=\"\xff\"", "not UTF-8"},
        {"data.sources[2].file=a", "the length of data.sources is 1, so the index is at most 1"},
        {"data.sources[-1].file=a",
         "'data.sources[-1].file' should look like data.sources[0].file"},
        {"data.sources[x].file=a", "should look like data.sources[0].file"},
        {"data.sources[0=a", "should look like data.sources[0].file"},
        {"data.sources[]=a", "should look like data.sources[0].file"},
        {"data.sources.file=a", "should look like data.sources[0].file"},
        {"data.sources[0]=a", "name a key of the element, e.g. data.sources[0].file"},
        {"data.sources[0]x=a", "name a key of the element"},
        {"data.sources[0].fil=a", "unknown key 'data.sources[0].fil'; did you mean"},
        {"data.sources[0].format=xml", "data.sources[0].format takes one of csv, movielens"},
        {"data.sources=a.csv", "data.sources is a list of maps: set a key of one"},
        {"data.sources=", "data.sources is a list of maps: set a key of one"},
        {"data.sources=[{fil: a}]", "unknown key 'data.sources[0].fil'"},
        {"data.sources=[a.csv]", "data.sources[0] is a value"},
        {"data.feature[0].of=a", "unknown key 'data.feature'; did you mean 'data.features'?"},
        {"data.features[1].of=a", "the length of data.features is 0, so the index is at most 0"},
        {"data.features[0].columns=4",
         "data.features[0].columns is a list of maps: set a key of one, e.g. "
         "data.features[0].columns[0].column=..., or write [{column: age}]"},
        {"data.features[0].columns[1].column=a", "the length of data.features[0].columns is 0"},
        {"data.features[0].columns[0].colum=a",
         "unknown key 'data.features[0].columns[0].colum'; did you mean "
         "'data.features[].columns[].column'?"},
        {"data.features[0].columns[0]=a", "name a key of the element, e.g. data.features[0]."},
        {"data.features=[{columns: [{column: a}, {colum: a}]}]",
         "unknown key 'data.features[0].columns[1].colum'"},
        {"data.features=[{columns: a}]", "data.features[0].columns is a list of maps, not a value"},
    };
    rk_config *config = NULL;
    const char *yaml = "data: {sources: [{file: a.csv}]}\n";
    assert_ok(rk__config_parse(&config, "exp.yaml", yaml, (int64_t)strlen(yaml)));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     rk_config_set(config, cases[i].text, "--set"));
    }
    char text[5200];
    memset(text, 'a', sizeof text);
    memcpy(text, "data.name=", 10);
    text[sizeof text - 1] = '\0';
    assert_fails(RK_ERR_CONFIG, "the value of data.name is 5189 bytes long, more than 4096",
                 rk_config_set(config, text, "--set"));
    const char *out = NULL;
    assert_fails(RK_ERR_CONFIG, "did you mean 'train.epochs'?",
                 rk_config_get(config, "train.epoch", &out));
    assert_fails(RK_ERR_CONFIG, "data.sources is a list",
                 rk_config_get(config, "data.sources", &out));
    assert_fails(RK_ERR_CONFIG, "there is no data.sources[1].file",
                 rk_config_get(config, "data.sources[1].file", &out));
    assert_fails(RK_ERR_CONFIG, "there is no data.features[0].columns[0].column",
                 rk_config_get(config, "data.features[0].columns[0].column", &out));
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names), cmocka_unit_test(wrong_values),
        cmocka_unit_test(wrong_shapes),  cmocka_unit_test(not_yaml),
        cmocka_unit_test(bad_files),     cmocka_unit_test(bad_assignments),
    };
    return cmocka_run_group_tests_name("config errors", tests, NULL, NULL);
}
