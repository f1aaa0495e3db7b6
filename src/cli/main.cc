// The program fqlab.
#include "cli/app.h"

int main(int argc, char** argv) { return fqlab::cli::run(argc, argv); }
