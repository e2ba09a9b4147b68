/* Every operation against a naive loop on every device; see harness.h. */
#include "ops/harness.h"

static const ops_entry *const families[] = {
#define OPS_FAMILY(family) ops_cases_##family,
#include "ops/families.def"
};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

static void run_entry(void **state)
{
    ((const ops_entry *)*state)->test();
}

static void every_operation_has_a_case(void **state)
{
    (void)state;
    bool has[RK_OP_COUNT] = {false};
    for (int f = 0; f < N_FAMILIES; f++) {
        for (const ops_entry *e = families[f]; e->test; e++) {
            has[e->op] = true;
        }
    }
    for (int op = 0; op < RK_OP_COUNT; op++) {
        if (!has[op]) {
            fail_msg("no parity case for %s: add one in tests/ops", rk__op_name((rk_op)op));
        }
    }
}

/* usage: test_parity [OPERATION]: only the cases of one. */
int main(int argc, char **argv)
{
    struct CMUnitTest tests[256] = {cmocka_unit_test(every_operation_has_a_case)};
    ops_target targets[OPS_MAX_TARGETS];
    int n_targets = ops_targets(targets);
    size_t n = 1;
    if (n_targets == 0) {
        print_message("skipped: %s\n", rk_last_error());
        return 77;
    }
    for (int i = 0; i < n_targets; i++) {
        print_message("target: %s\n", targets[i].label);
    }
    for (int f = 0; f < N_FAMILIES; f++) {
        for (const ops_entry *e = families[f]; e->test; e++) {
            assert_true(n < sizeof tests / sizeof tests[0]);
            tests[n++] = (struct CMUnitTest){rk__op_name(e->op), run_entry, NULL, NULL,
                                             (void *)(uintptr_t)e};
        }
    }
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return _cmocka_run_group_tests("parity", tests, n, NULL, NULL);
}
