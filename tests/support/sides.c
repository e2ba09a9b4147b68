#include "support/sides.h"

#include "base/alloc.h"
#include "config/options.h"

static char *scratch;

int sides_set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    return 0;
}

int sides_tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return 0;
}

void sides_put(const char *name, const char *text)
{
    test_write(test_path(scratch, name), text, -1);
}

const char *sides_path(const char *name)
{
    return test_path(scratch, name);
}

/* A config of YAML below "data:", whose files are in the scratch folder. */
rk_status sides_config(rk_config **out, const char *lists)
{
    char text[8000];
    snprintf(text, sizeof text, "data:\n    cache: cache\n%s", lists);
    return rk__config_parse(out, test_path(scratch, "sides.yaml"), text, (int64_t)strlen(text));
}

rk_status sides_try(rk_dataset **out, const char *lists)
{
    rk_config *config = NULL;
    rk_status status = sides_config(&config, lists);
    if (status == RK_OK) {
        status = rk_dataset_prepare(config, false, NULL, out);
    }
    rk_config_free(config);
    return status;
}

rk_dataset *sides_prepare(const char *lists)
{
    rk_dataset *d = NULL;
    assert_ok(sides_try(&d, lists));
    return d;
}

const rk_relation *sides_relation(const rk_dataset *d, const char *name)
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
const char *sides_edges(const rk_dataset *d, const char *name)
{
    static char text[4000];
    const rk_relation *r = sides_relation(d, name);
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
const char *sides_words(const rk_features *f, int64_t node)
{
    static char text[1000];
    size_t at = 0;
    text[0] = '\0';
    for (int64_t k = f->offsets[node]; k < f->offsets[node + 1]; k++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? " " : "",
                               f->sparse_names[f->columns[k]]);
        assert_true(at < sizeof text - 100);
    }
    return text;
}

void sides_put_small(void)
{
    sides_put("train.csv", "user_id,item_id\n1,10\n1,20\n2,20\n2,30\n3,10\n");
    sides_put("test.csv", "user_id,item_id\n1,30\n3,20\n");
}
