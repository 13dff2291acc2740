#pragma once

#include <string>
#include <vector>

namespace fastsfes::jit {

/// The folder that keeps compiled kernels between runs: $FASTSFES_CACHE_DIR/kernels, or by default a folder of the
/// user in the node's own temporary space. It belongs to the user and only the user may enter it (mode 0700);
/// anything else is not used, because what lies in it is executed.
struct CacheDirectory {
  std::string path;
  bool readable = false;
  bool writable = false;
  std::string problem;  ///< why it is not readable or not writable, in one sentence
};

[[nodiscard]] CacheDirectory open_cache_directory();

/// Path of the entry for a key that is whole, ours and a regular file; empty when there is none. Damaged entries are
/// removed where possible. With an empty compiler tag the entry of any compiler will do: a node without a compiler
/// uses what was compiled for it elsewhere.
[[nodiscard]] std::string find_entry(const CacheDirectory& directory, const std::string& key,
                                     const std::string& compiler_tag);

/// Appends the checksum that find_entry looks for; false when the file cannot be written.
[[nodiscard]] bool seal_entry(const std::string& path);

/// Puts a sealed file in place under the names of several keys, each by a rename, so that a reader sees all or nothing.
[[nodiscard]] bool publish_entry(const CacheDirectory& directory, const std::string& file,
                                 const std::vector<std::string>& keys, const std::string& compiler_tag);

/// Removes the oldest entries when the folder holds more than `limit` bytes.
void prune_entries(const CacheDirectory& directory, unsigned long long limit);

/// Removes what killed compilers left half written more than a day ago.
void sweep_temporaries(const CacheDirectory& directory);

/// Removes every entry; returns how many.
[[nodiscard]] std::size_t clear_entries(const CacheDirectory& directory);

/// A fresh private folder (mode 0700) in the temporary space; empty when that is impossible.
[[nodiscard]] std::string make_scratch_directory();

/// Name of a temporary file of this process in a folder.
[[nodiscard]] std::string temporary_name(const std::string& folder, const std::string& suffix);

}  // namespace fastsfes::jit
