# bench/run: its tables by themselves, and a whole run on a small generated data set. The arms of
# PyTorch, and implicit, take part where a Python has them: -D RANKINE_BENCH_PYTHON=venv/bin/python.
set(RANKINE_BENCH_PYTHON "python3" CACHE STRING
    "Python with PyTorch and implicit for the tests of bench/run, bench/implicit and bench/peers")
add_test(NAME bench/harness
    COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/bench/test_harness.py)
add_test(NAME bench/model
    COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/bench/test_model.py)
foreach(part rankine torch growth ablation implicit peers)
    add_test(NAME bench/run_${part} COMMAND Python3::Interpreter
        ${CMAKE_CURRENT_SOURCE_DIR}/bench/test_run.py ${PROJECT_BINARY_DIR} ${part}
        ${RANKINE_BENCH_PYTHON})
endforeach()
set_tests_properties(bench/harness bench/model bench/run_rankine bench/run_torch bench/run_growth
    bench/run_ablation bench/run_implicit bench/run_peers PROPERTIES LABELS bench
    SKIP_RETURN_CODE 77 TIMEOUT 600
    ENVIRONMENT "${RANKINE_TEST_ENVIRONMENT};PYTHONDONTWRITEBYTECODE=1")
set_property(TEST bench/run_torch bench/run_implicit bench/run_peers APPEND PROPERTY ENVIRONMENT
    "RANKINE_SANITIZE=${RANKINE_SANITIZE}")
