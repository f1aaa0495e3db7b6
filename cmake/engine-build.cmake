# Given to llama.cpp's own build by scripts/setup (CMAKE_PROJECT_llama.cpp_INCLUDE). Sources stay as they are, and so do the bits that they
# compute; docs/decisions/0013 has the figures. For the pinned source only: in another tree, two files that are compiled together may give
# one name to two things.

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

# Sources that read the same headers are compiled together: less than half of the processor time. What fqlab takes from common/, the chat
# templates, runs a few times a command and is compiled with less optimization.
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

# GCC's tuning for AMD's Zen folds every load of the float32 product's inner loop into a multiplication: 16 loads for 12 multiplications
# where 7 do, and the loads are what takes the time. The tuning for Skylake keeps the values in registers.
function(fqlab_tune_products)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -Q --help=target OUTPUT_VARIABLE options ERROR_QUIET)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND options MATCHES "-mtune=[ \t]+znver")
    get_target_property(folder ggml-cpu SOURCE_DIR)
    set_source_files_properties(${folder}/ggml-cpu/llamafile/sgemm.cpp TARGET_DIRECTORY ggml-cpu PROPERTIES COMPILE_OPTIONS -mtune=skylake)
  endif()
endfunction()

cmake_language(DEFER CALL fqlab_unite_engine)
cmake_language(DEFER CALL fqlab_tune_products)
