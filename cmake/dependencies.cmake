# Everything third-party, found once. tools/install_packages.sh installs it.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(HDF5 REQUIRED COMPONENTS C)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
if(OPENBLAS_LIBRARY_DIRS MATCHES "pthread|serial")
    message(WARNING "OpenBLAS is a build without OpenMP (${OPENBLAS_LIBRARY_DIRS}): results are the "
        "same, dense products are slower. Debian: update-alternatives --config "
        "libopenblas.so.0-${CMAKE_LIBRARY_ARCHITECTURE}, or remove libopenblas-pthread-dev")
endif()
find_path(RANDOM123_INCLUDE Random123/philox.h REQUIRED)
if(RANKINE_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
