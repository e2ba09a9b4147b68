# What needs the real data sets and more than a few seconds; make test leaves the label `long` out.
rankine_script_test(long/test_anchors.sh)
