// The engine's process-wide state: started once, its messages kept instead of printed.
#pragma once

#include <string>

namespace fqlab {

/// Starts llama.cpp on the first call and routes its log into engine_messages().
void start_engine();

/// "; the engine said: FIRST ERROR" or "" where it reported none since the last call of
/// clear_engine_messages().
std::string engine_said();
void clear_engine_messages();

}  // namespace fqlab
