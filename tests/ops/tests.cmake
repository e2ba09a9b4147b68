rankine_test(ops/test_program.c)
rankine_test(ops/test_parity.c)
target_sources(test_parity PRIVATE ops/harness.c ops/cases_batch_loss.c ops/cases_clip.c
    ops/cases_contrast.c ops/cases_edges.c ops/cases_fold.c ops/cases_fused.c ops/cases_loss.c
    ops/cases_mix.c ops/cases_neighbours.c ops/cases_optimizer.c ops/cases_propagate.c
    ops/cases_rows.c ops/cases_sample.c ops/cases_slot_loss.c ops/cases_topk.c)
rankine_test(ops/test_sample.c)
target_sources(test_sample PRIVATE ops/harness.c)
rankine_test(ops/test_edges.c)
rankine_test(ops/test_cpu.c)
rankine_test(ops/test_fuse.c)
rankine_test(ops/test_restrict.c)
