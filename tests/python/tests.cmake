rankine_script_test(python/test_python.sh)
