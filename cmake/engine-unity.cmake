# Given to llama.cpp's own build by scripts/setup (CMAKE_PROJECT_llama.cpp_INCLUDE): sources that read the same headers are compiled
# together, which more than halves the processor time of the engine's build. Flags and sources stay llama.cpp's; only what fqlab takes from
# common/, the chat templates, is compiled with less optimization: it runs a few times a command.
# For the pinned source only: in another tree, two files of a group may give one name to two things.

# Gives the target's sources that match a pattern, after its folder, to a group.
function(fqlab_group target group pattern)
  get_target_property(folder ${target} SOURCE_DIR)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${folder} OUTPUT_VARIABLE path)
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY ${folder} OUTPUT_VARIABLE name)
    if(name MATCHES "^(${pattern})\\.cpp$")
      set_source_files_properties(${path} TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION OFF UNITY_GROUP ${group})
    endif()
  endforeach()
endfunction()

function(fqlab_unite_engine)
  set_target_properties(llama llama-common PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  fqlab_group(llama models_to_g "models/[a-g].*")
  fqlab_group(llama models_from_h "models/[h-z].*")
  fqlab_group(llama memory "llama-(kv-cache|memory).*")
  fqlab_group(llama context "llama-(graph|context|batch|adapter|arch|chat|cparams|hparams|io|impl|mmap)")
  fqlab_group(llama files "llama-(model|quant).*|llama")
  fqlab_group(llama text "llama-(grammar|sampler|vocab)|unicode.*")
  fqlab_group(llama-common parsers "parsers/.*")
  fqlab_group(llama-common chat "(chat|peg).*")
  fqlab_group(llama-common jinja "jinja/(runtime|parser|lexer|caps|string)")
  fqlab_group(llama-common rest "common|sampling|speculative|fit|ngram-.*|reasoning-budget|trie|unicode|log|imatrix-loader|llguidance|subproc")
  target_compile_options(llama-common PRIVATE -O1)
endfunction()

cmake_language(DEFER CALL fqlab_unite_engine)
