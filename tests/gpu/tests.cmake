# What only a GPU can show; skipped, with the reason, where there is none. tests/emu runs the same
# programs on the CPU.
rankine_test(gpu/test_cuda.c)
rankine_test(gpu/test_devices.c)
rankine_test(gpu/test_every_model.c)
add_test(NAME gpu/parity COMMAND test_parity WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
set_tests_properties(gpu/parity PROPERTIES LABELS gpu SKIP_RETURN_CODE 77 TIMEOUT 600
    ENVIRONMENT "${RANKINE_TEST_ENVIRONMENT};OPS_DEVICE=cuda")
rankine_test(gpu/test_large.c)
add_test(NAME ops/large COMMAND test_large WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
set_tests_properties(ops/large PROPERTIES LABELS ops TIMEOUT 600
    ENVIRONMENT "${RANKINE_TEST_ENVIRONMENT};LARGE_DEVICE=cpu")
