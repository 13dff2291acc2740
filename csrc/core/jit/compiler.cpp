#include "core/jit/compiler.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "core/base/error.hpp"
#include "core/base/stop.hpp"

extern "C" char** environ;

namespace fastsfes::jit {
namespace {

constexpr int kTimeoutSeconds = 600;

std::atomic<bool> cancelled{false};

// The compiler gets no file of the program around us. It would keep them open while it runs, and with them their locks:
// HDF5 opens without O_CLOEXEC, and who closes a locked file and opens it again would be refused.
short keep_no_files(posix_spawn_file_actions_t& actions) {
#if defined(__APPLE__)
  (void)actions;
  return POSIX_SPAWN_CLOEXEC_DEFAULT;
#elif defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  return 0;
#else
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    // A file that was closed meanwhile is no error.
    if (fd > 2) posix_spawn_file_actions_addclose(&actions, fd);
  }
  return 0;
#endif
}

std::string search_path(const std::string& program) {
  const auto usable = [](const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (program.find('/') != std::string::npos) return usable(program) ? program : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (usable(candidate)) return candidate;
  }
  return "";
}

std::string identity_of(const std::string& path) {
  char resolved[PATH_MAX];
  const std::string real = ::realpath(path.c_str(), resolved) != nullptr ? resolved : path;
  struct stat info{};
  if (::stat(real.c_str(), &info) != 0) return real;
  return real + ":" + std::to_string(info.st_size) + ":" + std::to_string(info.st_mtime);
}

std::string first_lines(const std::string& path) {
  std::ifstream file(path);
  std::string text, line;
  for (int i = 0; i < 4 && std::getline(file, line); ++i) text += (i > 0 ? " | " : "") + line.substr(0, 200);
  return text;
}

}  // namespace

void cancel_compiling() noexcept { cancelled = true; }
bool compiling_cancelled() noexcept { return cancelled; }

Compiler find_compiler() {
  const char* cxx = std::getenv("CXX");
  for (const std::string& candidate :
       {std::string(cxx != nullptr ? cxx : ""), std::string("c++"), std::string("g++"), std::string("clang++")}) {
    std::istringstream words(candidate);
    std::vector<std::string> command;
    for (std::string word; words >> word;) command.push_back(word);
    if (command.empty()) continue;
    const std::string program = command[0];
    command[0] = search_path(program);
    if (command[0].empty() && cxx != nullptr && candidate == cxx) {
      throw InputError("CXX: there is no program \"" + program +
                       "\"; set it to a C++ compiler such as g++ or clang++, or leave it out");
    }
    if (command[0].empty()) continue;
    std::string identity = identity_of(command[0]);
    for (std::size_t i = 1; i < command.size(); ++i) identity += " " + command[i];
    return {command, identity};
  }
  return {};
}

std::vector<std::string> kernel_flags(Isa isa) {
  // The switches of the interpreter's kernels, plus what makes the smallest shared object in the shortest time.
  std::vector<std::string> flags = {"-std=c++17",
                                    "-ffp-contract=off",
                                    "-fno-math-errno",
                                    "-fno-trapping-math",
                                    "-fPIC",
                                    "-shared",
                                    "-fvisibility=hidden",
                                    "-fno-exceptions",
                                    "-fno-rtti",
                                    "-fno-asynchronous-unwind-tables",
                                    "-fno-stack-protector"};
  if (isa == Isa::Avx2) {
    flags.insert(flags.end(), {"-mavx2", "-mfma"});
  } else if (isa == Isa::Avx512) {
    flags.insert(flags.end(), {"-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"});
  }
#if defined(__linux__)
  flags.push_back("-nostdlib");
  if (isa == Isa::Generic) flags.push_back("-lm");  // fma of processors without the instruction
#endif
  return flags;
}

std::vector<std::string> optimisation_flags(const Compiler& compiler, bool long_kernels) {
  const std::string name = compiler.found() ? compiler.command[0] : "";
#if defined(__APPLE__)
  const bool clang = name.find("g++-") == std::string::npos;
#else
  const bool clang = name.find("clang") != std::string::npos;
#endif
  if (clang) return {"-O2"};
  // Straight-line loops gain nothing from the passes above -O1 but the vectoriser and scheduling before registers are
  // allotted, which brings the long chains of elementary functions side by side (docs/kernels.md).
  std::vector<std::string> flags = {"-O1", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-fno-tree-slp-vectorize",
                                    "-fschedule-insns2"};
  // Very long kernels have too many of them: more values live at a time, and are stored and read again.
  if (!long_kernels) flags.insert(flags.end(), {"-fschedule-insns", "-fsched-pressure"});
  return flags;
}

CompileResult run_compiler(const Compiler& compiler, Isa isa, const std::string& source, const std::string& target,
                           const std::string& log, bool long_kernels) {
  std::vector<std::string> words = compiler.command;
  words.insert(words.end(), {"-x", "c++", source, "-o", target});
  for (const std::string& flag : optimisation_flags(compiler, long_kernels)) words.push_back(flag);
  for (const std::string& flag : kernel_flags(isa)) words.push_back(flag);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const short closing = keep_no_files(actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The child starts with default signals, whatever Python or the program around us has blocked.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  // A process group of its own: Ctrl-C is for us, and what the compiler starts ends with it.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP | closing));
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, words[0].c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return {false, "cannot start " + words[0] + ": " + std::strerror(failed)};

  const auto start = std::chrono::steady_clock::now();
  int status = 0;
  const auto end = [child, &status](int signal) {
    ::kill(-child, signal);
    ::waitpid(child, &status, 0);
  };
  for (;;) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) break;
    if (done < 0 && errno == ECHILD) {
      // The program around us ignores SIGCHLD, so the status is lost: the file tells.
      return {::access(target.c_str(), R_OK) == 0, words[0] + ": " + first_lines(log)};
    }
    if (done < 0 && errno != EINTR) return {false, words[0] + ": " + std::strerror(errno)};
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(kTimeoutSeconds)) {
      end(SIGKILL);
      return {false, words[0] + " took longer than " + std::to_string(kTimeoutSeconds) + " s"};
    }
    if (cancelled) {
      end(SIGTERM);
      return {false, "compiling was cancelled"};
    }
    try {
      check_stop();
    } catch (...) {
      end(SIGTERM);
      throw;
    }
    ::usleep(500);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {true, ""};
  const std::string how = WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                                            : "signal " + std::to_string(WTERMSIG(status));
  return {false, words[0] + " failed with " + how + ": " + first_lines(log)};
}

}  // namespace fastsfes::jit
