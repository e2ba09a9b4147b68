# Everything third-party, found once. tools/install_packages.sh installs it.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)
find_package(HDF5 REQUIRED COMPONENTS C)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
# Compressed sources, JSON lines, titles folded for a search.
foreach(library ZLIB:zlib ZSTD:libzstd JANSSON:jansson UTF8PROC:libutf8proc)
    string(REGEX MATCHALL "[^:]+" pair ${library})
    list(GET pair 0 name)
    list(GET pair 1 package)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${package})
endforeach()
# HTTP, for `rankine serve`: a program without it says so when it is asked to serve.
pkg_check_modules(MICROHTTPD IMPORTED_TARGET libmicrohttpd>=0.9.75)
if(NOT MICROHTTPD_FOUND)
    message(STATUS "no libmicrohttpd 0.9.75 or newer: rankine will not serve")
endif()
if(OPENBLAS_LIBRARY_DIRS MATCHES "pthread|serial")
    message(WARNING "this OpenBLAS is not the OpenMP build (${OPENBLAS_LIBRARY_DIRS}): dense "
        "products will be slower. On Debian and Ubuntu: update-alternatives --config "
        "libopenblas.so.0-${CMAKE_LIBRARY_ARCHITECTURE}")
endif()
find_path(RANDOM123_INCLUDE Random123/philox.h REQUIRED)
if(RANKINE_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
