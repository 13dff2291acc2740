#include "core/jit/disk_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <set>
#include <tuple>

#include "core/base/sha256.hpp"

namespace fastsfes::jit {
namespace {

constexpr std::size_t kKeyLength = 40;  // hexadecimal digits of a key that a file name carries
constexpr std::size_t kSealLength = 8 + 16 + 1;
constexpr char kTemporary[] = "tmp-";  // begins the names of files that are being made
constexpr double kDay = 86400.0;
constexpr char kSealMark[] = "FSKERN1:";

std::string temporary_space() {
  const char* tmp = std::getenv("TMPDIR");
  return tmp != nullptr && *tmp != '\0' ? tmp : "/tmp";
}

std::string hex(unsigned long long value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", value);
  return text.data();
}

bool make_folders(const std::string& path) {
  for (std::size_t i = 1; i <= path.size(); ++i) {
    if (i < path.size() && path[i] != '/') continue;
    if (::mkdir(path.substr(0, i).c_str(), 0700) != 0 && errno != EEXIST) {
      struct stat info{};
      // A folder on a read-only file system answers EROFS although it is there.
      if (::stat(path.substr(0, i).c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
    }
  }
  return true;
}

bool trusted_owner(uid_t owner) { return owner == ::geteuid() || owner == 0; }

/// The whole content of a regular file of ours that nobody else can write; empty otherwise.
std::string read_trusted(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return "";
  struct stat info{};
  std::string content;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && trusted_owner(info.st_uid) && (info.st_mode & 022) == 0) {
    content.resize(static_cast<std::size_t>(info.st_size));
    std::size_t done = 0;
    while (done < content.size()) {
      const ssize_t got = ::read(fd, content.data() + done, content.size() - done);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    content.resize(done);
  }
  ::close(fd);
  return content;
}

std::string seal_of(std::string_view body) { return kSealMark + hex(checksum(body)) + "\n"; }

bool whole(const std::string& content) {
  if (content.size() <= kSealLength) return false;
  const std::string_view body = std::string_view(content).substr(0, content.size() - kSealLength);
  return content.compare(body.size(), kSealLength, seal_of(body)) == 0;
}

std::string entry_name(const std::string& key, const std::string& compiler_tag) {
  return key.substr(0, kKeyLength) + "-" + compiler_tag + ".so";
}

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* stream = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name.size() > kKeyLength + 4 && name[kKeyLength] == '-' && name.ends_with(".so")) names.push_back(name);
    }
    ::closedir(stream);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

CacheDirectory open_cache_directory() {
  CacheDirectory directory;
  const char* chosen = std::getenv("FASTSFES_CACHE_DIR");
  directory.path = chosen != nullptr && *chosen != '\0'
                       ? std::string(chosen) + "/kernels"
                       : temporary_space() + "/fastsfes-" + std::to_string(::geteuid()) + "/kernels";
  if (!make_folders(directory.path)) {
    directory.problem = "cannot create the kernel cache " + directory.path + ": " + std::strerror(errno);
    return directory;
  }
  struct stat info{};
  if (::lstat(directory.path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    directory.problem = "the kernel cache " + directory.path + " is not a folder";
    return directory;
  }
  if (!trusted_owner(info.st_uid)) {
    directory.problem = "the kernel cache " + directory.path + " belongs to another user (id " +
                        std::to_string(info.st_uid) + "); set FASTSFES_CACHE_DIR to a folder of your own";
    return directory;
  }
  if ((info.st_mode & 077) != 0) {
    directory.problem = "the kernel cache " + directory.path + " is open to other users; run chmod 700 on it";
    return directory;
  }
  directory.readable = true;
  directory.writable = ::access(directory.path.c_str(), W_OK) == 0;
  if (!directory.writable)
    directory.problem = "the kernel cache " + directory.path + " cannot be written: " + std::strerror(errno);
  return directory;
}

std::string find_entry(const CacheDirectory& directory, const std::string& key, const std::string& compiler_tag) {
  if (!directory.readable) return "";
  std::vector<std::string> names;
  if (!compiler_tag.empty()) {
    names.push_back(entry_name(key, compiler_tag));
  } else {
    for (const std::string& name : entries(directory.path)) {
      if (name.compare(0, kKeyLength, key, 0, kKeyLength) == 0) names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    const std::string path = directory.path + "/" + name;
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (whole(read_trusted(path))) return path;
    ::unlink(path.c_str());  // damaged or not ours: compiled again
  }
  return "";
}

bool seal_entry(const std::string& path) {
  const std::string body = read_trusted(path);
  if (body.empty()) return false;
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file << seal_of(body);
  file.close();
  return file.good() && ::chmod(path.c_str(), 0700) == 0;
}

bool publish_entry(const CacheDirectory& directory, const std::string& file, const std::vector<std::string>& keys,
                   const std::string& compiler_tag) {
  for (const std::string& key : keys) {
    const std::string temporary = temporary_name(directory.path, ".link");
    if (::link(file.c_str(), temporary.c_str()) != 0) {
      // No hard links here: a copy serves as well.
      std::ifstream in(file, std::ios::binary);
      std::ofstream out(temporary, std::ios::binary);
      out << in.rdbuf();
      out.close();
      if (!out.good() || ::chmod(temporary.c_str(), 0700) != 0) {
        ::unlink(temporary.c_str());
        return false;
      }
    }
    const std::string target = directory.path + "/" + entry_name(key, compiler_tag);
    if (::rename(temporary.c_str(), target.c_str()) != 0) {
      ::unlink(temporary.c_str());
      return false;
    }
    // Renaming one hard link onto another of the same file leaves both; a second process may have been first.
    ::unlink(temporary.c_str());
  }
  return true;
}

void prune_entries(const CacheDirectory& directory, unsigned long long limit) {
  struct Entry {
    time_t changed;
    std::string path;
    unsigned long long size;
    ino_t inode;
  };
  std::vector<Entry> all;
  std::set<ino_t> seen;
  unsigned long long total = 0;
  for (const std::string& name : entries(directory.path)) {
    const std::string path = directory.path + "/" + name;
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    const auto size = static_cast<unsigned long long>(info.st_size);
    if (seen.insert(info.st_ino).second) total += size;
    all.push_back({info.st_mtime, path, size, info.st_ino});
  }
  if (total <= limit) return;
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.changed, a.inode, a.path) < std::tie(b.changed, b.inode, b.path);
  });
  // Links of one file are neighbours in this order; its space is free once the last of them is gone.
  for (std::size_t i = 0; i < all.size() && total > limit / 4 * 3; ++i) {
    ::unlink(all[i].path.c_str());
    if (i + 1 == all.size() || all[i + 1].inode != all[i].inode) total -= all[i].size;
  }
}

void sweep_temporaries(const CacheDirectory& directory) {
  DIR* const stream = ::opendir(directory.path.c_str());
  if (stream == nullptr) return;
  const time_t now = ::time(nullptr);
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name, path = directory.path + "/" + name;
    struct stat info{};
    if (!name.starts_with(kTemporary) || ::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (::difftime(now, info.st_mtime) > kDay) ::unlink(path.c_str());
  }
  ::closedir(stream);
}

std::size_t clear_entries(const CacheDirectory& directory) {
  std::size_t count = 0;
  for (const std::string& name : entries(directory.path)) {
    count += ::unlink((directory.path + "/" + name).c_str()) == 0 ? 1 : 0;
  }
  return count;
}

std::string make_scratch_directory() {
  std::string pattern = temporary_space() + "/fastsfes-XXXXXX";
  return ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
}

std::string temporary_name(const std::string& folder, const std::string& suffix) {
  // The clock keeps processes of equal number on different nodes apart when they share the folder.
  static const auto started = std::chrono::system_clock::now().time_since_epoch().count();
  static std::atomic<unsigned> counter{0};
  return folder + "/" + kTemporary + std::to_string(::getpid()) + "-" + std::to_string(started) + "-" +
         std::to_string(counter++) + suffix;
}

}  // namespace fastsfes::jit
