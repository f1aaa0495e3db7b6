// The engine's process-wide state: started once, its messages kept instead of printed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace fqlab {

/// Starts llama.cpp on the first call and routes its log into engine_messages().
void start_engine();

/// "; the engine said: FIRST ERROR" or "" where it reported none since the last call of
/// clear_engine_messages().
std::string engine_said();
void clear_engine_messages();

/// While it lives, each piece that the engine logs goes to `hear` as well, on the thread that logs it. One at
/// a time.
class EngineListener {
 public:
  explicit EngineListener(std::function<void(std::string_view)> hear);
  ~EngineListener();
  EngineListener(const EngineListener&) = delete;
  EngineListener& operator=(const EngineListener&) = delete;
};

}  // namespace fqlab
