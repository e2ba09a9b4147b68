/* Triples of a knowledge graph as interactions of queries with entities. */
#include "base/alloc.h"
#include "config/options.h"
#include "data/triples.h"
#include "models/models.h"
#include "support/triples.h"

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

static bool has_answer(const rk_dataset *d, rk_part part, const char *query, const char *answer)
{
    int64_t user = -1, item = -1, n = 0;
    const int32_t *items = NULL;
    assert_ok(rk_dataset_find_user(d, query, &user));
    assert_ok(rk_dataset_find_item(d, answer, &item));
    assert_ok(rk_dataset_items(d, part, user, &items, &n));
    for (int64_t i = 0; i < n; i++) {
        if (items[i] == item) {
            return true;
        }
    }
    return false;
}

static void triples_become_queries(void **unused)
{
    (void)unused;
    write_triples(folder, "Paris,capital_of,France\nRome,capital_of,Italy\nParis,in,France\n",
                  "\"Bern, BE\",capital_of,Switzerland\n", "France,next_to,Italy\n");
    rk_config *config = load_triples(folder, NULL);
    rk_dataset *d = NULL;
    rk_triples t = {0};
    assert_ok(rk_dataset_prepare(config, false, NULL, &d));
    const rk_dataset_stats *stats = rk_dataset_get_stats(d);
    assert_int_equal(stats->rows_read, 5);
    assert_int_equal(stats->train, 6);
    assert_int_equal(stats->users, 10);
    assert_int_equal(stats->items, 6);
    assert_true(has_answer(d, RK_TRAIN, "Paris > capital_of", "France"));
    assert_true(has_answer(d, RK_TRAIN, "France < capital_of", "Paris"));
    assert_true(has_answer(d, RK_TRAIN, "France < in", "Paris"));
    assert_true(has_answer(d, RK_VALID, "Bern, BE > capital_of", "Switzerland"));
    assert_true(has_answer(d, RK_TEST, "Italy < next_to", "France"));
    assert_ok(rk__triples_init(&t, d));
    assert_int_equal(t.n_relations, 3);
    assert_string_equal(t.names[0], "capital_of");
    assert_int_equal(rk__triples_find(&t, "next_to", true), 5);
    assert_int_equal(rk__triples_find(&t, "near", false), -1);
    for (int64_t q = 0; q < t.n_queries; q++) {
        char room[2][RK_ID_BYTES], id[200];
        const bool is_backward = t.relations[q] % 2;
        snprintf(id, sizeof id, "%s %s %s", rk_dataset_item_id(d, t.entities[q], room[0]),
                 is_backward ? "<" : ">", t.names[t.relations[q] / 2]);
        assert_string_equal(rk_dataset_user_id(d, q, room[1]), id);
    }
    rk__triples_free(&t);
    rk_dataset_free(d);
    rk_config_free(config);
}

/* Entities that are numbers are numbers in the queries, too. */
static void entities_may_be_numbers(void **unused)
{
    (void)unused;
    static const char *const integers[] = {"data.ids=integer", NULL};
    write_triples(folder, "7,a b,12\n12,a b,7\n", "7,c,7\n", "900,c,12\n");
    rk_config *config = load_triples(folder, integers);
    rk_dataset *d = NULL;
    rk_triples t = {0};
    assert_ok(rk_dataset_prepare(config, false, NULL, &d));
    assert_true(has_answer(d, RK_TRAIN, "12 > a b", "7"));
    assert_true(has_answer(d, RK_TEST, "12 < c", "900"));
    assert_ok(rk__triples_init(&t, d));
    int64_t user = 0, item = 0;
    assert_ok(rk_dataset_find_user(d, "900 > c", &user));
    assert_ok(rk_dataset_find_item(d, "900", &item));
    assert_int_equal(t.entities[user], item);
    rk__triples_free(&t);
    rk_dataset_free(d);
    rk_config_free(config);
}

static void bad_triples_are_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *train, *settings[3], *message;
        rk_status status;
    } cases[] = {
        {"a > b,r,c\n", {NULL}, "train.csv:2:1: head 'a > b' holds ' > '", RK_ERR_DATA},
        {"a,is < of,c\n", {NULL}, "type 'is < of' holds ' < '", RK_ERR_DATA},
        {"a,,c\n", {NULL}, "train.csv:2:3: type", RK_ERR_DATA},
        {"a,r,c\n", {"data.sources[0].relation=kind"}, "source.relation", RK_ERR_DATA},
        {"a,r,c\n", {"data.sources[1].relation="}, "has no relation", RK_ERR_CONFIG},
        {"a,r,c\n", {"data.min_user=2"}, "both directions belong together", RK_ERR_CONFIG},
        {"a,r,c\n", {"split.carve_valid=0.1"}, "both directions belong together", RK_ERR_CONFIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_triples(folder, cases[i].train, "", "");
        test_write(test_path(folder, "valid.csv"), "head,type,tail\na,r,b\n", -1);
        test_write(test_path(folder, "test.csv"), "head,type,tail\nb,r,a\n", -1);
        rk_config *config = load_triples(folder, cases[i].settings);
        rk_dataset *d = NULL;
        assert_fails(cases[i].status, cases[i].message,
                     rk_dataset_prepare(config, false, NULL, &d));
        rk_config_free(config);
    }
}

/* Every allocation fails once, and nothing is left behind. */
static void memory_that_runs_out_is_an_error(void **unused)
{
    (void)unused;
    write_triples(folder, "Paris,capital_of,France\nRome,in,Italy\n", "Paris,in,France\n",
                  "France,next_to,Italy\n");
    rk_config *config = load_triples(folder, NULL);
    rk_dataset *d = NULL;
    rk_triples t = {0};
    int64_t n = 0;
    assert_ok(rk_dataset_prepare(config, false, NULL, &d));
    for (rk_status status = RK_ERR_MEMORY; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk__triples_init(&t, d);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk__triples_free(&t);
        t = (rk_triples){0};
    }
    assert_true(n > 3);
    rk_dataset_free(d);
    rk_config_free(config);
}

/* Every allocation of an encoder's tensors and graph fails once. */
static void encoders_without_memory(void **unused)
{
    (void)unused;
    static const char *const encoders[][6] = {
        {"model.kind=distmult", "model.encoder=rgcn", "model.bases=2", NULL},
        {"model.kind=distmult", "model.encoder=rgcn", "model.blocks=2", NULL},
        {"model.kind=distmult", "model.encoder=compgcn", "model.composition=corr",
         "model.batch_norm=true", NULL}};
    write_triples(folder, "a,r,b\nb,r,c\nc,s,a\n", "a,s,b\n", "b,s,c\n");
    for (size_t k = 0; k < sizeof encoders / sizeof encoders[0]; k++) {
        rk_config *config = load_triples(folder, encoders[k]);
        assert_ok(rk_config_set(config, "model.dim=4", "test"));
        assert_ok(rk_config_set(config, "model.layers=1", "test"));
        const rk_options *o = rk__config_options(config);
        rk_dataset *d = NULL;
        rk_graph graph = {0};
        int64_t n = 0;
        assert_ok(rk_dataset_prepare(config, false, NULL, &d));
        const rk_lists *train = &d->parts[RK_TRAIN];
        assert_ok(
            rk__graph_build_lists(&graph, train->offsets, train->items, d->n_users, d->n_items));
        const rk_model_data data = {
            .n_users = d->n_users, .n_items = d->n_items, .graph = &graph, .dataset = d};
        for (rk_status status = RK_ERR_MEMORY; status != RK_OK; n++) {
            rk_model_instance m = {0};
            rk_store store = {0};
            rk__alloc_fail_after(n);
            status = rk__model_declare(&m, rk__model_of(o), o, &data, &store);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK || status == RK_ERR_MEMORY);
            rk__model_free(&m);
            rk__store_free(&store);
        }
        assert_true(n > 20);
        rk__graph_free(&graph);
        rk_dataset_free(d);
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(triples_become_queries),
        cmocka_unit_test(entities_may_be_numbers),
        cmocka_unit_test(bad_triples_are_named),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(encoders_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
