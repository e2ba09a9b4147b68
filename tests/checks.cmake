# The checks of the sources themselves, and of the checks.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
foreach(check style layers families docker)
    set(script ${PROJECT_SOURCE_DIR}/tools/check_${check}.py)
    add_test(NAME unit/check_${check} COMMAND Python3::Interpreter ${script} ${PROJECT_SOURCE_DIR})
    add_test(NAME unit/check_${check}_self_test COMMAND Python3::Interpreter ${script} --self-test)
    set_tests_properties(unit/check_${check} unit/check_${check}_self_test PROPERTIES LABELS unit
        ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
endforeach()
add_test(NAME unit/check_docker_configure COMMAND Python3::Interpreter
    ${PROJECT_SOURCE_DIR}/tools/check_docker.py --configure ${PROJECT_SOURCE_DIR})
set_tests_properties(unit/check_docker_configure PROPERTIES LABELS unit
    ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
# Itself it needs nvcc: make check-kernels.
add_test(NAME unit/check_kernels_self_test COMMAND Python3::Interpreter
    ${PROJECT_SOURCE_DIR}/tools/check_kernels.py --self-test)
set_tests_properties(unit/check_kernels_self_test PROPERTIES LABELS unit
    ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
# The site itself needs packages of PyPI: make site. Links, generated pages and the search for what
# would be fetched need none.
add_test(NAME unit/site COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_site.py
    ${PROJECT_SOURCE_DIR})
set_tests_properties(unit/site PROPERTIES LABELS unit ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
