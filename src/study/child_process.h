// Forked children that do the engine's work, and one socket to each. A child dies with its parent.
#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "fqlab/result.h"
#include "study/shared_memory.h"

namespace fqlab {

/// A child with a socket that keeps message boundaries. Fork only while this process has one thread.
class ChildProcess {
 public:
  /// `work` runs in the child with its end of the socket and returns its exit code; it may call
  /// keep_engine_messages(). Ctrl+C does not reach the child.
  static Result<ChildProcess> start(const std::function<int(int socket)>& work);
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        socket_(std::exchange(other.socket_, -1)),
        words_(std::move(other.words_)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  /// Kills a child that still runs.
  ~ChildProcess();

  int socket() const { return socket_; }
  /// Waits for the child and says how it ended: "killed by signal 9 (Killed)", its exit code, and what the
  /// engine said last.
  std::string how_it_ended();

 private:
  ChildProcess(pid_t pid, int socket, SharedMemory words)
      : pid_(pid), socket_(socket), words_(std::move(words)) {}
  pid_t pid_ = -1;
  int socket_ = -1;
  SharedMemory words_;
};

/// In a child, first of all: it dies with its parent, and without a core file.
void end_with_parent(pid_t parent);

/// In a child: notes the engine's last messages where the parent finds them after a death.
void keep_engine_messages();

/// Sends or receives one message of a trivial type. False where the other side is gone.
bool send_bytes(int socket, std::span<const std::byte> message);
bool receive_bytes(int socket, std::span<std::byte> message);

template <class T>
bool send_message(int socket, const T& message) {
  return send_bytes(socket, std::as_bytes(std::span(&message, 1)));
}
template <class T>
bool receive_message(int socket, T& message) {
  return receive_bytes(socket, std::as_writable_bytes(std::span(&message, 1)));
}

}  // namespace fqlab
