rankine_test(unit/test_base.c)
rankine_test(unit/test_build.c)
rankine_test(unit/test_base_text.c)
rankine_test(unit/test_graph.c)
