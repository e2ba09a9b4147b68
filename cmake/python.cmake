# A wheel: the library and the program, one file each, since wheels have no links, to lie beside
# python/rankine. What can be is linked in; what is left (OpenBLAS, OpenMP, jansson, GnuTLS of
# libmicrohttpd) auditwheel puts beside them.
#
# HDF5 must be linked in: the shared library of Debian needs curl, OpenSSL and Kerberos, some thirty
# libraries that would all have to be kept up to date in a wheel.
find_program(OBJCOPY objcopy REQUIRED)
list(GET HDF5_C_LIBRARIES 0 hdf5_shared)
if(TARGET ${hdf5_shared})
    list(GET HDF5_LIBRARIES 0 hdf5_shared)
endif()
get_filename_component(hdf5_folder ${hdf5_shared} DIRECTORY)
find_library(HDF5_ARCHIVE libhdf5.a HINTS ${hdf5_folder} REQUIRED)
set(hdf5_copy ${PROJECT_BINARY_DIR}/generated/libhdf5.a)
set(renamed "")
foreach(stream stdin stdout stderr)
    list(APPEND renamed --redefine-sym ${stream}=rk__hdf5_${stream})
endforeach()
add_custom_command(OUTPUT ${hdf5_copy}
    COMMAND ${OBJCOPY} ${renamed} ${HDF5_ARCHIVE} ${hdf5_copy}
    DEPENDS ${HDF5_ARCHIVE} VERBATIM)
add_custom_target(hdf5_copy DEPENDS ${hdf5_copy})
add_dependencies(rankine hdf5_copy)
target_sources(rankine PRIVATE ${PROJECT_SOURCE_DIR}/cmake/python_streams.c)
foreach(library YAML:libyaml.a ZLIB:libz.a ZSTD:libzstd.a UTF8PROC:libutf8proc.a)
    string(REGEX MATCHALL "[^:]+" pair ${library})
    list(GET pair 0 name)
    list(GET pair 1 file)
    find_library(${name}_ARCHIVE ${file} HINTS ${${name}_LIBRARY_DIRS})
    if(${name}_ARCHIVE)
        set_property(TARGET PkgConfig::${name} PROPERTY INTERFACE_LINK_LIBRARIES
            ${${name}_ARCHIVE})
    endif()
endforeach()
set(hdf5_needs ${hdf5_copy})
foreach(file libsz.a libaec.a)
    find_library(${file}_FOUND ${file})
    if(${file}_FOUND)
        list(APPEND hdf5_needs ${${file}_FOUND})
    endif()
endforeach()
if(ZLIB_ARCHIVE)
    list(APPEND hdf5_needs ${ZLIB_ARCHIVE})
else()
    list(APPEND hdf5_needs PkgConfig::ZLIB)
endif()
set_property(TARGET HDF5::HDF5 PROPERTY INTERFACE_LINK_LIBRARIES "${hdf5_needs}")

# What is linked in is nobody else's: h5py in the same process has an HDF5 of its own.
set(archives libhdf5.a:libsz.a:libaec.a:libyaml.a:libz.a:libzstd.a:libutf8proc.a)
target_link_options(rankine PRIVATE -Wl,--exclude-libs,${archives})

set_property(TARGET rankine PROPERTY INSTALL_RPATH "$ORIGIN")
set_property(TARGET rankine_cli PROPERTY INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS rankine LIBRARY DESTINATION rankine/lib COMPONENT python)
# CUDA's libraries are not in the wheel: python/rankine/_cuda.py finds these, by their own names.
if(RANKINE_CUDA)
    find_program(OBJDUMP objdump REQUIRED)
    set(names "")
    foreach(library cudart nvJitLink cublasLt cublas cusparse cusolver)
        execute_process(COMMAND ${OBJDUMP} -p ${CUDAToolkit_LIBRARY_DIR}/lib${library}.so
            OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
        string(REGEX REPLACE ".*SONAME +([^ \n]+).*" "\\1\n" name "${said}")
        string(APPEND names ${name})
    endforeach()
    file(WRITE ${PROJECT_BINARY_DIR}/generated/cuda.txt ${names})
    install(FILES ${PROJECT_BINARY_DIR}/generated/cuda.txt DESTINATION rankine/lib
        COMPONENT python)
endif()
install(TARGETS rankine_cli RUNTIME DESTINATION rankine/bin COMPONENT python)
install(PROGRAMS python/command/rankine DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT python)
