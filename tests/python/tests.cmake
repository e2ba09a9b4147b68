rankine_script_test(python/test_python.sh)
rankine_script_test(python/test_torch.sh)
