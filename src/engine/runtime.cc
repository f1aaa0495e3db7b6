#include "engine/runtime.h"

#include <ggml.h>
#include <llama.h>

#include <deque>
#include <mutex>
#include <vector>

#include "fqlab/engine.h"

namespace fqlab {
namespace {

constexpr size_t kKeptMessages = 50;

struct Log {
  std::mutex mutex;
  std::deque<std::string> messages;
  std::string first_error;  // the cause; those after it are its consequences
  std::function<void(std::string_view)> hear;
};

Log& log() {
  static Log* the_log = new Log;  // never destroyed: the engine may write while the process ends
  return *the_log;
}

void tell_listener(const char* text) {
  std::unique_lock lock(log().mutex);
  const auto hear = log().hear;
  lock.unlock();  // it may ask for messages
  if (hear) hear(text);
}

void keep_message(ggml_log_level level, const char* text, void*) {
  tell_listener(text);
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  if (line.empty() || line == ".") return;
  const std::lock_guard lock(log().mutex);
  if (level == GGML_LOG_LEVEL_ERROR && log().first_error.empty()) log().first_error = line;
  log().messages.push_back(std::move(line));
  if (log().messages.size() > kKeptMessages) log().messages.pop_front();
}

}  // namespace

void start_engine() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(keep_message, nullptr);
    llama_backend_init();
  });
}

std::string engine_said() {
  const std::lock_guard lock(log().mutex);
  return log().first_error.empty() ? std::string() : "; the engine said: " + log().first_error;
}

void clear_engine_messages() {
  const std::lock_guard lock(log().mutex);
  log().messages.clear();
  log().first_error.clear();
}

EngineListener::EngineListener(std::function<void(std::string_view)> hear) {
  const std::lock_guard lock(log().mutex);
  log().hear = std::move(hear);
}

EngineListener::~EngineListener() {
  const std::lock_guard lock(log().mutex);
  log().hear = nullptr;
}

std::string engine_version() { return FQLAB_ENGINE_VERSION; }

std::vector<std::string> engine_messages() {
  const std::lock_guard lock(log().mutex);
  return {log().messages.begin(), log().messages.end()};
}

void on_engine_abort(void (*told)(const char* reason)) { ggml_set_abort_callback(told); }

}  // namespace fqlab
