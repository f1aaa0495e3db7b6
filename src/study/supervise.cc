#include "study/supervise.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "fqlab/engine.h"
#include "study/child_process.h"

namespace fqlab {
namespace {

int last_words_descriptor = -1;  // of the child; the abort callback takes no argument

void send_last_words(const char* reason) {
  if (write(last_words_descriptor, reason, std::strlen(reason)) < 0) return;  // nobody is left to tell
}

[[noreturn]] void run_child(const std::function<int()>& work, pid_t parent, int descriptor,
                            const struct sigaction& old_interrupt) {
  end_with_parent(parent);
  sigaction(SIGINT, &old_interrupt, nullptr);
  last_words_descriptor = descriptor;
  on_engine_abort(send_last_words);
  const int code = work();
  std::fflush(nullptr);
  _exit(code);
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 512> buffer{};
  for (;;) {
    const ssize_t n = read(descriptor, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

}  // namespace

Result<int> run_supervised(const std::function<int()>& work) {
  std::array<int, 2> words{};
  if (pipe(words.data()) != 0)
    return fail(ErrorCode::kSystem, std::string("cannot make a pipe: ") + std::strerror(errno));
  std::fflush(nullptr);
  struct sigaction ignore {
  }, old_interrupt{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &old_interrupt);  // the child decides; we wait for it
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    close(words[0]);
    run_child(work, parent, words[1], old_interrupt);
  }
  close(words[1]);
  if (child < 0) {
    close(words[0]);
    sigaction(SIGINT, &old_interrupt, nullptr);
    return fail(ErrorCode::kSystem, std::string("cannot start a process: ") + std::strerror(errno));
  }
  const std::string last_words = read_all(words[0]);
  close(words[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  sigaction(SIGINT, &old_interrupt, nullptr);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int signal = WTERMSIG(status);
  if (signal == SIGINT) return fail(ErrorCode::kInterrupted, "interrupted; nothing was written");
  const char* hint = signal == SIGKILL ? "the system may have run out of memory"
                                       : "see whether llama-cli of the same version runs the file";
  return fail(ErrorCode::kEngine,
              last_words.empty() ? fmt::format("the engine died: {}", strsignal(signal))
                                 : "the engine gave up: " + last_words,
              {}, hint);
}

}  // namespace fqlab
