#include "study/child_process.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "fqlab/engine.h"

namespace fqlab {
namespace {

constexpr size_t kWords = 4096;
constexpr size_t kMessages = 5;  // the last ones say what went wrong
std::span<char> last_words;      // of a child; the abort callback takes no argument

void note(std::string_view text) {
  if (last_words.empty()) return;
  const size_t length = std::min(text.size(), last_words.size() - 1);
  std::copy_n(text.begin(), length, last_words.begin());
  last_words[length] = '\0';
}

void note_abort(const char* reason) {
  const std::string before(last_words.data(), strnlen(last_words.data(), last_words.size()));
  note(before.empty() ? std::string(reason) : reason + (" | " + before));
}

/// An exception must not reach the parent's frames, which the child has copies of.
int result_of(const std::function<int(int)>& work, int socket) noexcept {
  try {
    return work(socket);
  } catch (const std::exception& error) {
    note(error.what());
  }
  return 1;
}

void become_worker(pid_t parent, std::span<char> words) {
  end_with_parent(parent);
  std::signal(SIGINT, SIG_IGN);  // the parent decides what an interrupt means
  std::signal(SIGTERM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  last_words = words;
  on_engine_abort(note_abort);
}

}  // namespace

void end_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before the line above
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

Result<ChildProcess> ChildProcess::start(const std::function<int(int)>& work) {
  Result<SharedMemory> words = SharedMemory::create(kWords);
  if (!words) return tl::unexpected(words.error());
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail(ErrorCode::kSystem, std::string("cannot make a socket: ") + std::strerror(errno));
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    become_worker(parent, words->as<char>());
    _exit(result_of(work, ends[1]));  // nothing of the parent's is flushed or closed here
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return fail(ErrorCode::kSystem, std::string("cannot start a process: ") + std::strerror(errno));
  }
  return ChildProcess(child, ends[0], std::move(*words));
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(socket_, other.socket_);
  std::swap(words_, other.words_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (socket_ >= 0) close(socket_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::string ChildProcess::how_it_ended() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  std::string text = WIFSIGNALED(status) ? fmt::format("killed by signal {} ({})", WTERMSIG(status),
                                                       strsignal(WTERMSIG(status)))
                                         : fmt::format("ended with exit code {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) text += "; the system may have run out of memory";
  const std::span<char> words = words_.as<char>();
  const std::string said(words.data(), strnlen(words.data(), words.size()));
  if (!said.empty()) text += "; the engine said: " + said;
  return text;
}

void keep_engine_messages() {
  const std::vector<std::string> messages = engine_messages();
  std::string text;
  for (size_t i = messages.size() - std::min(messages.size(), kMessages); i < messages.size(); ++i)
    text += (text.empty() ? "" : " | ") + messages[i];
  note(text);
}

bool send_bytes(int socket, std::span<const std::byte> message) {
  ssize_t sent;
  while ((sent = send(socket, message.data(), message.size(), MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent == static_cast<ssize_t>(message.size());
}

bool receive_bytes(int socket, std::span<std::byte> message) {
  ssize_t received;
  while ((received = recv(socket, message.data(), message.size(), 0)) < 0 && errno == EINTR) {
  }
  return received == static_cast<ssize_t>(message.size());
}

}  // namespace fqlab
