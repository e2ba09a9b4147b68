# Copies every shared library that an installed rankine needs and that glibc or CUDA does not bring
# into its lib/, so that the tree runs where none of them is installed. Run by `cmake --install`:
# always with -DRANKINE_BUNDLE=ON, else with `--component bundle` after the tree itself is there.
#
# Each library then looks beside itself first ($ORIGIN). glibc stays out because it has to be that
# of the running loader; CUDA's libraries stay out because they are large and come with the toolkit
# or the container. The libraries' licences go to share/doc/rankine/licenses, named by package.
set(root $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX})
set(library_dir ${root}/${rankine_libdir})
set(doc_dir ${root}/${rankine_docdir})
set(library ${library_dir}/librankine.so)

foreach(tool patchelf dpkg-query objdump)
    find_program(path_of_${tool} ${tool})
    if(NOT path_of_${tool})
        message(FATAL_ERROR "bundling needs ${tool}, which is not there; on Debian and Ubuntu: "
            "tools/install_packages.sh build dist")
    endif()
endforeach()
if(NOT EXISTS ${library})
    message(FATAL_ERROR "${library} is not there: install the tree first, then the component "
        "'bundle' with the same prefix")
endif()

string(REGEX REPLACE "([][+.*()^$?|\\])" "\\\\\\1" root_pattern ${root})
file(GET_RUNTIME_DEPENDENCIES
    EXECUTABLES ${root}/${rankine_bindir}/rankine
    LIBRARIES ${library}
    RESOLVED_DEPENDENCIES_VAR found
    UNRESOLVED_DEPENDENCIES_VAR lost
    PRE_EXCLUDE_REGEXES
        "^(ld-linux.*|lib(c|m|mvec|dl|rt|pthread|resolv|util|anl|nsl|thread_db))\\.so"
        "^lib(cuda|cudart|cublas|cublasLt|cusparse|cusolver|curand|nvJitLink|nvidia-.*)\\.so"
    POST_EXCLUDE_REGEXES "^${root_pattern}/")
if(lost)
    message(FATAL_ERROR "cannot bundle, the loader does not find: ${lost}")
endif()

# package_of(OUT FILE): the Debian package that FILE is from. Packages name files with and without
# the /usr that /lib is a link into.
function(package_of out file)
    file(REAL_PATH ${file} real)
    string(REGEX REPLACE "^/usr/" "/" short ${real})
    foreach(name ${real} ${short})
        execute_process(COMMAND ${path_of_dpkg-query} -S ${name}
            OUTPUT_VARIABLE answer ERROR_QUIET RESULT_VARIABLE status)
        if(status EQUAL 0)
            string(REGEX REPLACE ":.*" "" package "${answer}")
            set(${out} ${package} PARENT_SCOPE)
            return()
        endif()
    endforeach()
    message(FATAL_ERROR "no package owns ${real}, so its licence is unknown and it cannot be "
        "bundled: use the library of the distribution")
endfunction()

# The texts that Debian's copyright files only point to.
function(copy_common_licences copyright)
    file(READ ${copyright} text)
    string(REGEX MATCHALL "/usr/share/common-licenses/[A-Za-z0-9.+-]*[A-Za-z0-9]" names "${text}")
    list(REMOVE_DUPLICATES names)
    foreach(name IN LISTS names)
        if(EXISTS ${name})
            file(REAL_PATH ${name} real)
            get_filename_component(base ${name} NAME)
            file(COPY_FILE ${real} ${doc_dir}/licenses/${base})
        endif()
    endforeach()
endfunction()

set(manifest "")
foreach(file IN LISTS found)
    get_filename_component(name ${file} NAME)
    package_of(package ${file})
    execute_process(COMMAND ${path_of_dpkg-query} -W "-f=\${Version}\n" ${package}
        OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX REPLACE "\n.*" "" version "${version}") # one line an architecture
    set(copyright /usr/share/doc/${package}/copyright)
    if(NOT EXISTS ${copyright})
        message(FATAL_ERROR "${copyright} is not there (some containers are made without "
            "/usr/share/doc): ${name} cannot be bundled without its licence")
    endif()
    file(REAL_PATH ${copyright} real_copyright)
    file(MAKE_DIRECTORY ${doc_dir}/licenses/${package})
    file(COPY_FILE ${real_copyright} ${doc_dir}/licenses/${package}/copyright)
    copy_common_licences(${real_copyright})

    # Under the name that the loader asks for, as a file of its own: no link can dangle.
    file(REAL_PATH ${file} real)
    file(COPY_FILE ${real} ${library_dir}/${name})
    file(CHMOD ${library_dir}/${name}
        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    execute_process(COMMAND ${path_of_patchelf} --set-rpath "$ORIGIN" ${library_dir}/${name}
        COMMAND_ERROR_IS_FATAL ANY)
    list(APPEND manifest "${name} ${package} ${version}")
endforeach()
execute_process(COMMAND ${path_of_patchelf} --set-rpath "$ORIGIN" ${library}
    COMMAND_ERROR_IS_FATAL ANY)

# A second time over the same tree nothing is missing, and the list of the first time stands.
if(manifest)
    list(SORT manifest)
    list(LENGTH manifest count)
    list(JOIN manifest "\n" lines)
    file(WRITE ${doc_dir}/BUNDLED.txt
        "Libraries of others in ${rankine_libdir}/, each with the package and the version that it "
        "is from.\nUnchanged but for where they look for each other. Licences: licenses/PACKAGE/. "
        "Sources: the\ndistribution's, under the same package and version.\n\n${lines}\n")
    message(STATUS "Bundled ${count} libraries into ${library_dir}")
endif()
