# What needs the real data sets and more than a few seconds; make test leaves the label `long` out.
rankine_script_test(long/test_anchors.sh)
rankine_script_test(long/test_rating_anchors.sh)
rankine_script_test(long/test_image.sh)
set_tests_properties(long/test_image PROPERTIES TIMEOUT 3600)
rankine_script_test(long/test_serve.sh)
rankine_script_test(long/test_page.sh)
rankine_script_test(long/test_report_page.sh)
rankine_script_test(long/test_openapi.sh)
set_tests_properties(long/test_serve PROPERTIES TIMEOUT 3600)
# The 20 kills of it, instead of 3.
rankine_script_test(long/test_tensorboard_kills.sh)
rankine_script_test(long/test_sweep.sh)
# A rank is killed 50 times, instead of 3.
rankine_script_test(long/test_rank_kills.sh)
set_property(TEST long/test_rank_kills APPEND PROPERTY ENVIRONMENT
    "RANKINE_MPI_MODULE=${PROJECT_BINARY_DIR}/src/rankine-mpi.so")
set_tests_properties(long/test_rank_kills PROPERTIES TIMEOUT 3600)
rankine_script_test(long/test_first_config.sh)
set_tests_properties(long/test_first_config PROPERTIES TIMEOUT 3600)
rankine_script_test(long/test_recbole.sh)
set_tests_properties(long/test_recbole PROPERTIES TIMEOUT 3600)
