target_sources(rankine_test_support PRIVATE train/planted.c train/runs.c train/fitted.c
    train/every_kind.c train/fm_world.c train/joined_world.c)
rankine_test(train/test_step.c)
rankine_test(train/test_shards.c)
rankine_test(train/test_train.c)
rankine_test(train/test_resume.c)
rankine_test(train/test_phases.c)
rankine_test(train/test_refit.c)
rankine_test(train/test_sweep.c)
rankine_test(train/test_ensemble.c)
rankine_test(train/test_schedule.c)
rankine_test(train/test_neighbour_term.c)
rankine_test(train/test_run.c)
rankine_test(train/test_gradients.c)
rankine_test(train/test_graph_form.c)
rankine_test(train/test_row_order.c)
rankine_test(train/test_encoders.c)
rankine_test(train/test_golden.c)
rankine_test(train/test_golden_networks.c)
rankine_test(train/test_relations.c)
rankine_test(train/test_joined.c)
rankine_test(train/test_gcn.c)
rankine_test(train/test_relational.c)
rankine_test(train/test_behaviours.c)
rankine_test(train/test_golden_metrics.c)
rankine_test(train/test_answers.c)
rankine_test(train/test_similar.c)
rankine_test(train/test_saved.c)
rankine_test(train/test_evaluate.c)
rankine_test(train/test_page.c)
rankine_test(train/test_warm_start.c)
rankine_test(train/test_models_solved.c)
rankine_test(train/test_models_lists.c)
rankine_test(train/test_links.c)
rankine_test(train/test_irgnn.c)
rankine_test(train/test_rating_networks.c)
rankine_test(train/test_ncf.c)
rankine_test(train/test_models_spectral.c)
rankine_test(train/test_fold_in.c)
rankine_test(train/test_candidates.c)
rankine_test(train/test_held_out.c)
rankine_test(train/test_weights.c)
rankine_test(train/test_ratings.c)
rankine_test(train/test_models_bad.c)
rankine_test(train/test_models_runs.c)
rankine_test(train/test_fm.c)
rankine_test(train/test_fm_gradients.c)
rankine_test(train/test_fm_ratings.c)
rankine_test(train/test_network_fm.c)
rankine_test(train/test_arrays.c)
rankine_test(train/test_lent.c)
rankine_test(train/test_threads.c)

# What the service makes of questions, compiled anew so that it meets the library of the tests.
set(serving_sources answers.c batches.c memory.c openapi.c question.c reply.c rows.c run.c wants.c
    world.c)
list(TRANSFORM serving_sources PREPEND ${PROJECT_SOURCE_DIR}/src/serve/)
rankine_test(train/test_serving.c)
target_sources(test_serving PRIVATE ${serving_sources}
    ${PROJECT_BINARY_DIR}/src/serve/embedded.c)
target_link_libraries(test_serving PRIVATE rankine_text PkgConfig::JANSSON)

# The same under ThreadSanitizer: what threads share (the scorer, the API, the engine, the CPU
# device, errors, allocation) is compiled for it once more and found before the archive's.
# run.threads is 1 there, so that libgomp, whose barriers ThreadSanitizer does not see, starts no
# thread: the threads are the test's own.
if(NOT RANKINE_SANITIZE)
    set(shared_sources
        api/evaluate.c api/model.c
        base/alloc.c base/buffer.c base/error.c base/limits.c base/order.c
        device/eager.c device/executor.c
        device/cpu/cpu_device.c device/cpu/execute.c device/cpu/memory.c device/cpu/propagate.c
        device/cpu/rows.c device/cpu/score.c device/cpu/tables.c device/cpu/topk.c
        engine/engine.c engine/snapshot.c
        eval/evaluate.c eval/metrics.c
        models/als.c models/ease.c models/ials.c models/item_knn.c models/item_lists.c
        models/lightgcn.c models/model.c
        ops/append.c ops/plan.c ops/program.c
        score/answers.c score/reasons.c score/scorer.c score/tile.c score/variants.c)
    list(TRANSFORM shared_sources PREPEND ${PROJECT_SOURCE_DIR}/src/)
    add_executable(test_threads_tsan train/test_threads.c train/fitted.c ${shared_sources})
    target_include_directories(test_threads_tsan PRIVATE
        $<TARGET_PROPERTY:rankine_objects,INCLUDE_DIRECTORIES>)
    target_compile_options(test_threads_tsan PRIVATE -O1 -g -fsanitize=thread)
    target_link_options(test_threads_tsan PRIVATE -fsanitize=thread)
    target_link_libraries(test_threads_tsan PRIVATE rankine_test_support)
    add_test(NAME train/test_threads_tsan
        COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/emu/run.sh $<TARGET_FILE:test_threads_tsan>
        WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    set_tests_properties(train/test_threads_tsan PROPERTIES LABELS train TIMEOUT 900)
    add_executable(test_serving_tsan train/test_serving.c ${serving_sources}
        ${PROJECT_BINARY_DIR}/src/serve/embedded.c ${PROJECT_SOURCE_DIR}/src/text/json.c
        ${PROJECT_SOURCE_DIR}/src/text/utf8.c ${shared_sources})
    target_include_directories(test_serving_tsan PRIVATE
        $<TARGET_PROPERTY:rankine_objects,INCLUDE_DIRECTORIES>)
    target_compile_options(test_serving_tsan PRIVATE -O1 -g -fsanitize=thread)
    target_link_options(test_serving_tsan PRIVATE -fsanitize=thread)
    target_link_libraries(test_serving_tsan PRIVATE rankine_test_support PkgConfig::JANSSON)
    add_test(NAME train/test_serving_tsan
        COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/emu/run.sh $<TARGET_FILE:test_serving_tsan>
        WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    set_tests_properties(train/test_serving_tsan PROPERTIES LABELS train TIMEOUT 900)
endif()
