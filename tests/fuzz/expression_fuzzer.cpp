// libFuzzer harness of the expression parser and of everything that walks expressions.
//
//   nox -s fuzz_core            builds it with AddressSanitizer and UndefinedBehaviorSanitizer and runs it
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/error.hpp"
#include "core/expression/expression.hpp"
#include "core/expression/normal/shorten.hpp"
#include "core/family/normal_form.hpp"
#include "core/program/program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastsfes;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Expression e = Expression::parse(text);
    const std::string written = e.str();
    if (!(Expression::parse(written) == e)) std::abort();  // the canonical text is read back as the same expression
    e.latex();
    e.named();
    e.fold();
    if (e.complexity() <= 60) {  // larger ones take too long for a fuzzer
      normal::multiplied_out(e);
      if (normal::readable(e, e.complexity()).complexity() > e.complexity()) std::abort();
      const family::NormalForm form = family::normal_form(e, {});
      if (form.expression.complexity() > e.complexity()) std::abort();
      if (form.expression.parameters().size() > e.parameters().size()) std::abort();
    }
    const Expression flat = e.define();
    if (flat.complexity() > 400) return 0;  // derivatives of large ones take too long for a fuzzer, not for a user
    for (const auto& name : e.features()) flat.derivative(name).derivative(name);
    for (const auto& name : e.parameters()) flat.derivative(name);
    Graph g;
    const NodeId root = g.import(flat.graph(), flat.root());
    const Program program(g, {root});
    if (program.outputs() != 1) std::abort();
  } catch (const InputError&) {
  }
  return 0;
}
