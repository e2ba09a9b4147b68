rankine_script_test(cli/test_bad_text.sh)
rankine_script_test(cli/test_install.sh)
