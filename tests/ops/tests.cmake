rankine_test(ops/test_program.c)
