#pragma once

namespace fastsfes {

/// Version of the package this core was built for ("0.1.0").
const char* version() noexcept;

}  // namespace fastsfes
