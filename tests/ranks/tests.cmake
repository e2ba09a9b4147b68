# Several ranks, started by mpirun; skipped where there is no MPI.
add_executable(mpi_ranks ranks/mpi_ranks.c)
target_link_libraries(mpi_ranks PRIVATE rankine_test_support)
foreach(name test_commands test_mpi test_faults test_train test_users)
    rankine_script_test(ranks/${name}.sh)
    set_property(TEST ranks/${name} APPEND PROPERTY ENVIRONMENT
        "RANKINE_MPI_MODULE=${PROJECT_BINARY_DIR}/src/rankine-mpi.so")
    # Two places at once are free at the beginning: later ones would be waited for until the end.
    set_tests_properties(ranks/${name} PROPERTIES PROCESSORS 2 COST 200)
endforeach()
