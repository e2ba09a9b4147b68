#!/usr/bin/env bash
# tests/cli/test_tensorboard.sh with 20 kills at random points.
KILLS=20 exec bash "$(dirname "$0")/../cli/test_tensorboard.sh"
