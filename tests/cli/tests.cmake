foreach(topic help config sources eager profile program tour interrupt seeds compare bad_text
        bad_files display results install bundle readme lists recommend answers models rows sides
        folders jobs export)
    rankine_script_test(cli/test_${topic}.sh)
endforeach()
