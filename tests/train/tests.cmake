target_sources(rankine_test_support PRIVATE train/planted.c)
rankine_test(train/test_session.c)
