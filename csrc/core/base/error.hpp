#pragma once

#include <stdexcept>
#include <string>

namespace fastsfes {

/// Input that cannot be used: what is wrong, where, what was expected. The bindings turn it into fastsfes.InputError.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace fastsfes
