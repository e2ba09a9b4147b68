rankine_test(unit/test_base.c)
