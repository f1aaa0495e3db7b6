// Runs the built program and keeps what it printed.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "testing.h"

namespace fqlab::testing {

struct Ran {
  int code = -1;  ///< exit code; -1 after a signal
  std::string out, err;
};

/// Runs fqlab with these arguments; stdout goes to `out_path` and stdin comes from `in_path` where given.
/// `meanwhile` is called with the running program's process.
inline Ran fqlab(const std::vector<std::string>& arguments, const std::string& out_path = {},
                 const std::string& in_path = "/dev/null", const std::function<void(pid_t)>& meanwhile = {}) {
  TemporaryFolder folder;
  const std::string out = out_path.empty() ? (folder / "out").string() : out_path;
  const std::string err = (folder / "err").string();
  std::vector<char*> argv;
  std::string program = testing::program().string();
  argv.push_back(program.data());
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in_path.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  Ran ran;
  if (posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ) == 0) {
    if (meanwhile) meanwhile(child);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) ran.code = WEXITSTATUS(status);
  }
  posix_spawn_file_actions_destroy(&actions);
  if (out_path.empty()) ran.out = read_file(out);
  ran.err = read_file(err);
  return ran;
}

/// Each file that a command has written to `folder`, alone in it, makes the command refuse the folder.
inline void expect_each_file_is_kept(const std::filesystem::path& folder,
                                     const std::vector<std::string>& command) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  EXPECT_GE(names.size(), 2u);
  for (const std::string& name : names) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    write_file(folder / name, "precious");
    const Ran ran = fqlab(command);
    EXPECT_EQ(ran.code, 2) << name;
    EXPECT_NE(ran.err.find("--force"), std::string::npos) << name << ": " << ran.err;
    EXPECT_EQ(read_file(folder / name), "precious");
  }
}

}  // namespace fqlab::testing
