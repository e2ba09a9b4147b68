foreach(topic help config sources eager profile program tour interrupt seeds compare bad_text
        bad_files display results report recbole install
        bundle readme lists recommend answers models rows sides
        memory folders jobs export context odd_data protocols ratings links tensorboard serve
        serve_life sweep order)
    rankine_script_test(cli/test_${topic}.sh)
endforeach()
add_test(NAME cli/cases COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/cases/replay.py
    ${RANKINE_CASES} $<TARGET_FILE_DIR:rankine_cli>)
set_tests_properties(cli/cases PROPERTIES LABELS cli SKIP_RETURN_CODE 77 TIMEOUT 600
    ENVIRONMENT "${RANKINE_TEST_ENVIRONMENT};PYTHONDONTWRITEBYTECODE=1")
