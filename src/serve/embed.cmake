# Builds files into the program, with no tool but CMake: page.html with its policy, openapi.json.
# The policy lets the page do nothing but run its own style and script, which it names by their
# SHA-256, and ask the server that it came from; a changed page never keeps an earlier one's policy.

# The base64 of a hash that is given as hex digits.
function(rankine_base64 hex out)
    set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    string(LENGTH "${hex}" digits)
    set(text "")
    set(at 0)
    while(at LESS digits)
        string(SUBSTRING "${hex}" ${at} 6 three) # bytes, or the two or one that are left
        string(LENGTH "${three}" given)
        string(SUBSTRING "${three}0000" 0 6 three)
        foreach(shift 18 12 6 0)
            math(EXPR value "(0x${three} >> ${shift}) & 63")
            string(SUBSTRING "${alphabet}" ${value} 1 letter)
            string(APPEND text "${letter}")
        endforeach()
        math(EXPR at "${at} + 6")
        if(given LESS 6)
            math(EXPR keep "4 - (6 - ${given}) / 2")
            string(LENGTH "${text}" length)
            math(EXPR length "${length} - 4 + ${keep}")
            string(SUBSTRING "${text}" 0 ${length} text)
            math(EXPR missing "(6 - ${given}) / 2")
            string(SUBSTRING "==" 0 ${missing} filled)
            string(APPEND text "${filled}")
        endif()
    endwhile()
    set(${out} "${text}" PARENT_SCOPE)
endfunction()

# The hash, as a policy writes it, of what stands between <tag> and </tag> in a page.
function(rankine_inline_hash page tag out)
    string(FIND "${page}" "<${tag}>" from)
    string(FIND "${page}" "</${tag}>" to)
    if(from LESS 0 OR to LESS from)
        message(FATAL_ERROR "the page has no <${tag}>...</${tag}>")
    endif()
    string(LENGTH "<${tag}>" length)
    math(EXPR from "${from} + ${length}")
    math(EXPR length "${to} - ${from}")
    string(SUBSTRING "${page}" ${from} ${length} inside)
    string(SHA256 hex "${inside}")
    rankine_base64("${hex}" text)
    set(${out} "'sha256-${text}'" PARENT_SCOPE)
endfunction()

# The value of the header Content-Security-Policy for the page in FILE.
function(rankine_page_policy file out)
    file(READ "${file}" page)
    rankine_inline_hash("${page}" style style)
    rankine_inline_hash("${page}" script script)
    set(${out} "default-src 'none'; connect-src 'self'; img-src data:; script-src ${script}; \
style-src ${style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" PARENT_SCOPE)
endfunction()

# A definition of `const char NAME[]` with the bytes of FILE and a zero byte behind them.
function(rankine_array file name out)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REPEAT "....," 12 line)
    string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
    set(${out} "const char ${name}[] = {\n    ${bytes}0x00};\n" PARENT_SCOPE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
endfunction()

# Writes OUT, a C file that defines what embedded.h declares, from the files of FOLDER.
function(rankine_embed folder out)
    rankine_array("${folder}/page.html" serve_page page)
    rankine_array("${folder}/openapi.json" serve_openapi_template openapi)
    rankine_page_policy("${folder}/page.html" policy)
    file(CONFIGURE OUTPUT "${out}" @ONLY CONTENT "#include \"serve/embedded.h\"

@page@const size_t serve_page_length = sizeof serve_page - 1;
const char serve_page_policy[] = \"@policy@\";

@openapi@const size_t serve_openapi_length = sizeof serve_openapi_template - 1;
")
endfunction()
