#include "core/version.hpp"

namespace fastsfes {

const char* version() noexcept { return FASTSFES_VERSION; }

}  // namespace fastsfes
